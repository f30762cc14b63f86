//! The events that the App Server and other subscribers receive (docs/contract.md, section 5).

use chrono::{DateTime, Utc};
use poem_openapi::Object;
use poem_openapi::registry::{MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use uuid::Uuid;

use super::decision::{Detector, MessageKind};
use super::input::{Appointment, Media};
use super::reason::AttentionReason;
use super::state::Ownership;
use crate::domain::day_limits::Limit;
use crate::domain::emergency::{Language, LifeSafety, Reason};
use crate::text_enum;

/// Declares the events: the variant, its payload and its word on the wire. The comment says what happened.
macro_rules! events {
    ($($(#[doc = $doc:literal])+ $variant:ident($payload:ident) = $word:literal,)+) => {
        text_enum! {
            /// The types of events in the contract.
            pub enum EventType {
                $($(#[doc = $doc])+ $variant = $word,)+
            }
        }

        impl EventType {
            /// What happened, in a sentence.
            pub fn summary(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim(),)+ }
            }

            /// The JSON schema of its data. Schemas of the types in it become definitions of the generator.
            pub fn data_schema(self, generator: &mut SchemaGenerator) -> Schema {
                match self { $(Self::$variant => generator.subschema_for::<$payload>(),)+ }
            }
        }

        /// The data of an event, by its type.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum EventData {
            $($(#[doc = $doc])+ $variant($payload),)+
        }

        impl EventData {
            /// The type of the event.
            pub fn event_type(&self) -> EventType {
                match self { $(Self::$variant(_) => EventType::$variant,)+ }
            }

            /// Registers the schema of each payload in the OpenAPI document.
            pub fn register(registry: &mut Registry) {
                $($payload::register(registry);)+
            }

            /// The schemas of the payloads, by type; several types may have the same.
            pub fn schemas() -> Vec<MetaSchemaRef> {
                vec![$($payload::schema_ref(),)+]
            }
        }
    };
}

events! {
    /// A call started to ring.
    CallReceived(CallData) = "call.received",
    /// The owner picked up.
    CallAnswered(CallData) = "call.answered",
    /// Nobody picked up.
    CallMissed(CallData) = "call.missed",
    /// A conversation was opened.
    ConversationCreated(ConversationCreatedData) = "conversation.created",
    /// The first customer message started the AI timer.
    AiTimerStarted(AiTimerStartedData) = "conversation.ai_timer_started",
    /// The AI took the conversation, because no person answered in time.
    AiTaken(AiTakenData) = "conversation.ai_taken",
    /// A person took the conversation over.
    UserTaken(UserTakenData) = "conversation.user_taken",
    /// A person gave the conversation back to the AI, or did nothing for so long that the AI got it back.
    Released(ReleasedData) = "conversation.released",
    /// The conversation ended.
    ConversationCompleted(ConversationCompletedData) = "conversation.completed",
    /// Something needs a person.
    NeedsAttention(NeedsAttentionData) = "conversation.needs_attention",
    /// The customer has waited for an answer for 1, 5 or 30 minutes.
    Waiting(WaitingData) = "conversation.waiting",
    /// The customer opted out.
    OptedOut(OptedOutData) = "conversation.opted_out",
    /// The customer opted in again.
    OptedIn(OptedInData) = "conversation.opted_in",
    /// The customer sent a message.
    MessageReceived(MessageReceivedData) = "message.received",
    /// Twilio accepted an outgoing message.
    MessageSent(MessageData) = "message.sent",
    /// An outgoing message reached the customer.
    MessageDelivered(MessageData) = "message.delivered",
    /// An outgoing message failed.
    MessageFailed(MessageFailedData) = "message.failed",
    /// An emergency was detected.
    EmergencyDetected(EmergencyDetectedData) = "emergency.detected",
    /// A person of the business is called in an emergency, or that call has ended and nobody has taken the emergency.
    EmergencyCall(EmergencyCallData) = "emergency.call",
    /// Both rounds of calls are over, and nobody has taken the emergency.
    EmergencyUnanswered(EmergencyUnansweredData) = "emergency.unanswered",
    /// The customer agreed to an appointment.
    AppointmentRequested(AppointmentRequestedData) = "appointment.requested",
    /// The number verification of a business's number has a new result.
    NumberVerified(NumberVerifiedData) = "business.number_verified",
    /// A part of the service is unavailable.
    ServiceDegraded(ServiceData) = "service.degraded",
    /// The unavailable part works again.
    ServiceRestored(ServiceData) = "service.restored",
}

/// What an event is about, which decides the fields of its envelope that are null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A conversation: no field is null.
    Conversation,
    /// A call, which may belong to no conversation, and whose caller may withhold their number.
    Call,
    /// A business: there is no conversation and no customer.
    Business,
    /// The service itself: there is no business either.
    Service,
}

impl EventType {
    /// What events of this type are about.
    pub fn subject(self) -> Subject {
        match self {
            Self::CallReceived | Self::CallAnswered | Self::CallMissed => Subject::Call,
            Self::NumberVerified => Subject::Business,
            Self::ServiceDegraded | Self::ServiceRestored => Subject::Service,
            Self::ConversationCreated
            | Self::AiTimerStarted
            | Self::AiTaken
            | Self::UserTaken
            | Self::Released
            | Self::ConversationCompleted
            | Self::NeedsAttention
            | Self::Waiting
            | Self::OptedOut
            | Self::OptedIn
            | Self::MessageReceived
            | Self::MessageSent
            | Self::MessageDelivered
            | Self::MessageFailed
            | Self::EmergencyDetected
            | Self::EmergencyCall
            | Self::EmergencyUnanswered
            | Self::AppointmentRequested => Subject::Conversation,
        }
    }
}

/// An event, without its envelope.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Increases by one with each event of a conversation, or of a call that has no conversation.
    pub sequence: i64,
    /// The data, which also determines the type.
    pub data: EventData,
}

/// An event as it is published: to JetStream, Redis and the event stream. `src/asyncapi/` makes the schema of each type
/// of event from this one.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Envelope<'a> {
    /// The event's id, the same in every delivery.
    pub event_id: Uuid,
    /// The type of the event.
    #[schemars(with = "String")]
    pub event_type: EventType,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// Rises by one with each event of a conversation, or of the call, number or service that the event is about.
    pub sequence: i64,
    /// The id of the business.
    pub business_id: Option<&'a str>,
    /// The id of the business's owner in the App Server.
    pub user_id: Option<&'a str>,
    /// The id of the conversation.
    pub conversation_id: Option<Uuid>,
    /// The customer's number, E.164.
    pub customer_phone: Option<&'a str>,
    /// The data of this type of event.
    #[schemars(skip)]
    pub data: &'a EventData,
}

/// Data of `call.received`, `call.answered` and `call.missed`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Object)]
pub struct CallData {
    /// Our id of the call.
    pub call_id: Uuid,
    /// Twilio's id of the call, `CA…`.
    pub call_sid: String,
    /// The number that was called.
    pub business_phone: String,
    /// How dialling the owner, or the call, ended. Null while it rings.
    pub dial_status: Option<String>,
    /// How long the owner was on the phone, in seconds. Null while it rings.
    pub duration_seconds: Option<i32>,
}

/// Data of `conversation.created`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Object)]
pub struct ConversationCreatedData {
    /// The number that the customer called or wrote to.
    pub business_phone: String,
    /// The missed call that opened it, if one did.
    pub call_id: Option<Uuid>,
    /// `missed_call` or `sms`.
    pub opened_by: OpenedBy,
}

text_enum! {
    /// What opened a conversation.
    pub enum OpenedBy {
        /// A missed call.
        MissedCall = "missed_call",
        /// A text.
        Sms = "sms",
    }
}

/// Data of `conversation.ai_timer_started`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Object)]
pub struct AiTimerStartedData {
    /// When the edge received the customer's first text.
    pub started_at: DateTime<Utc>,
}

/// Data of `conversation.ai_taken`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Object)]
pub struct AiTakenData {
    /// The window that the AI answers.
    pub window_id: Uuid,
}

/// Data of `conversation.user_taken`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Object)]
pub struct UserTakenData {
    /// The person's `user_id`.
    pub by: String,
    /// The reason they gave.
    pub reason: String,
    /// What else is open between the business and the customer, at its other numbers: the takeover does not change it.
    pub other_conversations: Vec<Uuid>,
}

/// [`ReleasedData::by`], if no person gave the conversation back.
pub const RELEASED_BY_TIMER: &str = "timer";

/// Data of `conversation.released`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Object)]
pub struct ReleasedData {
    /// The person's `user_id`; or `timer`, if the person did nothing for `policy.return_to_ai_after`.
    pub by: String,
}

/// Data of `conversation.completed`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Object)]
pub struct ConversationCompletedData {
    /// The outcome, as the person or DispatchBot named it, or `number_released` or `idle`.
    pub outcome: Option<String>,
    /// A summary for the owner.
    pub summary: Option<String>,
    /// `user`, `ai`, or `service` if the business gave up its number, or nothing happened for long.
    pub by: CompletedBy,
    /// The person, if one ended it.
    pub user_id: Option<String>,
}

text_enum! {
    /// Who ended a conversation.
    pub enum CompletedBy {
        /// A person.
        User = "user",
        /// The AI.
        Ai = "ai",
        /// The service itself.
        Service = "service",
    }
}

/// Data of `conversation.needs_attention`: the reason, and the fields that apply to it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Object)]
pub struct NeedsAttentionData {
    /// Why a person is needed.
    pub reason: AttentionReason,
    /// The window that was not answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_id: Option<Uuid>,
    /// The message concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<Uuid>,
    /// Twilio's error code.
    pub error_code: Option<i32>,
    /// The error in words.
    pub why: Option<String>,
    /// `number_released`: whether an emergency was still being reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emergency: Option<bool>,
    /// `emergency_disagreement`: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disagreement: Option<bool>,
    /// `emergency_disagreement`: the rule that the text matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// `emergency_disagreement`: which of the two detected it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Detector>,
    /// `emergency_disagreement`: DispatchBot's confidence in its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// `limit`: the limit that is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
}

impl NeedsAttentionData {
    /// Only a reason.
    pub fn new(reason: AttentionReason) -> Self {
        Self {
            reason,
            window_id: None,
            message_id: None,
            error_code: None,
            why: None,
            emergency: None,
            disagreement: None,
            rule: None,
            by: None,
            confidence: None,
            limit: None,
        }
    }

    /// A limit of the day that is reached.
    pub fn limit(limit: Limit) -> Self {
        Self { limit: Some(limit), ..Self::new(AttentionReason::Limit) }
    }

    /// A reason that concerns a window.
    pub fn window(reason: AttentionReason, window_id: Uuid) -> Self {
        Self { window_id: Some(window_id), ..Self::new(reason) }
    }

    /// A reason that concerns a message.
    pub fn message(reason: AttentionReason, message_id: Uuid) -> Self {
        Self { message_id: Some(message_id), ..Self::new(reason) }
    }
}

/// Data of `conversation.waiting`. It is emitted once for each of the times while the customer waits; of several that have
/// passed, only for the last. If the AI is about to answer, it comes up to 30 s later.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Object)]
pub struct WaitingData {
    /// When the edge received the customer's earliest text that has no answer.
    pub since: DateTime<Utc>,
    /// For how many minutes the customer has waited: 1, 5 or 30.
    pub minutes: u32,
    /// Who may answer: `none` (a person, and the AI later), `ai` or `user`.
    pub ownership: Ownership,
    /// The person who owns the conversation, by their `user_id`. Null if none does, or if it is not known.
    pub owned_by: Option<String>,
}

/// Data of `conversation.opted_out`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Object)]
pub struct OptedOutData {
    /// The source: `word`, `sentence`, `twilio` or `carrier`; or, if a person has recorded it, `phone`, `mail`, `letter`,
    /// `in_person`, `web` or `other`.
    pub by: String,
}

/// Data of `conversation.opted_in`: empty.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Object)]
pub struct OptedInData {}

/// Data of `message.received`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Object)]
pub struct MessageReceivedData {
    /// Our id of the message.
    pub message_id: Uuid,
    /// `customer`, or `reaction` or `auto_reply` if the customer's phone or mailbox wrote it.
    #[schemars(with = "MessageKind")]
    pub kind: String,
    /// Twilio's id, `SM…` or `MM…`.
    pub twilio_sid: String,
    /// The text.
    pub body: String,
    /// Its attachments.
    pub media: Vec<Media>,
    /// When the edge received it.
    pub received_at: DateTime<Utc>,
}

/// Data of `message.sent` and `message.delivered`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Object)]
pub struct MessageData {
    /// Our id of the message.
    pub message_id: Uuid,
    /// Twilio's id, `SM…` or `MM…`; null if Twilio did not accept it.
    pub twilio_sid: Option<String>,
    /// `ai` or `user`.
    pub sender_type: String,
    /// The purpose of the message.
    pub kind: MessageKind,
    /// The window that the message answers.
    pub in_reply_to_window: Option<Uuid>,
}

/// Data of `message.failed`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Object)]
pub struct MessageFailedData {
    /// The message.
    #[serde(flatten)]
    #[oai(flatten)]
    pub message: MessageData,
    /// `undelivered`, `failed`, `rejected`, `expired` or `opted_out`.
    pub reason: String,
    /// Twilio's error code.
    pub error_code: Option<i32>,
    /// The error in words.
    pub why: Option<String>,
}

/// Data of `emergency.detected`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Object)]
pub struct EmergencyDetectedData {
    /// The detector.
    pub by: Detector,
    /// The strongest rule that the text matched.
    pub rule: Option<String>,
    /// If detected by `words`: the words that matched the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<Vec<String>>,
    /// If detected by `words`: all rules that matched, the strongest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasons: Option<Vec<Reason>>,
    /// If detected by `words`: the danger to life, if there is one.
    pub life_safety: Option<LifeSafety>,
    /// If detected by `words`: the language of the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// If detected by `dispatchbot`: the kind of job.
    pub job_type: Option<String>,
    /// If detected by `dispatchbot`: its confidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// If detected by `dispatchbot`: whether the text itself matched no rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disagreement: Option<bool>,
}

impl EmergencyDetectedData {
    /// Only a detector.
    pub fn by(by: Detector) -> Self {
        Self {
            by,
            rule: None,
            words: None,
            reasons: None,
            life_safety: None,
            language: None,
            job_type: None,
            confidence: None,
            disagreement: None,
        }
    }
}

/// Data of `emergency.call`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Object)]
pub struct EmergencyCallData {
    /// Our id of the call.
    pub call_id: Uuid,
    /// Twilio's id of the call, `CA…`; null in the event about its end.
    pub call_sid: Option<String>,
    /// Who is called: the owner's `user_id`, or `phone:` and the phone of a contact.
    pub to: String,
    /// Null when Twilio has accepted the call. Then how it ended without a person who takes the emergency: `no-answer`,
    /// `busy`, `failed`, `canceled` or, if it was answered, perhaps by a voicemail, `completed`; `passed` if 2 was pressed;
    /// `not_reported`; or, if it was not placed, `capped`, `not_confirmed`, `may_not_call`, `rejected`, `expired` or
    /// `unknown`.
    pub outcome: Option<String>,
}

/// Data of `emergency.unanswered`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Object)]
pub struct EmergencyUnansweredData {
    /// How many calls were placed.
    pub calls: u32,
}

/// Data of `appointment.requested`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Object)]
pub struct AppointmentRequestedData {
    /// The window whose answer proposed it.
    pub window_id: Uuid,
    /// The appointment.
    pub appointment: Appointment,
    /// The kind of job.
    pub job_type: Option<String>,
    /// A summary for the owner.
    pub summary: Option<String>,
}

/// Data of `business.number_verified`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Object)]
pub struct NumberVerifiedData {
    /// The number.
    pub phone: String,
    /// Whether it is in the business's Twilio account: `yes`, `no` or `unknown`.
    #[schemars(with = "crate::domain::phones::Verified")]
    pub verified: String,
    /// The result before.
    #[schemars(with = "crate::domain::phones::Verified")]
    pub before: String,
}

/// Data of `service.degraded` and `service.restored`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Object)]
pub struct ServiceData {
    /// The service, as `GET /health` names it.
    #[schemars(with = "crate::outage::Service")]
    pub service: String,
    /// `healthy`, `degraded` or `down`.
    #[schemars(extend("enum" = ["healthy", "degraded", "down"]))]
    pub state: String,
}
