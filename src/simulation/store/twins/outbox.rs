//! The outbox: what waits, in order, and what is published.

use std::time::Duration;

use futures::future::join;
use uuid::Uuid;

use super::talk::{CUSTOMER, NEIGHBOUR, Talk, commit};
use super::{TestStore, on_both_stores};
use crate::engine::{ConversationStore, WaitingEffects};
use crate::store::{Committed, Locks};

on_both_stores! {
    effects_wait_in_the_order_of_their_commit_until_they_are_published,
    a_commit_says_behind_which_older_effects_it_is,
    effects_that_are_published_with_a_batch_do_not_wait_any_more,
    a_batch_that_refuses_its_inputs_deletes_what_was_published_and_one_that_fails_does_not,
    one_task_at_a_time_drains_a_key,
    a_batch_leaves_effects_alone_that_are_being_drained,
    effects_that_were_left_behind_are_found_the_oldest_first,
}

/// The ids of the effects that wait under a key, which is unlocked again: PostgreSQL unlocks some time after a transaction
/// is dropped.
async fn waiting(test: &impl TestStore, key: Uuid) -> Vec<i64> {
    let draining = test.store().drain(key).await.unwrap();
    let ids = draining.rows().iter().map(|row| row.id).collect();
    draining.published(0).await.unwrap();
    ids
}

async fn effects_wait_in_the_order_of_their_commit_until_they_are_published(test: impl TestStore) {
    let mut talk = Talk::with(&test, CUSTOMER).await;
    let (first, second) = two_texts(&test, &mut talk).await;
    let key = talk.conversation().id;
    assert_eq!(waiting(&test, key).await, [first.clone(), second.clone()].concat());
    let draining = test.store().drain(key).await.unwrap();
    draining.published(first.len()).await.unwrap();
    assert_eq!(waiting(&test, key).await, second);
    let draining = test.store().drain(key).await.unwrap();
    draining.published(0).await.unwrap();
    assert_eq!(waiting(&test, key).await, second);
    assert!(waiting(&test, Uuid::nil()).await.is_empty());
}

async fn a_commit_says_behind_which_older_effects_it_is(test: impl TestStore) {
    let (mut talk, mut neighbour) = (Talk::with(&test, CUSTOMER).await, Talk::with(&test, NEIGHBOUR).await);
    let opening = talk.text("SM1", "My sink is blocked");
    let ids = talk.commit(&test, &opening).await;
    let (text, of_neighbour) = (talk.text("SM2", "Hello?"), neighbour.text("SM3", "Hi"));
    let committed = commit(&test, &[&text, &of_neighbour]).await;
    let behind = |committed: &Committed| match committed {
        Committed::Done { behind, .. } => behind.clone(),
        refused => panic!("{refused:?}"),
    };
    assert_eq!(committed.iter().map(behind).collect::<Vec<_>>(), [vec![talk.conversation().id], vec![]]);
    (talk.state, neighbour.state) = (Some(text.after()), Some(of_neighbour.after()));
    let draining = test.store().drain(talk.conversation().id).await.unwrap();
    draining.published(ids.len() + text.outbox.len()).await.unwrap();
    assert_eq!(commit(&test, &[&talk.text("SM4", "Hello?")]).await.iter().flat_map(behind).count(), 0);
}

async fn effects_that_are_published_with_a_batch_do_not_wait_any_more(test: impl TestStore) {
    let mut talk = Talk::with(&test, CUSTOMER).await;
    let (first, second) = two_texts(&test, &mut talk).await;
    assert_eq!(test.store().commit(&[], &first, Locks::Skip).await.unwrap(), []);
    assert_eq!(waiting(&test, talk.conversation().id).await, second);
    let text = talk.text("SM3", "Anybody?");
    let committed = test.store().commit(&[text.commit()], &second, Locks::Skip).await.unwrap();
    let [Committed::Done { outbox_ids, behind }] = &committed[..] else { panic!("{committed:?}") };
    assert!(behind.is_empty(), "they were published");
    assert_eq!(&waiting(&test, talk.conversation().id).await, outbox_ids);
}

