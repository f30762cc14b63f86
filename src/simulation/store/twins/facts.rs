//! What the rules need to know besides a conversation.

use std::time::Duration;

use uuid::Uuid;

use super::talk::{CUSTOMER, NEIGHBOUR, NUMBER, OTHER_NUMBER, Talk, business, phone};
use super::{TestStore, on_both_stores};
use crate::businesses::Records;
use crate::domain::conversation::{LedgerChange, MessageKind, MessageStatus, MessageUpdate, OtherBusiness};
use crate::engine::ConversationStore;
use crate::store::{FactsOf, SendingAccount};
use crate::worker::send::OutboundStore;

on_both_stores! {
    what_else_is_open_with_a_customer_is_known_by_id,
    an_opt_out_counts_for_one_business_and_survives_an_erasure,
    the_ledger_changes_without_a_conversation,
    a_missed_call_text_counts_for_one_business_and_all_its_numbers,
    another_business_is_known_by_its_number_unless_twilio_disproves_it,
    an_answer_to_another_business_counts_if_it_was_or_may_be_sent,
    messages_are_read_with_the_report_on_them,
}

async fn an_opt_out_counts_for_one_business_and_survives_an_erasure(test: impl TestStore) {
    let mut talk = Talk::with(&test, CUSTOMER).await;
    let elsewhere = Talk::of(business("b2", &[OTHER_NUMBER]), CUSTOMER, talk.at);
    test.put_business(&elsewhere.business).await;
    let stop = talk.text("SM1", "STOP");
    talk.commit(&test, &stop).await;
    let end = talk.complete();
    talk.commit(&test, &end).await;
    let neighbour = Talk::of(talk.business.clone(), NEIGHBOUR, talk.at);
    let known = async || {
        let facts = [talk.facts(&test).await, elsewhere.facts(&test).await, neighbour.facts(&test).await];
        facts.map(|facts| facts.opted_out_at)
    };
    assert_eq!(known().await, [Some(talk.at), None, None]);
    test.erase("b1", &talk.customer).await;
    assert_eq!(known().await, [Some(talk.at), None, None]);
    let mut again = Talk { state: None, ..talk.clone() };
    let stop = again.later(60).text("SM2", "STOP");
    again.commit(&test, &stop).await;
    assert_eq!(known().await, [Some(again.at), None, None], "the newest counts");
    let mut start = again.later(60).text("SM3", "START");
    start.decision.ledger = Some(LedgerChange::In);
    again.commit(&test, &start).await;
    assert_eq!(known().await, [None; 3]);
}

async fn the_ledger_changes_without_a_conversation(test: impl TestStore) {
    let mut talk = Talk::with(&test, CUSTOMER).await;
    let out = LedgerChange::Out { by: "letter".to_owned(), at: talk.at, note: None };
    talk.change_ledger(&test, "record:1", out).await;
    assert_eq!(talk.facts(&test).await.opted_out_at, Some(talk.at));
    test.erase("b1", &talk.customer).await;
    let first = talk.at;
    talk.later(60);
    assert_eq!(talk.facts(&test).await.opted_out_at, Some(first));
    talk.change_ledger(&test, "record:1", LedgerChange::In).await;
    assert_eq!(talk.facts(&test).await.opted_out_at, Some(first), "it is the same request");
    talk.change_ledger(&test, "record:2", LedgerChange::In).await;
    assert_eq!(talk.facts(&test).await.opted_out_at, None);
}

async fn a_missed_call_text_counts_for_one_business_and_all_its_numbers(test: impl TestStore) {
    let mut talk = Talk::with(&test, CUSTOMER).await;
    let elsewhere = Talk::of(business("b2", &[OTHER_NUMBER]), CUSTOMER, talk.at);
    test.put_business(&elsewhere.business).await;
    let missed = talk.missed_call("CA1");
    assert_eq!(missed.decision.messages[0].kind, MessageKind::MissedCall);
    talk.commit(&test, &missed).await;
    assert_eq!(talk.facts(&test).await.missed_call_sms_at, Some(talk.at));
    assert_eq!(elsewhere.facts(&test).await.missed_call_sms_at, None);
    assert_eq!(Talk::of(talk.business.clone(), NEIGHBOUR, talk.at).facts(&test).await.missed_call_sms_at, None);
    let mut by_other_number = Talk { state: None, number: phone("+15555551112"), ..talk.clone() };
    let missed = by_other_number.later(60).missed_call("CA2");
    by_other_number.commit(&test, &missed).await;
    assert_eq!(talk.facts(&test).await.missed_call_sms_at, Some(by_other_number.at));
    let wanted = FactsOf::of("b1", &talk.customer);
    let facts = test.store().facts(&[wanted]).await.unwrap().pop().unwrap().unwrap();
    assert_eq!(facts.missed_call_sms_at, None, "it was not asked for");
}

