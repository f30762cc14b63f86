//! Calls, alone and with the conversation that a missed call opens.

use std::time::Duration;

use super::talk::{CUSTOMER, Decided, NEIGHBOUR, Talk, commit, rows, verdicts};
use super::{TestStore, on_both_stores};
use crate::businesses::Records;
use crate::domain::call::{self, Call, CallInput, DialReport, Ringing};
use crate::engine::{ConversationStore, WaitingEffects};
use crate::simulation::policy;
use crate::store::{Commit, Committed, Locks, OutboxRow};
use crate::worker::settle_calls::UnsettledCalls;

on_both_stores! {
    a_call_is_committed_without_a_conversation,
    a_missed_call_is_committed_with_the_conversation_that_it_opens,
    a_call_that_was_changed_meanwhile_is_not_overwritten,
    of_two_neighbours_that_change_a_call_one_is_refused,
    an_overdue_call_is_taken_by_one_and_again_later,
}

fn rings(talk: &Talk, sid: &str) -> Call {
    let ringing = CallInput::Ringing(Ringing {
        call_sid: sid.to_owned(),
        customer: Some(talk.customer.clone()),
        business_phone: talk.number.clone(),
        not_dialled: None,
        phones: 1,
        screened: true,
        stir_verstat: None,
        own_account: None,
        received_at: talk.at,
    });
    call::decide(&policy(), "b1", None, &ringing, true, talk.at).unwrap().call
}

fn is_missed(talk: &Talk, call: &Call) -> Decided {
    let report = CallInput::Dialled(DialReport {
        call_sid: call.call_sid.clone(),
        customer: None,
        business_phone: None,
        dial_status: "no-answer".to_owned(),
        bridged: None,
        screened: true,
        duration_seconds: None,
        own_account: None,
        received_at: talk.at,
    });
    let missed = call::decide(&policy(), "b1", Some(call), &report, true, talk.at).unwrap();
    let decided = talk.missed_call(&call.call_sid);
    let conversation_id = Some(decided.decision.conversation.id);
    Decided { call: Some(Call { conversation_id, ..missed.call }), ..decided }
}

fn alone<'a>(input_id: &'a str, call: &'a Call, outbox: &'a [OutboxRow], talk: &Talk) -> Commit<'a> {
    let (body_hash, call) = (Some("hash"), Some(call));
    let (at, day) = (talk.at, talk.at.date_naive());
    Commit { input_id, body_hash, call, number_of: None, decision: None, audit: None, ledger: None, at, day, outbox }
}

/// A call that is ringing, as it is stored.
async fn ringing(test: &impl TestStore, talk: &Talk, sid: &str) -> Call {
    let call = rings(talk, sid);
    let (id, outbox) = (format!("call:{sid}:ringing"), rows(call.id, sid, 1));
    let committed = test.store().commit(&[alone(&id, &call, &outbox, talk)], &[], Locks::Skip).await.unwrap();
    assert_eq!(verdicts(&committed), ["done"]);
    Call { version: 1, ..call }
}

async fn a_call_is_committed_without_a_conversation(test: impl TestStore) {
    let talk = Talk::with(&test, CUSTOMER).await;
    assert_eq!(test.store().call("CA1").await.unwrap(), None);
    let call = ringing(&test, &talk, "CA1").await;
    assert_eq!(test.store().call("CA1").await.unwrap(), Some(call.clone()));
    assert_eq!(test.store().drain(call.id).await.unwrap().rows().len(), 1);
    let outbox = rows(call.id, "CA1", 1);
    let again = alone("call:CA1:ringing", &call, &outbox, &talk);
    let committed = test.store().commit(&[again], &[], Locks::Skip).await.unwrap();
    assert_eq!(committed, [Committed::Seen { outbox_keys: vec![call.id], same_body: true }]);
}

async fn a_missed_call_is_committed_with_the_conversation_that_it_opens(test: impl TestStore) {
    let talk = Talk::with(&test, CUSTOMER).await;
    let call = ringing(&test, &talk, "CA1").await;
    let mut missed = is_missed(&talk, &call);
    missed.call.as_mut().unwrap().accepted_at = Some(talk.at);
    missed.outbox.insert(0, rows(call.id, "CA1", 2).remove(1));
    let committed = commit(&test, &[&missed]).await;
    let [Committed::Done { behind, .. }] = &committed[..] else { panic!("{committed:?}") };
    assert_eq!(behind, &[call.id], "the effect of the ringing call waits");
    let stored = test.store().call("CA1").await.unwrap();
    assert_eq!(stored, Some(Call { version: 2, ..missed.call.clone().unwrap() }));
    assert_eq!(stored.unwrap().conversation_id, Some(missed.decision.conversation.id));
    let seen = test.store().seen(&[&missed.input_id]).await.unwrap();
    assert_eq!(seen[&missed.input_id].outbox_keys, [call.id, missed.decision.conversation.id]);
}

async fn a_call_that_was_changed_meanwhile_is_not_overwritten(test: impl TestStore) {
    let talk = Talk::with(&test, CUSTOMER).await;
    let call = ringing(&test, &talk, "CA1").await;
    let stale = Decided { call: Some(rings(&talk, "CA1")), ..is_missed(&talk, &call) };
    assert_eq!(verdicts(&commit(&test, &[&stale]).await), ["call conflict"]);
    let early = Decided { call: Some(Call { version: 2, ..call.clone() }), ..is_missed(&talk, &call) };
    assert_eq!(verdicts(&commit(&test, &[&early]).await), ["call conflict"]);
    assert_eq!(test.store().call("CA1").await.unwrap(), Some(call));
    assert_eq!(test.store().conversation(stale.decision.conversation.id).await.unwrap(), None);
}

async fn of_two_neighbours_that_change_a_call_one_is_refused(test: impl TestStore) {
    let (talk, neighbour) = (Talk::with(&test, CUSTOMER).await, Talk::with(&test, NEIGHBOUR).await);
    let call = ringing(&test, &talk, "CA1").await;
    let first = is_missed(&talk, &call);
    let second = Decided { call: first.call.clone(), ..neighbour.missed_call("CA2") };
    assert_eq!(verdicts(&commit(&test, &[&first, &second]).await), ["done", "call conflict"]);
    assert_eq!(test.store().conversation(second.decision.conversation.id).await.unwrap(), None);
}

async fn an_overdue_call_is_taken_by_one_and_again_later(test: impl TestStore) {
    let talk = Talk::with(&test, CUSTOMER).await;
    let (first, second) = (ringing(&test, &talk, "CA1").await, ringing(&test, &talk, "CA2").await);
    let take = async || {
        let taken = test.store().claim_unsettled_calls(1).await.unwrap();
        taken.into_iter().map(|call| call.call_sid).collect::<Vec<_>>()
    };
    assert_eq!(take().await, [""; 0], "both still ring");
    test.time_passes(Duration::from_secs(60)).await;
    let mut both = [take().await, take().await].concat();
    both.sort();
    assert_eq!(both, ["CA1", "CA2"]);
    assert_eq!(take().await, [""; 0]);
    test.time_passes(Duration::from_secs(30)).await;
    test.store().leave_unsettled(first.id).await.unwrap();
    assert_eq!(take().await, ["CA2"]);
    test.time_passes(Duration::from_secs(300)).await;
    let settled = is_missed(&talk, &test.store().call(&second.call_sid).await.unwrap().unwrap());
    assert_eq!(verdicts(&commit(&test, &[&settled]).await), ["done"]);
    assert_eq!(take().await, [""; 0], "it is settled");
}
