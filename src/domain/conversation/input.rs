//! What a conversation is told: the inputs, and the context that they are judged in.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::decision::MessageKind;
use super::state::MessageStatus;
use crate::domain::emergency::Reading;
use crate::domain::phone::PhoneNumber;
use crate::domain::price_check::PriceRange;
use crate::domain::quiet_hours::QuietHours;
use crate::text_enum;

/// What may happen to a conversation.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A call that nobody answered.
    CallMissed(MissedCall),
    /// The customer wrote.
    SmsReceived(InboundSms),
    /// The timer fired: a hint to look at the window, never more.
    WindowDue,
    /// DispatchBot has answered for a window.
    AnalysisReady {
        /// The window that it answers.
        window_id: Uuid,
        /// What it said.
        answer: Answer,
    },
    /// DispatchBot has not answered in time, or not usably.
    AnalysisFailed {
        /// The window that stays without its answer.
        window_id: Uuid,
        /// One word for events and metrics.
        reason: String,
    },
    /// A person takes over.
    UserTookOver {
        /// Who, as the App Server names them.
        user_id: String,
        /// Why, in the App Server's words.
        reason: String,
    },
    /// A person writes to the customer.
    UserReplied {
        /// Who, as the App Server names them.
        user_id: String,
        /// What.
        body: String,
    },
    /// A person gives the conversation back to the AI.
    Released {
        /// Who, as the App Server names them.
        user_id: String,
    },
    /// A person ends the conversation.
    Completed {
        /// Who, as the App Server names them.
        user_id: String,
        /// How it ended.
        outcome: String,
        /// In short.
        summary: Option<String>,
    },
    /// The business has given up the number: another one may have it by now.
    NumberReleased,
    /// A person says that what was taken for an emergency is none.
    FalseAlarm {
        /// Who, as the App Server names them.
        user_id: String,
    },
    /// Something became of a message of ours.
    MessageReported {
        /// The message, as the row has it.
        message: SentMessage,
        /// What became of it.
        report: MessageReport,
    },
}

/// What may become of a message of ours.
#[derive(Debug, Clone, PartialEq)]
pub enum MessageReport {
    /// Twilio has accepted it.
    Accepted {
        /// Twilio's id of it.
        twilio_sid: String,
        /// In how many segments it is sent, where Twilio said so.
        segments: Option<u32>,
    },
    /// Twilio has refused it.
    Rejected {
        /// Twilio's error code, where it gave one.
        code: Option<i32>,
        /// Why, in words.
        why: String,
    },
    /// The fence held it back.
    Superseded,
    /// It was too old to be sent when its turn came.
    Expired,
    /// It could not be found out whether Twilio has sent it.
    Unknown,
    /// A status callback of Twilio.
    Delivery {
        /// Twilio's id of it.
        twilio_sid: String,
        /// What was reported.
        status: DeliveryStatus,
        /// Twilio's error code, where one came along.
        error_code: Option<i32>,
        /// What that code means, in words.
        why: Option<String>,
    },
}

/// A call that nobody answered.
#[derive(Debug, Clone, PartialEq)]
pub struct MissedCall {
    /// Our id of the call.
    pub call_id: Uuid,
    /// Twilio's id of it.
    pub call_sid: String,
    /// Why it counts as missed: the dial status, or the call's own.
    pub dial_status: String,
    /// Who called.
    pub customer: PhoneNumber,
    /// Which number was called.
    pub business_phone: PhoneNumber,
    /// The business's own Twilio account that the call came in under; none: the main account.
    pub own_account: Option<String>,
}

/// A text from a customer.
#[derive(Debug, Clone, PartialEq)]
pub struct InboundSms {
    /// Twilio's id of it.
    pub twilio_sid: String,
    /// Who wrote.
    pub customer: PhoneNumber,
    /// To which number.
    pub business_phone: PhoneNumber,
    /// The business's own Twilio account that it came in under; none: the main account.
    pub own_account: Option<String>,
    /// The text; may be empty when there is media.
    pub body: String,
    /// Pictures and other attachments.
    pub media: Vec<Media>,
    /// Twilio's OptOutType, where Advanced Opt-Out is on.
    pub opt_out_type: Option<String>,
    /// What the words tell of an emergency.
    pub reading: Reading,
    /// The edge's stamp: the order of messages rests on it.
    pub received_at: DateTime<Utc>,
    /// The sequence in the inbound stream: the order among equal stamps.
    pub stream_sequence: i64,
}

/// An attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Where Twilio keeps it.
    pub url: String,
    /// Its MIME type.
    pub content_type: String,
}

