//! The events that the App Server and other subscribers receive (docs/contract.md, section 5).

use serde_json::Value;

use crate::text_enum;

text_enum! {
    /// The types of events in the contract.
    pub enum EventType {
        /// A call started to ring.
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
        /// The conversation ended.
        ConversationCompleted = "conversation.completed",
        /// Something needs a person.
        NeedsAttention = "conversation.needs_attention",
        /// The customer opted out.
        OptedOut = "conversation.opted_out",
        /// The customer opted in again.
        OptedIn = "conversation.opted_in",
        /// The customer sent a message.
        MessageReceived = "message.received",
        /// Twilio accepted an outgoing message.
        MessageSent = "message.sent",
        /// An outgoing message reached the customer.
        MessageDelivered = "message.delivered",
        /// An outgoing message failed.
        MessageFailed = "message.failed",
        /// An emergency was detected.
        EmergencyDetected = "emergency.detected",
        /// The customer agreed to an appointment.
        AppointmentRequested = "appointment.requested",
        /// The number verification of a business's number has a new result.
        NumberVerified = "business.number_verified",
        /// A part of the service is unavailable.
        ServiceDegraded = "service.degraded",
        /// The unavailable part works again.
        ServiceRestored = "service.restored",
    }
}

/// An event, before its envelope.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub event_type: EventType,
    /// Increases by one with each event of a conversation.
    pub sequence: i64,
    /// The data of this type of event.
    pub data: Value,
}
