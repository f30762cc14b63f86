//! The send rate: slots of a sender's number.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::talk::{CUSTOMER, NUMBER, OTHER_NUMBER, Talk, phone};
use super::{TestStore, on_both_stores};
use crate::domain::conversation::{MessageKind, Priority};
use crate::worker::send::OutboundStore;

on_both_stores! {
    slots_of_a_number_follow_one_another,
    a_number_that_was_idle_is_free_at_once,
    an_urgent_message_takes_the_slot_of_the_first_that_waits,
    messages_that_are_urgent_or_due_keep_their_slots,
    each_kind_of_message_gives_way_by_its_priority,
    a_message_behind_all_others_gets_a_slot_only_if_the_number_is_free,
}

const COST: Duration = Duration::from_millis(1_500);

/// Queued missed-call texts of as many customers.
async fn queued(test: &impl TestStore, count: usize) -> Vec<Uuid> {
    let talk = Talk::with(test, CUSTOMER).await;
    let mut messages = Vec::new();
    for number in 0..count {
        let mut talk = Talk::of(talk.business.clone(), &format!("+12125550{number:03}"), talk.at);
        let missed = talk.missed_call(&format!("CA{number}"));
        talk.commit(test, &missed).await;
        messages.push(missed.decision.messages[0].id);
    }
    messages
}

async fn send_at(test: &impl TestStore, message: Uuid) -> DateTime<Utc> {
    test.store().due_message(message).await.unwrap().unwrap().send_at.unwrap()
}

/// Asserts that a slot is at the time at which it was reserved.
async fn assert_now(test: &impl TestStore, before: DateTime<Utc>, slot: DateTime<Utc>) {
    let after = test.now().await + TimeDelta::milliseconds(1);
    assert!(before <= slot && slot <= after, "{before} {slot} {after}");
}

async fn slots_of_a_number_follow_one_another(test: impl TestStore) {
    let messages = queued(&test, 3).await;
    let (store, number) = (test.store(), phone(NUMBER));
    let before = test.now().await;
    let first = store.reserve_slot(messages[0], &number, COST).await.unwrap();
    assert_now(&test, before, first).await;
    let second = store.reserve_slot(messages[1], &number, COST * 2).await.unwrap();
    let third = store.reserve_slot(messages[2], &number, COST).await.unwrap();
    assert_eq!([second - first, third - first], [1_500, 4_500].map(TimeDelta::milliseconds));
    for (message, slot) in messages.iter().zip([first, second, third]) {
        assert_eq!(send_at(&test, *message).await, slot);
    }
}

async fn a_number_that_was_idle_is_free_at_once(test: impl TestStore) {
    let messages = queued(&test, 4).await;
    let (store, number) = (test.store(), phone(NUMBER));
    store.reserve_slot(messages[0], &number, COST).await.unwrap();
    let before = test.now().await;
    let other = store.reserve_slot(messages[1], &phone(OTHER_NUMBER), COST).await.unwrap();
    assert_now(&test, before, other).await;
    test.time_passes(Duration::from_secs(60)).await;
    let before = test.now().await;
    let later = store.reserve_slot(messages[2], &number, COST).await.unwrap();
    assert_now(&test, before, later).await;
    let next = store.reserve_slot(messages[3], &number, COST).await.unwrap();
    assert_eq!(next - later, TimeDelta::milliseconds(1_500));
}

async fn an_urgent_message_takes_the_slot_of_the_first_that_waits(test: impl TestStore) {
    let messages = queued(&test, 6).await;
    let (store, number, cost) = (test.store(), phone(NUMBER), Duration::from_secs(60));
    let mut slots = Vec::new();
    for message in &messages[..3] {
        slots.push(store.reserve_slot(*message, &number, cost).await.unwrap());
    }
    // The first slot is not in the future any more.
    test.time_passes(Duration::from_secs(1)).await;
    let after = |slot: DateTime<Utc>, seconds| slot + TimeDelta::seconds(seconds);
    let second = send_at(&test, messages[1]).await;
    assert_eq!(store.reserve_slot_ahead(messages[3], &number, cost).await.unwrap(), second);
    let mut moved = Vec::new();
    for message in &messages[..4] {
        moved.push(send_at(&test, *message).await);
    }
    assert_eq!(moved, [after(second, -60), after(second, 60), after(second, 120), second]);
    assert_eq!(store.reserve_slot(messages[4], &number, cost).await.unwrap(), after(second, 180));
}

