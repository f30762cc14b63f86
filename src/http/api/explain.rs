//! Explains a conversation: its windows from the record, as data and in sentences. Pure; used by
//! `GET /conversations/{id}/explain`.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::adapters::postgres::{AnalysisRow, WaitingStep, WindowMessage, WindowStep};
use crate::adapters::twilio;
use crate::domain::conversation::{AnalysisReason, WindowReason};

/// A window and what happened to it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainedWindow {
    /// The window's id.
    pub id: Uuid,
    /// The current state.
    pub state: String,
    /// Its changes of state, in order.
    pub steps: Vec<WindowStep>,
    /// The customer's messages in it: the first one opened it, unless a takeover did.
    pub messages: Vec<WindowMessage>,
    /// DispatchBot's results for it.
    pub analyses: Vec<AnalysisRow>,
    /// Our replies to it: sent, on their way, or dropped.
    pub replies: Vec<WindowMessage>,
    /// The history in sentences.
    pub story: Vec<String>,
}

/// The windows of a conversation, in the order in which they opened.
pub fn windows(steps: Vec<WindowStep>, messages: &[WindowMessage], analyses: &[AnalysisRow]) -> Vec<ExplainedWindow> {
    let mut windows: Vec<ExplainedWindow> = Vec::new();
    for step in steps {
        if let Some(window) = windows.iter_mut().find(|window| window.id == step.window_id) {
            window.state.clone_from(&step.state);
            window.steps.push(step);
            continue;
        }
        let id = step.window_id;
        windows.push(ExplainedWindow {
            id,
            state: step.state.clone(),
            messages: messages.iter().filter(|m| m.window_id == Some(id)).cloned().collect(),
            analyses: analyses.iter().filter(|a| a.window_id == id).cloned().collect(),
            replies: messages.iter().filter(|m| m.in_reply_to_window == Some(id)).cloned().collect(),
            steps: vec![step],
            story: Vec::new(),
        });
    }
    for window in &mut windows {
        window.story = story(window);
    }
    windows
}

/// What was done about a customer who waited, in sentences.
pub fn waiting(steps: &[WaitingStep]) -> Vec<String> {
    let told = steps.iter().flat_map(|step| waiting_in_words(&step.done).into_iter().map(|words| (step.at, words)));
    told.map(|(at, words)| line(at, &words)).collect()
}

fn waiting_in_words(done: &Value) -> Vec<String> {
    let is_done = |name: &str| done.get(name).is_some();
    let minutes = done.get("minutes").and_then(Value::as_u64).map(|minutes| match minutes {
        1 => "The customer had waited for an answer for 1 minute.".to_owned(),
        _ => format!("The customer had waited for an answer for {minutes} minutes."),
    });
    let silent = is_done("person_silent").then_some("The person who owned the conversation was silent.");
    let reminder = is_done("reminder").then_some("The owner was reminded by SMS.");
    let released =
        is_done("released").then_some("The person had done nothing for long, so the AI got the conversation back.");
    minutes.into_iter().chain([released, silent, reminder].into_iter().flatten().map(str::to_owned)).collect()
}

fn line(at: DateTime<Utc>, words: &str) -> String {
    format!("{}: {words}", at.format("%Y-%m-%d %H:%M:%S UTC"))
}

fn story(window: &ExplainedWindow) -> Vec<String> {
    let mut told: Vec<(DateTime<Utc>, u8, String)> = Vec::new();
    for (n, message) in window.messages.iter().enumerate() {
        let verb = if n == 0 { "wrote" } else { "wrote again" };
        told.push((message.created_at, 0, format!("The customer {verb}: \"{}\".", message.body)));
    }
    for step in &window.steps {
        told.extend(step_in_words(step).map(|words| (step.at, 1, words)));
    }
    for analysis in &window.analyses {
        told.push((analysis.at, 2, analysis_in_words(analysis)));
    }
    for reply in &window.replies {
        told.push((accepted_at(window, reply).unwrap_or(reply.created_at), 3, reply_in_words(reply)));
    }
    told.sort_by_key(|(at, rank, _)| (*at, *rank));
    told.into_iter().map(|(at, _, words)| line(at, &words)).collect()
}

