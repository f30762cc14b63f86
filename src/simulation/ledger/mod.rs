//! The guarantees (docs/design.md, Guarantees), checked from outside the service: by what people did, what Twilio
//! accepted, and what was committed.

mod at_the_end;
mod ladder;
mod opting;
mod owner;
mod reminders;
mod windows;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::jetstream::Streams;
use super::scheduler::Group;
use super::store::{MessageRow, Tables};
use crate::adapters::jetstream::Outgoing;
use crate::adapters::redis::OutgoingEvent;
use crate::domain::conversation::words::{OptWord, opt_word};
use crate::domain::conversation::{
    Decision, MessageKind, MessageStatus, NewMessage, Phase, Status, WindowReason, WindowState,
};
use crate::domain::owner::texts::TAKEN;
use crate::domain::phone::{PhoneNumber, conversation_key};
use crate::webhook::{Inbound, Webhook, WebhookKind};
use ladder::Calls;
use opting::Words;
use reminders::Reminded;
use windows::WindowHistory;

/// How far a process's clock may be ahead when it checks a time limit: if clocks are set in the run, and otherwise.
const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(3);
const SKEW_OF_EDGES: TimeDelta = TimeDelta::milliseconds(100);

/// The ledger of a run.
#[derive(Default)]
pub struct Ledger {
    /// The first guarantee that was broken.
    pub broken: Option<String>,
    /// How often an input was decided.
    decided: BTreeMap<String, u32>,
    /// The number of the newest decision.
    decisions: u64,
    /// By conversation: the decision with the newest text that wants an answer.
    wanted: BTreeMap<Uuid, u64>,
    windows: BTreeMap<Uuid, WindowHistory>,
    /// The times at which decisions wanted a conversation to be looked at.
    asked_for: BTreeSet<(Uuid, DateTime<Utc>)>,
    /// When a process last began to look for texts on a subject that a window waits for.
    looks: BTreeMap<(Group, String), DateTime<Utc>>,
    /// The calls to people in emergencies.
    calls: Calls,
    /// What customers said about getting texts.
    words: BTreeMap<PhoneNumber, Words>,
    /// What was done about each customer who waits.
    reminded: BTreeMap<Uuid, Reminded>,
    /// How often the AI got a conversation back, and how often an owner was reminded.
    pub returns: usize,
    pub reminders: usize,
    /// How often Twilio has accepted a message.
    taken: BTreeMap<Uuid, u32>,
    /// Conversations whose takeover was answered, with the messages that were at Twilio then.
    silenced: BTreeMap<Uuid, BTreeSet<Uuid>>,
    /// Whether somebody may have given a conversation back to the AI, or ended it: from then on the acknowledgement of a
    /// takeover by text may come behind that.
    gives_back: bool,
    /// Conversations that somebody is giving back right now: what is answered meanwhile may be undone by that.
    giving_back: BTreeSet<Uuid>,
    /// Whether the owner does so by text in this run, of whichever conversation: then no takeover lasts for certain.
    pub gives_back_by_text: bool,
    /// The conversation that a text of the owner has changed.
    carried_out: BTreeMap<String, Uuid>,
    /// Which conversation each text of the owner was for, by its words.
    owner_words: BTreeMap<String, Uuid>,
    /// Since when the owner wants no relays.
    owner_away_since: Option<DateTime<Utc>>,
    /// Webhooks that were answered.
    webhooks: BTreeMap<String, Webhook>,
    /// The earliest timestamp of a text in the stream, by its input and its body.
    stamps: BTreeMap<(String, String), DateTime<Utc>>,
    /// The timestamps of its copies in the express lane: each may count, none must.
    express: BTreeMap<(String, String), Vec<DateTime<Utc>>>,
    /// The last event of a conversation or call in NMC_EVENTS, and at Redis.
    streamed: BTreeMap<Uuid, i64>,
    forwarded: BTreeMap<String, i64>,
    /// By event at Redis: how often Redis had lost its memory before.
    forwarded_ids: BTreeMap<Uuid, u32>,
    /// How often Redis has lost its memory.
    lost_memories: u32,
    /// Whether the clocks of processes are set in this run.
    pub clocks_are_set: bool,
    /// How many webhooks came with another body under a known id.
    pub other_bodies: usize,
}

