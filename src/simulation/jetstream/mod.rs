//! JetStream as the service sees it: streams that deduplicate by id, durable consumers shared by several processes, and
//! scheduled messages with the quirks that were measured (docs/design.md, Windows).

mod consume;
mod publish;
mod timers;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use uuid::Uuid;

pub use consume::SimJetStream;
pub use publish::SimPublisher;
pub use timers::keep_time;

use super::weather::{Fault, Weather};
use crate::adapters::jetstream::{ArrivedPage, Newest, Outgoing};
use crate::stream::Metadata;

/// An unacknowledged message is delivered again after this (`streams/consumers/`).
const ACK_WAIT_MS: u64 = 10_000;

/// The webhooks of a page: few, so that there are pages.
const PAGE: usize = 2;

/// The state of the server.
#[derive(Default)]
pub struct Streams {
    streams: BTreeMap<&'static str, Log>,
    consumers: BTreeMap<&'static str, Consumer>,
    /// Timers by their subject.
    timers: BTreeMap<String, Timer>,
    /// Targets of timers that were picked and whose fire is not stored yet.
    firing: Vec<String>,
}

#[derive(Default)]
struct Log {
    messages: Vec<Stored>,
    /// Sequences by `Nats-Msg-Id`. A run is shorter than the deduplication window.
    ids: BTreeMap<String, u64>,
}

/// A message in a stream.
#[derive(Clone)]
pub struct Stored {
    pub subject: String,
    pub headers: BTreeMap<String, String>,
    pub payload: Bytes,
    pub at_ms: u64,
}

#[derive(Default)]
struct Consumer {
    /// How many messages of the stream it has examined.
    seen: u64,
    /// Passed over, to be delivered later.
    skipped: BTreeSet<u64>,
    /// Delivered and not acknowledged.
    pending: BTreeMap<u64, Pending>,
}

#[derive(Clone, Copy)]
struct Pending {
    due_ms: u64,
    count: u64,
}

/// A scheduled message.
struct Timer {
    /// Distinguishes it from the previous one on its subject.
    number: u64,
    fires_at_ms: u64,
    target: String,
    headers: BTreeMap<String, String>,
    payload: Bytes,
    is_stuck: bool,
}

const CONSUMERS: [&str; 9] =
    ["conversations", "express", "due", "analyze", "analyze_urgent", "send_sms", "send_sms_urgent", "ring", "redis"];

/// What each consumer reads: its stream, the prefix of its subjects, and how many deliveries may be pending.
fn filter(consumer: &str) -> (&'static str, &'static str, usize) {
    match consumer {
        "conversations" => ("NMC_INBOUND", "nmc.inbound.", 20_000),
        "due" => ("NMC_WINDOWS", "nmc.window.due.", 20_000),
        "analyze" => ("NMC_TASKS", "nmc.task.analyze.", 20_000),
        "analyze_urgent" => ("NMC_TASKS", "nmc.task.analyze_urgent.", 20_000),
        "send_sms" => ("NMC_TASKS", "nmc.task.send_sms.", 20_000),
        "send_sms_urgent" => ("NMC_TASKS", "nmc.task.send_sms_urgent.", 20_000),
        "ring" => ("NMC_TASKS", "nmc.task.ring.", 20_000),
        "express" => ("NMC_TASKS", "nmc.task.express.", 20_000),
        "redis" => ("NMC_EVENTS", "nmc.event.", 2_000),
        other => panic!("there is no consumer {other}"),
    }
}

/// The stream that takes a subject.
fn stream_of(subject: &str) -> &'static str {
    match subject.split('.').nth(1) {
        Some("inbound") => "NMC_INBOUND",
        Some("window") => "NMC_WINDOWS",
        Some("task") => "NMC_TASKS",
        Some("event") => "NMC_EVENTS",
        Some("dead") => "NMC_DEAD",
        _ => panic!("there is no stream for the subject {subject}"),
    }
}

impl Streams {
    /// Stores a message; returns its sequence, and whether it was stored before.
    fn store(&mut self, message: Outgoing, now_ms: u64) -> (u64, bool) {
        let log = self.streams.entry(stream_of(&message.subject)).or_default();
        if let Some(sequence) = message.message_id.as_ref().and_then(|id| log.ids.get(id)) {
            return (*sequence, true);
        }
        let Outgoing { subject, message_id, headers, payload } = message;
        log.messages.push(Stored { subject, headers, payload, at_ms: now_ms });
        let sequence = log.messages.len() as u64;
        if let Some(id) = message_id {
            log.ids.insert(id, sequence);
        }
        (sequence, false)
    }

    /// All messages of a stream.
    pub fn messages(&self, stream: &str) -> &[Stored] {
        self.streams.get(stream).map_or(&[], |log| &log.messages)
    }

    /// A page of the webhooks on a subject of NMC_INBOUND, after this sequence or else after the acknowledgement floor.
    fn unprocessed(&self, subject: &str, after: Option<u64>) -> ArrivedPage {
        let after = after.map_or_else(|| self.ack_floor("conversations"), |after| usize::try_from(after).unwrap());
        let later = self.messages("NMC_INBOUND").iter().zip(1..).skip(after);
        let mut found: Vec<(&Stored, u64)> = later.filter(|(message, _)| message.subject == subject).collect();
        let are_more = found.len() > PAGE;
        found.truncate(PAGE);
        let more_after = found.last().filter(|_| are_more).map(|(_, sequence)| *sequence);
        ArrivedPage { payloads: found.into_iter().map(|(message, _)| message.payload.clone()).collect(), more_after }
    }