async fn a_batch_that_refuses_its_inputs_deletes_what_was_published_and_one_that_fails_does_not(test: impl TestStore) {
    let mut talk = Talk::with(&test, CUSTOMER).await;
    let (first, second) = two_texts(&test, &mut talk).await;
    let text = talk.text("SM3", "Anybody?");
    let held = test.hold(super::Row::Input(&text.input_id)).await;
    test.store().commit(&[text.commit()], &first, Locks::Skip).await.unwrap_err();
    test.let_go(held).await;
    assert_eq!(waiting(&test, talk.conversation().id).await, [first.clone(), second.clone()].concat());
    let seen = talk.text("SM2", "My sink is blocked");
    test.store().commit(&[seen.commit()], &first, Locks::Skip).await.unwrap();
    assert_eq!(waiting(&test, talk.conversation().id).await, second);
}

async fn one_task_at_a_time_drains_a_key(test: impl TestStore) {
    let mut talk = Talk::with(&test, CUSTOMER).await;
    let (first, second) = two_texts(&test, &mut talk).await;
    let key = talk.conversation().id;
    let draining = test.store().drain(key).await.unwrap();
    // It waits for the rows that the first task publishes, and does not get them any more.
    let (next, published) = join(test.store().drain(key), draining.published(first.len())).await;
    published.unwrap();
    assert_eq!(next.unwrap().rows().iter().map(|row| row.id).collect::<Vec<_>>(), second);
}

async fn a_batch_leaves_effects_alone_that_are_being_drained(test: impl TestStore) {
    let mut talk = Talk::with(&test, CUSTOMER).await;
    let (first, second) = two_texts(&test, &mut talk).await;
    let key = talk.conversation().id;
    let draining = test.store().drain(key).await.unwrap();
    let text = talk.text("SM3", "Anybody?");
    let third = talk.commit(&test, &text).await;
    // The newest effects are not locked: they were not there yet.
    let published = [second.clone(), third].concat();
    test.store().commit(&[], &published, Locks::Skip).await.unwrap();
    draining.published(first.len()).await.unwrap();
    assert_eq!(waiting(&test, key).await, second);
}

async fn effects_that_were_left_behind_are_found_the_oldest_first(test: impl TestStore) {
    let (mut talk, mut neighbour) = (Talk::with(&test, CUSTOMER).await, Talk::with(&test, NEIGHBOUR).await);
    let text = neighbour.text("SM1", "Hi");
    neighbour.commit(&test, &text).await;
    two_texts(&test, &mut talk).await;
    let keys = [neighbour.conversation().id, talk.conversation().id];
    assert!(test.store().stale_outbox_keys(2.0, 10).await.unwrap().is_empty());
    test.time_passes(Duration::from_secs(3)).await;
    let text = neighbour.text("SM4", "Hello?");
    neighbour.commit(&test, &text).await;
    assert_eq!(test.store().stale_outbox_keys(2.0, 10).await.unwrap(), keys);
    assert_eq!(test.store().stale_outbox_keys(2.0, 1).await.unwrap(), keys[..1]);
    assert!(test.store().stale_outbox_keys(4.0, 10).await.unwrap().is_empty());
    let old = test.store().drain(keys[0]).await.unwrap();
    old.published(1).await.unwrap();
    let rest = test.store().drain(keys[1]).await.unwrap();
    let count = rest.rows().len();
    rest.published(count).await.unwrap();
    assert_eq!(test.store().stale_outbox_keys(2.0, 10).await.unwrap(), keys[..1]);
}

/// Two texts of a customer; returns the ids of the effects of each.
async fn two_texts(test: &impl TestStore, talk: &mut Talk) -> (Vec<i64>, Vec<i64>) {
    let opening = talk.text("SM2", "My sink is blocked");
    let first = talk.commit(test, &opening).await;
    let text = talk.text("SM5", "Hello?");
    (first, talk.commit(test, &text).await)
}