/// When a reply was accepted, if it was: it was sent and delivered after that, at a time that is not kept.
fn accepted_at(window: &ExplainedWindow, reply: &WindowMessage) -> Option<DateTime<Utc>> {
    let was_accepted = ["sent", "delivered", "undelivered"].contains(&reply.status.as_str());
    let step = window.steps.iter().rev().find(|step| step.state == "answered").filter(|_| was_accepted)?;
    Some(step.at.max(reply.created_at))
}

fn step_in_words(step: &WindowStep) -> Option<String> {
    let words = match (step.state.as_str(), step.reason.as_str()) {
        ("open", "message") => "This opened a window: all messages in it get one answer.".to_owned(),
        ("open", "overtook an answer") => {
            "An answer to earlier messages was in progress. This opened a new window, which is answered instead."
                .to_owned()
        }
        ("open", "takeover" | "alert_taken") => {
            "A person took over while an answer was in progress. The messages are left to that person.".to_owned()
        }
        ("claimed", "deadline") => "The window closed, and DispatchBot was asked for an answer.".to_owned(),
        ("claimed", "emergency") => "An emergency was detected, so DispatchBot was asked at once.".to_owned(),
        ("answered", "sent after all") => "The answer was to be stopped, but it had already been sent.".to_owned(),
        ("answered", _) => "The answer was accepted for sending.".to_owned(),
        ("superseded", reason) => format!("The window was not answered separately: {}.", reason_in_words(reason)),
        ("handed_over", reason) => format!("The window was handed over to a person: {}.", reason_in_words(reason)),
        ("unknown", _) => "It is unknown whether the answer was sent, so a person was notified.".to_owned(),
        _ => return None,
    };
    Some(words)
}

/// A recorded reason as a phrase for a support desk; an unknown reason is returned unchanged.
fn reason_in_words(reason: &str) -> &str {
    use WindowReason::*;
    let Ok(reason) = reason.parse::<WindowReason>() else { return reason };
    match reason {
        NewerWindow => "the customer wrote more, and a newer window answers all messages",
        Overtaken => "the conversation changed before DispatchBot answered",
        Fence => "the conversation changed just before the answer was sent",
        Takeover => "a person took over",
        AlertTaken => "a person answered the alert and took over",
        Completed => "a person ended the conversation",
        OptedOut => "the customer wants no more texts",
        PossibleOptOut => "the customer may want no more texts, but this is not certain",
        AnsweredByPerson => "a person wrote to the customer",
        AnsweredByCall => "a person talked with the customer on the phone",
        NeverText => "the customer's number is on the list of those that are never texted",
        AiMax => "the AI had reached its limit of replies",
        Limit => "the business had used up a limit of the day",
        OtherBusiness => "the customer's number belongs to another business, which gets one answer from the AI per day",
        SentAfterAll => "its answer had already been sent",
        Rejected => "Twilio rejected the answer, or DispatchBot the request",
        Expired => "the answer waited too long to be sent",
        LowConfidence => "DispatchBot was not sure enough of its answer",
        EmptyAnswer => "DispatchBot's answer was empty",
        AnswerTooLong => "DispatchBot's answer was too long for a text",
        LinkNotAllowed => "DispatchBot's answer had a link or a mail address that the business does not allow",
        UnknownPhoneNumber => {
            "DispatchBot's answer had a phone number that is neither the business's nor the customer's"
        }
        HiddenCharacters => "DispatchBot's answer had characters that are not seen",
        PriceOutOfRange => "DispatchBot's answer named a price outside the business's estimates",
        AppointmentInPast => "DispatchBot's answer had an appointment in the past",
        AppointmentEndsBeforeStart => "DispatchBot's answer had an appointment that ends before it starts",
        AppointmentOutsideHours => "DispatchBot's answer had an appointment outside the business's hours",
        AppointmentTaken => {
            "DispatchBot's answer had an appointment at a time that is taken in the business's calendar"
        }
        TimedOut => "DispatchBot did not answer in time",
        NotAsked => "DispatchBot had failed repeatedly, so it was not asked",
        Unreachable => "DispatchBot could not be reached",
        Malformed => "DispatchBot's answer could not be read",
        NotSuccessful => "DispatchBot could not analyze the window",
        NotProcessed => "DispatchBot's answer could not be processed",
        MayNotWrite => "the business no longer has the number or the Twilio account of this conversation",
        NumberReleased => "the business gave up the number",
        Idle => "nothing had happened for long",
        Recovered => "the database was restored, and it is not known what had been done before",
        BusinessGone => "the business was deleted",
        NotConfigured => "DispatchBot could not be asked for this business, because something is missing in its set-up",
        Escalated => "DispatchBot wants a person to go on, and its text was sent",
        Message | OvertookAnswer | Deadline | Emergency | Sent | SendUnknown => reason.as_str(),
    }
}