async fn another_business_is_known_by_its_number_unless_twilio_disproves_it(test: impl TestStore) {
    let talk = Talk::with(&test, OTHER_NUMBER).await;
    assert_eq!(talk.facts(&test).await.other_business, None);
    test.put_business(&business("b2", &[OTHER_NUMBER])).await;
    assert_eq!(talk.facts(&test).await.other_business, Some(OtherBusiness { answered_at: None }));
    let own = Talk::of(talk.business.clone(), NUMBER, talk.at);
    assert_eq!(own.facts(&test).await.other_business, None, "its own number");
    test.disprove(&phone(OTHER_NUMBER)).await;
    assert_eq!(talk.facts(&test).await.other_business, None);
}

async fn an_answer_to_another_business_counts_if_it_was_or_may_be_sent(test: impl TestStore) {
    test.put_business(&business("b2", &[OTHER_NUMBER])).await;
    let mut talk = Talk::with(&test, OTHER_NUMBER).await;
    let id = talk.get_answer(&test, "SM1").await;
    let at = talk.at;
    // The number of a new conversation: a queued answer in another one counts.
    let beside = Talk { state: None, ..talk.clone() };
    let known = async |talk: &Talk| {
        let facts = [talk.facts(&test).await, beside.facts(&test).await];
        facts.map(|facts| facts.other_business.unwrap().answered_at)
    };
    assert_eq!(known(&talk).await, [None, Some(at)]);
    let account = SendingAccount { sid: "AC1", is_main: true, conversation_sid: None };
    test.store().claim(id, account, Duration::from_secs(2), at).await.unwrap();
    assert_eq!(known(&talk).await, [Some(at); 2], "sending");
    for (status, sid, expected) in [
        (MessageStatus::Failed, None, None),
        (MessageStatus::Failed, Some("SMout"), Some(at)),
        (MessageStatus::Unknown, Some("SMout"), Some(at)),
        (MessageStatus::Superseded, Some("SMout"), None),
        (MessageStatus::Sent, Some("SMout"), Some(at)),
    ] {
        let message = test.store().message(id).await.unwrap().unwrap();
        let mut text = talk.text(&format!("SM{status}{sid:?}"), "Hello?");
        text.decision.message_updates = vec![MessageUpdate {
            id,
            expected: Some(message.status),
            status,
            twilio_sid: sid.map(str::to_owned),
            error_code: None,
            segments: None,
        }];
        talk.commit(&test, &text).await;
        assert_eq!(known(&talk).await, [expected; 2], "{status} {sid:?}");
    }
}

async fn messages_are_read_with_the_report_on_them(test: impl TestStore) {
    let mut talk = Talk::with(&test, CUSTOMER).await;
    let id = talk.get_answer(&test, "SM1").await;
    let wanted = |message_id| FactsOf { message_id, ..FactsOf::of("b1", &talk.customer) };
    let facts = test.store().facts(&[wanted(None), wanted(Some(id)), wanted(Some(Uuid::nil()))]).await.unwrap();
    let read: Vec<_> = facts.into_iter().map(|facts| facts.unwrap().message.map(|message| message.id)).collect();
    assert_eq!(read, [None, Some(id), None]);
}

async fn what_else_is_open_with_a_customer_is_known_by_id(test: impl TestStore) {
    let of_two_numbers = business("b1", &[NUMBER, "+15555551112"]);
    test.put_business(&of_two_numbers).await;
    let mut first = Talk::of(of_two_numbers, CUSTOMER, test.now().await);
    let mut second = Talk { number: phone("+15555551112"), ..first.clone() };
    let mut stranger = Talk::of(first.business.clone(), NEIGHBOUR, first.at);
    for (talk, sid) in [(&mut first, "SM1"), (&mut second, "SM2"), (&mut stranger, "SM3")] {
        let text = talk.text(sid, "My sink is blocked");
        talk.commit(&test, &text).await;
    }
    assert_eq!(first.facts(&test).await.other_conversations, [second.conversation().id]);
    assert!(stranger.facts(&test).await.other_conversations.is_empty());
    let completed = second.later(60).complete();
    second.commit(&test, &completed).await;
    assert!(first.facts(&test).await.other_conversations.is_empty());
}
