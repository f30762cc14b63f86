//! What a batch does about rows that other transactions hold, and the order in which it takes its own.

use futures::future::join;

use super::talk::{CUSTOMER, Decided, NEIGHBOUR, Talk, commit, verdicts};
use super::{Row, TestStore, on_both_stores};
use crate::adapters::outage;
use crate::businesses::Records;
use crate::domain::conversation::LedgerChange;
use crate::engine::ConversationStore;
use crate::store::{Commit, LedgerEntry, Locks};

on_both_stores! {
    a_batch_leaves_out_a_conversation_that_is_locked,
    a_locked_conversation_that_has_changed_is_a_conflict,
    an_input_that_may_wait_is_committed_after_the_lock_is_released,
    a_batch_fails_if_the_id_of_an_input_stays_locked,
    batches_of_the_same_inputs_in_opposite_orders_both_end,
    batches_of_the_same_conversations_in_opposite_orders_both_end,
    batches_that_opt_out_the_same_customers_in_opposite_orders_both_end,
}

async fn a_batch_leaves_out_a_conversation_that_is_locked(test: impl TestStore) {
    let (talk, neighbour) = two_who_talk(&test).await;
    let held = test.hold(Row::Conversation(talk.conversation().id)).await;
    let (text, of_neighbour) = (talk.text("SM3", "Hello?"), neighbour.text("SM4", "Hi"));
    assert_eq!(verdicts(&commit(&test, &[&text, &of_neighbour]).await), ["locked", "done"]);
    assert_eq!(test.store().conversation(talk.conversation().id).await.unwrap(), talk.state);
    test.let_go(held).await;
    assert_eq!(verdicts(&commit(&test, &[&text]).await), ["done"]);
}

async fn a_locked_conversation_that_has_changed_is_a_conflict(test: impl TestStore) {
    let (mut talk, _) = two_who_talk(&test).await;
    let stale = talk.text("SM3", "Hello?");
    let text = talk.text("SM4", "Are you there?");
    talk.commit(&test, &text).await;
    let held = test.hold(Row::Conversation(talk.conversation().id)).await;
    assert_eq!(verdicts(&commit(&test, &[&stale]).await), ["conflict"]);
    test.let_go(held).await;
}

async fn an_input_that_may_wait_is_committed_after_the_lock_is_released(test: impl TestStore) {
    let (talk, _) = two_who_talk(&test).await;
    let held = test.hold(Row::Conversation(talk.conversation().id)).await;
    let text = talk.text("SM3", "Hello?");
    let commits = [text.commit()];
    let (committed, ()) = join(test.store().commit(&commits, &[], Locks::Wait), test.let_go(held)).await;
    assert_eq!(verdicts(&committed.unwrap()), ["done"]);
}

async fn a_batch_fails_if_the_id_of_an_input_stays_locked(test: impl TestStore) {
    let (talk, neighbour) = two_who_talk(&test).await;
    let (text, of_neighbour) = (talk.text("SM3", "Hello?"), neighbour.text("SM4", "Hi"));
    let held = test.hold(Row::Input(&text.input_id)).await;
    let commits = [text.commit(), of_neighbour.commit()];
    let error = test.store().commit(&commits, &[], Locks::Skip).await.unwrap_err();
    assert_eq!(outage::missing(&error), None, "{error}");
    assert!(test.store().seen(&[&text.input_id, &of_neighbour.input_id]).await.unwrap().is_empty());
    test.let_go(held).await;
    assert_eq!(verdicts(&commit(&test, &[&text, &of_neighbour]).await), ["done", "done"]);
}