fn analysis_in_words(analysis: &AnalysisRow) -> String {
    if let Some(reason) = analysis.said.get("failed").and_then(Value::as_str) {
        let words = if reason == AnalysisReason::Rejected.as_str() {
            "it rejected the request"
        } else {
            reason_in_words(reason)
        };
        return format!("There is no answer from DispatchBot: {words}.");
    }
    let said = analysis.said.get("text").and_then(Value::as_str).unwrap_or_default();
    let confidence = analysis.said.get("confidence").and_then(Value::as_f64);
    let sure = confidence.map(|c| format!(" with {:.0} % confidence", c * 100.0)).unwrap_or_default();
    let urgency = match analysis.said.get("urgency").and_then(Value::as_str) {
        Some("emergency") => "an emergency",
        Some("urgent") => "urgent",
        _ => "an ordinary job",
    };
    let mut words = format!("DispatchBot rated the request as {urgency} and proposed{sure}: \"{said}\".");
    if let Some(reason) = &analysis.drop_reason {
        words.push_str(&format!(" It was not used: {}.", reason_in_words(reason)));
    }
    words
}

fn reply_in_words(reply: &WindowMessage) -> String {
    let what = match reply.kind.as_str() {
        "fallback" => "The fallback text",
        "emergency" => "The emergency text",
        _ => "The answer",
    };
    let why = reply.error_code.and_then(twilio::explain).map(|words| format!(" {words}")).unwrap_or_default();
    let became = match reply.status.as_str() {
        "queued" => "is waiting to be sent",
        "sending" => "is being sent",
        "sent" => "was sent",
        "delivered" => "was delivered",
        "undelivered" => "could not be delivered",
        "failed" => "was not sent",
        "superseded" => "was dropped before it was sent",
        "unknown" => "may or may not have been sent",
        other => other,
    };
    format!("{what} {became}: \"{}\".{why}", reply.body)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use chrono::TimeDelta;
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const W: Uuid = Uuid::from_u128(1);

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::seconds(seconds)
    }

    fn step(seconds: i64, state: &str, reason: &str) -> WindowStep {
        WindowStep { window_id: W, state: state.into(), reason: reason.into(), at: at(seconds) }
    }

    fn message(seconds: i64, kind: &str, body: &str, status: &str) -> WindowMessage {
        let customer = kind == "customer";
        WindowMessage {
            id: Uuid::from_u128(u128::from(seconds.unsigned_abs()) + 10),
            kind: kind.into(),
            body: body.into(),
            status: status.into(),
            error_code: None,
            window_id: customer.then_some(W),
            in_reply_to_window: (!customer).then_some(W),
            created_at: at(seconds),
        }
    }

    fn told(window: &ExplainedWindow) -> Vec<&str> {
        window.story.iter().filter_map(|line| line.split_once(": ").map(|(_, words)| words)).collect()
    }

    #[test]
    fn an_answered_window_tells_its_story_in_order() {
        let steps = vec![step(0, "open", "message"), step(60, "claimed", "deadline"), step(62, "answered", "sent")];
        let said = json!({ "text": "We can help.", "confidence": 0.93, "urgency": "urgent" });
        let analyses = [AnalysisRow { window_id: W, said, drop_reason: None, at: at(61) }];
        let messages = [
            message(0, "customer", "my sink is blocked", "received"),
            message(5, "customer", "please hurry", "received"),
            message(61, "reply", "We can help.", "delivered"),
        ];
        let windows = windows(steps, &messages, &analyses);
        assert_eq!((windows.len(), windows[0].state.as_str(), windows[0].messages.len()), (1, "answered", 2));
        assert_eq!(
            told(&windows[0]),
            [
                "The customer wrote: \"my sink is blocked\".",
                "This opened a window: all messages in it get one answer.",
                "The customer wrote again: \"please hurry\".",
                "The window closed, and DispatchBot was asked for an answer.",
                "DispatchBot rated the request as urgent and proposed with 93 % confidence: \"We can help.\".",
                "The answer was accepted for sending.",
                "The answer was delivered: \"We can help.\".",
            ]
        );
    }

    #[rstest]
    #[case::overtaken(json!({ "text": "Hi", "confidence": 0.9 }), Some("overtaken"), "the conversation changed")]
    #[case::unsure(json!({ "text": "Hi", "confidence": 0.2 }), Some("low_confidence"), "not sure enough")]
    #[case::silent(json!({ "failed": "timed_out" }), Some("timed_out"), "DispatchBot did not answer in time")]
    #[case::of_another_version(json!([1]), None, "as an ordinary job and proposed: \"\"")]
    #[case::without_a_confidence(json!({ "text": "Hi", "confidence": null }), None, "proposed: \"Hi\"")]
    fn what_dispatchbot_said_and_why_it_was_dropped(
        #[case] said: Value,
        #[case] dropped: Option<&str>,
        #[case] words: &str,
    ) {
        let analysis = AnalysisRow { window_id: W, said, drop_reason: dropped.map(str::to_owned), at: at(1) };
        let told = analysis_in_words(&analysis);
        assert!(told.contains(words), "{told}");
    }

    #[test]
    fn what_was_done_about_a_waiting_customer_is_told_in_order() {
        let step = |seconds, done| WaitingStep { at: at(seconds), done };
        let steps = [
            step(60, json!({ "minutes": 1, "since": at(0) })),
            step(600, json!({ "minutes": 5, "person_silent": true, "reminder": W })),
            step(900, json!({ "released": true })),
        ];
        let told = waiting(&steps);
        let words: Vec<&str> = told.iter().filter_map(|line| Some(line.split_once(": ")?.1)).collect();
        assert_eq!(
            words,
            [
                "The customer had waited for an answer for 1 minute.",
                "The customer had waited for an answer for 5 minutes.",
                "The person who owned the conversation was silent.",
                "The owner was reminded by SMS.",
                "The person had done nothing for long, so the AI got the conversation back.",
            ]
        );
    }

    #[test]
    fn a_reply_that_failed_says_why() {
        let reply = WindowMessage { error_code: Some(30003), ..message(1, "fallback", "Thanks", "undelivered") };
        let told = reply_in_words(&reply);
        assert_eq!(
            told,
            "The fallback text could not be delivered: \"Thanks\". The customer's phone is off or out of reach."
        );
    }

    #[rstest]
    #[case("superseded", "newer window", "a newer window answers all messages")]
    #[case("handed_over", "opted_out", "wants no more texts")]
    #[case("handed_over", "something_new", "something_new")]
    fn each_end_has_its_reason(#[case] state: &str, #[case] reason: &str, #[case] words: &str) {
        let told = step_in_words(&step(1, state, reason)).unwrap();
        assert!(told.contains(words), "{told}");
    }
}
