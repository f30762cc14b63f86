//! Numbers that a business has given up.

use std::time::Duration;

use uuid::Uuid;

use super::talk::{CUSTOMER, NEIGHBOUR, NUMBER, OTHER_NUMBER, Talk, business};
use super::{TestStore, on_both_stores};
use crate::engine::ConversationStore;

on_both_stores! {
    the_open_conversations_of_a_released_number_are_found,
    a_released_number_is_forgotten_after_a_minute_unless_a_conversation_is_open,
    a_number_that_is_taken_back_is_not_released,
}

/// The conversations of released numbers.
async fn released(test: &impl TestStore, limit: i64) -> Vec<Uuid> {
    let released = test.store().conversations_of_released_numbers(limit).await.unwrap();
    let (now, slack) = (test.now().await, chrono::TimeDelta::minutes(5));
    assert!(released.iter().all(|one| now - slack < one.released_at && one.released_at < now + slack));
    released.into_iter().map(|released| released.conversation_id).collect()
}

/// Two customers of a business, the second of whom has ended the conversation.
async fn two_customers(test: &impl TestStore) -> (Talk, Talk) {
    let mut talks = (Talk::with(test, CUSTOMER).await, Talk::with(test, NEIGHBOUR).await);
    for (talk, sid) in [(&mut talks.0, "SM1"), (&mut talks.1, "SM2")] {
        let text = talk.text(sid, "Hi");
        talk.commit(test, &text).await;
    }
    talks
}

async fn the_open_conversations_of_a_released_number_are_found(test: impl TestStore) {
    let (talk, mut neighbour) = two_customers(&test).await;
    assert!(released(&test, 10).await.is_empty());
    test.put_business(&business("b1", &[OTHER_NUMBER])).await;
    let mut ids = [talk.conversation().id, neighbour.conversation().id];
    ids.sort();
    assert_eq!(released(&test, 10).await, ids);
    assert_eq!(released(&test, 1).await, ids[..1]);
    let end = neighbour.complete();
    neighbour.commit(&test, &end).await;
    assert_eq!(released(&test, 10).await, [talk.conversation().id]);
    test.put_business(&business("b2", &[NUMBER])).await;
    assert_eq!(released(&test, 10).await, [talk.conversation().id], "another business has the number");
}

async fn a_released_number_is_forgotten_after_a_minute_unless_a_conversation_is_open(test: impl TestStore) {
    let (mut talk, mut neighbour) = two_customers(&test).await;
    test.put_business(&business("b1", &[OTHER_NUMBER])).await;
    let forget = async || test.store().forget_released_numbers().await.unwrap();
    test.time_passes(Duration::from_secs(61)).await;
    assert_eq!(forget().await, 0, "conversations are open");
    for talk in [&mut talk, &mut neighbour] {
        let end = talk.complete();
        talk.commit(&test, &end).await;
    }
    assert_eq!((forget().await, forget().await), (1, 0));
    test.put_business(&business("b1", &[NUMBER])).await;
    assert_eq!(forget().await, 0, "the other number was released just now");
    test.time_passes(Duration::from_secs(61)).await;
    assert_eq!(forget().await, 1);
}

async fn a_number_that_is_taken_back_is_not_released(test: impl TestStore) {
    let (talk, _) = two_customers(&test).await;
    test.put_business(&business("b1", &[OTHER_NUMBER])).await;
    test.put_business(&business("b1", &[NUMBER, OTHER_NUMBER])).await;
    assert!(released(&test, 10).await.is_empty());
    let text = talk.text("SM3", "Hello?");
    assert_eq!(super::talk::verdicts(&super::talk::commit(&test, &[&text]).await), ["done"]);
    test.time_passes(Duration::from_secs(61)).await;
    assert_eq!(test.store().forget_released_numbers().await.unwrap(), 1, "although a conversation is open");
}
