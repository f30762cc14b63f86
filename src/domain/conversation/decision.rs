//! The decision: the new state of the conversation, what is written with it, and the effects.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::event::{Event, EventData, NeedsAttentionData};
use super::ids::derive_id;
use super::input::{InboundSms, Media};
use super::pairing::Pairing;
use super::reason::{AnalysisReason, WindowReason};
use super::state::{Conversation, MessageStatus};
use crate::domain::day_limits::{Limit, Spending};
use crate::domain::emergency::Verdict;
use crate::domain::owner::Code;
use crate::domain::phone::PhoneNumber;
use crate::domain::typography::fold;
use crate::text_enum;

/// The outcome of [`super::decide()`].
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The new state of the conversation.
    pub conversation: Conversation,
    /// Whether there is anything to write. If not, the effects are only hints (a timer that is rearmed).
    pub changed: bool,
    /// If the conversation is new: the one before it, from which it takes over what outlives an end.
    pub predecessor: Option<Predecessor>,
    /// New messages.
    pub messages: Vec<NewMessage>,
    /// Changes of existing messages.
    pub message_updates: Vec<MessageUpdate>,
    /// Windows that were opened or changed state.
    pub windows: Vec<WindowRecord>,
    /// Set if the text is a message already, which came by Twilio's other API: that message is paired.
    pub paired: Option<Pairing>,
    /// A change of the opt-out ledger.
    pub ledger: Option<LedgerChange>,
    /// The person who reported that the conversation's emergencies were false alarms.
    pub false_alarm: Option<String>,
    /// DispatchBot's result for a window, for the record.
    pub analysis: Option<AnalysisRecord>,
    /// Set if only one of the two detectors saw an emergency: the one that did.
    pub disagreement: Option<Detector>,
    /// What the business uses of its limits of the day.
    pub spending: Spending,
    /// The limits of the day that stopped something.
    pub stopped_by: Vec<Limit>,
    /// The code of the conversation, if it gets one or gives it back.
    pub code: Option<CodeChange>,
    /// The effects, in order.
    pub effects: Vec<Effect>,
}

/// A change of the codes by which the owner names open conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeChange {
    /// The conversation gets this code, if no other has it by then.
    Taken(Code),
    /// It gives its code back.
    GivenBack,
}

/// The newest conversation of the same parties that had ended when a new one was opened, as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Predecessor {
    pub id: Uuid,
    pub version: i64,
}

/// A change of a business's opt-out ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerChange {
    /// The customer opted out. If they are already in the ledger, `at` moves to the later time.
    Out {
        /// The source: `word`, `sentence`, `twilio` or `carrier`, or the word of an
        /// [`OptOutSource`](super::input::OptOutSource).
        by: String,
        /// When the customer said so. If a carrier refused a message, when that message was created.
        at: DateTime<Utc>,
        /// What the person who recorded it wrote about it.
        note: Option<String>,
    },
    /// The customer opted in again.
    In,
}

text_enum! {
    /// What detected an emergency in a customer's text.
    pub enum Detector {
        /// The emergency detector's word rules.
        Words = "words",
        DispatchBot = "dispatchbot",
    }
}

/// The emergency verdict on a customer's text, stored with the message.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptVerdict {
    pub verdict: Verdict,
    /// Whether it is treated as an emergency. A business may not accept emergencies.
    pub accepted: bool,
}

/// An action that a decision requests.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Arm the conversation's timer, or rearm it.
    ArmTimer {
        /// When it is due. A time in the past means immediately.
        at: DateTime<Utc>,
    },
    /// Ask DispatchBot for the answer to a window.
    Analyze {
        window_id: Uuid,
        /// When it closed. The fallback's time limit counts from here.
        closed_at: DateTime<Utc>,
        priority: Priority,
    },
    SendSms {
        message_id: Uuid,
        /// When the event that it responds to happened: the window closed, or the call was missed.
        responds_to: DateTime<Utc>,
    },
    /// Call a person of the business about an emergency.
    Ring {
        call_id: Uuid,
        phone: PhoneNumber,
        /// Whether it is the owner's phone.
        is_owner: bool,
        /// Whether it is about a danger to life: such calls go first.
        about_life: bool,
        since: DateTime<Utc>,
    },
    /// Publish an event to the subscribers.
    Emit(Event),
}

text_enum! {
    /// Selects one of two queues, and how soon DispatchBot must answer. The words are DispatchBot's.
    pub enum Priority {
        /// Handled in order.
        Normal = "normal",
        /// Handled immediately: an emergency, or a message written by a person.
        Urgent = "emergency",
    }
}

