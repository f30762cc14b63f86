//! The inputs of a conversation, and the context in which they are decided.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use poem_openapi::Object;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::decision::MessageKind;
use super::pairing::UnpairedText;
use super::reason::AnalysisReason;
use super::state::MessageStatus;
use crate::domain::appointment_check::Schedule;
use crate::domain::business_policy::BusinessPolicy;
use crate::domain::day_limits::{DayLimits, DayUse};
use crate::domain::emergency::Reading;
use crate::domain::owner::Code;
use crate::domain::phone::PhoneNumber;
use crate::domain::price_check::PriceRange;
use crate::domain::quiet_hours::QuietHours;
use crate::text_enum;

/// Something that happened and has to be decided on.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A call that nobody answered.
    CallMissed(MissedCall),
    /// A call that a person answered. It opens no conversation.
    CallAnswered(AnsweredCall),
    /// The customer sent an SMS.
    SmsReceived(InboundSms),
    /// The timer fired. It is only a hint to check the window.
    WindowDue {
        /// The watermark: the customer's texts that the edge received until then are all decided on. `None` if that is
        /// not known.
        complete_until: Option<DateTime<Utc>>,
    },
    /// DispatchBot answered a window.
    AnalysisReady { window_id: Uuid, answer: Answer },
    /// DispatchBot did not answer in time, or its answer is unusable.
    AnalysisFailed {
        window_id: Uuid,
        /// A keyword for events and metrics.
        reason: AnalysisReason,
    },
    /// A person takes over.
    UserTookOver {
        /// The person's id in the App Server.
        user_id: String,
        /// The reason, as given by the App Server.
        reason: String,
    },
    /// A person writes to the customer.
    UserReplied { user_id: String, body: String },
    /// A person gives the conversation back to the AI.
    Released { user_id: String },
    /// A person ends the conversation.
    Completed { user_id: String, outcome: String, summary: Option<String> },
    /// The business gave up the number. Another business may have it by now.
    NumberReleased,
    /// A person reports that the detected emergency was a false alarm.
    FalseAlarm { user_id: String },
    /// A person who was alerted to the emergency takes it. Valid for half an hour after the alert to that phone.
    AlertTaken {
        phone: PhoneNumber,
        via: TakenVia,
        /// When the edge received the answer.
        at: DateTime<Utc>,
    },
    /// Something became known about a call to a person of the business in an emergency.
    RingReported { call_id: Uuid, report: RingReport },
    /// A person records that the customer wants no more texts, as the customer has said elsewhere.
    OptOutRecorded {
        /// Who recorded it: a person of the App Server, or its API key.
        user_id: String,
        source: OptOutSource,
        /// What the person wrote about it.
        note: Option<String>,
    },
    /// A person records that the customer wants texts again.
    OptOutLifted {
        /// As in [`Input::OptOutRecorded`].
        user_id: String,
        /// How the customer gave consent.
        proof: String,
    },
    /// The status of an outgoing message changed.
    MessageReported {
        /// The message as stored.
        message: SentMessage,
        report: MessageReport,
    },
    /// After a restore of the database: Twilio has a text of the customer that the database does not have.
    TextRecovered(RecoveredText),
    /// After a restore of the database: Twilio has a message of ours that the database does not have.
    SentRecovered(RecoveredSms),
    /// The database was restored, and something may have been done since that it does not know of.
    Restored {
        /// The people of the business whom Twilio has sent an alert about this customer since.
        alerted: Vec<PhoneNumber>,
    },
    /// A phone of the business's own side is told something, or wants no texts.
    OwnSide(OwnSideNote),
}

/// What concerns a phone of the business's own side, in the conversation that it is about, or in one of the phone's own.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnSideNote {
    pub phone: PhoneNumber,
    /// The number of the business that the phone wrote to.
    pub business_phone: PhoneNumber,
    /// The business's own Twilio account under which it wrote, or `None` for the main account.
    pub own_account: Option<String>,
    pub what: OwnSideWhat,
}

/// What happened with a phone of the business's own side.
#[derive(Debug, Clone, PartialEq)]
pub enum OwnSideWhat {
    /// It gets this text.
    Told {
        text: String,
        /// Why, for the record: a word.
        about: &'static str,
    },
    /// It wants no texts from the business, by a word that it wrote at this time.
    OptedOut { at: DateTime<Utc> },
    /// It wants texts again.
    OptedIn { at: DateTime<Utc> },
}