async fn messages_that_are_urgent_or_due_keep_their_slots(test: impl TestStore) {
    let messages = queued(&test, 2).await;
    let mut talk = Talk::with(&test, CUSTOMER).await;
    let opening = talk.missed_call("CA of an emergency");
    talk.commit(&test, &opening).await;
    let emergency = talk.text("SM1", "I smell gas");
    talk.commit(&test, &emergency).await;
    let mut other = Talk::of(talk.business.clone(), "+12125559999", talk.at);
    let text = other.text("SM2", "Hi");
    other.commit(&test, &text).await;
    let reply = other.reply("I will come by.");
    other.commit(&test, &reply).await;
    let in_emergency = opening.decision.messages[0].id;
    let by_person = reply.decision.messages.last().unwrap().id;
    let (store, number, cost) = (test.store(), phone(NUMBER), Duration::from_secs(60));
    let due = store.reserve_slot(messages[0], &number, cost).await.unwrap();
    let urgent = store.reserve_slot(in_emergency, &number, cost).await.unwrap();
    let last = store.reserve_slot(by_person, &number, cost).await.unwrap();
    assert_eq!([urgent - due, last - due], [60, 120].map(TimeDelta::seconds));
    // Nothing waits that could give way.
    test.time_passes(Duration::from_secs(1)).await;
    let due = send_at(&test, messages[0]).await;
    let ahead = store.reserve_slot_ahead(messages[1], &number, cost).await.unwrap();
    assert_eq!(ahead - due, TimeDelta::seconds(180));
    assert_eq!(send_at(&test, in_emergency).await - due, TimeDelta::seconds(60));
    assert_eq!(send_at(&test, by_person).await - due, TimeDelta::seconds(120));
}

async fn each_kind_of_message_gives_way_by_its_priority(test: impl TestStore) {
    let extra = queued(&test, 2).await;
    let (store, number, cost) = (test.store(), phone(NUMBER), Duration::from_secs(60));
    let base = Talk::with(&test, CUSTOMER).await;
    store.reserve_slot(extra[0], &number, cost).await.unwrap();
    let mut waiting = Vec::new();
    for in_emergency in [false, true] {
        for kind in MessageKind::ALL.iter().copied().filter(|kind| !kind.is_inbound()) {
            let name = format!("{kind}:{in_emergency}");
            let mut talk = Talk::of(base.business.clone(), &format!("+12126660{:03}", waiting.len()), base.at);
            let mut opening = talk.missed_call(&format!("CA{name}"));
            opening.decision.messages[0].kind = kind;
            talk.commit(&test, &opening).await;
            if in_emergency {
                let text = talk.text(&format!("SM{name}"), "I smell gas");
                talk.commit(&test, &text).await;
            }
            let id = opening.decision.messages[0].id;
            store.reserve_slot(id, &number, cost).await.unwrap();
            waiting.push((name, id, kind.priority(in_emergency)));
        }
    }
    test.time_passes(Duration::from_secs(1)).await;
    let mut before = Vec::new();
    for (_, id, _) in &waiting {
        before.push(send_at(&test, *id).await);
    }
    store.reserve_slot_ahead(extra[1], &number, cost).await.unwrap();
    for ((name, id, priority), before) in waiting.into_iter().zip(before) {
        let seconds = if priority == Priority::Normal { 60 } else { 0 };
        assert_eq!((send_at(&test, id).await - before).num_seconds(), seconds, "{name}");
    }
}

async fn a_message_behind_all_others_gets_a_slot_only_if_the_number_is_free(test: impl TestStore) {
    let messages = queued(&test, 3).await;
    let (store, number) = (test.store(), phone(NUMBER));
    let before = test.now().await;
    let first = store.reserve_slot_behind(messages[0], &number, COST).await.unwrap();
    assert_now(&test, before, first).await;
    assert_eq!(send_at(&test, messages[0]).await, first);
    let again = store.reserve_slot_behind(messages[1], &number, COST).await.unwrap();
    assert_eq!(again - first, TimeDelta::milliseconds(1_500), "when the number is free");
    assert_eq!(store.due_message(messages[1]).await.unwrap().unwrap().send_at, None, "nothing is reserved");
    // So one that comes later does not wait for it.
    assert_eq!(store.reserve_slot(messages[2], &number, COST).await.unwrap(), again);
}