impl Priority {
    /// `Urgent` if the condition holds, else `Normal`.
    pub fn urgent_if(condition: bool) -> Self {
        if condition { Self::Urgent } else { Self::Normal }
    }
}

text_enum! {
    /// The purpose of a message.
    pub enum MessageKind {
        /// A message from the customer.
        Customer = "customer",
        /// A reaction to a message, which a phone writes for the customer: `Liked “…”`.
        Reaction = "reaction",
        /// An automatic reply of the customer's phone or mailbox.
        AutoReply = "auto_reply",
        /// The text sent to a caller whose call was missed.
        MissedCall = "missed_call",
        /// DispatchBot's answer to a window.
        Reply = "reply",
        /// Sent if DispatchBot has no answer.
        Fallback = "fallback",
        /// Sent in an emergency if DispatchBot has no answer.
        Emergency = "emergency",
        /// Written by a person of the business.
        User = "user",
        /// A safety notice to a customer in danger, in addition to the answer to the window.
        Notice = "notice",
        /// An emergency SMS to the owner or a contact. It is not a message of the conversation.
        Alert = "alert",
        /// Tells the customer that a person has their emergency in hand. It is sent for that person.
        Taken = "taken",
        /// A message of ours that was found at Twilio after a restore of the database. Who wrote it is not known.
        Recovered = "recovered",
        /// A customer's texts, for the owner's phone. Not a message of the conversation.
        Relay = "relay",
        /// What the owner's phone is told in answer to its text. Not a message of the conversation.
        OwnerNotice = "owner_notice",
        /// An SMS that reminds the owner of a customer who waits for a person. It is not a message of the conversation.
        Reminder = "reminder",
    }
}

impl MessageKind {
    /// Messages written by a person and emergency messages are sent before those of the AI.
    ///
    /// A relay and a reminder are behind them all: the owner may wait, a customer may not.
    pub fn priority(self, in_emergency: bool) -> Priority {
        let is_urgent = matches!(self, Self::User | Self::Alert | Self::Emergency | Self::Taken | Self::OwnerNotice);
        Priority::urgent_if(is_urgent || in_emergency && !self.is_behind_others())
    }

    /// Whether it is sent only when nothing else waits for its number.
    pub fn is_behind_others(self) -> bool {
        matches!(self, Self::Relay | Self::Reminder)
    }

    /// Whether it goes to the business's own side, and not to the customer.
    pub fn is_to_own_side(self) -> bool {
        matches!(self, Self::Alert | Self::Relay | Self::OwnerNotice | Self::Reminder)
    }

    /// Whether it came from the customer's side.
    pub fn is_inbound(self) -> bool {
        matches!(self, Self::Customer | Self::Reaction | Self::AutoReply)
    }

    /// Whether the customer's phone or mailbox wrote it, and not the customer.
    pub fn is_automatic(self) -> bool {
        matches!(self, Self::Reaction | Self::AutoReply)
    }

    /// Whether it is an automatic answer to the customer.
    pub fn answers(self) -> bool {
        matches!(self, Self::Reply | Self::Fallback | Self::Emergency)
    }

    /// The sender type. Every automatic text counts as the AI's (docs/contract.md, section 3).
    pub fn sender_type(self) -> &'static str {
        match self {
            Self::Customer | Self::Reaction | Self::AutoReply => "customer",
            Self::User | Self::Taken => "user",
            Self::MissedCall
            | Self::Reply
            | Self::Fallback
            | Self::Emergency
            | Self::Notice
            | Self::Alert
            | Self::Relay
            | Self::OwnerNotice
            | Self::Recovered
            | Self::Reminder => "ai",
        }
    }
}

/// A new message to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMessage {
    /// Derived from the input, see [`derive_id`].
    pub id: Uuid,
    pub kind: MessageKind,
    /// The person who wrote it, if it was not the customer or the AI.
    pub user_id: Option<String>,
    /// The recipient, if it is not the customer.
    pub recipient: Option<PhoneNumber>,
    pub body: String,
    pub media: Vec<Media>,
    /// Twilio's id, set for a customer's message.
    pub twilio_sid: Option<String>,
    /// The initial status.
    pub status: MessageStatus,
    /// The window that a customer's message belongs to.
    pub window_id: Option<Uuid>,
    /// The window that an outgoing message answers.
    pub in_reply_to_window: Option<Uuid>,
    /// The condition for sending an outgoing message.
    pub fence: Option<Fence>,
    /// The earliest time to send it.
    pub not_before: Option<DateTime<Utc>>,
    /// The emergency verdict on a customer's message.
    pub verdict: Option<KeptVerdict>,
    /// What an alert says of its emergency if it is bundled with others: the customer's number and the kind. `None` if it
    /// is never bundled, because it is about a danger to life.
    pub bundle_line: Option<String>,
    /// The time that orders it in the conversation: the edge's timestamp, or the time of the decision.
    pub created_at: DateTime<Utc>,
    /// Orders messages with equal timestamps.
    pub stream_sequence: i64,
    /// Whether it was found at Twilio after a restore of the database.
    pub is_recovered: bool,
}

