//! After the end: a text reopens the conversation for a while, a call opens another one.

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::domain::appointment_check::Schedule;
use crate::domain::price_check::PriceRange;
use crate::domain::quiet_hours::QuietHours;

fn ended() -> Talk {
    let mut talk = Talk::new();
    talk.call_missed();
    talk.text("my sink is blocked");
    talk.apply(&Input::Completed { user_id: "u1".into(), outcome: "booked".into(), summary: Some("Friday".into()) });
    talk
}

#[rstest]
#[case::at_once(0.0, true)]
#[case::just_in_time(86_399.0, true)]
#[case::too_late(86_400.0, false)]
fn a_text_opens_a_conversation_again_for_a_day(#[case] later: f64, #[case] again: bool) {
    let mut talk = ended();
    let before = talk.state().clone();
    let decision = talk.later(later).text("one more thing").clone();
    let state = talk.state();
    assert_eq!(state.id == before.id, again);
    assert_eq!(events(&decision).contains(&"conversation.created"), !again);
    assert_eq!((state.status, state.ownership), (Status::Active, Ownership::None));
    assert_eq!((&state.outcome, &state.summary), (&None, &None));
    assert_eq!(state.ai_timer_started_at, Some(talk.now));
    assert!(state.window.is_some());
    if again {
        assert!(state.event_sequence > before.event_sequence, "its events go on");
    }
}

#[test]
fn who_writes_while_they_are_erased_opens_another_conversation() {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    let before = talk.state().id;
    talk.apply(&Input::Completed { user_id: "u1".into(), outcome: ERASED.into(), summary: None });
    assert_eq!(events(talk.text("hello?"))[0], "conversation.created");
    assert_ne!(talk.state().id, before);
}

#[test]
fn a_reopened_conversation_can_be_an_emergency_again() {
    let mut talk = Talk::new();
    talk.text("the pipe burst");
    talk.apply(&Input::Completed { user_id: "u1".into(), outcome: "mended".into(), summary: None });
    assert!(is_analyzed(talk.later(3600.0).text("basement is flooding again")));
}

#[rstest]
#[case::within_the_cool_down(1799.0, false)]
#[case::after_it(1800.0, true)]
fn a_call_after_the_end_opens_another_conversation_and_keeps_the_cool_down(#[case] later: f64, #[case] texted: bool) {
    let mut talk = ended();
    let before = talk.state().id;
    let decision = talk.later(later).call_missed().clone();
    assert_ne!(talk.state().id, before);
    assert_eq!(events(&decision), ["conversation.created", "call.missed"]);
    assert_eq!(is_sent(&decision), texted);
}

#[rstest]
#[case::within(&[(100.0, 350.0)], "That is $150.", MessageKind::Reply)]
#[case::outside(&[(100.0, 350.0)], "That is $90.", MessageKind::Fallback)]
#[case::never_estimated(&[], "That is $150.", MessageKind::Fallback)]
#[case::no_price(&[], "We can come at 3.", MessageKind::Reply)]
fn an_answer_names_no_price_that_the_business_has_not_estimated(
    #[case] ranges: &[(f64, f64)],
    #[case] text: &str,
    #[case] kind: MessageKind,
) {
    let mut talk = Talk::new();
    talk.business.price_ranges = ranges.iter().map(|(min, max)| PriceRange { min: *min, max: *max }).collect();
    talk.text("what would it cost?");
    let window = talk.close_window();
    let decision = talk.answered(window, text).clone();
    assert_eq!(decision.messages[0].kind, kind);
    if kind == MessageKind::Fallback {
        assert_eq!(event_data(&decision, EventType::NeedsAttention)["reason"], "price_out_of_range");
    }
}

