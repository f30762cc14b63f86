//! Who gets alerts, and when.

use rstest::rstest;

use super::*;

fn talk_with_contacts() -> Talk {
    let mut talk = Talk::new();
    talk.business.alert_numbers =
        ["+15555552222", "+15555553333", "+15555554444"].iter().map(|number| number.parse().unwrap()).collect();
    talk
}

/// The recipients of a decision's alerts.
fn told(decision: &Decision) -> Vec<String> {
    decision.messages.iter().filter_map(|message| message.recipient.as_ref().map(ToString::to_string)).collect()
}

#[test]
fn the_owner_is_told_at_once_in_the_customers_words() {
    let mut talk = talk_with_contacts();
    let decision = talk.text("Gas leak in house!").clone();
    assert_eq!(told(&decision), ["+15555552222"]);
    let alert = decision.messages.iter().find(|message| message.kind == MessageKind::Alert).unwrap();
    assert!(alert.body.contains("Gas leak in house!") && alert.body.contains("+12125551234"), "{}", alert.body);
    assert_eq!((alert.fence, alert.in_reply_to_window), (None, None));
}

#[test]
fn the_contacts_are_told_one_after_the_other_until_there_are_no_more() {
    let mut talk = talk_with_contacts();
    talk.text("Gas leak in house!");
    let window = talk.state().answering.clone().unwrap().window_id;
    talk.answered(window, "Get out.");
    assert!(told(talk.later(59.0).due()).is_empty());
    assert_eq!(told(talk.later(1.0).due()), ["+15555553333"]);
    assert!(told(talk.due()).is_empty(), "once each");
    assert_eq!(told(talk.later(60.0).due()), ["+15555554444"]);
    assert!(told(talk.later(60.0).due()).is_empty());
    assert_eq!(talk.state().arm_at(), None);
}

#[test]
fn an_alert_is_sent_although_texts_of_the_open_window_are_missing() {
    let mut talk = talk_with_contacts();
    talk.text("Gas leak in house!");
    talk.later(1.0).text("Please hurry");
    assert!(talk.state().window.is_some());
    let decision = talk.later(59.0).apply(&Input::WindowDue { complete_until: None }).clone();
    assert_eq!(told(&decision), ["+15555553333"]);
    assert!(talk.state().window.is_some());
}

#[rstest]
#[case::taking_over(Input::UserTookOver { user_id: "u1".into(), reason: "mine".into() })]
#[case::writing(Input::UserReplied { user_id: "u1".into(), body: "On my way.".into() })]
#[case::ending_it(Input::Completed { user_id: "u1".into(), outcome: "done".into(), summary: None })]
fn whoever_acts_stops_the_alerts(#[case] input: Input) {
    let mut talk = talk_with_contacts();
    talk.text("Gas leak in house!");
    talk.apply(&input);
    assert!(told(talk.later(60.0).due()).is_empty());
}

#[test]
fn an_owner_who_has_the_conversation_is_told_and_nobody_else() {
    let mut talk = talk_with_contacts();
    talk.text("my sink is blocked");
    talk.apply(&Input::UserTookOver { user_id: "u1".into(), reason: "mine".into() });
    let decision = talk.text("basement is flooding").clone();
    assert_eq!(told(&decision), ["+15555552222"]);
    assert!(told(talk.later(60.0).due()).is_empty());
}

#[rstest]
#[case::the_same_one(1_799.0, &[])]
#[case::another_one(1_800.0, &["+15555552222"])]
fn half_an_hour_later_it_is_another_emergency(#[case] later: f64, #[case] expected: &[&str]) {
    let mut talk = talk_with_contacts();
    talk.text("basement is flooding");
    talk.apply(&Input::UserTookOver { user_id: "u1".into(), reason: "mine".into() });
    talk.apply(&Input::Released { user_id: "u1".into() });
    let decision = talk.later(later).text("the pipe burst").clone();
    assert_eq!(told(&decision), expected);
    assert_eq!(is_analyzed(&decision), !expected.is_empty(), "and nobody waits for a window");
}

/// A completed conversation cannot be taken over, but the alerts ask for a takeover.
#[rstest]
#[case::while_people_are_told(0.5, 0.0, Status::AiHandling)]
#[case::while_an_alert_can_be_answered(60.0, 0.0, Status::AiHandling)]
#[case::when_no_alert_can_be_answered_any_more(60.0, 1_800.0, Status::Completed)]
fn the_ai_ends_no_emergency_that_a_person_may_still_take(#[case] each: f64, #[case] then: f64, #[case] status: Status) {
    let mut talk = talk_with_contacts();
    talk.text("Gas leak in house!");
    let first = talk.state().answering.clone().unwrap().window_id;
    talk.answered(first, "Get out.");
    let sent = talk.sent.len() - 1;
    talk.report(sent, accepted());
    for _ in 0..2 {
        talk.later(each).due();
    }
    talk.later(then).text("ok");
    let window_id = talk.close_window();
    let answer = Answer { complete: true, ..answer("We are on our way.") };
    talk.apply(&Input::AnalysisReady { window_id, answer });
    assert_eq!(talk.state().status, status);
}

#[test]
fn an_emergency_that_only_dispatchbot_sees_is_told_too() {
    let mut talk = talk_with_contacts();
    talk.text("can you come and look at the heater");
    let window_id = talk.close_window();
    let answer = Answer { emergency_detected: true, ..answer("Shut the main valve.") };
    let decision = talk.apply(&Input::AnalysisReady { window_id, answer }).clone();
    assert_eq!(told(&decision), ["+15555552222"]);
    assert!(decision.effects.iter().any(|effect| matches!(effect, Effect::ArmTimer { .. })));
}

