//! An example of each type of event, made of the types that are published. Together they tell of one customer whose call
//! was missed.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use uuid::{Uuid, uuid};

use crate::domain::conversation::{
    AiTakenData, AiTimerStartedData, Appointment, AppointmentRequestedData, AttentionReason, CallData, CompletedBy,
    ConversationCompletedData, ConversationCreatedData, Detector, EmergencyCallData, EmergencyDetectedData,
    EmergencyUnansweredData, Envelope, EventData, EventType, Media, MessageData, MessageFailedData, MessageKind,
    MessageReceivedData, NeedsAttentionData, NumberVerifiedData, OpenedBy, OptedInData, OptedOutData, Ownership,
    ReleasedData, ServiceData, Subject, UserTakenData, WaitingData,
};
use crate::domain::emergency::{Language, LifeSafety, Reason};
use crate::engine::cloud_event;
use crate::trace::Trace;
use crate::worker::probe;

const BUSINESS: &str = "joes-plumbing";
const OWNER: &str = "user-joe";
const BUSINESS_PHONE: &str = "+15555551111";
const CUSTOMER: &str = "+12125551234";
const CONVERSATION: Uuid = uuid!("5f0c2f3e-6a57-5d0e-9f3c-2b1d8e4a7c10");
const CALL: Uuid = uuid!("3a9d2e61-7c1f-5b84-a0e2-94d5c6b7a813");
const WINDOW: Uuid = uuid!("0b6a54f0-51c6-5c0a-8a34-6a1e1f0c9d21");
const MESSAGE: Uuid = uuid!("8d1f5c9e-2b7a-5e42-9c1d-3f0a7b6e5d4c");
const MESSAGE_SID: &str = "SM00000000000000000000000000000001";
const PROBE: &str = "SM00000000000000000000000000000002";
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// An event as it is sent.
pub(super) struct Example {
    /// Its name in the document.
    pub(super) name: &'static str,
    /// JetStream's headers.
    pub(super) headers: Value,
    /// The envelope.
    pub(super) payload: Value,
}

/// Examples of a type of event; several if its data differs much.
pub(super) fn of(event_type: EventType) -> Vec<Example> {
    data(event_type).into_iter().map(|(name, data)| example(name, &data)).collect()
}

/// The event of a probe.
pub(super) fn probed() -> Example {
    let row = probe::probed(PROBE, at(0), &trace(), at(1));
    Example { name: "processed", headers: headers(row.headers, row.message_id), payload: row.payload }
}

/// The first event has this time; each type happens a minute after the one declared before it.
fn at(minutes: usize) -> DateTime<Utc> {
    let start = DateTime::from_timestamp(1_795_442_706, 0).unwrap_or_default();
    start + TimeDelta::minutes(i64::try_from(minutes).unwrap_or_default())
}

fn trace() -> Trace {
    Trace::from_header(Some(TRACE))
}

fn example(name: &'static str, data: &EventData) -> Example {
    let event_type = data.event_type();
    let place = EventType::ALL.iter().position(|of| *of == event_type).unwrap_or_default();
    let (subject, now) = (event_type.subject(), at(place));
    let event_id = Uuid::new_v5(&CONVERSATION, format!("{event_type} {name}").as_bytes());
    let of_business = subject != Subject::Service;
    let of_customer = matches!(subject, Subject::Conversation | Subject::Call);
    let scope = match subject {
        Subject::Conversation => CONVERSATION.to_string(),
        Subject::Call => CALL.to_string(),
        Subject::Business => BUSINESS.to_owned(),
        Subject::Service => "redis".to_owned(),
    };
    let payload = Envelope {
        event_id,
        event_type,
        occurred_at: now,
        sequence: i64::try_from(place + 1).unwrap_or_default(),
        business_id: of_business.then_some(BUSINESS),
        user_id: of_business.then_some(OWNER),
        conversation_id: (subject == Subject::Conversation).then_some(CONVERSATION),
        customer_phone: of_customer.then_some(CUSTOMER),
        data,
    };
    Example {
        name,
        headers: headers(cloud_event(event_id, event_type.as_str(), &scope, now, &trace()), Some(event_id.to_string())),
        payload: serde_json::to_value(payload).unwrap_or_default(),
    }
}

fn headers(headers: impl IntoIterator<Item = (String, String)>, message_id: Option<String>) -> Value {
    let id = message_id.map(|id| ("Nats-Msg-Id".to_owned(), id));
    headers.into_iter().chain(id).map(|(name, value)| (name, Value::from(value))).collect::<Value>()
}

