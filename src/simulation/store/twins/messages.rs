//! Changes of messages in a commit.

use std::time::Duration;

use uuid::Uuid;

use super::talk::{CUSTOMER, Decided, NEIGHBOUR, Talk, commit, verdicts};
use super::{TestStore, on_both_stores};
use crate::adapters::outage;
use crate::businesses::Records;
use crate::domain::conversation::{DeliveryStatus, MessageReport, MessageStatus, MessageUpdate};
use crate::engine::ConversationStore;
use crate::store::{Claim, Locks, Message, SendingAccount};
use crate::worker::send::OutboundStore;

on_both_stores! {
    what_twilio_reports_is_recorded,
    a_report_on_a_message_whose_status_has_changed_is_a_conflict,
    a_message_that_is_to_be_held_back_may_have_been_claimed,
    several_changes_of_a_message_are_made_one_after_the_other,
    a_later_change_that_does_not_fit_is_a_conflict,
    a_twilio_id_that_another_message_has_fails_the_batch,
}

async fn message(test: &impl TestStore, id: Uuid) -> Message {
    test.store().message(id).await.unwrap().unwrap()
}

fn accepted(sid: &str) -> MessageReport {
    MessageReport::Accepted { twilio_sid: sid.to_owned(), segments: Some(1) }
}

/// A customer whose answer is claimed.
async fn with_claimed_answer(test: &impl TestStore, customer: &str) -> (Talk, Uuid) {
    let mut talk = Talk::with(test, customer).await;
    let id = talk.get_answer(test, &format!("SM of {customer}")).await;
    claim(test, &talk, id).await;
    (talk, id)
}

async fn claim(test: &impl TestStore, talk: &Talk, id: Uuid) {
    let account = SendingAccount { sid: "AC1", is_main: true, conversation_sid: None };
    let claim = test.store().claim(id, account, Duration::from_secs(2), talk.at).await.unwrap();
    assert!(matches!(claim, Claim::Ours(_)), "{claim:?}");
}

async fn what_twilio_reports_is_recorded(test: impl TestStore) {
    let (mut talk, id) = with_claimed_answer(&test, CUSTOMER).await;
    let claimed = message(&test, id).await;
    assert_eq!((claimed.status, claimed.twilio_sid.as_deref()), (MessageStatus::Sending, None));
    let report = talk.report(claimed.sent(), accepted("SMout"));
    talk.commit(&test, &report).await;
    let expected = Message { status: MessageStatus::Sent, twilio_sid: Some("SMout".to_owned()), ..claimed };
    assert_eq!(message(&test, id).await, expected);
    assert_eq!(test.store().message_by_sid("SMout").await.unwrap(), Some(expected.clone()));
    let undelivered = MessageReport::Delivery {
        twilio_sid: "SMout".to_owned(),
        status: DeliveryStatus::Undelivered,
        error_code: Some(30_003),
        why: None,
    };
    let report = talk.report(expected.sent(), undelivered);
    talk.commit(&test, &report).await;
    let expected = Message { status: MessageStatus::Undelivered, error_code: Some(30_003), ..expected };
    assert_eq!(message(&test, id).await, expected);
}

async fn a_report_on_a_message_whose_status_has_changed_is_a_conflict(test: impl TestStore) {
    let (mut talk, id) = with_claimed_answer(&test, CUSTOMER).await;
    let claimed = message(&test, id).await;
    let report = talk.report(claimed.sent(), accepted("SMout"));
    talk.commit(&test, &report).await;
    // It is decided on the newest state of the conversation, but on an older one of the message.
    let late = talk.report(claimed.sent(), MessageReport::Unknown);
    assert_eq!(verdicts(&commit(&test, &[&late]).await), ["conflict"]);
    assert_eq!(message(&test, id).await.status, MessageStatus::Sent);
    assert_eq!(test.store().conversation(talk.conversation().id).await.unwrap(), talk.state);
}

async fn a_message_that_is_to_be_held_back_may_have_been_claimed(test: impl TestStore) {
    let (mut talk, id) = with_claimed_answer(&test, CUSTOMER).await;
    let reply = talk.reply("I will come by.");
    let held_back: Vec<_> = reply.decision.message_updates.iter().map(|update| (update.id, update.expected)).collect();
    assert_eq!(held_back, [(id, None)]);
    talk.commit(&test, &reply).await;
    assert_eq!(message(&test, id).await.status, MessageStatus::Sending);
    let mut neighbour = Talk::with(&test, NEIGHBOUR).await;
    let queued = neighbour.get_answer(&test, "SM2").await;
    let reply = neighbour.reply("I will come by.");
    neighbour.commit(&test, &reply).await;
    assert_eq!(message(&test, queued).await.status, MessageStatus::Superseded);
}

/// A text of the customer that also changes their answer.
fn with_updates(talk: &Talk, id: Uuid, updates: &[(Option<MessageStatus>, MessageStatus)]) -> Decided {
    let mut text = talk.text("SM9", "Hello?");
    let update = |(expected, status): &(Option<MessageStatus>, MessageStatus)| MessageUpdate {
        id,
        expected: *expected,
        status: *status,
        twilio_sid: None,
        error_code: None,
        segments: None,
    };
    text.decision.message_updates = updates.iter().map(update).collect();
    text
}

async fn several_changes_of_a_message_are_made_one_after_the_other(test: impl TestStore) {
    let (mut talk, id) = with_claimed_answer(&test, CUSTOMER).await;
    let changes = [
        (None, MessageStatus::Superseded),
        (Some(MessageStatus::Sending), MessageStatus::Sent),
        (Some(MessageStatus::Sent), MessageStatus::Delivered),
        (None, MessageStatus::Superseded),
    ];
    let text = with_updates(&talk, id, &changes);
    talk.commit(&test, &text).await;
    assert_eq!(message(&test, id).await.status, MessageStatus::Delivered);
}

async fn a_later_change_that_does_not_fit_is_a_conflict(test: impl TestStore) {
    let (talk, id) = with_claimed_answer(&test, CUSTOMER).await;
    let changes =
        [(Some(MessageStatus::Sending), MessageStatus::Sent), (Some(MessageStatus::Sending), MessageStatus::Failed)];
    let text = with_updates(&talk, id, &changes);
    assert_eq!(verdicts(&commit(&test, &[&text]).await), ["conflict"]);
    assert_eq!(message(&test, id).await.status, MessageStatus::Sending);
}

async fn a_twilio_id_that_another_message_has_fails_the_batch(test: impl TestStore) {
    let (mut talk, id) = with_claimed_answer(&test, CUSTOMER).await;
    let report = talk.report(message(&test, id).await.sent(), accepted("SMout"));
    talk.commit(&test, &report).await;
    let (neighbour, other) = with_claimed_answer(&test, NEIGHBOUR).await;
    let adopted = neighbour.report(message(&test, other).await.sent(), accepted("SMout"));
    let text = talk.text("SM9", "Hello?");
    let error = test.store().commit(&[text.commit(), adopted.commit()], &[], Locks::Skip).await.unwrap_err();
    assert_eq!(outage::missing(&error), None, "{error}");
    assert_eq!(message(&test, other).await.status, MessageStatus::Sending);
    assert!(test.store().seen(&[&text.input_id, &adopted.input_id]).await.unwrap().is_empty());
}
