//! Claims, and what is known of an attempt to send.

use std::time::Duration;

use uuid::Uuid;

use super::talk::{CUSTOMER, NEIGHBOUR, NUMBER, OTHER_NUMBER, OWNER, Talk, business, phone};
use super::{TestStore, on_both_stores};
use crate::businesses::Records;
use crate::domain::conversation::{Input, MessageKind, MessageReport, MessageStatus, Priority};
use crate::store::{Claim, Claimed, DueMessage, SendingAccount};
use crate::worker::send::OutboundStore;

on_both_stores! {
    a_message_is_read_with_everything_that_its_sending_needs,
    an_alert_goes_to_its_recipient_and_is_urgent,
    a_message_is_claimed_once_for_the_time_of_its_lease,
    what_is_not_a_message_is_taken,
    a_claim_is_released_by_its_holder_alone,
    reads_of_the_list_are_counted_for_the_attempt,
    a_message_is_queued_again_once_for_an_attempt,
    what_is_claimed_or_unknown_with_the_same_words_is_a_twin,
    a_twin_has_the_same_numbers_and_is_younger_than_an_hour,
    the_twilio_ids_that_are_ours_are_known,
}

const MAIN: SendingAccount<'_> = SendingAccount { sid: "AC1", is_main: true, conversation_sid: None };
const LEASE: Duration = Duration::from_secs(2);

async fn due(test: &impl TestStore, id: Uuid) -> DueMessage {
    test.store().due_message(id).await.unwrap().unwrap()
}

/// Claims a queued message.
async fn claim(test: &impl TestStore, talk: &Talk, id: Uuid) -> Claimed {
    match test.store().claim(id, MAIN, LEASE, talk.at).await.unwrap() {
        Claim::Ours(claimed) => claimed,
        refused => panic!("{id}: {refused:?}"),
    }
}

/// A customer with a queued answer.
async fn with_answer(test: &impl TestStore, customer: &str) -> (Talk, Uuid) {
    let mut talk = Talk::with(test, customer).await;
    let id = talk.get_answer(test, &format!("SM of {customer}")).await;
    (talk, id)
}

async fn a_message_is_read_with_everything_that_its_sending_needs(test: impl TestStore) {
    let (talk, id) = with_answer(&test, CUSTOMER).await;
    let due = due(&test, id).await;
    assert_eq!(Some(&due.message), test.store().message(id).await.unwrap().as_ref());
    assert_eq!(due.message.in_reply_to_window, talk.conversation().answering.as_ref().map(|a| a.window_id));
    assert_eq!((due.to, due.business_phone, due.business_id), (phone(CUSTOMER), phone(NUMBER), "b1".to_owned()));
    assert_eq!((due.not_before, due.send_at, due.attempted_at, due.attempt_age), (None, None, None, None));
    assert_eq!((due.attempts, due.absent_reads, due.account_sid), (0, 0, None));
    assert_eq!((due.priority, due.lease_left), (Priority::Normal, Duration::ZERO));
    assert!(test.store().due_message(Uuid::nil()).await.unwrap().is_none());
}

async fn an_alert_goes_to_its_recipient_and_is_urgent(test: impl TestStore) {
    let (mut talk, id) = with_answer(&test, CUSTOMER).await;
    let emergency = talk.text("SM2", "I smell gas");
    talk.commit(&test, &emergency).await;
    for message in &emergency.decision.messages {
        let due = due(&test, message.id).await;
        let to = if message.kind == MessageKind::Alert { OWNER } else { CUSTOMER };
        assert_eq!((due.to, due.priority), (phone(to), Priority::Urgent), "{}", message.kind);
    }
    assert_eq!(due(&test, id).await.priority, Priority::Urgent, "its conversation has an emergency");
}

