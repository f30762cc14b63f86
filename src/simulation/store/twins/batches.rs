//! What a batch commits, and what is refused.

use chrono::TimeDelta;

use super::talk::{CUSTOMER, Decided, NEIGHBOUR, NUMBER, OTHER_NUMBER, Talk, business, commit, verdicts};
use super::{TestStore, on_both_stores};
use crate::adapters::outage;
use crate::businesses::Records;
use crate::domain::conversation::{LedgerChange, MessageKind, MessageStatus, Status};
use crate::engine::{ConversationStore, WaitingEffects};
use crate::store::{Committed, Locks, Message, SeenInput, WaitingRow};

on_both_stores! {
    an_input_is_committed_with_everything_that_it_changes,
    an_input_that_was_committed_before_changes_nothing,
    a_conversation_that_was_changed_meanwhile_is_not_overwritten,
    of_two_inputs_that_open_a_conversation_one_succeeds,
    a_refusal_does_not_affect_the_neighbours,
    a_number_must_belong_to_the_business_where_that_matters,
    a_text_that_is_recorded_was_seen_even_if_its_input_is_forgotten,
    a_conversation_opened_again_while_another_is_open_is_a_conflict,
    beside_a_neighbour_a_conversation_opened_twice_fails_the_batch,
    none_is_opened_from_before_another_one_was_opened_and_ended,
    none_is_opened_from_what_the_one_before_no_longer_is,
    the_newest_opt_out_counts_until_the_customer_opts_in,
}

/// What is known of an input.
async fn seen(test: &impl TestStore, input: &Decided) -> Option<SeenInput> {
    test.store().seen(&[&input.input_id]).await.unwrap().remove(&input.input_id)
}

/// Whether anything of an input is stored.
async fn is_stored(test: &impl TestStore, input: &Decided) -> bool {
    let store = test.store();
    let message = store.message(input.decision.messages[0].id).await.unwrap();
    let effects = store.drain(input.decision.conversation.id).await.unwrap();
    let is_waiting = effects.rows().iter().any(|row| row.message_id == input.outbox[0].message_id);
    let stored = [seen(test, input).await.is_some(), message.is_some(), is_waiting];
    assert!(stored.iter().all(|one| *one == stored[0]), "a part of {} is stored: {stored:?}", input.input_id);
    stored[0]
}