/// What became known about a call in an emergency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RingReport {
    /// Twilio has accepted it.
    Placed { call_sid: String },
    /// `1` was pressed: the person takes the emergency.
    Took {
        /// When the edge received it.
        at: DateTime<Utc>,
    },
    /// `2` was pressed: the next person is to be called.
    Passed,
    /// It is over.
    Ended {
        /// Twilio's status: `completed`, `no-answer`, `busy`, `failed` or `canceled`.
        status: String,
    },
    /// It was not placed, and will not be.
    NotPlaced {
        /// Why, as a keyword.
        reason: String,
    },
}

text_enum! {
    /// How a person who was alerted takes an emergency.
    pub enum TakenVia {
        /// They answered the alert by SMS.
        Sms = "sms",
        /// They pressed the digit in a call.
        Call = "call",
    }
}

impl TakenVia {
    /// The reason of `conversation.user_taken`.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Sms => "alert_answered_by_sms",
            Self::Call => "alert_answered_by_call",
        }
    }
}

text_enum! {
    /// How a customer revoked their consent to texts, other than by a text.
    pub enum OptOutSource {
        /// In a call.
        Phone = "phone",
        /// By e-mail.
        Mail = "mail",
        /// In writing, on paper.
        Letter = "letter",
        /// Face to face.
        InPerson = "in_person",
        /// On a web page or in an app.
        Web = "web",
        /// In any other way.
        Other = "other",
    }
}

/// The outcome or the status of an outgoing message.
#[derive(Debug, Clone, PartialEq)]
pub enum MessageReport {
    /// Twilio accepted the message.
    Accepted {
        twilio_sid: String,
        /// The number of segments, if Twilio reported it.
        segments: Option<u32>,
    },
    /// Twilio rejected the message.
    Rejected {
        /// Twilio's error code, if any.
        code: Option<i32>,
        /// The reason in words.
        why: String,
    },
    /// The fence did not match, so the message was not sent.
    Superseded,
    /// It was too old when it was due to be sent.
    Expired,
    /// It is unknown whether Twilio sent the message.
    Unknown,
    /// A status callback from Twilio.
    Delivery {
        twilio_sid: String,
        status: DeliveryStatus,
        /// Twilio's error code, if any.
        error_code: Option<i32>,
        /// The meaning of the error code.
        why: Option<String>,
    },
}

/// A call that nobody answered.
#[derive(Debug, Clone, PartialEq)]
pub struct MissedCall {
    pub call_id: Uuid,
    pub call_sid: String,
    /// Why the call counts as missed: Twilio's dial status, or the status of the call itself.
    pub dial_status: String,
    pub customer: PhoneNumber,
    /// The number that was called.
    pub business_phone: PhoneNumber,
    /// The business's own Twilio account that received the call, or `None` for the main account.
    pub own_account: Option<String>,
    /// Whether the carriers' check of the caller's number (STIR/SHAKEN) failed.
    pub verification_failed: bool,
    /// Whether it was found at Twilio after a restore of the database.
    pub recovered: bool,
}

/// A call that a person answered.
#[derive(Debug, Clone, PartialEq)]
pub struct AnsweredCall {
    pub call_sid: String,
    pub customer: PhoneNumber,
    /// The number that was called.
    pub business_phone: PhoneNumber,
}

/// An SMS from a customer.
#[derive(Debug, Clone, PartialEq)]
pub struct InboundSms {
    pub twilio_sid: String,
    pub customer: PhoneNumber,
    pub business_phone: PhoneNumber,
    /// The business's own Twilio account that received it, or `None` for the main account.
    pub own_account: Option<String>,
    /// The text. It may be empty if there is media.
    pub body: String,
    /// Pictures and other attachments.
    pub media: Vec<Media>,
    /// Twilio's `OptOutType`, present if Advanced Opt-Out is enabled.
    pub opt_out_type: Option<String>,
    /// What the emergency detector found in the text.
    pub reading: Reading,
    /// When the edge received it. Messages are ordered by this timestamp.
    pub received_at: DateTime<Utc>,
    /// The sequence in the inbound stream. It orders messages with equal timestamps.
    pub stream_sequence: i64,
    /// Whether a later text of the customer had arrived when this one was processed.
    pub is_followed: bool,
}

/// A text that was found at Twilio after a restore of the database.
#[derive(Debug, Clone, PartialEq)]
pub struct RecoveredText {
    pub sms: InboundSms,
    /// Whether Twilio has sent an alert about this customer since.
    pub is_alerted: bool,
}