async fn batches_of_the_same_inputs_in_opposite_orders_both_end(test: impl TestStore) {
    let talk = Talk::with(&test, CUSTOMER).await;
    for round in 0..4 {
        let newcomer = |number: u32| {
            let customer = format!("+1212555{round}{number:03}");
            Talk::of(talk.business.clone(), &customer, talk.at).text(&format!("SM{round}-{number}"), "Hi")
        };
        let texts: Vec<Decided> = (0..24).map(newcomer).collect();
        let mut verdicts = in_opposite_orders(&test, &texts, &texts).await;
        verdicts.sort_unstable();
        assert_eq!(verdicts, [["done"; 24].to_vec(), ["seen"; 24].to_vec()]);
    }
}

async fn batches_of_the_same_conversations_in_opposite_orders_both_end(test: impl TestStore) {
    let talk = Talk::with(&test, CUSTOMER).await;
    let mut talks = Vec::new();
    for number in 0..24 {
        let mut talk = Talk::of(talk.business.clone(), &format!("+12125550{number:03}"), talk.at);
        let opening = talk.text(&format!("SM{number}"), "Hi");
        talk.commit(&test, &opening).await;
        talks.push(talk);
    }
    let texts = |word: &str| talks.iter().map(|talk| talk.text(&format!("SM{word}{}", talk.customer), word)).collect();
    let (one, other): (Vec<Decided>, Vec<Decided>) = (texts("One"), texts("Other"));
    let mut verdicts = in_opposite_orders(&test, &one, &other).await;
    verdicts.sort_unstable();
    assert_eq!(verdicts, [["conflict"; 24].to_vec(), ["done"; 24].to_vec()]);
}

async fn batches_that_opt_out_the_same_customers_in_opposite_orders_both_end(test: impl TestStore) {
    let talk = Talk::with(&test, CUSTOMER).await;
    for round in 0..4 {
        let newcomer = |number| Talk::of(talk.business.clone(), &format!("+1212555{round}{number:03}"), talk.at);
        let talks: Vec<Talk> = (0..24).map(newcomer).collect();
        let out = |talk: &Talk| talk.ledger_entry(LedgerChange::Out { by: "user".to_owned(), at: talk.at, note: None });
        let entries: Vec<LedgerEntry> = talks.iter().map(out).collect();
        let ids = |word: &str| talks.iter().map(|talk| format!("{word}:{}", talk.customer)).collect();
        let (one, other): (Vec<String>, Vec<String>) = (ids("one"), ids("other"));
        let commits = |ids| entries.iter().zip(ids).map(|(entry, id): (_, &String)| talk.commit_of_entry(id, entry));
        let (forwards, mut backwards): (Vec<_>, Vec<_>) = (commits(&one).collect(), commits(&other).collect());
        backwards.reverse();
        let store = test.store();
        let committed =
            join(store.commit(&forwards, &[], Locks::Wait), store.commit(&backwards, &[], Locks::Wait)).await;
        assert_eq!([verdicts(&committed.0.unwrap()), verdicts(&committed.1.unwrap())], [["done"; 24], ["done"; 24]]);
    }
}

/// Commits two batches at once, the second from its end to its beginning. Both wait for locks.
async fn in_opposite_orders(test: &impl TestStore, one: &[Decided], other: &[Decided]) -> Vec<Vec<&'static str>> {
    let forwards: Vec<Commit<'_>> = one.iter().map(Decided::commit).collect();
    let backwards: Vec<Commit<'_>> = other.iter().rev().map(Decided::commit).collect();
    let store = test.store();
    let commits = join(store.commit(&forwards, &[], Locks::Wait), store.commit(&backwards, &[], Locks::Wait)).await;
    vec![verdicts(&commits.0.unwrap()), verdicts(&commits.1.unwrap())]
}

async fn two_who_talk(test: &impl TestStore) -> (Talk, Talk) {
    let mut talks = (Talk::with(test, CUSTOMER).await, Talk::with(test, NEIGHBOUR).await);
    let texts = (talks.0.text("SM1", "My sink is blocked"), talks.1.text("SM2", "Good morning"));
    talks.0.commit(test, &texts.0).await;
    talks.1.commit(test, &texts.1).await;
    talks
}