impl NewMessage {
    /// An outgoing message in the queue. By default it goes to the customer immediately and has no fence. Its text has no
    /// typographic signs where that saves segments.
    pub(super) fn ours(id: Uuid, kind: MessageKind, body: String, now: DateTime<Utc>) -> Self {
        Self {
            id,
            kind,
            user_id: None,
            recipient: None,
            body: fold(&body).into_owned(),
            media: Vec::new(),
            twilio_sid: None,
            status: MessageStatus::Queued,
            window_id: None,
            in_reply_to_window: None,
            fence: None,
            not_before: None,
            verdict: None,
            bundle_line: None,
            created_at: now,
            stream_sequence: 0,
            is_recovered: false,
        }
    }

    /// A text of the customer, which is in no window.
    pub(super) fn theirs(id: Uuid, kind: MessageKind, sms: &InboundSms) -> Self {
        Self {
            body: sms.body.clone(),
            media: sms.media.clone(),
            twilio_sid: Some(sms.twilio_sid.clone()),
            status: MessageStatus::Received,
            stream_sequence: sms.stream_sequence,
            ..Self::ours(id, kind, String::new(), sms.received_at)
        }
    }
}

/// The condition that is checked when a message is claimed for sending.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fence {
    /// The conversation's epoch must still have this value …
    pub epoch: i64,
    /// … unless this time has been reached.
    pub exempt_at: DateTime<Utc>,
    /// The conversation's hard epoch must still have this value, at any time.
    pub hard_epoch: i64,
}

/// A change of an existing message.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageUpdate {
    pub id: Uuid,
    /// The status that it is expected to have. If it has another one, the decision is made again. `None`: if the
    /// message is no longer queued, it is left unchanged.
    pub expected: Option<MessageStatus>,
    /// The new status.
    pub status: MessageStatus,
    /// Twilio's id, if it is now known.
    pub twilio_sid: Option<String>,
    /// Twilio's error code, if any.
    pub error_code: Option<i32>,
    /// The number of segments, if it is now known.
    pub segments: Option<i32>,
}

impl MessageUpdate {
    /// Holds back an outgoing message that is still queued.
    pub(super) fn hold_back(id: Uuid) -> Self {
        let status = MessageStatus::Superseded;
        Self { id, expected: None, status, twilio_sid: None, error_code: None, segments: None }
    }
}

text_enum! {
    /// The state of a window.
    pub enum WindowState {
        /// It collects messages.
        Open = "open",
        /// Closed; its answer is in progress.
        Claimed = "claimed",
        /// Answered. Terminal.
        Answered = "answered",
        /// Its answer became stale; the newer window answers. Terminal.
        Superseded = "superseded",
        /// Handed over to a person. Terminal.
        HandedOver = "handed_over",
        /// It is unknown whether its answer was sent; a person was notified. Terminal.
        Unknown = "unknown",
    }
}

/// The record of a window and its state.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowRecord {
    pub id: Uuid,
    pub state: WindowState,
    pub opened_at: DateTime<Utc>,
    /// The reason for the state, as a keyword.
    pub reason: WindowReason,
}

/// DispatchBot's result for a window.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalysisRecord {
    pub window_id: Uuid,
    /// Its answer, or why it has none.
    pub said: Value,
    /// Why the answer was not sent, as a keyword. `None` if it was sent.
    pub drop_reason: Option<AnalysisReason>,
}

/// Collects a decision while the rules make it.
pub(super) struct Draft<'a> {
    input_id: &'a str,
    pub now: DateTime<Utc>,
    ordinal: usize,
    rearm: bool,
    decision: Decision,
    before: Option<Conversation>,
}

impl<'a> Draft<'a> {
    /// Starts from the current conversation. `is_new` if this input opens it.
    pub fn new(conversation: Conversation, is_new: bool, input_id: &'a str, now: DateTime<Utc>) -> Self {
        let before = (!is_new).then(|| conversation.clone());
        let decision = Decision {
            conversation,
            changed: false,
            predecessor: None,
            messages: Vec::new(),
            message_updates: Vec::new(),
            windows: Vec::new(),
            paired: None,
            ledger: None,
            false_alarm: None,
            disagreement: None,
            analysis: None,
            spending: Spending::default(),
            stopped_by: Vec::new(),
            code: None,
            effects: Vec::new(),
        };
        Self { input_id, now, ordinal: 0, rearm: false, decision, before }
    }