/// One of our messages, as the row has it.
#[derive(Debug, Clone, PartialEq)]
pub struct SentMessage {
    /// Our id of it.
    pub id: Uuid,
    /// Where it stands.
    pub status: MessageStatus,
    /// What it is for.
    pub kind: MessageKind,
    /// Twilio's id, once known.
    pub twilio_sid: Option<String>,
    /// The window that it answers.
    pub in_reply_to_window: Option<Uuid>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

text_enum! {
    /// What Twilio reports of a message (docs/twilio.md, section 3).
    pub enum DeliveryStatus {
        /// On its way inside Twilio.
        Accepted = "accepted",
        /// Given to the carrier.
        Sent = "sent",
        /// At the handset.
        Delivered = "delivered",
        /// Not deliverable.
        Undelivered = "undelivered",
        /// Given up by Twilio.
        Failed = "failed",
    }
}

impl DeliveryStatus {
    /// Reads Twilio's word for it; `None` for a word that Twilio has not documented.
    pub fn from_twilio(word: &str) -> Option<Self> {
        Some(match word {
            "accepted" | "scheduled" | "queued" | "sending" => Self::Accepted,
            "sent" => Self::Sent,
            "delivered" | "read" => Self::Delivered,
            "undelivered" => Self::Undelivered,
            "failed" | "canceled" => Self::Failed,
            _ => return None,
        })
    }
}

text_enum! {
    /// How urgent DispatchBot takes a job to be.
    pub enum Urgency {
        /// In its turn.
        Normal = "normal",
        /// Soon.
        Urgent = "urgent",
        /// At once.
        Emergency = "emergency",
    }
}

/// What DispatchBot said.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// The kind of job.
    pub job_type: Option<String>,
    /// How urgent.
    pub urgency: Urgency,
    /// Whether it is an emergency.
    pub emergency_detected: bool,
    /// What to tell the customer.
    pub text: String,
    /// How sure DispatchBot is, 0 to 1.
    pub confidence: f64,
    /// The appointment that the customer agreed to.
    pub appointment: Option<Appointment>,
    /// Whether the conversation has come to its end.
    pub complete: bool,
    /// How it ended.
    pub outcome: Option<String>,
    /// A summary for the owner.
    pub summary: Option<String>,
}

/// An appointment that the customer agreed to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Appointment {
    /// When it starts.
    pub starts_at: DateTime<Utc>,
    /// When it ends, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<DateTime<Utc>>,
    /// What is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

/// What the rules are told beside the input: settings, and never anything that changes by itself.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// How the service is configured.
    pub policy: &'a Policy,
    /// The business that the conversation belongs to.
    pub business: &'a Business,
    /// Since when the customer wants no texts of this business, as the ledger has it: the stamp of the text that said so.
    pub opted_out_at: Option<DateTime<Utc>>,
    /// When this business last sent the caller a missed-call text, whichever of its numbers was called; asked for a
    /// missed call only.
    pub missed_call_sms_at: Option<DateTime<Utc>>,
    /// Whether the business may write in the conversation: it still has its number and, where the customer was reached under
    /// an account of its own, still brings one. What the claim asks again when a message's turn comes.
    pub may_write: bool,
    /// Where the customer's number is one of another business's; asked where an answer may follow.
    pub other_business: Option<OtherBusiness>,
}

/// Two businesses whose servers answer each other would do so for ever: one of them gets one answer of the AI in this time.
const ANSWER_TO_A_BUSINESS_EVERY: TimeDelta = TimeDelta::hours(24);

/// The customer's number is one of another business's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OtherBusiness {
    /// When the AI of this business last answered that number, from whichever of its own numbers. What was held back, or
    /// may still be held back by what is decided now, is no answer.
    pub answered_at: Option<DateTime<Utc>>,
}

impl Context<'_> {
    /// Whether the AI may answer the customer: not again within a day, where that is another business's number.
    pub fn may_answer(&self, now: DateTime<Utc>) -> bool {
        let answered_at = self.other_business.and_then(|other| other.answered_at);
        answered_at.is_none_or(|at| now >= at + ANSWER_TO_A_BUSINESS_EVERY)
    }

    /// Whether the customer wants no texts of this business.
    pub fn opted_out(&self) -> bool {
        self.opted_out_at.is_some()
    }
}

/// How the service is configured, as far as the rules need it.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// How long a person has to answer before the AI does, from the first message of a window.
    pub hold: Duration,
    /// A window closes no sooner than this after its last message.
    pub quiet: Duration,
    /// A window never stays open longer than this.
    pub max: Duration,
    /// At most this many AI replies …
    pub ai_max_replies: usize,
    /// … within this time.
    pub ai_max_period: Duration,
    /// The fallback text goes out at most once in this time.
    pub fallback_every: Duration,
    /// At most one missed-call text per caller and business in this time, whichever of its numbers is called.
    pub missed_call_cooldown: Duration,
    /// A text after the end opens the conversation again within this time.
    pub reopen_within: Duration,
    /// How long each of those who are told of an emergency has to take over, before the next one is told.
    pub alert_every: Duration,
}

/// What the rules need of a business.
#[derive(Debug, Clone, PartialEq)]
pub struct Business {
    /// As the App Server names it.
    pub id: String,
    /// What customers know it by.
    pub name: String,
    /// Its owner, as the App Server names them.
    pub user_id: String,
    /// Its own texts.
    pub templates: Templates,
    /// An answer less sure than this is not sent.
    pub confidence_threshold: f64,
    /// What its jobs may cost.
    pub price_ranges: Vec<PriceRange>,
    /// When it does not want to start a talk by itself.
    pub quiet_hours: Option<QuietHours>,
    /// Who is told of an emergency: the owner, then the contacts in their order.
    pub alert_numbers: Vec<PhoneNumber>,
    /// Whether it takes emergencies; where not, only danger to life is treated as one.
    pub accepts_emergencies: bool,
}

/// A business's own texts; each has a default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Templates {
    /// Sent when a call was missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_call: Option<String>,
    /// Sent when DispatchBot has no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// Sent in an emergency when DispatchBot has no answer in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency: Option<String>,
}