#[rstest]
#[case::a_reaction("Emphasized “Leave the house now and call 911: I smell gas”")]
#[case::an_opt_out_that_is_quoted("Liked “Reply STOP to opt out”")]
#[case::an_automatic_reply("Auto-reply: there is a gas leak at our office, we are closed")]
fn what_a_phone_writes_by_itself_is_kept_and_changes_nothing(#[case] body: &str) {
    let mut talk = ended();
    let before = talk.state().clone();
    let decision = talk.later(60.0).text(body).clone();
    assert_eq!(events(&decision), ["message.received"]);
    assert!(decision.messages[0].kind.is_automatic());
    assert_eq!(
        (decision.messages.len(), &decision.messages[0].verdict, decision.messages[0].window_id),
        (1, &None, None)
    );
    let state = talk.state();
    assert_eq!((state.id, state.status, &state.outcome), (before.id, Status::Completed, &before.outcome));
    assert_eq!((state.opted_out, state.last_activity), (false, before.last_activity));

    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    let before = talk.state().clone();
    assert_eq!(events(talk.later(0.5).text(body)), ["message.received"]);
    let state = talk.state();
    assert_eq!((&state.window, state.epoch, state.opted_out), (&before.window, before.epoch, false));
}

#[rstest]
#[case::possible("2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z", None)]
#[case::a_year_ago("2025-11-24T10:00:00Z", "2025-11-24T11:00:00Z", Some("appointment_in_past"))]
#[case::backwards("2026-11-24T11:00:00Z", "2026-11-24T10:00:00Z", Some("appointment_ends_before_start"))]
#[case::at_night("2026-11-24T03:00:00Z", "2026-11-24T04:00:00Z", Some("appointment_outside_hours"))]
#[case::double_booked("2026-11-24T13:30:00Z", "2026-11-24T14:30:00Z", Some("appointment_taken"))]
fn an_impossible_appointment_is_not_confirmed_and_a_person_learns_why(
    #[case] starts_at: &str,
    #[case] ends_at: &str,
    #[case] reason: Option<&str>,
) {
    let mut talk = Talk::new();
    let calendar = json!([{ "starts_at": "2026-11-24T14:00:00Z", "ends_at": "2026-11-24T15:00:00Z" }]);
    let hours = json!({ "tuesday": { "start": "08:00", "end": "17:00" } });
    talk.business.schedule = Schedule::of_business(&hours, &calendar, "Etc/UTC");
    talk.now = "2026-11-23T12:00:00Z".parse().unwrap();
    talk.text("can you come tomorrow?");
    let window_id = talk.close_window();
    let (starts_at, ends_at) = (starts_at.parse().unwrap(), Some(ends_at.parse().unwrap()));
    let appointment = Some(Appointment { starts_at, ends_at, notes: None });
    let answer = Answer { appointment, complete: true, ..answer("See you then.") };
    let decision = talk.apply(&Input::AnalysisReady { window_id, answer }).clone();
    let kind = if reason.is_none() { MessageKind::Reply } else { MessageKind::Fallback };
    assert_eq!(decision.messages[0].kind, kind);
    match reason {
        None => assert_eq!(events(&decision), ["appointment.requested", "conversation.completed"]),
        Some(reason) => {
            assert_eq!(events(&decision), ["conversation.needs_attention"]);
            assert_eq!(event_data(&decision, EventType::NeedsAttention)["reason"], reason);
        }
    }
}

#[rstest]
#[case::unless_the_business_says_so(false, None)]
#[case::where_it_does(true, Some(8 * 3600))]
fn the_missed_call_text_heeds_quiet_hours_only_where_the_business_says_so(
    #[case] missed_call: bool,
    #[case] waits_seconds: Option<i64>,
) {
    let mut talk = Talk::new();
    // The conversation starts at 08:00 UTC.
    let settings = json!({ "quiet_hours": { "start": "07:00", "end": "16:00", "missed_call": missed_call } });
    talk.business.quiet_hours = QuietHours::of_settings(&settings, "Etc/UTC").unwrap();
    let not_before = talk.call_missed().messages[0].not_before;
    assert_eq!(not_before.map(|at| (at - talk.now).num_seconds()), waits_seconds);
    talk.text("the pipe burst");
    let window = talk.state().answering.clone().unwrap().window_id;
    assert_eq!(talk.answered(window, "On our way.").messages[0].not_before, None, "an answer never waits");
}

/// A missed call at night, whose text waits for the morning.
fn missed_at_night() -> Talk {
    let mut talk = Talk::new();
    let settings = serde_json::json!({ "quiet_hours": { "start": "00:00", "end": "23:59", "missed_call": true } });
    talk.business.quiet_hours = QuietHours::of_settings(&settings, "Etc/UTC").unwrap();
    assert!(talk.call_missed().messages[0].not_before.is_some());
    talk
}

