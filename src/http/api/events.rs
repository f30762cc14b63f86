//! `/events`: the events as Server-Sent Events, resumed where a reader has got to.

use std::time::Duration;

use futures::stream::BoxStream;
use futures::{StreamExt, future};
use poem::web::sse::Event;
use poem_openapi::param::{Header, Query};
use poem_openapi::payload::EventStream;
use poem_openapi::types::ToJSON;
use poem_openapi::{ApiResponse, Object, OpenApi};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::auth::{Caller, Reader};
use super::conversations::{conversation_id, load_authorized};
use super::failure::Failure;
use super::validation::Problems;
use super::{EdgeData, Group};
use crate::adapters::jetstream::Followed;
use crate::http::Edge;
use crate::http::problem::{Code, Problem};

/// A reader hears something at least this often, so that both sides notice when the other is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How soon a reader whose key is revoked is cut off.
const STILL_VALID: Duration = Duration::from_secs(1);

/// What happened: the envelope that JetStream and Redis subscribers get, too.
#[derive(Debug, Object, Deserialize)]
pub struct Envelope {
    /// The same however often it is delivered.
    event_id: String,
    /// Like `message.received`.
    event_type: String,
    /// When.
    occurred_at: String,
    /// Rises within a conversation.
    sequence: i64,
    /// The business; none in what is told of a service that ours rests on.
    business_id: Option<String>,
    /// Its owner.
    user_id: Option<String>,
    /// The conversation, if it belongs to one.
    conversation_id: Option<String>,
    /// The customer, if it is about one.
    customer_phone: Option<String>,
    /// What there is to tell.
    data: Value,
    /// Its place in the stream.
    #[oai(skip)]
    #[serde(skip)]
    place: u64,
}

/// Events without end.
#[derive(ApiResponse)]
enum Events {
    /// Events as they come. `id` is the place to resume from, `event` the type, `data` the envelope.
    #[oai(status = 200)]
    Stream(EventStream<BoxStream<'static, Envelope>>),
}

pub(super) struct EventsApi;

#[OpenApi(tag = "Group::Events")]
impl EventsApi {
    /// The events as they come, as Server-Sent Events: from now on, or after `Last-Event-ID`, for as long as they are kept.
    #[oai(path = "/events", method = "get", operation_id = "read_events")]
    async fn events(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// Only those of this conversation.
        conversation_id: Query<Option<String>>,
        /// The `id` of the last event that was received.
        #[oai(name = "Last-Event-ID")]
        last_event_id: Header<Option<String>>,
    ) -> Result<Events, Failure> {
        let mut problems = Problems::default();
        let after = problems.parsed::<u64>("Last-Event-ID", last_event_id.0.as_deref());
        problems.into_result()?;
        let only = match conversation_id.0 {
            Some(id) => Some(load_authorized(&key.0, &edge, self::conversation_id(&id)?).await?.id),
            None => None,
        };
        let Some(seat) = edge.keys.stream_permit(&key.0) else {
            let told = "this key reads as many event streams at once as it may";
            return Err(Problem::new(Code::RateLimited, told).retry_after(1).into());
        };
        let events = edge.jetstream.follow_events(only, after).await.map_err(|error| Problem::unavailable(&error))?;
        Ok(Events::Stream(as_sent(edge.0.clone(), key.0, seat, events.boxed())))
    }
}

/// The events that the caller may see, until the service stops, the key is revoked, or the reader is gone.
fn as_sent(
    edge: Edge,
    caller: Caller,
    seat: OwnedSemaphorePermit,
    events: BoxStream<'static, Followed>,
) -> EventStream<BoxStream<'static, Envelope>> {
    let over = {
        let (edge, key) = (edge.clone(), caller.key);
        async move {
            tokio::select! {
                () = edge.shutdown.cancelled() => {}
                () = revoked(&edge, &key) => {}
            }
        }
    };
    let seen = events.filter_map(move |followed| {
        // What is told of no business is for everybody.
        let seen = |event: &Envelope| event.business_id.as_ref().is_none_or(|id| caller.sees(id, "event").is_ok());
        let envelope = readable(&followed).filter(seen);
        future::ready(envelope)
    });
    let seated = seen.take_until(over).inspect(move |_| {
        let _taken_until_the_stream_ends = &seat;
    });
    let sent = EventStream::new(seated.boxed()).keep_alive(KEEP_ALIVE);
    sent.to_event(|event| {
        Event::message(event.to_json_string()).id(event.place.to_string()).event_type(event.event_type)
    })
}

/// What is in the stream is ours; should it not be readable, the others still are.
fn readable(followed: &Followed) -> Option<Envelope> {
    match serde_json::from_slice::<Envelope>(&followed.payload) {
        Ok(envelope) => Some(Envelope { place: followed.sequence, ..envelope }),
        Err(error) => {
            // Its words would quote the event.
            tracing::warn!(sequence = followed.sequence, line = error.line(), "an event cannot be read");
            None
        }
    }
}

async fn revoked(edge: &Edge, key: &[u8; 32]) {
    loop {
        tokio::time::sleep(STILL_VALID).await;
        if matches!(edge.keys.scope(key).await, Ok(None)) {
            return;
        }
    }
}