fn data(event_type: EventType) -> Vec<(&'static str, EventData)> {
    match event_type {
        EventType::CallReceived | EventType::CallAnswered | EventType::CallMissed => vec![of_call(event_type)],
        EventType::MessageReceived => messages_received(),
        EventType::MessageSent => vec![("reply", EventData::MessageSent(reply()))],
        EventType::MessageDelivered => vec![("reply", EventData::MessageDelivered(reply()))],
        EventType::MessageFailed => vec![("out_of_reach", EventData::MessageFailed(failed()))],
        EventType::NeedsAttention => needs_attention(),
        EventType::EmergencyDetected => emergencies(),
        EventType::EmergencyCall => emergency_calls(),
        EventType::EmergencyUnanswered => {
            vec![("after_two_rounds", EventData::EmergencyUnanswered(EmergencyUnansweredData { calls: 4 }))]
        }
        EventType::AppointmentRequested => vec![("tuesday", EventData::AppointmentRequested(appointment()))],
        EventType::ConversationCreated
        | EventType::AiTimerStarted
        | EventType::AiTaken
        | EventType::UserTaken
        | EventType::Released
        | EventType::ConversationCompleted
        | EventType::Waiting
        | EventType::OptedOut
        | EventType::OptedIn => vec![of_conversation(event_type)],
        EventType::NumberVerified | EventType::ServiceDegraded | EventType::ServiceRestored => {
            vec![without_customer(event_type)]
        }
    }
}

fn of_call(event_type: EventType) -> (&'static str, EventData) {
    let call = CallData {
        call_id: CALL,
        call_sid: "CA00000000000000000000000000000001".to_owned(),
        business_phone: BUSINESS_PHONE.to_owned(),
        dial_status: None,
        duration_seconds: None,
    };
    let ended = |status: &str, seconds| CallData {
        dial_status: Some(status.to_owned()),
        duration_seconds: Some(seconds),
        ..call.clone()
    };
    match event_type {
        EventType::CallAnswered => ("answered", EventData::CallAnswered(ended("completed", 95))),
        EventType::CallMissed => ("no_answer", EventData::CallMissed(ended("no-answer", 0))),
        _ => ("ringing", EventData::CallReceived(call)),
    }
}

fn of_conversation(event_type: EventType) -> (&'static str, EventData) {
    let by = || OWNER.to_owned();
    match event_type {
        EventType::AiTimerStarted => {
            ("first_text", EventData::AiTimerStarted(AiTimerStartedData { started_at: at(0) }))
        }
        EventType::AiTaken => ("nobody_else", EventData::AiTaken(AiTakenData { window_id: WINDOW })),
        EventType::UserTaken => {
            let data = UserTakenData { by: by(), reason: "I know her".to_owned(), other_conversations: Vec::new() };
            ("takeover", EventData::UserTaken(data))
        }
        EventType::Released => ("given_back", EventData::Released(ReleasedData { by: by() })),
        EventType::ConversationCompleted => {
            let data = ConversationCompletedData {
                outcome: Some("booked".to_owned()),
                summary: Some("Kitchen sink blocked, Tuesday at ten".to_owned()),
                by: CompletedBy::User,
                user_id: Some(by()),
            };
            ("booked", EventData::ConversationCompleted(data))
        }
        EventType::Waiting => ("five_minutes", EventData::Waiting(waiting())),
        EventType::OptedOut => ("stop", EventData::OptedOut(OptedOutData { by: "word".to_owned() })),
        EventType::OptedIn => ("start", EventData::OptedIn(OptedInData {})),
        _ => {
            let data = ConversationCreatedData {
                business_phone: BUSINESS_PHONE.to_owned(),
                call_id: Some(CALL),
                opened_by: OpenedBy::MissedCall,
            };
            ("missed_call", EventData::ConversationCreated(data))
        }
    }
}

fn without_customer(event_type: EventType) -> (&'static str, EventData) {
    let redis = |state: &str| ServiceData { service: "redis".to_owned(), state: state.to_owned() };
    match event_type {
        EventType::ServiceDegraded => ("redis_down", EventData::ServiceDegraded(redis("down"))),
        EventType::ServiceRestored => ("redis_back", EventData::ServiceRestored(redis("healthy"))),
        _ => {
            let data = NumberVerifiedData {
                phone: BUSINESS_PHONE.to_owned(),
                verified: "no".to_owned(),
                before: "yes".to_owned(),
            };
            ("given_up", EventData::NumberVerified(data))
        }
    }
}