impl Ledger {
    /// Records a broken guarantee; the first one counts.
    pub fn breach(&mut self, what: impl FnOnce() -> String) {
        if self.broken.is_none() {
            self.broken = Some(what());
        }
    }

    fn holds(&mut self, condition: bool, otherwise: impl FnOnce() -> String) {
        if !condition {
            self.breach(otherwise);
        }
    }

    /// An input has changed something: it may do so only once.
    pub fn counted(&mut self, input_id: &str) {
        let count = self.decided.entry(input_id.to_owned()).or_default();
        *count += 1;
        let once = *count == 1;
        self.holds(once, || format!("{input_id} was decided twice"));
    }

    /// Checks a decision that is about to be written; `db` is the state before it.
    pub fn decided(&mut self, db: &Tables, input_id: &str, decision: &Decision, now: DateTime<Utc>) {
        self.counted(input_id);
        self.decisions += 1;
        self.notes_whether_the_owner_is_away(db, now);
        let out = db.is_opted_out(&decision.conversation);
        for message in decision.messages.iter().filter(|message| message.kind == MessageKind::Customer) {
            self.kept(decision, message, out);
        }
        if input_id.starts_with("sms:SMowner") {
            self.owner_is_answered(input_id, decision);
        }
        for message in &decision.messages {
            self.owner_is_understood(db, input_id, decision, message);
        }
        for message in decision.messages.iter().filter(|message| message.kind.is_automatic()) {
            self.changes_nothing(db, decision, message);
        }
        self.hears(db, decision, now);
        self.hears_of_calls(decision);
        self.windows_move(decision);
        self.waits(db, input_id, decision);
        self.nobody_is_forgotten(db, decision, now);
    }

    /// Whoever has texts in a window waits for an answer; nobody does after a message of a person, after the end or an
    /// opt-out.
    fn waits(&mut self, db: &Tables, input_id: &str, decision: &Decision) {
        let conversation = &decision.conversation;
        let is_over = conversation.status == Status::Completed || conversation.opted_out;
        let is_answered = decision.messages.iter().any(|message| message.kind == MessageKind::User);
        // An answer that ended the conversation may still be on its way after a word that reopened it.
        let is_analyzing = conversation.answering.as_ref().is_some_and(|answering| answering.phase == Phase::Analyzing);
        let has_asked = conversation.window.is_some() || is_analyzing;
        let expected = match (is_over || is_answered, has_asked && !db.is_opted_out(conversation)) {
            (true, _) => Some(false),
            (false, true) => Some(true),
            (false, false) => None,
        };
        let waits = conversation.waiting_since.is_some();
        self.holds(expected.is_none_or(|expected| expected == waits), || {
            format!("after {input_id} {} waits: {:?}", conversation.id, conversation.waiting_since)
        });
    }

    /// What a customer's phone writes by itself is kept, and that is all.
    fn changes_nothing(&mut self, db: &Tables, decision: &Decision, message: &NewMessage) {
        let after = &decision.conversation;
        let is_only_kept = message.window_id.is_none()
            && message.verdict.is_none()
            && decision.messages.len() == 1
            && decision.windows.is_empty()
            && decision.ledger.is_none();
        let is_as_before = db.conversation(after.id).is_none_or(|before| {
            (before.status, before.epoch, &before.window) == (after.status, after.epoch, &after.window)
        });
        self.holds(is_only_kept && is_as_before, || format!("{:?} changed more than the messages", message.body));
    }