    /// The conversation, for changes.
    pub fn state(&mut self) -> &mut Conversation {
        &mut self.decision.conversation
    }

    /// Records which conversation the new one follows.
    pub fn follows(&mut self, last: &Conversation) {
        self.decision.predecessor = Some(Predecessor { id: last.id, version: last.version });
    }

    /// The next derived id for a `what`.
    pub fn id(&mut self, what: &str) -> Uuid {
        let id = derive_id(&self.decision.conversation.id.to_string(), self.input_id, what, self.ordinal);
        self.ordinal += 1;
        id
    }

    /// Adds an event with the conversation's next sequence number.
    pub fn emit(&mut self, data: EventData) {
        self.decision.conversation.event_sequence += 1;
        let sequence = self.decision.conversation.event_sequence;
        self.decision.effects.push(Effect::Emit(Event { sequence, data }));
    }

    /// Emits `conversation.needs_attention`.
    pub fn needs_attention(&mut self, data: NeedsAttentionData) {
        self.emit(EventData::NeedsAttention(data));
    }

    pub fn effect(&mut self, effect: Effect) {
        self.decision.effects.push(effect);
    }

    pub fn message(&mut self, message: NewMessage) {
        self.decision.messages.push(message);
    }

    pub fn update_message(&mut self, update: MessageUpdate) {
        self.decision.message_updates.push(update);
    }

    /// Records the new state of a window.
    pub fn window(&mut self, id: Uuid, state: WindowState, opened_at: DateTime<Utc>, reason: WindowReason) {
        self.decision.windows.push(WindowRecord { id, state, opened_at, reason });
    }

    /// Requests that the timer is armed at the end of the decision, because its time changed or it fired too early.
    pub fn rearm(&mut self) {
        self.rearm = true;
    }

    /// Records that the text is a message already.
    pub fn pair(&mut self, pairing: Pairing) {
        self.decision.paired = Some(pairing);
    }

    /// Records that the conversation gets a code, or gives its code back.
    pub fn code(&mut self, change: CodeChange) {
        self.decision.code = Some(change);
    }

    pub fn ledger(&mut self, change: LedgerChange) {
        self.decision.ledger = Some(change);
    }

    /// Records that the emergency was a false alarm.
    pub fn false_alarm(&mut self, by: &str) {
        self.decision.false_alarm = Some(by.to_owned());
    }

    /// Records DispatchBot's answer and, if it is not sent, the reason.
    pub fn analysis(&mut self, window_id: Uuid, said: Value, drop_reason: Option<AnalysisReason>) {
        self.decision.analysis = Some(AnalysisRecord { window_id, said, drop_reason });
    }

    /// Counts one against a limit of the day, which must not exceed `at_most` with it.
    pub fn spends(&mut self, limit: Limit, at_most: Option<u32>) {
        let spending = &mut self.decision.spending;
        *spending.uses.of_mut(limit) += 1;
        *spending.at_most.of_mut(limit) = at_most;
    }

    /// How much of a limit this decision has used.
    pub fn spent(&self, limit: Limit) -> i64 {
        self.decision.spending.uses.of(limit)
    }

    /// Records that a limit stopped something.
    pub fn stopped_by(&mut self, limit: Limit) {
        self.decision.stopped_by.push(limit);
    }

    /// Records that this decision tells that a limit is reached; `false` if it has done so.
    pub fn tells(&mut self, limit: Limit) -> bool {
        !std::mem::replace(self.decision.spending.tells.of_mut(limit), true)
    }

    /// Records that only one detector saw an emergency.
    pub fn disagreement(&mut self, seen_by: Detector) {
        self.decision.disagreement = Some(seen_by);
    }

    /// Completes the decision: arms the timer if requested, and sets `changed`.
    pub fn finish(mut self) -> Decision {
        if self.rearm
            && let Some(at) = self.decision.conversation.arm_at()
        {
            self.decision.effects.push(Effect::ArmTimer { at });
        }
        self.decision.changed = self.is_changed();
        self.decision
    }

    /// Whether there is anything to write so far.
    pub fn is_changed(&self) -> bool {
        let d = &self.decision;
        self.before.as_ref() != Some(&d.conversation)
            || !d.messages.is_empty()
            || !d.message_updates.is_empty()
            || !d.windows.is_empty()
            || d.paired.is_some()
            || d.ledger.is_some()
            || d.false_alarm.is_some()
            || d.analysis.is_some()
            || d.code.is_some()
            || !d.spending.is_nothing()
    }
}
