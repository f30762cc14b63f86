//! Effects as messages to publish: their subjects, ids, headers and payloads.

use crate::trace::Trace;
use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{event_id, window_traces};
use crate::adapters::jetstream::subjects;
use crate::domain::call::Call;
use crate::domain::conversation::{Business, Conversation, Decision, Effect, Envelope, Event, Phase, Priority};
use crate::domain::phone::PhoneNumber;
use crate::store::OutboxRow;

/// The task to ask DispatchBot for an answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AnalyzeTask {
    /// The conversation.
    pub conversation_id: Uuid,
    /// The window to answer.
    pub window_id: Uuid,
    /// When the window closed.
    pub closed_at: DateTime<Utc>,
    /// How soon an answer is needed.
    #[serde(rename = "urgent")]
    pub priority: Priority,
    /// The `traceparent`s of the window's messages that belong to other traces than this task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
}

/// The task to send a message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendTask {
    /// The conversation.
    pub conversation_id: Uuid,
    /// The message.
    pub message_id: Uuid,
    /// When the event happened that the message responds to.
    pub responds_to: DateTime<Utc>,
    /// The window that it answers, if it answers one.
    #[serde(default)]
    pub answer: Option<AnswerTask>,
    /// Whether it goes to the business's own side, not to the customer.
    #[serde(default)]
    pub to_own_side: bool,
}

/// The task to call a person of the business in an emergency.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RingTask {
    /// The conversation.
    pub conversation_id: Uuid,
    /// Our id of the call.
    pub call_id: Uuid,
    /// The business.
    pub business_id: String,
    /// The phone to call.
    pub phone: PhoneNumber,
    /// Whether it is the owner's.
    pub is_owner: bool,
    /// Whether it is about a danger to life.
    pub about_life: bool,
    /// When the call was decided on.
    pub since: DateTime<Utc>,
}

/// What a message that answers a window has waited for so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerTask {
    /// When the window opened.
    pub opened_at: DateTime<Utc>,
    /// Until when it waited for a person.
    pub due_at: DateTime<Utc>,
    /// How long DispatchBot took, in milliseconds.
    pub dispatchbot_ms: u64,
}

/// What a decision follows.
#[derive(Clone, Copy)]
pub(super) struct Since<'a> {
    /// The conversation before it, if there was one.
    pub(super) before: Option<&'a Conversation>,
    /// The time that DispatchBot needed, if the decision is about its answer.
    pub(super) took: Option<Duration>,
}

/// The outbox rows of a decision, in order.
pub(super) fn rows(
    decision: &Decision,
    business: &Business,
    since: Since<'_>,
    trace: &Trace,
    now: DateTime<Utc>,
) -> Vec<OutboxRow> {
    decision.effects.iter().map(|effect| row(effect, decision, business, since, trace, now)).collect()
}

fn row(
    effect: &Effect,
    decision: &Decision,
    business: &Business,
    Since { before, took }: Since<'_>,
    trace: &Trace,
    now: DateTime<Utc>,
) -> OutboxRow {
    let conversation = &decision.conversation;
    let conversation_id = conversation.id;
    match effect {
        Effect::ArmTimer { at } => arm(conversation_id, *at, trace),
        Effect::Analyze { window_id, closed_at, priority } => {
            let (window_id, closed_at, priority) = (*window_id, *closed_at, *priority);
            let links = window_traces::others(before, window_id, trace);
            let task = AnalyzeTask { conversation_id, window_id, closed_at, priority, links };
            task_row(
                conversation_id,
                subjects::analyze(conversation_id, priority),
                format!("analyze:{window_id}"),
                &task,
                trace,
            )
        }
        Effect::SendSms { message_id, responds_to } => {
            let answer = answer(conversation, *message_id, took);
            let message = decision.messages.iter().find(|message| message.id == *message_id);
            let to_own_side = message.is_some_and(|message| message.recipient.is_some());
            let (message_id, responds_to) = (*message_id, *responds_to);
            let task = SendTask { conversation_id, message_id, responds_to, answer, to_own_side };
            task_row(
                conversation_id,
                subjects::send_sms(conversation_id, priority(decision, message_id)),
                format!("send:{message_id}"),
                &task,
                trace,
            )
        }
        Effect::Ring { call_id, phone, is_owner, about_life, since } => {
            let task = RingTask {
                conversation_id,
                call_id: *call_id,
                business_id: conversation.business_id.clone(),
                phone: phone.clone(),
                is_owner: *is_owner,
                about_life: *about_life,
                since: *since,
            };
            task_row(conversation_id, subjects::ring(conversation_id), format!("ring:{call_id}"), &task, trace)
        }
        Effect::Emit(event) => envelope(&About::Conversation(conversation), &business.user_id, event, trace, now),
    }
}

/// What the message has waited for, if it answers the conversation's window.
fn answer(conversation: &Conversation, message_id: Uuid, took: Option<Duration>) -> Option<AnswerTask> {
    let answering = conversation.answering.as_ref().filter(|it| it.phase == Phase::Replying { message_id })?;
    let dispatchbot_ms = u64::try_from(took.unwrap_or_default().as_millis()).unwrap_or_default();
    let due_at = answering.due_at.unwrap_or(answering.closed_at);
    Some(AnswerTask { opened_at: answering.opened_at, due_at, dispatchbot_ms })
}

