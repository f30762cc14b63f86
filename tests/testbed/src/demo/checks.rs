//! Compares what the journey should have produced with what is there.

use super::business::{CUSTOMER_PHONE, ID, OWNER_PHONE, PHONE};
use super::findings::Findings;
use super::journey::{FIRST, SECOND};
use super::stage::Stage;
use super::watch::{Seen, is};
use crate::dispatchbot::asked;

/// Each event of the journey and its expected count.
const EVENTS: [(&str, usize); 11] = [
    ("call.received", 1),
    ("call.missed", 1),
    ("conversation.created", 1),
    ("conversation.ai_timer_started", 1),
    ("conversation.ai_taken", 1),
    ("message.received", 3),
    ("message.sent", 3),
    ("message.delivered", 3),
    ("appointment.requested", 1),
    ("conversation.completed", 1),
    ("conversation.needs_attention", 0),
];

/// Checks everything, prints the result, and returns whether all of it is as expected.
pub(super) async fn print(stage: &Stage) -> bool {
    let mut findings = Findings::default();
    call(stage, &mut findings);
    texts(stage, &mut findings);
    questions(stage, &mut findings);
    events(&stage.events.snapshot(), &mut findings);
    if let Err(error) = rest(stage, &mut findings).await {
        findings.add("the REST API answers", false, format!("{error:#}"));
    }
    findings.print(&stage.screen)
}

fn call(stage: &Stage, findings: &mut Findings) {
    let calls = stage.phone.calls();
    let call = calls.first();
    let dialled = call.is_some_and(|call| call.dialled.as_deref() == Some(OWNER_PHONE));
    findings.add("the call was put through to the owner's phone", dialled, format!("{call:?}"));
    let content = call.is_some_and(|call| call.answers == [(200, None), (200, None)]);
    findings.add("Twilio is content with both answers to the call", content, format!("{call:?}"));
}

/// Successful outcomes in the simulator: an SMS, and a query of the account's numbers.
const TAKEN: [&str; 2] = ["accepted", "numbers_listed"];

fn texts(stage: &Stage, findings: &mut Findings) {
    let messages = stage.twilio.messages();
    findings.add("three SMS went out, each once", messages.len() == 3, messages.len());
    let first = messages.first().map(|sms| sms.body.clone()).unwrap_or_default();
    findings.add("the first begins “Hi! I missed your call”", first.starts_with("Hi! I missed your call"), first);
    let routed = messages.iter().all(|sms| sms.from == PHONE && sms.to == CUSTOMER_PHONE);
    findings.add("all from the number that the customer called", routed, "another number");
    let refused = stage.twilio.requests().into_iter().filter(|(outcome, _)| !TAKEN.contains(&outcome.as_str()));
    let refused = refused.collect::<Vec<_>>();
    findings.add("Twilio refused nothing", refused.is_empty(), format!("{refused:?}"));
    let reports = stage.twilio.callbacks();
    let taken = reports.len() == 6 && reports.iter().all(|report| report.http_status == Some(204));
    let saw = reports.iter().map(|report| format!("{}: {:?}", report.status, report.http_status)).collect::<Vec<_>>();
    findings.add("six delivery reports were taken with 204", taken, saw.join(", "));
}

fn questions(stage: &Stage, findings: &mut Findings) {
    let requests = stage.dispatchbot.requests();
    findings.add("DispatchBot was asked twice: once for each window", requests.len() == 2, requests.len());
    let problems: Vec<_> = requests.iter().filter(|request| request["answered_with"] != 200).collect();
    findings.add("each time as its contract says", problems.is_empty(), format!("{problems:?}"));
    let asked = requests.first().map(asked::texts).unwrap_or_default();
    let together = asked.ends_with(&[FIRST, SECOND]);
    findings.add("two messages within a window were one question", together, asked.join(" | "));
}

fn events(all: &[Seen], findings: &mut Findings) {
    let count = |event_type| all.iter().filter(|seen| is(seen, event_type)).count();
    let listed = |counts: Vec<(&str, usize)>| {
        counts.into_iter().map(|(event_type, count)| format!("{event_type} {count}")).collect::<Vec<_>>().join(", ")
    };
    let counted = EVENTS.map(|(event_type, _)| (event_type, count(event_type)));
    let what = format!("events as often as they should be: {}", listed(EVENTS.to_vec()));
    findings.add(&what, counted == EVENTS, listed(counted.to_vec()));
    let odd: Vec<_> = all.iter().filter(|seen| seen.jetstream.len() != 1 || seen.redis.len() != 1).collect();
    findings.add("each event once in JetStream and once in Redis", odd.is_empty(), format!("{odd:?}"));
    let about = |seen: &&Seen| !seen.envelope["conversation_id"].is_null();
    let sequences: Vec<_> = all.iter().filter(about).filter_map(|seen| seen.envelope["sequence"].as_i64()).collect();
    let rising = sequences.is_sorted_by(|one, next| one < next);
    findings.add("their sequence rises", rising, format!("{sequences:?}"));
}

async fn rest(stage: &Stage, findings: &mut Findings) -> anyhow::Result<()> {
    let conversation = stage.api.newest_conversation(CUSTOMER_PHONE).await?.unwrap_or_default();
    let fields = [("status", "completed"), ("ownership", "ai"), ("business_id", ID)];
    for (field, expected) in fields {
        findings.add(
            &format!("conversation: {field} {expected}"),
            conversation[field] == expected,
            &conversation[field],
        );
    }
    // dispatch-bot-ai gives no summary.
    let is_other_dialect = stage.dispatchbot.requests().iter().any(asked::is_of_dispatch_bot_ai);
    let kept: &[&str] = if is_other_dialect { &["outcome"] } else { &["outcome", "summary"] };
    let told = kept.iter().all(|key| conversation[*key].as_str().is_some_and(|text| !text.is_empty()));
    findings.add(&format!("conversation: {} kept", kept.join(" and ")), told, &conversation);
    let timed = conversation["ai_timer_started"] == true && conversation["ai_timer_started_at"].is_string();
    findings.add("conversation: the AI timer was started", timed, &conversation);
    let id = conversation["id"].as_str().unwrap_or_default();

    let page = stage.api.get(&format!("/conversations/{id}/messages")).await?;
    let messages = page["messages"].as_array().cloned().unwrap_or_default();
    let senders: Vec<_> = messages.iter().filter_map(|message| message["sender_type"].as_str()).collect();
    let order = senders == ["ai", "customer", "customer", "ai", "customer", "ai"];
    findings.add("six messages, in the order in which they came", order, senders.join(", "));
    let statuses: Vec<_> = messages.iter().filter_map(|message| message["status"].as_str()).collect();
    let settled = statuses == ["delivered", "received", "received", "delivered", "received", "delivered"];
    findings.add("ours delivered, the customer's received", settled, statuses.join(", "));

    let sid = stage.phone.calls().first().map(|call| call.sid.clone()).unwrap_or_default();
    let call = stage.api.get(&format!("/calls/{sid}")).await?;
    let linked = call["dial_status"] == "no-answer" && call["conversation_id"] == id;
    findings.add("the call's record is linked to the conversation", linked, &call);
    findings.add("and the conversation to the call", conversation["call_id"] == call["id"], &conversation["call_id"]);
    let health = stage.api.get("/health").await?;
    findings.add("the service is healthy", health["status"] == "healthy", &health);
    Ok(())
}
