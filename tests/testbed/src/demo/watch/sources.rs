//! The sources of events: the stream itself, and the Redis channel.

use std::sync::Arc;

use anyhow::Context;
use async_nats::jetstream::{self, consumer::pull};
use futures::StreamExt;

use super::events::{Events, Source, record};
use crate::demo::screen::{Screen, Tag};

const STREAM: &str = "NMC_EVENTS";
const SUBJECTS: &str = "nmc.event.>";
const CHANNEL: &str = "conversation.events";

/// Reads the whole stream, including all later events.
pub(super) async fn jetstream(
    url: &str,
    events: Arc<Events>,
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + Send + 'static> {
    let client = async_nats::connect(url).await.context("cannot connect to NATS")?;
    let stream = jetstream::new(client).get_stream(STREAM).await.context(STREAM)?;
    let ordered = pull::OrderedConfig { filter_subject: SUBJECTS.to_owned(), ..Default::default() };
    let mut messages = stream.create_consumer(ordered).await?.messages().await?;
    Ok(async move {
        while let Some(message) = messages.next().await {
            record(&events, Source::JetStream, &message?.payload)?;
        }
        Ok(())
    })
}

/// Reads the channel from now on.
pub(super) async fn redis(
    url: &str,
    events: Arc<Events>,
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + Send + 'static> {
    let mut subscription = redis::Client::open(url)?.get_async_pubsub().await.context("cannot connect to Redis")?;
    subscription.subscribe(CHANNEL).await?;
    Ok(async move {
        let mut messages = subscription.into_on_message();
        while let Some(message) = messages.next().await {
            record(&events, Source::Redis, message.get_payload_bytes())?;
        }
        Ok(())
    })
}

/// Runs a watcher, and prints a line when it ends.
pub(super) async fn or_say(screen: Screen, name: &str, watching: impl Future<Output = anyhow::Result<()>>) {
    let why = watching.await.map_or_else(|error| format!(": {error:#}"), |()| String::new());
    screen.line(Tag::Failed, &format!("events are no longer seen in {name}{why}"), "");
}