#[test]
fn a_held_missed_call_text_is_superseded_by_an_answer_of_the_ai() {
    let mut talk = missed_at_night();
    let held = talk.sent[0].id;
    talk.later(5.0).text("My sink is blocked");
    let window = talk.close_window();
    let updates = &talk.answered(window, "We can come tomorrow.").message_updates;
    assert_eq!(
        updates.iter().map(|update| (update.id, update.status)).collect::<Vec<_>>(),
        [(held, MessageStatus::Superseded)]
    );
}

#[test]
fn a_held_missed_call_text_is_superseded_by_a_talk() {
    let mut talk = missed_at_night();
    let before = talk.state().hard_epoch;
    talk.later(60.0).call_answered();
    assert!(talk.state().hard_epoch > before, "the fence holds it back");
}

#[test]
fn a_talk_answers_the_open_window_and_the_answer_in_progress() {
    let mut talk = Talk::new();
    talk.text("My sink is blocked");
    assert_eq!(windows(talk.later(5.0).call_answered()), [(WindowState::HandedOver, "answered by a call")]);
    assert_eq!((talk.state().window.as_ref(), talk.state().ownership), (None, Ownership::None));
    talk.later(5.0).text("One more thing");
    let window = talk.close_window();
    talk.answered(window, "We can help.");
    let decision = talk.later(1.0).call_answered();
    assert_eq!(decision.message_updates[0].status, MessageStatus::Superseded);
    assert_eq!(windows(decision), [(WindowState::HandedOver, "answered by a call")]);
}

#[test]
fn an_answered_call_opens_nothing_and_changes_nothing_that_has_ended() {
    let mut talk = Talk::new();
    talk.text("My sink is blocked");
    talk.apply(&Input::Completed { user_id: "u1".into(), outcome: "done".into(), summary: None });
    assert!(!talk.later(5.0).call_answered().changed);
    let call = AnsweredCall { call_sid: "CA9".into(), customer: customer(), business_phone: business() };
    assert_eq!(decide(talk.context(), None, "call_status:CA9", &Input::CallAnswered(call), talk.now), None);
}

#[test]
fn a_released_number_ends_the_conversation_and_hands_over_what_waits() {
    let mut talk = Talk::new();
    talk.text("My sink is blocked");
    talk.may_write = false;
    let decision = talk.apply(&Input::NumberReleased);
    let conversation = &decision.conversation;
    assert_eq!((conversation.status, conversation.outcome.as_deref()), (Status::Completed, Some("number_released")));
    assert_eq!(decision.windows[0].state, WindowState::HandedOver);
    assert_eq!(events(decision), ["conversation.needs_attention", "conversation.completed"]);
}

#[test]
fn a_released_number_holds_back_the_answer_under_way_and_raises_the_fence() {
    let mut talk = Talk::new();
    talk.text("My sink is blocked");
    let window = talk.close_window();
    talk.answered(window, "We can help.");
    let before = talk.state.clone().unwrap();
    let decision = talk.apply(&Input::NumberReleased);
    assert_eq!(decision.message_updates[0].status, MessageStatus::Superseded);
    assert!(decision.conversation.hard_epoch > before.hard_epoch);
    let again = talk.apply(&Input::NumberReleased);
    assert!(!again.changed, "it is over already");
}

#[test]
fn what_the_business_may_not_write_is_not_asked_of_dispatchbot_but_handed_over() {
    let mut talk = Talk::new();
    talk.text("My sink is blocked");
    talk.may_write = false;
    let decision = talk.later(61.0).due();
    assert_eq!(windows(decision), [(WindowState::HandedOver, "may_not_write")]);
    assert_eq!(events(decision), ["conversation.needs_attention", "conversation.waiting"]);
    assert!(!is_analyzed(decision));
}

#[test]
fn a_person_may_take_over_what_may_not_be_written_to_but_not_reply_nor_release() {
    let mut talk = Talk::new();
    talk.text("My sink is blocked");
    talk.may_write = false;
    let user_id = || "u1".to_owned();
    assert!(!talk.apply(&Input::UserReplied { user_id: user_id(), body: "Hello".into() }).changed);
    assert!(talk.apply(&Input::UserTookOver { user_id: user_id(), reason: "mine".into() }).changed);
    assert!(!talk.apply(&Input::Released { user_id: user_id() }).changed);
}