/// The priority of a message, which selects its queue.
fn priority(decision: &Decision, message_id: Uuid) -> Priority {
    let in_emergency = decision.conversation.emergency_detected;
    let written = decision.messages.iter().find(|message| message.id == message_id);
    written.map_or(Priority::urgent_if(in_emergency), |message| message.kind.priority(in_emergency))
}

/// The outbox rows of a call's events.
pub(super) fn call_rows(
    call: &Call,
    user_id: &str,
    events: &[Event],
    trace: &Trace,
    now: DateTime<Utc>,
) -> Vec<OutboxRow> {
    events.iter().map(|event| envelope(&About::Call(call), user_id, event, trace, now)).collect()
}

/// A timer, scheduled on the conversation's subject, where it replaces the previous one. It has no message id: arming
/// it again must not be dropped as a duplicate (docs/design.md).
pub(super) fn arm(conversation_id: Uuid, at: DateTime<Utc>, trace: &Trace) -> OutboxRow {
    let headers = BTreeMap::from([
        (
            "Nats-Schedule".to_owned(),
            format!("@at {}", whole_millisecond(at).to_rfc3339_opts(SecondsFormat::Millis, true)),
        ),
        ("Nats-Schedule-Target".to_owned(), subjects::window_due(conversation_id)),
        ("traceparent".to_owned(), trace.header().to_owned()),
    ]);
    OutboxRow {
        key: conversation_id,
        subject: subjects::window_arm(conversation_id),
        message_id: None,
        headers,
        payload: json!({ "conversation_id": conversation_id, "due_at": at }),
    }
}

/// The first whole millisecond that is not before `at`: a timer that fires just before its deadline would only be armed
/// again.
fn whole_millisecond(at: DateTime<Utc>) -> DateTime<Utc> {
    let cut = at.trunc_subsecs(3);
    if cut < at { cut + TimeDelta::milliseconds(1) } else { cut }
}

/// The task to send a message, under another message id than the one that it had first.
pub(super) fn send_task(task: &SendTask, priority: Priority, message_id: String) -> OutboxRow {
    let subject = subjects::send_sms(task.conversation_id, priority);
    task_row(task.conversation_id, subject, message_id, task, &Trace::start())
}

fn task_row(key: Uuid, subject: String, message_id: String, task: &impl Serialize, trace: &Trace) -> OutboxRow {
    OutboxRow {
        key,
        subject,
        message_id: Some(message_id),
        headers: BTreeMap::from([("traceparent".to_owned(), trace.header().to_owned())]),
        payload: serde_json::to_value(task).unwrap_or_default(),
    }
}

/// What an event is about.
enum About<'a> {
    Conversation(&'a Conversation),
    Call(&'a Call),
}

/// The envelope of docs/contract.md. The headers repeat it as CloudEvents attributes.
fn envelope(about: &About<'_>, user_id: &str, event: &Event, trace: &Trace, now: DateTime<Utc>) -> OutboxRow {
    let (scope, business_id, conversation_id, customer_phone) = match about {
        About::Conversation(c) => (c.id, &c.business_id, Some(c.id), Some(&c.customer_phone)),
        About::Call(call) => (call.id, &call.business_id, None, call.customer_phone.as_ref()),
    };
    let event_id = event_id(scope, event.sequence);
    let event_type = event.data.event_type();
    let payload = Envelope {
        event_id,
        event_type,
        occurred_at: now,
        sequence: event.sequence,
        business_id: Some(business_id),
        user_id: Some(user_id),
        conversation_id,
        customer_phone: customer_phone.map(PhoneNumber::as_str),
        data: &event.data,
    };
    let event_type = event_type.as_str();
    OutboxRow {
        key: scope,
        subject: subjects::event(event_type, conversation_id),
        message_id: Some(event_id.to_string()),
        headers: cloud_event(event_id, event_type, &scope.to_string(), now, trace),
        payload: serde_json::to_value(payload).unwrap_or_default(),
    }
}

/// The headers of an event: its CloudEvents attributes, and the trace that it belongs to.
pub(crate) fn cloud_event(
    event_id: Uuid,
    event_type: &str,
    subject: &str,
    at: DateTime<Utc>,
    trace: &Trace,
) -> BTreeMap<String, String> {
    let headers = [
        ("ce-specversion", "1.0".to_owned()),
        ("ce-id", event_id.to_string()),
        ("ce-source", "nevermisscall".to_owned()),
        ("ce-type", event_type.to_owned()),
        ("ce-subject", subject.to_owned()),
        ("ce-time", at.to_rfc3339_opts(SecondsFormat::Micros, true)),
        ("ce-datacontenttype", "application/json".to_owned()),
        ("content-type", "application/json".to_owned()),
        ("traceparent", trace.header().to_owned()),
    ];
    headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
