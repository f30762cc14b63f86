//! Durable consumers: a message is delivered again until it is acknowledged, sometimes to two workers at once, and
//! sometimes not at all for a while.

use std::pin::pin;
use std::time::Duration;

use futures::Stream;
use futures::future::BoxFuture;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{ACK_WAIT_MS, Stored, filter};
use crate::adapters::jetstream::{ArrivalsError, ArrivedPage, EarlierError, Newest};
use crate::simulation::planted::Planted;
use crate::simulation::scheduler::Group;
use crate::simulation::weather::Fault;
use crate::simulation::world::{State, World, at};
use crate::stream::{AckHandle, Acknowledge, AcknowledgeError, Delivery, Disposition, Metadata};
use crate::worker::Source;

/// The connection of a process, for consuming.
#[derive(Clone)]
pub struct SimJetStream {
    pub world: World,
    pub group: Group,
}

impl Source for SimJetStream {
    fn deliveries(
        &self,
        _stream: &'static str,
        consumer: &'static str,
        _never: CancellationToken,
    ) -> impl Stream<Item = Delivery<()>> + Send + 'static + use<> {
        let this = self.clone();
        futures::stream::unfold(this, move |this| async move { Some((this.next(consumer).await, this)) })
    }

    async fn newest(&self, subject: &str) -> Result<Option<Newest>, ArrivalsError> {
        let asked = self.world.ask(self.group, "read newest", |state, _| match state.planted {
            Planted::WindowClosesBlindly => None,
            Planted::WaitsForOthers => state.streams.oldest_unacknowledged(),
            _ => state.streams.newest(subject),
        });
        asked.await.ok_or_else(|| ArrivalsError::new("no answer"))
    }

    async fn unprocessed(&self, subject: &str, after: Option<u64>) -> Result<ArrivedPage, ArrivalsError> {
        let asked = self.world.ask(self.group, "read unprocessed", |state, _| match state.planted {
            Planted::WindowClosesBlindly | Planted::OnlyTheNewestCounts => {
                ArrivedPage { payloads: Vec::new(), more_after: None }
            }
            _ => state.streams.unprocessed(subject, after),
        });
        asked.await.ok_or_else(|| ArrivalsError::new("no answer"))
    }

    async fn earlier_event_waits(&self, event: &Metadata) -> Result<bool, EarlierError> {
        let asked = self.world.ask(self.group, "look for earlier events", |state, _| {
            state.planted != Planted::EarlierNotWaitedFor && state.streams.earlier_event_waits(event)
        });
        asked.await.ok_or_else(|| EarlierError::new("no answer"))
    }
}

impl SimJetStream {
    async fn next(&self, consumer: &'static str) -> Delivery<()> {
        loop {
            let mut changed = pin!(self.world.changed.notified());
            changed.as_mut().enable();
            let now = self.world.ms();
            match self.hand_out(consumer, now) {
                Some(Some((message, sequence, count))) => {
                    self.world.pause(self.group).await;
                    return self.delivery(consumer, message, sequence, count);
                }
                Some(None) => continue, // lost on its way
                None => {}
            }
            let next = self.world.lock().streams.next_redelivery(consumer);
            match next {
                // A delivery that is due, but may not be handed out yet, waits for the ack of another.
                Some(due_ms) if due_ms > now => {
                    let until = Instant::now() + Duration::from_millis(due_ms - now);
                    drop(timeout_at(until, changed).await);
                }
                _ => changed.await,
            }
        }
    }

    /// The next message; the inner `None` means that it is lost on its way.
    fn hand_out(&self, consumer: &'static str, now_ms: u64) -> Option<Option<(Stored, u64, u64)>> {
        let mut state = self.world.lock();
        let state = &mut *state;
        let (sequence, count) = state.streams.hand_out(consumer, now_ms, &mut state.weather)?;
        let lost = state.weather.strikes(Fault::DeliveryLost);
        let message = state.streams.messages(filter(consumer).0)[usize::try_from(sequence).unwrap() - 1].clone();
        state.trace.note(now_ms, self.group, "delivered", sequence, || {
            format!("{} {sequence}, delivery {count}, lost {lost}", message.subject)
        });
        match state.planted {
            Planted::AckBeforeCommit if consumer == "conversations" => {
                settle(state, consumer, sequence, Disposition::Ack, now_ms);
            }
            Planted::StaleFireDropped if looks_stale(state, &message, now_ms) => {
                settle(state, consumer, sequence, Disposition::Ack, now_ms);
                return Some(None);
            }
            _ => {}
        }
        Some((!lost).then_some((message, sequence, count)))
    }

