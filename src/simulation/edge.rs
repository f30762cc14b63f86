//! The edges, which publish Twilio's webhooks. Twilio retries until it gets an answer; a webhook may come twice, or
//! again with another body under the same id.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::jetstream::SimPublisher;
use super::scheduler::WORLD;
use super::weather::Fault;
use super::world::World;
use crate::adapters::jetstream::{Outgoing, subjects};
use crate::domain::business::Signer;
use crate::engine::Publish;
use crate::webhook::{Inbound, Webhook};

/// The largest error of an edge's clock.
const CLOCKS_MS: u64 = 40;

/// Publishes a webhook, and returns once it is acknowledged or kept; a copy may follow later.
pub async fn webhook(world: &World, input_id: String, webhook: Webhook) {
    let copy = {
        let mut state = world.lock();
        let doubled = state.weather.strikes(Fault::WebhookDoubled);
        doubled.then(|| (state.weather.between(0, 6_000), state.weather.below(4)))
    };
    if world.lock().weather.strikes(Fault::Kept) {
        keep(world, &input_id, &webhook);
    } else {
        bring(world, &input_id, "first", &format!("{input_id}:first"), &webhook).await;
    }
    world.lock().ledger.webhook_acknowledged(&input_id, &webhook);
    let Some((after, kind)) = copy else { return };
    let world_of_copy = world.clone();
    world.later(after, async move {
        match kind {
            // Another body under the same id; only a text has a body that can differ.
            0 if matches!(webhook, Webhook::Sms { .. }) => {
                let other = with_other_words(&webhook);
                world_of_copy.lock().ledger.other_bodies += 1;
                bring(&world_of_copy, &input_id, "other", &format!("{input_id}:other"), &other).await;
            }
            // So late that JetStream has forgotten its id, or replayed by hand.
            1 => bring(&world_of_copy, &input_id, "first", &format!("replay:{input_id}"), &webhook).await,
            _ => bring(&world_of_copy, &input_id, "first", &format!("{input_id}:first"), &webhook).await,
        }
    });
}

async fn bring(world: &World, input_id: &str, body_hash: &str, message_id: &str, webhook: &Webhook) {
    loop {
        let outgoing = outgoing(world, input_id, body_hash, message_id, webhook);
        if world.lock().weather.strikes(Fault::Express) {
            // Not waited for: the webhook itself is durable.
            let copy = Outgoing {
                subject: subjects::express(webhook.kind(), &webhook.key()),
                message_id: Some(format!("express:{message_id}")),
                ..outgoing.clone()
            };
            let there = world.clone();
            world.later(Duration::ZERO, async move { drop(publisher(&there).publish(copy).await) });
        }
        if publisher(world).publish(outgoing).await.is_ok() {
            return;
        }
        again(world).await;
    }
}

/// JetStream is unavailable for this edge: the webhook waits in PostgreSQL, and is published with its time of arrival.
/// Twin of `publish_waiting` in `src/http/durable_publish.rs`.
fn keep(world: &World, input_id: &str, webhook: &Webhook) {
    let kept = outgoing(world, input_id, "first", &format!("{input_id}:first"), webhook);
    let (there, after) = (world.clone(), world.lock().weather.between(500, 10_000));
    let ms = world.ms();
    world.lock().kept.push((kept.subject.clone(), kept.payload.clone(), ms));
    world.later(after, async move {
        let id = kept.message_id.clone().unwrap();
        let mut copy = kept;
        loop {
            match publisher(&there).publish(copy.clone()).await {
                Ok(published) if published.duplicate && copy.message_id.as_ref() == Some(&id) => {
                    // It may be its own copy, whose ack was lost. If another body was first, both become dead letters.
                    there.lock().ledger.other_bodies += 1;
                    copy.message_id = Some(format!("{id}:waited"));
                }
                Ok(_) => break,
                Err(_) => again(&there).await,
            }
        }
        let mut state = there.lock();
        if let Some(at) = state.kept.iter().position(|kept| kept.1 == copy.payload) {
            state.kept.swap_remove(at);
        }
    });
}

fn publisher(world: &World) -> SimPublisher {
    SimPublisher { world: world.clone(), group: WORLD }
}

async fn again(world: &World) {
    let again = world.lock().weather.between(50, 1_000);
    tokio::time::sleep(again).await;
}

/// What an edge publishes for a webhook now.
fn outgoing(world: &World, input_id: &str, body_hash: &str, message_id: &str, webhook: &Webhook) -> Outgoing {
    let inbound = Inbound {
        input_id: input_id.to_owned(),
        body_hash: body_hash.to_owned(),
        received_at: stamp(world),
        signer: Signer::MAIN,
        webhook: webhook.clone(),
        params: Vec::new(),
    };
    Outgoing {
        subject: subjects::inbound(webhook.kind(), &webhook.key()),
        message_id: Some(message_id.to_owned()),
        headers: BTreeMap::from([("traceparent".to_owned(), TRACE.to_owned())]),
        payload: serde_json::to_vec(&inbound).unwrap().into(),
    }
}

/// Fixed, because a new trace would be random.
pub const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The time by the clock of the edge that takes the webhook.
fn stamp(world: &World) -> DateTime<Utc> {
    let now = world.now();
    let wrong_by = i64::try_from(world.lock().weather.below(2 * CLOCKS_MS)).unwrap();
    now + TimeDelta::milliseconds(wrong_by - i64::try_from(CLOCKS_MS).unwrap())
}

fn with_other_words(webhook: &Webhook) -> Webhook {
    let mut other = webhook.clone();
    if let Webhook::Sms { body, .. } = &mut other {
        body.push_str(" (or so)");
    }
    other
}