    /// A text that wants an answer must be in one window, and any other in none.
    fn kept(&mut self, decision: &Decision, message: &NewMessage, out: bool) {
        // Nobody says "yes" in a simulation, so the time of the opt-out does not matter.
        let word = opt_word(&message.body, None, out);
        let doubtful = word == Some(OptWord::Doubtful);
        let is_word = word.is_some() && !doubtful;
        let conversation = &decision.conversation;
        // The opt-out ledger is read before the transaction. A customer who opted out in another conversation in the
        // meantime still gets no answer: the claim checks it again.
        let was_out = if message.window_id.is_some() { conversation.opted_out } else { out };
        self.holds(message.window_id.is_some() != (is_word || was_out), || {
            format!("the text {:?} has an unexpected window: {:?}", message.body, message.window_id)
        });
        let Some(window) = message.window_id else { return };
        if doubtful {
            let handed_over = decision.windows.iter().any(|w| w.id == window && w.state == WindowState::HandedOver);
            return self
                .holds(handed_over, || format!("{:?} may be an opt-out, but was not handed over", message.body));
        }
        self.wanted.insert(conversation.id, self.decisions);
        let open = conversation.window.as_ref().map(|window| window.id);
        let answering = conversation.answering.as_ref().map(|answering| answering.window_id);
        let beyond_limit = decision.windows.iter().any(|w| w.id == window && w.reason == WindowReason::Limit);
        self.holds(open == Some(window) || answering == Some(window) || beyond_limit, || {
            "a text is in a window that is neither open nor being answered".to_owned()
        });
    }

    /// A message is claimed: from now on it may be at Twilio.
    pub fn claimed(&mut self, db: &Tables, row: &MessageRow, now: DateTime<Utc>) {
        if row.recipient.is_some() {
            return self.owner_is_left_alone(db, row, now);
        }
        let about = || format!("the {} {}", row.message.kind, row.message.id);
        let out = db.conversation(row.message.conversation_id).map(|c| db.is_opted_out(c));
        self.holds(out == Some(false), || format!("{} goes to a customer who has opted out", about()));
        if row.message.sender_type == "user" {
            return;
        }
        let silenced = self.silenced.contains_key(&row.message.conversation_id);
        self.holds(!silenced, || format!("{} was claimed after a takeover was answered", about()));
        let Some(window) = row.message.in_reply_to_window.and_then(|id| self.windows.get(&id)) else { return };
        let wanted = self.wanted.get(&row.message.conversation_id).copied().unwrap_or_default();
        let blind = wanted > window.claimed && !window.emergency && now + CLOCK_SKEW < window.exempt_at;
        self.holds(!blind, || format!("{} was computed without the newest text", about()));
    }

    /// Twilio accepts a message.
    pub fn accepted(&mut self, db: &Tables, message_id: Uuid) {
        let taken = self.taken.entry(message_id).or_default();
        *taken += 1;
        let once = *taken == 1;
        self.holds(once, || format!("{message_id} was sent twice"));
        let Some(row) = db.message(message_id) else { return self.breach(|| "an unknown message was sent".to_owned()) };
        let acknowledges = row.message.kind == MessageKind::OwnerNotice && row.message.body.starts_with(TAKEN);
        if acknowledges && !self.gives_back && !self.gives_back_by_text {
            // The owner is told by it, later than by an answer over REST.
            self.silenced.entry(row.message.conversation_id).or_default();
        }
        let by_ai = row.message.sender_type == "ai" && row.recipient.is_none();
        let at_twilio = self.silenced.get(&row.message.conversation_id);
        let excepted = at_twilio.is_none_or(|at_twilio| at_twilio.contains(&message_id));
        self.holds(!by_ai || excepted, || format!("{message_id} was sent after a takeover was answered"));
        if let Some(window) = row.message.in_reply_to_window.and_then(|id| self.windows.get_mut(&id)) {
            window.taken += 1;
            let once = window.taken == 1;
            self.holds(once, || "a window was answered twice".to_owned());
        }
    }

    /// A takeover was answered: the AI is silent from now on, except for messages at Twilio if `in_flight`.
    pub fn taken_over(&mut self, db: &Tables, conversation_id: Uuid, in_flight: bool) {
        if self.gives_back_by_text {
            return;
        }
        let rows = db.messages.iter().filter(|row| row.message.conversation_id == conversation_id);
        let at_twilio = rows.filter(|row| in_flight && row.message.status == MessageStatus::Sending);
        self.silenced.insert(conversation_id, at_twilio.map(|row| row.message.id).collect());
    }

    /// A person is about to release a conversation, or to complete it.
    pub fn gives_back(&mut self, conversation_id: Uuid) {
        self.gives_back = true;
        self.giving_back.insert(conversation_id);
        self.silenced.remove(&conversation_id);
    }