    fn delivery(&self, consumer: &'static str, message: Stored, sequence: u64, count: u64) -> Delivery<()> {
        let metadata = Metadata {
            subject: message.subject,
            stream_sequence: sequence,
            delivery_count: count,
            published_at: at(message.at_ms),
            headers: message.headers,
            payload: message.payload,
        };
        AckHandle::new(metadata, Pending { source: self.clone(), consumer, sequence }).with(())
    }
}

/// Whether this is a timer that fired before its conversation is due.
fn looks_stale(state: &State, message: &Stored, now_ms: u64) -> bool {
    conversation_of(&message.subject)
        .and_then(|id| state.db.conversation(id)?.next_look())
        .is_some_and(|due| due > at(now_ms))
}

fn conversation_of(subject: &str) -> Option<Uuid> {
    subject.strip_prefix("nmc.window.due.")?.parse().ok()
}

/// Settles a delivery on the server; for a message that is done it changes nothing.
fn settle(state: &mut State, consumer: &'static str, sequence: u64, how: Disposition, now_ms: u64) {
    let Some(at) = state.streams.consumers.get_mut(consumer) else { return };
    let Some(pending) = at.pending.get_mut(&sequence) else { return };
    match how {
        Disposition::Ack | Disposition::Term => drop(at.pending.remove(&sequence)),
        Disposition::Nak { delay } => {
            // Never at once: the world's clock has whole milliseconds, and must advance.
            pending.due_ms = now_ms + u64::try_from(delay.unwrap_or_default().as_millis()).unwrap().max(1);
            return;
        }
    }
    let subject = &state.streams.messages(filter(consumer).0)[usize::try_from(sequence).unwrap() - 1].subject;
    if let Some(id) = conversation_of(subject) {
        state.ledger.fire_acknowledged(&state.db, &state.streams, id);
    }
}

/// A delivery whose acknowledgement JetStream waits for.
struct Pending {
    source: SimJetStream,
    consumer: &'static str,
    sequence: u64,
}

impl Pending {
    async fn tell(self, what: &'static str, how: Option<Disposition>) -> Result<(), AcknowledgeError> {
        let Self { source: SimJetStream { world, group }, consumer, sequence } = self;
        let ms_of = world.clone();
        let told = world.ask(group, what, move |state, _| {
            let now_ms = ms_of.ms();
            state.trace.note(now_ms, group, "settled", sequence, || format!("{consumer} {sequence} {how:?}"));
            match how {
                Some(how) => settle(state, consumer, sequence, how, now_ms),
                None => {
                    let consumer = state.streams.consumers.get_mut(consumer);
                    if let Some(pending) = consumer.and_then(|consumer| consumer.pending.get_mut(&sequence)) {
                        pending.due_ms = now_ms + ACK_WAIT_MS;
                    }
                }
            }
        });
        let told = told.await;
        world.changed.notify_waiters();
        told.ok_or_else(|| AcknowledgeError::new("no answer"))
    }
}

impl Acknowledge for Pending {
    fn settle(self: Box<Self>, how: Disposition) -> BoxFuture<'static, Result<(), AcknowledgeError>> {
        Box::pin(self.tell("settle", Some(how)))
    }

    fn in_progress(&self) -> BoxFuture<'_, Result<(), AcknowledgeError>> {
        let Self { source, consumer, sequence } = self;
        let copy = Self { source: source.clone(), consumer, sequence: *sequence };
        Box::pin(copy.tell("in-progress ack", None))
    }
}
