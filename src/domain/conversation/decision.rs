//! What was decided: the conversation as it shall stand, what is to be written with it, and the effects.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::event::{Event, EventType};
use super::ids::derive_id;
use super::input::Media;
use super::state::{Conversation, MessageStatus};
use crate::domain::emergency::Verdict;
use crate::domain::phone::PhoneNumber;
use crate::text_enum;

/// The outcome of [`super::decide()`].
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The conversation as it shall stand.
    pub conversation: Conversation,
    /// Whether anything is to be written; where not, the effects are only hints (a timer armed again).
    pub changed: bool,
    /// Messages that are new.
    pub messages: Vec<NewMessage>,
    /// Messages that have moved on.
    pub message_updates: Vec<MessageUpdate>,
    /// Windows that were opened or have moved on.
    pub windows: Vec<WindowRecord>,
    /// What changes in the ledger of who wants no texts.
    pub ledger: Option<LedgerChange>,
    /// Who says that the emergencies of the conversation were none.
    pub false_alarm: Option<String>,
    /// What DispatchBot made of a window, for the record.
    pub analysis: Option<AnalysisRecord>,
    /// Who alone saw an emergency, where the words and DispatchBot disagree.
    pub disagreement: Option<Detector>,
    /// What follows, in order.
    pub effects: Vec<Effect>,
}

/// A change of the ledger of who wants no texts of a business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerChange {
    /// No more texts; where that is known already, it is known of a later moment now.
    Out {
        /// How we know: `word`, `sentence`, `twilio` or `carrier`.
        by: String,
        /// When the customer said so; of a carrier's refusal, when the message was made that it refused.
        at: DateTime<Utc>,
    },
    /// Texts again.
    In,
}

text_enum! {
    /// Who sees an emergency in what a customer wrote.
    pub enum Detector {
        /// The rules on words.
        Words = "words",
        /// DispatchBot.
        DispatchBot = "dispatchbot",
    }
}

/// A verdict on a customer's words, to be kept with the message.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptVerdict {
    /// The verdict.
    pub verdict: Verdict,
    /// Whether it is treated as an emergency: the business may take none.
    pub accepted: bool,
}

/// What follows from a decision.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// (Re)arm the conversation's timer.
    ArmTimer {
        /// When it is due; in the past: at once.
        at: DateTime<Utc>,
    },
    /// Ask DispatchBot what to answer to a window.
    Analyze {
        /// The window.
        window_id: Uuid,
        /// When it closed: the fallback's time limit counts from here.
        closed_at: DateTime<Utc>,
        /// How soon an answer is needed.
        priority: Priority,
    },
    /// Send a message.
    SendSms {
        /// Which.
        message_id: Uuid,
        /// What it responds to happened at this time: the window's closing, the missed call.
        responds_to: DateTime<Utc>,
    },
    /// Tell the subscribers.
    Emit(Event),
}

text_enum! {
    /// Which of two queues something takes, and how soon DispatchBot is to answer. The words are DispatchBot's.
    pub enum Priority {
        /// In its turn.
        Normal = "normal",
        /// At once: an emergency, and what a person wrote.
        Urgent = "emergency",
    }
}

text_enum! {
    /// What a message is for.
    pub enum MessageKind {
        /// The customer's own.
        Customer = "customer",
        /// Tells a caller that the call was missed.
        MissedCall = "missed_call",
        /// DispatchBot's answer to a window.
        Reply = "reply",
        /// Stands in where DispatchBot has no answer.
        Fallback = "fallback",
        /// Stands in for it in an emergency.
        Emergency = "emergency",
        /// A person's own words.
        User = "user",
        /// Tells a customer in danger how to get safe; beside the answer to the window.
        Notice = "notice",
        /// Tells the owner or a contact of an emergency; not a message of the conversation.
        Alert = "alert",
    }
}

impl MessageKind {
    /// What a person wrote and what an emergency needs go ahead of what the AI says.
    pub fn priority(self, in_emergency: bool) -> Priority {
        match self {
            Self::User | Self::Alert | Self::Emergency => Priority::Urgent,
            _ if in_emergency => Priority::Urgent,
            _ => Priority::Normal,
        }
    }