async fn a_message_is_claimed_once_for_the_time_of_its_lease(test: impl TestStore) {
    let (talk, id) = with_answer(&test, CUSTOMER).await;
    test.store().reserve_slot(id, &talk.number, Duration::from_secs(1)).await.unwrap();
    claim(&test, &talk, id).await;
    assert!(matches!(test.store().claim(id, MAIN, LEASE, talk.at).await.unwrap(), Claim::Taken));
    let claimed = due(&test, id).await;
    assert_eq!((claimed.message.status, claimed.attempts), (MessageStatus::Sending, 1));
    assert_eq!((claimed.account_sid.as_deref(), claimed.absent_reads), (Some("AC1"), 0));
    let (left, age) = (claimed.lease_left, claimed.attempt_age.unwrap());
    assert!(left <= LEASE && left + age <= LEASE + Duration::from_millis(100), "{left:?} {age:?}");
    test.time_passes(Duration::from_secs(30)).await;
    let later = due(&test, id).await;
    assert_eq!(later.lease_left, Duration::ZERO);
    assert!(later.attempt_age.unwrap() >= Duration::from_secs(30), "{later:?}");
    assert!(matches!(test.store().claim(id, MAIN, LEASE, talk.at).await.unwrap(), Claim::Taken), "its outcome is open");
}

async fn what_is_not_a_message_is_taken(test: impl TestStore) {
    let (mut talk, id) = with_answer(&test, CUSTOMER).await;
    assert!(matches!(test.store().claim(Uuid::nil(), MAIN, LEASE, talk.at).await.unwrap(), Claim::Taken));
    claim(&test, &talk, id).await;
    let message = due(&test, id).await.message.sent();
    let report = talk.report(message, MessageReport::Accepted { twilio_sid: "SMout".to_owned(), segments: None });
    talk.commit(&test, &report).await;
    assert!(matches!(test.store().claim(id, MAIN, LEASE, talk.at).await.unwrap(), Claim::Taken), "it is sent");
    let sent = due(&test, id).await;
    assert_eq!((sent.lease_left, sent.attempts), (Duration::ZERO, 1));
}

async fn a_claim_is_released_by_its_holder_alone(test: impl TestStore) {
    let (talk, id) = with_answer(&test, CUSTOMER).await;
    let first = claim(&test, &talk, id).await;
    test.store().release_claim(id, Claimed { claim: Uuid::nil() }).await.unwrap();
    assert_eq!(due(&test, id).await.message.status, MessageStatus::Sending);
    test.store().release_claim(id, first).await.unwrap();
    let released = due(&test, id).await;
    assert_eq!((released.message.status, released.attempts), (MessageStatus::Queued, 0));
    assert_eq!(released.lease_left, Duration::ZERO);
    let second = claim(&test, &talk, id).await;
    test.store().release_claim(id, first).await.unwrap();
    assert_eq!(due(&test, id).await.message.status, MessageStatus::Sending, "the first claim is over");
    assert_ne!(first.claim, second.claim);
}

async fn reads_of_the_list_are_counted_for_the_attempt(test: impl TestStore) {
    let (talk, id) = with_answer(&test, CUSTOMER).await;
    let store = test.store();
    assert_eq!(store.count_absent_read(id, 0).await.unwrap(), 0, "it is queued");
    claim(&test, &talk, id).await;
    assert_eq!(store.count_absent_read(id, 1).await.unwrap(), 1);
    assert_eq!(store.count_absent_read(id, 2).await.unwrap(), 0, "another attempt");
    assert_eq!(store.count_absent_read(id, 1).await.unwrap(), 2);
    assert_eq!(store.count_absent_read(Uuid::nil(), 1).await.unwrap(), 0);
    assert!(store.queue_again(id, 1).await.unwrap());
    assert_eq!(due(&test, id).await.absent_reads, 2);
    claim(&test, &talk, id).await;
    assert_eq!(due(&test, id).await.absent_reads, 0, "a new attempt");
}

async fn a_message_is_queued_again_once_for_an_attempt(test: impl TestStore) {
    let (talk, id) = with_answer(&test, CUSTOMER).await;
    let store = test.store();
    assert!(!store.queue_again(id, 0).await.unwrap(), "it is queued");
    let first = claim(&test, &talk, id).await;
    assert!(!store.queue_again(id, 2).await.unwrap(), "another attempt");
    assert!(store.queue_again(id, 1).await.unwrap());
    let queued = due(&test, id).await;
    assert_eq!((queued.message.status, queued.attempts, queued.lease_left), (MessageStatus::Queued, 1, Duration::ZERO));
    assert!(!store.queue_again(id, 1).await.unwrap());
    claim(&test, &talk, id).await;
    store.release_claim(id, first).await.unwrap();
    let again = due(&test, id).await;
    assert_eq!((again.message.status, again.attempts), (MessageStatus::Sending, 2));
    assert!(!store.queue_again(Uuid::nil(), 1).await.unwrap());
}

