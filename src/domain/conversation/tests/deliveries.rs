//! The outcome of outgoing messages.

use rstest::rstest;

use super::*;

/// A conversation whose reply is queued: message 0.
fn replying() -> Talk {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    let window = talk.close_window();
    talk.answered(window, "We can help.");
    talk
}

fn delivery(status: DeliveryStatus) -> MessageReport {
    MessageReport::Delivery { twilio_sid: "SMx".into(), status, error_code: None, why: None }
}

#[test]
fn acceptance_settles_the_window() {
    let mut talk = replying();
    let decision = talk.report(0, accepted()).clone();
    assert_eq!(events(&decision), ["message.sent"]);
    assert_eq!(windows(&decision), [(WindowState::Answered, "sent")]);
    assert_eq!(decision.message_updates[0].twilio_sid.as_deref(), Some("SMx"));
    assert!(talk.state().answering.is_none());
}

#[rstest]
#[case::in_order(&[DeliveryStatus::Accepted, DeliveryStatus::Sent, DeliveryStatus::Delivered], MessageStatus::Delivered)]
#[case::reordered(&[DeliveryStatus::Delivered, DeliveryStatus::Sent], MessageStatus::Delivered)]
#[case::duplicated(&[DeliveryStatus::Sent, DeliveryStatus::Sent], MessageStatus::Sent)]
#[case::terminal_is_sticky(&[DeliveryStatus::Undelivered, DeliveryStatus::Delivered], MessageStatus::Undelivered)]
#[case::failed_is_sticky(&[DeliveryStatus::Failed, DeliveryStatus::Sent], MessageStatus::Failed)]
fn delivery_status_moves_forward_only(#[case] reports: &[DeliveryStatus], #[case] ends: MessageStatus) {
    let mut talk = replying();
    talk.report(0, accepted());
    for status in reports {
        talk.report(0, delivery(*status));
    }
    assert_eq!(talk.sent[0].status, ends);
}

#[test]
fn a_callback_that_is_quicker_than_twilios_answer_proves_the_send_once() {
    let mut talk = replying();
    talk.sent[0].status = MessageStatus::Sending;
    let proof = talk.report(0, delivery(DeliveryStatus::Delivered)).clone();
    assert_eq!(events(&proof), ["message.sent", "message.delivered"]);
    assert_eq!(windows(&proof), [(WindowState::Answered, "sent")]);
    assert!(!talk.report(0, accepted()).changed);
}

#[test]
fn a_callback_resolves_an_unknown_outcome() {
    let mut talk = replying();
    talk.sent[0].status = MessageStatus::Sending;
    let unknown = talk.report(0, MessageReport::Unknown).clone();
    assert_eq!(event_data(&unknown, EventType::NeedsAttention)["reason"], "send_unknown");
    assert_eq!(windows(&unknown), [(WindowState::Unknown, "send_unknown")]);
    let proof = talk.report(0, delivery(DeliveryStatus::Sent)).clone();
    assert_eq!(talk.sent[0].status, MessageStatus::Sent);
    assert_eq!(windows(&proof), [(WindowState::Answered, "sent after all")]);
}

/// The report was made while the message was queued; since then another worker has claimed it.
#[rstest]
#[case::too_old(MessageReport::Expired)]
#[case::held_back(MessageReport::Superseded)]
fn what_is_being_sent_is_not_given_up(#[case] report: MessageReport) {
    let mut talk = replying();
    talk.sent[0].status = MessageStatus::Sending;
    assert!(!talk.report(0, report).changed);
}

#[rstest]
#[case::refused(MessageReport::Rejected { code: Some(21211), why: "the number is not valid".into() }, "message_rejected", Some(21211))]
#[case::too_old(MessageReport::Expired, "message_expired", None)]
fn a_message_that_will_not_go_out_is_given_to_a_person(
    #[case] report: MessageReport,
    #[case] reason: &str,
    #[case] code: Option<i32>,
) {
    let mut talk = replying();
    let decision = talk.report(0, report).clone();
    assert_eq!(events(&decision), ["message.failed", "conversation.needs_attention"]);
    assert_eq!(event_data(&decision, EventType::NeedsAttention)["reason"], reason);
    assert_eq!(decision.message_updates[0].error_code, code);
    assert_eq!(decision.windows[0].state, WindowState::HandedOver);
    assert_eq!(talk.sent[0].status, MessageStatus::Failed);
}

#[test]
fn a_message_that_does_not_arrive_is_given_to_a_person() {
    let mut talk = replying();
    talk.report(0, accepted());
    let report = MessageReport::Delivery {
        twilio_sid: "SMx".into(),
        status: DeliveryStatus::Undelivered,
        error_code: Some(30003),
        why: Some("off or out of reach".into()),
    };
    let decision = talk.report(0, report).clone();
    assert_eq!(events(&decision), ["message.failed", "conversation.needs_attention"]);
    assert_eq!(event_data(&decision, EventType::MessageFailed)["error_code"], 30003);
    assert_eq!(event_data(&decision, EventType::MessageFailed)["why"], "off or out of reach");
    assert_eq!(event_data(&decision, EventType::NeedsAttention)["why"], "off or out of reach");
}

#[test]
fn who_wrote_to_a_customer_that_opts_out_meanwhile_is_told() {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    talk.apply(&Input::UserReplied { user_id: "u1".into(), body: "On my way.".into() });
    talk.text("STOP");
    let decision = talk.report(0, MessageReport::Superseded).clone();
    assert_eq!(event_data(&decision, EventType::MessageFailed)["reason"], "opted_out");
    assert_eq!(event_data(&decision, EventType::NeedsAttention)["reason"], "message_opted_out");
    assert_eq!(talk.sent[0].status, MessageStatus::Failed);
}

#[test]
fn a_reply_held_back_by_the_fence_leaves_the_window_to_the_newer_one() {
    let mut talk = replying();
    talk.later(1.0).text("the one in the kitchen");
    let decision = talk.report(0, MessageReport::Superseded).clone();
    assert_eq!(windows(&decision), [(WindowState::Superseded, "fence")]);
    assert!(events(&decision).is_empty(), "the newer window answers");
    assert_eq!(talk.sent[0].status, MessageStatus::Superseded);
}

#[test]
fn a_reply_held_back_with_nobody_to_answer_is_given_to_a_person() {
    let mut talk = replying();
    let decision = talk.report(0, MessageReport::Superseded).clone();
    assert_eq!(event_data(&decision, EventType::NeedsAttention)["reason"], "reply_superseded");
}

#[test]
fn a_message_on_its_way_is_not_held_back_any_more() {
    let mut talk = replying();
    talk.sent[0].status = MessageStatus::Sending;
    assert!(!talk.report(0, MessageReport::Superseded).changed);
}

#[test]
fn the_missed_call_text_settles_no_window() {
    let mut talk = Talk::new();
    talk.call_missed();
    let decision = talk.report(0, accepted()).clone();
    assert_eq!(events(&decision), ["message.sent"]);
    assert!(decision.windows.is_empty());
}