    /// Whether it answers what the customer wrote, without a person.
    pub fn answers(self) -> bool {
        matches!(self, Self::Reply | Self::Fallback | Self::Emergency)
    }

    /// Who speaks in it: every automatic text is the AI's (docs/contract.md, section 3).
    pub fn sender_type(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::User => "user",
            Self::MissedCall | Self::Reply | Self::Fallback | Self::Emergency | Self::Notice | Self::Alert => "ai",
        }
    }
}

/// A message to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMessage {
    /// Derived.
    pub id: Uuid,
    /// What it is for.
    pub kind: MessageKind,
    /// The person who wrote it, if one of ours did.
    pub user_id: Option<String>,
    /// Whom it goes to, where that is not the customer.
    pub recipient: Option<PhoneNumber>,
    /// The text.
    pub body: String,
    /// Attachments.
    pub media: Vec<Media>,
    /// Twilio's id, of a customer's message.
    pub twilio_sid: Option<String>,
    /// Where it starts.
    pub status: MessageStatus,
    /// The window that a customer's message is in.
    pub window_id: Option<Uuid>,
    /// The window that our message answers.
    pub in_reply_to_window: Option<Uuid>,
    /// What holds it back, if it is ours.
    pub fence: Option<Fence>,
    /// It is not sent before this time.
    pub not_before: Option<DateTime<Utc>>,
    /// What a customer's words were taken for.
    pub verdict: Option<KeptVerdict>,
    /// Its place in the conversation: the edge's stamp, or the decision's time.
    pub created_at: DateTime<Utc>,
    /// Its place among equal stamps.
    pub stream_sequence: i64,
}

impl NewMessage {
    /// A message of ours that waits to be sent: to the customer, at once, without a fence, unless it is said otherwise.
    pub(super) fn ours(id: Uuid, kind: MessageKind, body: String, now: DateTime<Utc>) -> Self {
        Self {
            id,
            kind,
            user_id: None,
            recipient: None,
            body,
            media: Vec::new(),
            twilio_sid: None,
            status: MessageStatus::Queued,
            window_id: None,
            in_reply_to_window: None,
            fence: None,
            not_before: None,
            verdict: None,
            created_at: now,
            stream_sequence: 0,
        }
    }
}

/// What a message must still meet when its turn to be sent comes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fence {
    /// The conversation's epoch must still be this one …
    pub epoch: i64,
    /// … or this time must have come.
    pub exempt_at: DateTime<Utc>,
    /// The conversation's hard epoch must still be this one, whatever the time.
    pub hard_epoch: i64,
}

/// A message that moves on.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageUpdate {
    /// Which.
    pub id: Uuid,
    /// The state that it is expected in; where another one is found, the decision is made again. `None`: where the
    /// message is no longer queued, it is left alone.
    pub expected: Option<MessageStatus>,
    /// Where it goes.
    pub status: MessageStatus,
    /// Twilio's id, if it became known.
    pub twilio_sid: Option<String>,
    /// Twilio's error code, if there is one.
    pub error_code: Option<i32>,
    /// The number of segments, if it became known.
    pub segments: Option<i32>,
}

impl MessageUpdate {
    /// Holds back a message of ours, unless it is on its way already.
    pub(super) fn hold_back(id: Uuid) -> Self {
        let status = MessageStatus::Superseded;
        Self { id, expected: None, status, twilio_sid: None, error_code: None, segments: None }
    }
}

text_enum! {
    /// Where a window stands.
    pub enum WindowState {
        /// Collecting.
        Open = "open",
        /// Closed; its answer is under way.
        Claimed = "claimed",
        /// Answered. Terminal.
        Answered = "answered",
        /// Its answer was overtaken; the newer window answers. Terminal.
        Superseded = "superseded",
        /// Given to a person. Terminal.
        HandedOver = "handed_over",
        /// It could not be found out whether its answer went out; a person was told. Terminal.
        Unknown = "unknown",
    }
}