fn reply(words: &str) -> Input {
    Input::UserReplied { user_id: "joe".to_owned(), body: words.to_owned() }
}

/// Two replies with the same words to a customer.
async fn twins(test: &impl TestStore, words: [&str; 2]) -> (Talk, [Uuid; 2]) {
    let mut talk = Talk::with(test, CUSTOMER).await;
    let text = talk.text("SM1", "Hi");
    talk.commit(test, &text).await;
    let mut ids = [Uuid::nil(); 2];
    for (id, words) in ids.iter_mut().zip(words) {
        let decided = talk.decide(&format!("reply:{}", talk.conversation().version), &reply(words));
        talk.commit(test, &decided).await;
        *id = decided.decision.messages[0].id;
    }
    (talk, ids)
}

async fn what_is_claimed_or_unknown_with_the_same_words_is_a_twin(test: impl TestStore) {
    let (mut talk, [first, second]) = twins(&test, ["On my way"; 2]).await;
    let has_twin = async |id| test.store().has_unknown_twin(id).await.unwrap();
    assert!(!has_twin(first).await, "the other one is queued");
    claim(&test, &talk, second).await;
    assert!(has_twin(first).await && !has_twin(second).await);
    let report = talk.report(due(&test, second).await.message.sent(), MessageReport::Unknown);
    talk.commit(&test, &report).await;
    assert!(has_twin(first).await, "its outcome is unknown");
    let accepted = MessageReport::Accepted { twilio_sid: "SMout".to_owned(), segments: None };
    let report = talk.report(due(&test, second).await.message.sent(), accepted);
    talk.commit(&test, &report).await;
    assert!(!has_twin(first).await, "it is sent");
    assert!(!has_twin(Uuid::nil()).await);
}

async fn a_twin_has_the_same_numbers_and_is_younger_than_an_hour(test: impl TestStore) {
    let (talk, [first, second]) = twins(&test, ["On my way", "On my way!"]).await;
    claim(&test, &talk, second).await;
    let has_twin = async || test.store().has_unknown_twin(first).await.unwrap();
    assert!(!has_twin().await, "it has other words");
    test.put_business(&business("b2", &[OTHER_NUMBER])).await;
    let same_number = Talk::of(talk.business.clone(), NEIGHBOUR, talk.at);
    let same_customer = Talk::of(business("b2", &[OTHER_NUMBER]), CUSTOMER, talk.at);
    for (sid, mut other) in [("SM2", same_number), ("SM3", same_customer)] {
        let text = other.text(sid, "Hi");
        other.commit(&test, &text).await;
        let reply = other.decide(&format!("reply to {sid}"), &reply("On my way"));
        other.commit(&test, &reply).await;
        claim(&test, &other, reply.decision.messages[0].id).await;
        assert!(!has_twin().await, "other numbers");
    }
    let (mut talk, reply) = (talk.clone(), talk.decide("the same again", &reply("On my way")));
    talk.commit(&test, &reply).await;
    claim(&test, &talk, reply.decision.messages[0].id).await;
    assert!(has_twin().await);
    test.time_passes(Duration::from_secs(3_590)).await;
    assert!(has_twin().await);
    test.time_passes(Duration::from_secs(11)).await;
    assert!(!has_twin().await, "an hour has passed");
}

async fn the_twilio_ids_that_are_ours_are_known(test: impl TestStore) {
    let (mut talk, id) = with_answer(&test, CUSTOMER).await;
    claim(&test, &talk, id).await;
    let accepted = MessageReport::Accepted { twilio_sid: "SMout".to_owned(), segments: None };
    let report = talk.report(due(&test, id).await.message.sent(), accepted);
    talk.commit(&test, &report).await;
    let asked = ["SMother", "SMout", "SM of +12125551234"].map(str::to_owned);
    let mut ours = test.store().adopted(&asked).await.unwrap();
    ours.sort();
    assert_eq!(ours, ["SM of +12125551234", "SMout"]);
    assert!(test.store().adopted(&[]).await.unwrap().is_empty());
}