/// A message of ours that was found at Twilio after a restore of the database.
#[derive(Debug, Clone, PartialEq)]
pub struct RecoveredSms {
    pub twilio_sid: String,
    pub customer: PhoneNumber,
    pub business_phone: PhoneNumber,
    /// The business's own Twilio account that sent it, or `None` for the main account.
    pub own_account: Option<String>,
    pub body: String,
    pub status: DeliveryStatus,
    pub sent_at: DateTime<Utc>,
    /// Its place among the recovered messages. It orders messages with equal timestamps.
    pub place: i64,
}

/// An attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Object)]
#[oai(rename = "EventMedia")]
#[schemars(rename = "EventMedia")]
pub struct Media {
    /// Twilio's URL of the file.
    pub url: String,
    /// Its MIME type.
    pub content_type: String,
    /// Whether the URL names another Twilio account than the one that signed the message: it is kept, and never requested.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[oai(skip)]
    pub is_foreign: bool,
}

/// An outgoing message as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct SentMessage {
    pub id: Uuid,
    pub status: MessageStatus,
    pub kind: MessageKind,
    /// Twilio's id, once known.
    pub twilio_sid: Option<String>,
    pub in_reply_to_window: Option<Uuid>,
    pub created_at: DateTime<Utc>,
}

text_enum! {
    /// A message status reported by Twilio (docs/twilio.md, section 3).
    pub enum DeliveryStatus {
        /// Being processed by Twilio.
        Accepted = "accepted",
        /// Passed to the carrier.
        Sent = "sent",
        /// Received by the handset.
        Delivered = "delivered",
        /// The carrier could not deliver it.
        Undelivered = "undelivered",
        /// Failed or canceled in Twilio.
        Failed = "failed",
    }
}

impl DeliveryStatus {
    /// Parses Twilio's status. `None` if Twilio does not document it.
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
    /// The urgency of a job as judged by DispatchBot.
    pub enum Urgency {
        /// Handled in order.
        Normal = "normal",
        /// Soon.
        Urgent = "urgent",
        /// Immediately.
        Emergency = "emergency",
    }
}

/// DispatchBot's answer to a window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    pub job_type: Option<String>,
    pub urgency: Urgency,
    pub emergency_detected: bool,
    /// The text for the customer.
    pub text: String,
    /// DispatchBot's confidence, 0 to 1. `None` if it gives none that is about the text.
    pub confidence: Option<f64>,
    /// The appointment that the customer agreed to.
    pub appointment: Option<Appointment>,
    /// Whether the conversation is finished.
    pub complete: bool,
    pub outcome: Option<String>,
    /// A summary for the owner.
    pub summary: Option<String>,
    /// The prices that it names beside its text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<f64>,
    /// Whether DispatchBot wants a person to go on. The text is sent nevertheless.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_escalated: bool,
    /// After how many minutes DispatchBot would write again. Only recorded: nothing is sent by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow_up_minutes: Option<f64>,
}

/// An appointment that the customer agreed to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Object)]
pub struct Appointment {
    /// When it starts.
    pub starts_at: DateTime<Utc>,
    /// When it ends, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<DateTime<Utc>>,
    /// The work to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

/// Data that the rules need besides the input. It does not change during a decision.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub policy: &'a Policy,
    pub business: &'a Business,
    /// When the customer opted out, according to the ledger: the timestamp of the text that said so.
    pub opted_out_at: Option<DateTime<Utc>>,
    /// When this business last sent the caller a missed-call text, after a call to any of its numbers. Loaded only for
    /// a missed call.
    pub missed_call_sms_at: Option<DateTime<Utc>>,
    /// Whether the business may write in the conversation: it still has the number, and it still has its own Twilio
    /// account if the customer was reached under one. The claim checks this again before a message is sent.
    pub may_write: bool,
    /// Set if the customer's number belongs to another business. Loaded only if an answer may follow.
    pub other_business: Option<OtherBusiness>,
    /// What else is open between the business and the customer, at its other numbers. Loaded only if a person may take
    /// over.
    pub other_conversations: &'a [Uuid],
    /// What the customer has sent to the same number by Twilio's other API at about the same time, and is not paired. Loaded
    /// only for a text.
    pub unpaired_texts: &'a [UnpairedText],
    /// What the business has used today. Loaded only if the input may use more.
    pub day_use: DayUse,
    /// The codes of the business's open conversations, and those that were given back lately. Loaded only for a text that may
    /// be the first that is relayed.
    pub codes_in_use: Option<&'a [Code]>,
}

/// Two businesses that use the service could answer each other forever. The AI therefore answers another business at
/// most once in this time.
const ANSWER_TO_A_BUSINESS_EVERY: TimeDelta = TimeDelta::hours(24);