/// A window, for the record of what became of the customer's messages.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowRecord {
    /// Which.
    pub id: Uuid,
    /// Where it stands.
    pub state: WindowState,
    /// When it opened.
    pub opened_at: DateTime<Utc>,
    /// Why it got there, in a word.
    pub reason: String,
}

/// What DispatchBot made of a window.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalysisRecord {
    /// The window.
    pub window_id: Uuid,
    /// What it said, or why it said nothing.
    pub said: Value,
    /// Why it was not sent, in a word; `None` where it was.
    pub drop_reason: Option<String>,
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
    /// Starts from the conversation as it stands; `is_new` where this very input opens it.
    pub fn new(conversation: Conversation, is_new: bool, input_id: &'a str, now: DateTime<Utc>) -> Self {
        let before = (!is_new).then(|| conversation.clone());
        let decision = Decision {
            conversation,
            changed: false,
            messages: Vec::new(),
            message_updates: Vec::new(),
            windows: Vec::new(),
            ledger: None,
            false_alarm: None,
            disagreement: None,
            analysis: None,
            effects: Vec::new(),
        };
        Self { input_id, now, ordinal: 0, rearm: false, decision, before }
    }

    /// The conversation, to be changed.
    pub fn state(&mut self) -> &mut Conversation {
        &mut self.decision.conversation
    }

    /// The next derived id for a `what`.
    pub fn id(&mut self, what: &str) -> Uuid {
        let id = derive_id(&self.decision.conversation.id.to_string(), self.input_id, what, self.ordinal);
        self.ordinal += 1;
        id
    }

    /// Something is to be told; gets the conversation's next sequence.
    pub fn emit(&mut self, event_type: EventType, data: Value) {
        self.decision.conversation.event_sequence += 1;
        let sequence = self.decision.conversation.event_sequence;
        self.decision.effects.push(Effect::Emit(Event { event_type, sequence, data }));
    }

    /// Something is to be done.
    pub fn effect(&mut self, effect: Effect) {
        self.decision.effects.push(effect);
    }

    /// A message is new.
    pub fn message(&mut self, message: NewMessage) {
        self.decision.messages.push(message);
    }

    /// A message moves on.
    pub fn update_message(&mut self, update: MessageUpdate) {
        self.decision.message_updates.push(update);
    }

    /// A window moves on.
    pub fn window(&mut self, id: Uuid, state: WindowState, opened_at: DateTime<Utc>, reason: &str) {
        self.decision.windows.push(WindowRecord { id, state, opened_at, reason: reason.to_owned() });
    }

    /// The moment of the next look has changed, or a timer has fired too early: it is armed once all is decided.
    pub fn rearm(&mut self) {
        self.rearm = true;
    }

    /// The ledger changes.
    pub fn ledger(&mut self, change: LedgerChange) {
        self.decision.ledger = Some(change);
    }

    /// What was taken for an emergency is none.
    pub fn false_alarm(&mut self, by: &str) {
        self.decision.false_alarm = Some(by.to_owned());
    }

    /// What DispatchBot said, and whether that is sent.
    pub fn analysis(&mut self, window_id: Uuid, said: Value, drop_reason: Option<&str>) {
        let drop_reason = drop_reason.map(str::to_owned);
        self.decision.analysis = Some(AnalysisRecord { window_id, said, drop_reason });
    }

    /// Only one of two sees an emergency.
    pub fn disagreement(&mut self, seen_by: Detector) {
        self.decision.disagreement = Some(seen_by);
    }

    /// Finishes: says whether there is anything to write.
    pub fn finish(mut self) -> Decision {
        if self.rearm
            && let Some(at) = self.decision.conversation.next_look()
        {
            self.decision.effects.push(Effect::ArmTimer { at });
        }
        let d = &self.decision;
        self.decision.changed = self.before.as_ref() != Some(&d.conversation)
            || !d.messages.is_empty()
            || !d.message_updates.is_empty()
            || !d.windows.is_empty()
            || d.ledger.is_some()
            || d.false_alarm.is_some()
            || d.analysis.is_some();
        self.decision
    }
}
