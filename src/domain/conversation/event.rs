//! Events, as the App Server and every other subscriber receives them (docs/contract.md, section 5).

use serde_json::Value;

use crate::text_enum;

text_enum! {
    /// The types of event that the contract names.
    pub enum EventType {
        /// A call rings.
        CallReceived = "call.received",
        /// The owner picked up.
        CallAnswered = "call.answered",
        /// Nobody picked up.
        CallMissed = "call.missed",
        /// A conversation was opened.
        ConversationCreated = "conversation.created",
        /// The first customer message started the AI timer.
        AiTimerStarted = "conversation.ai_timer_started",
        /// The AI took the conversation, because no person answered in time.
        AiTaken = "conversation.ai_taken",
        /// A person took the conversation over.
        UserTaken = "conversation.user_taken",
        /// A person gave the conversation back to the AI.
        Released = "conversation.released",
        /// The conversation came to its end.
        ConversationCompleted = "conversation.completed",
        /// Something needs a person.
        NeedsAttention = "conversation.needs_attention",
        /// The customer wants no more texts.
        OptedOut = "conversation.opted_out",
        /// The customer wants texts again.
        OptedIn = "conversation.opted_in",
        /// The customer wrote.
        MessageReceived = "message.received",
        /// Twilio accepted a message of ours.
        MessageSent = "message.sent",
        /// A message of ours reached the customer.
        MessageDelivered = "message.delivered",
        /// A message of ours did not.
        MessageFailed = "message.failed",
        /// An emergency was seen.
        EmergencyDetected = "emergency.detected",
        /// The customer agreed to an appointment.
        AppointmentRequested = "appointment.requested",
        /// Twilio says something else than before of a number of a business.
        NumberVerified = "business.number_verified",
        /// A part of the service is missing.
        ServiceDegraded = "service.degraded",
        /// It is back.
        ServiceRestored = "service.restored",
    }
}

/// An event, before its envelope.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What happened.
    pub event_type: EventType,
    /// Rises by one with each event of a conversation.
    pub sequence: i64,
    /// What belongs to this type of event.
    pub data: Value,
}