async fn an_input_is_committed_with_everything_that_it_changes(test: impl TestStore) {
    let talk = Talk::with(&test, CUSTOMER).await;
    let text = talk.text("SM1", "My sink is blocked");
    let committed = commit(&test, &[&text]).await;
    let [Committed::Done { outbox_ids, behind }] = &committed[..] else { panic!("{committed:?}") };
    assert!(outbox_ids.is_sorted() && outbox_ids.len() == text.outbox.len() && behind.is_empty(), "{committed:?}");

    let store = test.store();
    let (conversation, message) = (&text.decision.conversation, &text.decision.messages[0]);
    assert_eq!(store.conversation(conversation.id).await.unwrap(), Some(text.after()));
    assert_eq!((conversation.version, text.after().version), (0, 1));
    let expected = Message {
        id: message.id,
        conversation_id: conversation.id,
        direction: "inbound".to_owned(),
        sender_type: "customer".to_owned(),
        user_id: None,
        kind: MessageKind::Customer,
        body: "My sink is blocked".to_owned(),
        media: Vec::new(),
        twilio_sid: Some("SM1".to_owned()),
        status: MessageStatus::Received,
        error_code: None,
        window_id: message.window_id,
        in_reply_to_window: None,
        created_at: talk.at,
    };
    assert_eq!(store.message(message.id).await.unwrap(), Some(expected.clone()));
    assert_eq!(store.message_by_sid("SM1").await.unwrap(), Some(expected));
    let (body_hash, outbox_keys) = (Some("hash of My sink is blocked".to_owned()), vec![conversation.id]);
    assert_eq!(seen(&test, &text).await, Some(SeenInput { body_hash, outbox_keys }));
    let waiting = store.drain(conversation.id).await.unwrap();
    let stored = |row: &WaitingRow| {
        (row.key, row.subject.clone(), row.message_id.clone(), row.headers.clone(), row.payload.clone())
    };
    let expected = text.outbox.clone().into_iter();
    let expected = expected.map(|row| (row.key, row.subject, row.message_id, row.headers, row.payload));
    assert_eq!(waiting.rows().iter().map(stored).collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

async fn an_input_that_was_committed_before_changes_nothing(test: impl TestStore) {
    let mut talk = Talk::with(&test, CUSTOMER).await;
    let text = talk.text("SM1", "My sink is blocked");
    talk.commit(&test, &text).await;
    let again = talk.text("SM1", "My sink is blocked");
    let other_body = Decided { body_hash: Some("another hash".to_owned()), ..talk.text("SM1", "Hello?") };
    for (input, same_body) in [(&text, true), (&again, true), (&other_body, false)] {
        let outbox_keys = vec![talk.conversation().id];
        assert_eq!(commit(&test, &[input]).await, [Committed::Seen { outbox_keys, same_body }]);
    }
    assert_eq!(test.store().conversation(talk.conversation().id).await.unwrap(), talk.state);
}

async fn a_conversation_that_was_changed_meanwhile_is_not_overwritten(test: impl TestStore) {
    let mut talk = Talk::with(&test, CUSTOMER).await;
    let opening = talk.text("SM1", "My sink is blocked");
    talk.commit(&test, &opening).await;
    let (second, third) = (talk.text("SM2", "Are you there?"), talk.text("SM3", "Hello?"));
    talk.commit(&test, &second).await;
    assert_eq!(commit(&test, &[&third]).await, [Committed::Conflict]);
    assert!(is_stored(&test, &second).await && !is_stored(&test, &third).await);
    assert_eq!(test.store().conversation(talk.conversation().id).await.unwrap(), Some(second.after()));
}

async fn of_two_inputs_that_open_a_conversation_one_succeeds(test: impl TestStore) {
    let talk = Talk::with(&test, CUSTOMER).await;
    let (first, second) = (talk.text("SM1", "My sink is blocked"), talk.text("SM2", "Hello?"));
    assert_eq!(verdicts(&commit(&test, &[&first]).await), ["done"]);
    assert_eq!(commit(&test, &[&second]).await, [Committed::Conflict]);
    assert!(is_stored(&test, &first).await && !is_stored(&test, &second).await);
}

async fn a_refusal_does_not_affect_the_neighbours(test: impl TestStore) {
    let mut talk = Talk::with(&test, CUSTOMER).await;
    let text = talk.text("SM1", "My sink is blocked");
    talk.commit(&test, &text).await;
    let mut neighbour = Talk::with(&test, NEIGHBOUR).await;
    let (first, stale) = (neighbour.text("SM2", "Good morning"), neighbour.text("SM3", "Hello?"));
    neighbour.commit(&test, &first).await;
    let newcomer = |customer, sid| Talk::of(talk.business.clone(), customer, talk.at).text(sid, "Hi");
    let [third, fourth, fifth] = [("+12125550003", "SM4"), ("+12125550004", "SM5"), ("+12125550005", "SM6")]
        .map(|(customer, sid)| newcomer(customer, sid));
    let elsewhere = Decided { number_of: Some("b2".to_owned()), ..fourth };
    let committed = commit(&test, &[&third, &text, &elsewhere, &stale, &fifth]).await;
    assert_eq!(verdicts(&committed), ["done", "seen", "number moved", "conflict", "done"]);
    for (input, expected) in [(&third, true), (&elsewhere, false), (&stale, false), (&fifth, true)] {
        assert_eq!(is_stored(&test, input).await, expected, "{}", input.input_id);
    }
}

async fn a_number_must_belong_to_the_business_where_that_matters(test: impl TestStore) {
    let mut talk = Talk::with(&test, CUSTOMER).await;
    let opening = talk.text("SM1", "My sink is blocked");
    talk.commit(&test, &opening).await;
    let newcomer = Talk::of(talk.business.clone(), NEIGHBOUR, talk.at).text("SM2", "Hi");
    let text = talk.text("SM3", "Hello?");
    test.put_business(&business("b1", &[OTHER_NUMBER])).await;
    assert_eq!(verdicts(&commit(&test, &[&newcomer]).await), ["number moved"]);
    assert_eq!(verdicts(&commit(&test, &[&text]).await), ["number moved"]);
    test.put_business(&business("b2", &[NUMBER])).await;
    assert_eq!(verdicts(&commit(&test, &[&newcomer]).await), ["number moved"], "another business has it");
    let reply = talk.reply("I will come by.");
    assert_eq!(verdicts(&commit(&test, &[&reply]).await), ["done"]);
    assert_eq!(verdicts(&commit(&test, &[&text]).await), ["number moved"], "it does not matter that it is stale, too");
}

async fn a_text_that_is_recorded_was_seen_even_if_its_input_is_forgotten(test: impl TestStore) {
    let mut talk = Talk::with(&test, CUSTOMER).await;
    let text = talk.text("SM1", "My sink is blocked");
    talk.commit(&test, &text).await;
    let replayed = Decided { input_id: "replay:SM1".to_owned(), ..talk.text("SM1", "My sink is blocked") };
    let outbox_keys = vec![talk.conversation().id];
    assert_eq!(commit(&test, &[&replayed]).await, [Committed::Seen { outbox_keys, same_body: false }]);
    assert_eq!(seen(&test, &replayed).await, None);
    assert_eq!(test.store().conversation(talk.conversation().id).await.unwrap(), talk.state);
}

/// A conversation that has ended, and one that was opened after it.
async fn ended_and_opened(test: &impl TestStore) -> (Talk, Talk) {
    let mut ended = Talk::with(test, CUSTOMER).await;
    let text = ended.text("SM1", "My sink is blocked");
    ended.commit(test, &text).await;
    let end = ended.complete();
    ended.commit(test, &end).await;
    let mut opened = ended.clone();
    let text = opened.later(REOPENS_NO_MORE).text("SM2", "Hello?");
    opened.commit(test, &text).await;
    (ended, opened)
}

/// A text that comes too late to reopen this conversation.
fn opened_after(ended: &Talk, sid: &str) -> Decided {
    let opening = ended.clone().later(REOPENS_NO_MORE).text(sid, "Hello again");
    assert_eq!(opening.decision.conversation.version, 0);
    opening
}

/// The ended conversation is opened again by a text, as if the other one were not there.
fn reopening(ended: &Talk) -> Decided {
    let reopening = ended.text("SM3", "One more thing");
    assert_eq!(reopening.decision.conversation.status, Status::Active);
    reopening
}

/// After this many seconds a text does not reopen a conversation.
const REOPENS_NO_MORE: i64 = 3_600;

async fn a_conversation_opened_again_while_another_is_open_is_a_conflict(test: impl TestStore) {
    let (ended, _opened) = ended_and_opened(&test).await;
    let reopening = reopening(&ended);
    assert_eq!(commit(&test, &[&reopening]).await, [Committed::Conflict]);
    assert!(!is_stored(&test, &reopening).await);
}

async fn beside_a_neighbour_a_conversation_opened_twice_fails_the_batch(test: impl TestStore) {
    let (ended, _opened) = ended_and_opened(&test).await;
    let reopening = reopening(&ended);
    let neighbour = Talk::with(&test, NEIGHBOUR).await.text("SM4", "Good morning");
    let commits = [reopening.commit(), neighbour.commit()];
    let error = test.store().commit(&commits, &[], Locks::Skip).await.unwrap_err();
    assert_eq!(outage::missing(&error), None, "{error}");
    assert!(!is_stored(&test, &reopening).await && !is_stored(&test, &neighbour).await);
    // Beside one that is refused before it, it is alone.
    let seen = Decided { input_id: "sms:SM1".to_owned(), ..neighbour };
    assert_eq!(verdicts(&commit(&test, &[&reopening, &seen]).await), ["conflict", "seen with another body"]);
}

async fn none_is_opened_from_before_another_one_was_opened_and_ended(test: impl TestStore) {
    let newcomer = Talk::with(&test, CUSTOMER).await;
    let late = newcomer.text("SM9", "Hello?");
    let (ended, opened) = ended_and_opened(&test).await;
    assert_eq!(verdicts(&commit(&test, &[&late]).await), ["conflict"], "one is open");
    let mut opened = opened;
    let late = Decided { input_id: "sms:SM9".to_owned(), ..opened_after(&ended, "SM9") };
    let end = opened.complete();
    opened.commit(&test, &end).await;
    assert_eq!(verdicts(&commit(&test, &[&late]).await), ["conflict"], "the newest is another one");
    assert!(!is_stored(&test, &late).await);
    assert_eq!(verdicts(&commit(&test, &[&opened_after(&opened, "SM9")]).await), ["done"]);
}

async fn none_is_opened_from_what_the_one_before_no_longer_is(test: impl TestStore) {
    let (_, mut ended) = ended_and_opened(&test).await;
    let end = ended.complete();
    ended.commit(&test, &end).await;
    let late = opened_after(&ended, "SM9");
    let start = ended.later(1).text("SM3", "START");
    ended.commit(&test, &start).await;
    let end = ended.complete();
    ended.commit(&test, &end).await;
    assert_eq!(verdicts(&commit(&test, &[&late]).await), ["conflict"]);
    assert_eq!(verdicts(&commit(&test, &[&opened_after(&ended, "SM9")]).await), ["done"]);
}

async fn the_newest_opt_out_counts_until_the_customer_opts_in(test: impl TestStore) {
    let mut talk = Talk::with(&test, CUSTOMER).await;
    let at = talk.at;
    let opening = talk.text("SM1", "My sink is blocked");
    talk.commit(&test, &opening).await;
    let opted_out_at = async |talk: &Talk| talk.facts(&test).await.opted_out_at;
    assert_eq!(opted_out_at(&talk).await, None);
    let stop = talk.text("SM2", "STOP");
    assert!(matches!(&stop.decision.ledger, Some(LedgerChange::Out { at: said_at, .. }) if *said_at == at));
    talk.commit(&test, &stop).await;
    assert_eq!(opted_out_at(&talk).await, Some(at));
    let out = |talk: &Talk, seconds: i64| {
        let mut text = talk.text(&format!("SM{}", 100 + seconds), "STOP");
        let at = at + TimeDelta::seconds(seconds);
        text.decision.ledger = Some(LedgerChange::Out { by: "word".to_owned(), at, note: None });
        text
    };
    for (seconds, newest) in [(5, 5), (3, 5), (9, 9)] {
        let again = out(&talk, seconds);
        talk.commit(&test, &again).await;
        assert_eq!(opted_out_at(&talk).await, Some(at + TimeDelta::seconds(newest)));
    }
    let mut start = talk.later(10).text("SM4", "START");
    start.decision.ledger = Some(LedgerChange::In);
    talk.commit(&test, &start).await;
    assert_eq!(opted_out_at(&talk).await, None);
}