fn waiting() -> WaitingData {
    let owned_by = Some("user-ann".to_owned());
    WaitingData { since: at(0), minutes: 5, ownership: Ownership::User, owned_by }
}

fn messages_received() -> Vec<(&'static str, EventData)> {
    let text = MessageReceivedData {
        message_id: MESSAGE,
        kind: MessageKind::Customer.as_str().to_owned(),
        twilio_sid: MESSAGE_SID.to_owned(),
        body: "My kitchen sink is blocked".to_owned(),
        media: Vec::new(),
        received_at: at(0),
    };
    let url = "https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages/\
               MM00000000000000000000000000000001/Media/ME00000000000000000000000000000001";
    let picture = MessageReceivedData {
        twilio_sid: "MM00000000000000000000000000000001".to_owned(),
        body: String::new(),
        media: vec![Media { url: url.to_owned(), content_type: "image/jpeg".to_owned(), is_foreign: false }],
        ..text.clone()
    };
    vec![("text", EventData::MessageReceived(text)), ("picture", EventData::MessageReceived(picture))]
}

fn reply() -> MessageData {
    MessageData {
        message_id: MESSAGE,
        twilio_sid: Some(MESSAGE_SID.to_owned()),
        sender_type: MessageKind::Reply.sender_type().to_owned(),
        kind: MessageKind::Reply,
        in_reply_to_window: Some(WINDOW),
    }
}

const OUT_OF_REACH: (i32, &str) = (30_003, "the customer's phone is off or out of reach");

fn failed() -> MessageFailedData {
    let (code, why) = OUT_OF_REACH;
    MessageFailedData {
        message: reply(),
        reason: "undelivered".to_owned(),
        error_code: Some(code),
        why: Some(why.to_owned()),
    }
}

fn needs_attention() -> Vec<(&'static str, EventData)> {
    let (code, why) = OUT_OF_REACH;
    let undelivered = NeedsAttentionData {
        error_code: Some(code),
        why: Some(why.to_owned()),
        ..NeedsAttentionData::message(AttentionReason::NotDelivered, MESSAGE)
    };
    let unsure = NeedsAttentionData::window(AttentionReason::LowConfidence, WINDOW);
    vec![
        ("low_confidence", EventData::NeedsAttention(unsure)),
        ("not_delivered", EventData::NeedsAttention(undelivered)),
    ]
}

/// A call that rings, and how it ended.
fn emergency_calls() -> Vec<(&'static str, EventData)> {
    let rings = EmergencyCallData {
        call_id: CALL,
        call_sid: Some("CA00000000000000000000000000000001".to_owned()),
        to: OWNER.to_owned(),
        outcome: None,
    };
    let over = EmergencyCallData { call_sid: None, outcome: Some("no-answer".to_owned()), ..rings.clone() };
    vec![("it_rings", EventData::EmergencyCall(rings)), ("nobody_answered", EventData::EmergencyCall(over))]
}

fn emergencies() -> Vec<(&'static str, EventData)> {
    let words = vec!["smell".to_owned(), "gas".to_owned()];
    let rule = "gas_leak".to_owned();
    let by_words = EmergencyDetectedData {
        rule: Some(rule.clone()),
        words: Some(words.clone()),
        reasons: Some(vec![Reason { rule, words }]),
        life_safety: Some(LifeSafety::Gas),
        language: Some(Language::En),
        ..EmergencyDetectedData::by(Detector::Words)
    };
    let by_dispatchbot = EmergencyDetectedData {
        job_type: Some("burst_pipe".to_owned()),
        confidence: Some(0.92),
        disagreement: Some(true),
        ..EmergencyDetectedData::by(Detector::DispatchBot)
    };
    vec![
        ("by_words", EventData::EmergencyDetected(by_words)),
        ("by_dispatchbot", EventData::EmergencyDetected(by_dispatchbot)),
    ]
}

fn appointment() -> AppointmentRequestedData {
    AppointmentRequestedData {
        window_id: WINDOW,
        appointment: Appointment {
            starts_at: at(20 * 60),
            ends_at: None,
            notes: Some("Bring the long snake".to_owned()),
        },
        job_type: Some("drain_cleaning".to_owned()),
        summary: Some("Kitchen sink blocked, Tuesday at ten".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_an_example_of_its_own() {
        for event_type in EventType::ALL {
            let examples = of(*event_type);
            assert!(!examples.is_empty(), "{event_type}");
            for example in examples {
                assert_eq!(example.payload["event_type"], event_type.as_str(), "{}", example.name);
                assert_eq!(example.headers["ce-id"], example.payload["event_id"], "{}", example.name);
            }
        }
    }
}