    /// The payloads on a subject of NMC_INBOUND after the acknowledgement floor.
    pub fn unacknowledged(&self, subject: &str) -> Vec<Bytes> {
        let later = self.messages("NMC_INBOUND").iter().skip(self.ack_floor("conversations"));
        later.filter(|message| message.subject == subject).map(|message| message.payload.clone()).collect()
    }

    /// The newest message on a subject of NMC_INBOUND.
    fn newest(&self, subject: &str) -> Option<Newest> {
        let messages = self.messages("NMC_INBOUND");
        let place = messages.iter().rposition(|message| message.subject == subject)?;
        let is_acknowledged = place < self.ack_floor("conversations");
        Some(Newest { payload: messages[place].payload.clone(), is_acknowledged })
    }

    /// The oldest webhook that is not acknowledged, as if it were the newest of a subject: for a planted bug.
    fn oldest_unacknowledged(&self) -> Option<Newest> {
        let oldest = self.messages("NMC_INBOUND").get(self.ack_floor("conversations"))?;
        Some(Newest { payload: oldest.payload.clone(), is_acknowledged: false })
    }

    /// Whether an event of the same scope, before the one with this sequence, is after the acknowledgement floor.
    fn earlier_event_waits(&self, event: &Metadata) -> bool {
        let earlier = self.messages("NMC_EVENTS").iter().zip(1..).skip(self.ack_floor("redis"));
        let mut earlier = earlier.take_while(|(_, sequence)| *sequence < event.stream_sequence);
        earlier.any(|(message, _)| message.headers["ce-subject"] == event.headers["ce-subject"])
    }

    /// How many messages at the beginning of its stream a consumer has seen and acknowledged.
    fn ack_floor(&self, consumer: &str) -> usize {
        let floor = self.consumers.get(consumer).map_or(0, |consumer| {
            let open = consumer.pending.keys().chain(&consumer.skipped).min();
            open.map_or(consumer.seen, |sequence| sequence - 1)
        });
        usize::try_from(floor).unwrap()
    }

    /// The next message of a consumer: its sequence, and its delivery count, this one included.
    fn hand_out(&mut self, name: &'static str, now_ms: u64, weather: &mut Weather) -> Option<(u64, u64)> {
        let (stream, subjects, most) = filter(name);
        let log = self.streams.entry(stream).or_default();
        let consumer = self.consumers.entry(name).or_default();
        let again =
            consumer.pending.iter().find(|(_, pending)| pending.due_ms <= now_ms).map(|(sequence, _)| *sequence);
        let sequence = match again {
            Some(sequence) => sequence,
            None if consumer.pending.len() >= most => return None,
            None => {
                let fresh = |log: &Log, consumer: &mut Consumer| {
                    while let Some(message) = log.messages.get(usize::try_from(consumer.seen).unwrap()) {
                        consumer.seen += 1;
                        if message.subject.starts_with(subjects) {
                            return Some(consumer.seen);
                        }
                    }
                    None
                };
                let first = consumer.skipped.pop_first().or_else(|| fresh(log, consumer))?;
                // If several workers share a consumer, a later message may arrive before an earlier one.
                match weather.strikes(Fault::DeliveryReordered).then(|| fresh(log, consumer)).flatten() {
                    Some(second) => {
                        consumer.skipped.insert(first);
                        second
                    }
                    None => first,
                }
            }
        };
        let doubled = weather.strikes(Fault::DeliveryDoubled);
        let count = consumer.pending.get(&sequence).map_or(0, |pending| pending.count) + 1;
        let due_ms = if doubled { now_ms } else { now_ms + ACK_WAIT_MS };
        consumer.pending.insert(sequence, Pending { due_ms, count });
        Some((sequence, count))
    }

    /// When the next redelivery is due.
    fn next_redelivery(&self, consumer: &str) -> Option<u64> {
        self.consumers.get(consumer)?.pending.values().map(|pending| pending.due_ms).min()
    }

    /// Whether a conversation will be checked: its timer is armed, or a fire is in flight.
    pub fn will_look_at(&self, conversation_id: Uuid) -> bool {
        let due = crate::adapters::jetstream::subjects::window_due(conversation_id);
        let on_its_way = || {
            let Some(consumer) = self.consumers.get("due") else { return false };
            let fires = self.messages("NMC_WINDOWS").iter().zip(1_u64..).filter(|(message, _)| message.subject == due);
            fires.into_iter().any(|(_, sequence)| {
                sequence > consumer.seen
                    || consumer.skipped.contains(&sequence)
                    || consumer.pending.contains_key(&sequence)
            })
        };
        self.timers.contains_key(&crate::adapters::jetstream::subjects::window_arm(conversation_id))
            || self.firing.contains(&due)
            || on_its_way()
    }

    /// What is still in progress, if nobody waits for a timer that is due after `until_ms`.
    pub fn under_way(&self, until_ms: u64) -> Option<String> {
        for name in CONSUMERS {
            let (stream, ..) = filter(name);
            let Some(consumer) = self.consumers.get(name) else { continue };
            let unread = self.messages(stream).len() as u64 > consumer.seen || !consumer.skipped.is_empty();
            if unread || !consumer.pending.is_empty() {
                return Some(format!("the consumer {name} has messages left"));
            }
        }
        // A stuck timer for which nobody waits remains, and so does one for a call that is over long before it is due.
        let is_awaited = |timer: &Timer| !timer.is_stuck && timer.fires_at_ms <= until_ms;
        let armed = self.timers.values().any(is_awaited) || !self.firing.is_empty();
        armed.then(|| "timers are armed".to_owned())
    }
}