    /// That was answered, or given up.
    pub fn gave_back(&mut self, conversation_id: Uuid) {
        self.giving_back.remove(&conversation_id);
    }

    pub fn is_being_given_back(&self, conversation_id: Uuid) -> bool {
        self.giving_back.contains(&conversation_id)
    }

    /// A webhook was answered: from now on it must not be lost.
    pub fn webhook_acknowledged(&mut self, input_id: &str, webhook: &Webhook) {
        self.webhooks.insert(input_id.to_owned(), webhook.clone());
    }

    /// A text is stored with this timestamp, in the stream or in the express lane.
    pub fn stamped(&mut self, input_id: &str, body: &str, at: DateTime<Utc>, express: bool) {
        let text = (input_id.to_owned(), body.to_owned());
        if express {
            self.express.entry(text).or_default().push(at);
        } else {
            let earliest = self.stamps.entry(text).or_insert(at);
            *earliest = at.min(*earliest);
        }
    }

    /// An effect is published: it must have been committed by then.
    pub fn published(&mut self, db: &Tables, message: &Outgoing) {
        let is_effect = ["nmc.event.", "nmc.task.analyze", "nmc.task.send_sms", "nmc.task.ring"];
        if is_effect.iter().any(|prefix| message.subject.starts_with(prefix)) {
            let is_committed = db.outbox.iter().rev().any(|effect| effect.row.message_id == message.message_id);
            self.holds(is_committed, || format!("{} was published before it was committed", message.subject));
        }
    }

    /// An event was stored: the events of a conversation must be stored in sequence.
    pub fn event_stored(&mut self, streams: &Streams, sequence: u64) {
        let stored = &streams.messages("NMC_EVENTS")[usize::try_from(sequence).unwrap() - 1];
        let scope = stored.headers["ce-subject"].parse().unwrap();
        let place = serde_json::from_slice::<Value>(&stored.payload).unwrap()["sequence"].as_i64().unwrap();
        let before = self.streamed.insert(scope, place).unwrap_or_default();
        self.holds(place == before + 1, || format!("event {place} of {scope} was stored after event {before}"));
    }

    /// Redis has lost its memory.
    pub fn redis_forgot(&mut self) {
        self.lost_memories += 1;
    }

    /// An event was forwarded to Redis. If its acknowledgement was lost and then Redis's memory, it comes again.
    pub fn event_forwarded(&mut self, event: &OutgoingEvent) {
        let OutgoingEvent { event_id, scope, sequence, .. } = event;
        if let Some(before) = self.forwarded_ids.insert(*event_id, self.lost_memories) {
            let has_forgotten = before < self.lost_memories;
            return self.holds(has_forgotten, || format!("event {sequence} of {scope} was forwarded twice"));
        }
        let before = self.forwarded.insert(scope.clone(), *sequence).unwrap_or_default();
        let is_next = *sequence == before + 1;
        self.holds(is_next, || format!("event {sequence} of {scope} was forwarded after event {before}"));
    }

    /// A timer's fire was acknowledged: a conversation that waits for its deadline must still get another check.
    pub fn fire_acknowledged(&mut self, db: &Tables, streams: &Streams, conversation_id: Uuid) {
        let Some(conversation) = db.conversation(conversation_id) else { return };
        let arm = crate::adapters::jetstream::subjects::window_arm(conversation_id);
        let will_be_armed = || db.outbox.iter().any(|effect| !effect.is_published && effect.row.subject == arm);
        let key = conversation_key(conversation.business_phone.as_str(), conversation.customer_phone.as_str());
        let texts = streams.unacknowledged(&crate::adapters::jetstream::subjects::inbound(WebhookKind::Sms, &key));
        let is_undecided = |text: &Bytes| {
            let text: Inbound = serde_json::from_slice(text).unwrap();
            !db.is_decided(&text.input_id)
        };
        let looked_at = conversation.arm_at().is_none()
            || streams.will_look_at(conversation_id)
            || will_be_armed()
            // The last text of a backlog arms the timer.
            || texts.iter().any(is_undecided);
        self.holds(looked_at, || {
            format!("a fire was acknowledged, but nothing will check {conversation_id}, which waits for its deadline")
        });
    }
}
