//! Publishing: messages arrive in order, or not at all; the ack may be lost.

use chrono::{DateTime, Utc};

use super::timers;
use crate::adapters::jetstream::{Outgoing, PublishError, Published, subjects};
use crate::engine::Publish;
use crate::simulation::scheduler::Group;
use crate::simulation::weather::Fault;
use crate::simulation::world::World;
use crate::webhook::{Inbound, Webhook};

/// The connection of a process, for publishing.
#[derive(Clone)]
pub struct SimPublisher {
    pub world: World,
    pub group: Group,
}

impl SimPublisher {
    /// The server receives a message.
    fn arrive(&self, message: Outgoing) -> Published {
        let ms = self.world.ms();
        let mut state = self.world.lock();
        let state = &mut *state;
        let subject = message.subject.clone();
        let text = text_of(&message);
        let (sequence, duplicate) = if message.headers.contains_key("Nats-Schedule") {
            state.ledger.arms(&state.db, &state.streams, &state.kept, self.group, &message);
            timers::arm(state, message, ms);
            (0, false)
        } else {
            state.ledger.published(&state.db, &message);
            let stored = state.streams.store(message, ms);
            if !stored.1 && subject.starts_with("nmc.event.") {
                state.ledger.event_stored(&state.streams, stored.0);
            }
            if let (false, Some((input_id, body, at))) = (stored.1, text) {
                state.ledger.stamped(&input_id, &body, at, !subjects::is_inbound(&subject));
            }
            stored
        };
        state.trace.note(ms, self.group, "stored", sequence, || format!("{subject} {sequence} duplicate {duplicate}"));
        self.world.changed.notify_waiters();
        Published { sequence, duplicate }
    }
}

/// A text on its way into the stream or the express lane: its input, its body, and its timestamp.
fn text_of(message: &Outgoing) -> Option<(String, String, DateTime<Utc>)> {
    let is_webhook = subjects::is_inbound(&message.subject) || message.subject.starts_with("nmc.task.express.");
    let inbound = is_webhook.then(|| serde_json::from_slice(&message.payload))?;
    match inbound.unwrap() {
        Inbound { input_id, received_at, webhook: Webhook::Sms { body, .. }, .. } => {
            Some((input_id, body, received_at))
        }
        _ => None,
    }
}

impl Publish for SimPublisher {
    async fn send(
        &self,
        message: Outgoing,
    ) -> Result<impl Future<Output = Result<Published, PublishError>> + Send + use<>, PublishError> {
        self.world.pause(self.group).await;
        let lost = self.world.lock().weather.strikes(Fault::RequestLost);
        let published = (!lost).then(|| self.arrive(message));
        let this = self.clone();
        Ok(async move {
            this.world.pause(this.group).await;
            let (silent, patience) = {
                let mut state = this.world.lock();
                (state.weather.strikes(Fault::AnswerLost), state.weather.between(200, 5_000))
            };
            match published {
                Some(published) if !silent => Ok(published),
                _ => {
                    this.world.note(this.group, "not acknowledged", 0, String::new);
                    tokio::time::sleep(patience).await;
                    Err(PublishError::timed_out())
                }
            }
        })
    }
}