/// The customer's number belongs to another business.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OtherBusiness {
    /// When the AI of this business last answered that number, from any of its own numbers. Messages that were held
    /// back, or that this decision may still hold back, do not count.
    pub answered_at: Option<DateTime<Utc>>,
}

impl Context<'_> {
    /// Whether the AI may answer the customer now. It answers another business at most once a day.
    pub fn may_answer(&self, now: DateTime<Utc>) -> bool {
        let answered_at = self.other_business.and_then(|other| other.answered_at);
        answered_at.is_none_or(|at| now >= at + ANSWER_TO_A_BUSINESS_EVERY)
    }

    /// Whether the customer never gets an automatic text.
    pub fn is_never_texted(&self, customer: &PhoneNumber) -> bool {
        self.business.never_text.contains(customer)
    }

    pub fn opted_out(&self) -> bool {
        self.opted_out_at.is_some()
    }
}

/// The configuration that the rules use.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// How long a person has to answer before the AI does, from the first message of a window.
    pub hold: Duration,
    /// A window closes no sooner than this after its last message.
    pub quiet: Duration,
    /// A window never stays open longer than this.
    pub max: Duration,
    /// The maximum number of AI replies within `ai_max_period`.
    pub ai_max_replies: usize,
    /// The period that `ai_max_replies` applies to.
    pub ai_max_period: Duration,
    /// The fallback text is sent at most once in this time.
    pub fallback_every: Duration,
    /// At most one missed-call text per caller and business is sent in this time, across all numbers of the business.
    pub missed_call_cooldown: Duration,
    /// A customer's text within this time after the end reopens the conversation.
    pub reopen_within: Duration,
    /// A conversation ends as idle after this time without activity, unless the business has set another.
    pub idle_after: Duration,
    /// How long each alerted person has to take over before the next one gets an alert.
    pub alert_every: Duration,
    /// How long a call rings at the owner's phone.
    pub dial_timeout: Duration,
    /// How long the result of the dialling may take once a call should be over.
    pub call_result_wait: Duration,
    /// What a business may use in a day, unless it has set its own limits.
    pub day_limits: DayLimits,
    /// Where this service is reached, for links to pictures: without a slash at its end.
    pub public_url: String,
}

/// The part of a business profile that the rules use.
#[derive(Debug, Clone, PartialEq)]
pub struct Business {
    pub id: String,
    /// The name known to customers.
    pub name: String,
    /// The owner's id in the App Server.
    pub user_id: String,
    pub templates: Templates,
    /// An answer with a lower confidence is not sent.
    pub confidence_threshold: f64,
    /// The numbers that customers call and write to.
    pub phone_numbers: Vec<PhoneNumber>,
    /// The price ranges of its job estimates.
    pub price_ranges: Vec<PriceRange>,
    /// When it works, and what it has to do already.
    pub schedule: Schedule,
    /// Its time zone, by which its days begin.
    pub zone: Tz,
    /// When it starts no conversation by SMS.
    pub quiet_hours: Option<QuietHours>,
    /// Who gets alerts: the owner first, then the emergency contacts in their order.
    pub alert_numbers: Vec<PhoneNumber>,
    /// Whether it accepts emergencies. If not, only a danger to life is treated as one.
    pub accepts_emergencies: bool,
    /// Its own settings of this service.
    pub policy: BusinessPolicy,
    /// The numbers that never get an automatic text.
    pub never_text: Arc<BTreeSet<PhoneNumber>>,
    /// The owner's phone, if it gets the texts of customers.
    pub relay_to: Option<PhoneNumber>,
    /// Whether the owner is away: the AI does not wait for a person.
    pub owner_is_off: bool,
    /// The owner's phone, if it gets reminders.
    pub remind_to: Option<PhoneNumber>,
}

impl Business {
    /// The day by its time zone.
    pub fn day(&self, now: DateTime<Utc>) -> NaiveDate {
        now.with_timezone(&self.zone).date_naive()
    }
}

/// The business's own texts, by language. In the document, the English ones stand beside `es`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Templates {
    #[serde(flatten)]
    pub en: TextsOfLanguage,
    /// Spanish.
    #[serde(default, skip_serializing_if = "TextsOfLanguage::is_empty")]
    pub es: TextsOfLanguage,
}

/// The business's own texts in a language. Each has a default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextsOfLanguage {
    /// Sent when a call was missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_call: Option<String>,
    /// Sent when DispatchBot has no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// Sent in an emergency when DispatchBot does not answer in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency: Option<String>,
    /// Stands before DispatchBot's first answer in a conversation: that an AI writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ai_disclosure: Option<String>,
}

impl TextsOfLanguage {
    /// Whether every text is the default.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