#[test]
fn one_timer_serves_the_window_and_the_alerts() {
    let mut talk = talk_with_contacts();
    talk.text("basement is flooding");
    let alert_at = talk.now + TimeDelta::seconds(60);
    let window = talk.state().answering.clone().unwrap().window_id;
    talk.answered(window, "Get out.");
    talk.report(1, accepted());
    let decision = talk.later(1.0).text("ok").clone();
    assert_eq!(decision.effects.last(), Some(&Effect::ArmTimer { at: talk.now + TimeDelta::seconds(2) }));
    talk.close_window();
    assert_eq!(talk.last.as_ref().unwrap().effects.last(), Some(&Effect::ArmTimer { at: alert_at }));
}

#[rstest]
#[case::accepted(accepted(), MessageStatus::Sent, &[])]
#[case::refused(MessageReport::Rejected { code: Some(21211), why: "no".into() }, MessageStatus::Failed, &["conversation.needs_attention"])]
#[case::unknown(MessageReport::Unknown, MessageStatus::Unknown, &["conversation.needs_attention"])]
fn an_alert_is_no_message_of_the_conversation(
    #[case] report: MessageReport,
    #[case] status: MessageStatus,
    #[case] told: &[&str],
) {
    let mut talk = talk_with_contacts();
    talk.text("Gas leak in house!");
    let decision = talk.report(0, report).clone();
    assert_eq!(events(&decision), told);
    assert_eq!(talk.sent[0].status, status);
    assert!(decision.windows.is_empty());
}

#[test]
fn without_numbers_nobody_is_told() {
    let mut talk = Talk::new();
    assert!(told(talk.text("Gas leak in house!")).is_empty());
    assert_eq!(talk.state().arm_at(), None);
}

#[test]
fn an_opt_out_stops_no_alert_and_an_emergency_of_one_who_is_out_starts_them() {
    let mut talk = talk_with_contacts();
    talk.text("Gas leak in house!");
    talk.text("STOP");
    assert_eq!(told(talk.later(60.0).due()), ["+15555553333"]);
    let mut out = talk_with_contacts();
    out.text("STOP");
    assert_eq!(told(out.text("basement is flooding")), ["+15555552222"]);
}

/// The failure is known at once, in a callback, or not certain: the next alert is sent immediately.
#[rstest]
#[case::refused(MessageReport::Rejected { code: Some(21610), why: "opted out".into() })]
#[case::failed(MessageReport::Delivery { twilio_sid: "SMx".into(), status: DeliveryStatus::Failed, error_code: Some(21610), why: None })]
#[case::undelivered(MessageReport::Delivery { twilio_sid: "SMx".into(), status: DeliveryStatus::Undelivered, error_code: Some(30003), why: None })]
#[case::unknown(MessageReport::Unknown)]
fn an_alert_that_does_not_arrive_is_seen_by_the_next_contact_at_once(#[case] report: MessageReport) {
    let mut talk = talk_with_contacts();
    talk.text("basement is flooding");
    let decision = talk.later(1.0).report(0, report.clone()).clone();
    assert_eq!(told(&decision), ["+15555553333"]);
    let alert = decision.messages.iter().find(|message| message.kind == MessageKind::Alert).unwrap();
    assert!(alert.body.contains("could not reach the owner"), "{}", alert.body);
    assert_eq!(event_data(&decision, EventType::NeedsAttention)["reason"], "alert_failed");
    assert_eq!(decision.ledger, None, "what is about the owner's phone is nothing of the customer's");
    assert!(!talk.state().opted_out);
    let second = talk.sent.len() - 1;
    let third = talk.later(1.0).report(second, report).clone();
    assert_eq!(told(&third), ["+15555554444"]);
    let alert = third.messages.iter().find(|message| message.kind == MessageKind::Alert).unwrap();
    assert!(alert.body.contains("the owner, nor 1 of those"), "{}", alert.body);
    assert_eq!(talk.state().arm_at(), None, "there is nobody else");
}

#[test]
fn an_alert_that_fails_late_hurries_nobody_and_is_still_said() {
    let mut talk = talk_with_contacts();
    talk.text("basement is flooding");
    talk.report(0, accepted());
    talk.later(60.0).due();
    let report = MessageReport::Delivery {
        twilio_sid: "SMx".into(),
        status: DeliveryStatus::Undelivered,
        error_code: Some(30003),
        why: None,
    };
    assert!(told(talk.later(1.0).report(0, report)).is_empty());
    let third = talk.later(59.0).due().clone();
    let alert = third.messages.iter().find(|message| message.kind == MessageKind::Alert).unwrap();
    assert!(alert.body.contains("could not reach the owner"), "{}", alert.body);
}

#[test]
fn an_alert_that_fails_once_somebody_has_it_wakes_nobody() {
    let mut talk = talk_with_contacts();
    talk.text("basement is flooding");
    talk.apply(&Input::UserTookOver { user_id: "u1".into(), reason: "mine".into() });
    let decision = talk.report(0, MessageReport::Unknown).clone();
    assert!(told(&decision).is_empty());
    assert_eq!(event_data(&decision, EventType::NeedsAttention)["reason"], "alert_failed");
}
