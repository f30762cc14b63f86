//! Calls in an emergency: the claim, the pace of an account, and the cap of a phone; and who was alerted.

use std::time::Duration;

use chrono::TimeDelta;
use uuid::Uuid;

use super::talk::{CUSTOMER, NEIGHBOUR, NUMBER, OWNER, Talk, business, phone};
use super::{TestStore, on_both_stores};
use crate::domain::business::Profile;
use crate::domain::business_policy::BusinessPolicy;
use crate::domain::conversation::Input;
use crate::engine::ConversationStore;
use crate::store::{RingRequest, RingTurn};
use crate::worker::ring::RingStore;

on_both_stores! {
    a_call_is_claimed_once_and_again_when_its_lease_is_over,
    no_call_is_claimed_once_somebody_has_taken_the_emergency,
    an_account_makes_a_call_a_second_and_those_about_life_first,
    a_phone_gets_six_calls_in_an_hour,
    a_contact_is_called_once_they_have_confirmed,
    a_call_that_was_placed_is_known,
    the_newest_alert_to_a_phone_is_found_first,
}

const LEASE: Duration = Duration::from_secs(12);
const CONTACT: &str = "+15555550009";

fn calls_people(id: &str) -> Profile {
    let policy = BusinessPolicy { voice_ladder: Some(true), ..BusinessPolicy::default() };
    Profile { policy, emergency_contacts: vec![phone(CONTACT)], ..business(id, &[NUMBER]) }
}

/// A customer with an emergency, and the call that is to be placed about it.
async fn emergency(test: &impl TestStore, customer: &str) -> (Talk, Uuid) {
    let business = calls_people("b1");
    test.put_business(&business).await;
    let mut talk = Talk::of(business, customer, test.now().await);
    let text = talk.text(&format!("SM{customer}"), "Basement flooding!");
    talk.commit(test, &text).await;
    let call_id = talk.conversation().memory.ladder.as_ref().unwrap().call.unwrap();
    (talk, call_id)
}

async fn turn(test: &impl TestStore, talk: &Talk, call_id: Uuid, to: &str, about_life: bool) -> RingTurn {
    let request = RingRequest {
        call_id,
        conversation_id: talk.conversation().id,
        business_id: "b1",
        phone: &phone(to),
        is_owner: to == OWNER,
        about_life,
        account_sid: "AC1",
        is_main: true,
        lease: LEASE,
    };
    test.store().ring_turn(&request).await.unwrap()
}

fn claim(turn: &RingTurn) -> Uuid {
    match turn {
        RingTurn::Ours { claim, from } if from.as_str() == NUMBER => *claim,
        other => panic!("not claimed: {other:?}"),
    }
}

async fn a_call_is_claimed_once_and_again_when_its_lease_is_over(test: impl TestStore) {
    let (talk, call_id) = emergency(&test, CUSTOMER).await;
    claim(&turn(&test, &talk, call_id, OWNER, false).await);
    assert_eq!(turn(&test, &talk, call_id, OWNER, false).await, RingTurn::Taken);
    for _ in 0..2 {
        test.time_passes(LEASE + Duration::from_secs(1)).await;
        claim(&turn(&test, &talk, call_id, OWNER, false).await);
    }
    test.time_passes(LEASE + Duration::from_secs(1)).await;
    assert_eq!(turn(&test, &talk, call_id, OWNER, false).await, RingTurn::Refused("unknown"));
}

async fn no_call_is_claimed_once_somebody_has_taken_the_emergency(test: impl TestStore) {
    let (mut talk, call_id) = emergency(&test, CUSTOMER).await;
    assert_eq!(turn(&test, &talk, Uuid::from_u128(7), OWNER, false).await, RingTurn::Stale, "another call");
    let taken = Input::UserTookOver { user_id: "u1".to_owned(), reason: "mine".to_owned() };
    let taken = talk.decide("takeover", &taken);
    talk.commit(&test, &taken).await;
    assert_eq!(turn(&test, &talk, call_id, OWNER, false).await, RingTurn::Stale);
}

async fn an_account_makes_a_call_a_second_and_those_about_life_first(test: impl TestStore) {
    let (first, first_call) = emergency(&test, CUSTOMER).await;
    let (ordinary, ordinary_call) = emergency(&test, NEIGHBOUR).await;
    let (life, life_call) = emergency(&test, "+12125550777").await;
    claim(&turn(&test, &first, first_call, OWNER, false).await);
    let waits = |turn: RingTurn| matches!(turn, RingTurn::Wait(wait) if wait <= Duration::from_millis(2_200));
    assert!(waits(turn(&test, &ordinary, ordinary_call, OWNER, false).await));
    assert!(waits(turn(&test, &life, life_call, OWNER, true).await));
    test.time_passes(Duration::from_millis(1_200)).await;
    assert!(waits(turn(&test, &ordinary, ordinary_call, OWNER, false).await), "the other one goes first");
    claim(&turn(&test, &life, life_call, OWNER, true).await);
    test.time_passes(Duration::from_millis(1_200)).await;
    claim(&turn(&test, &ordinary, ordinary_call, OWNER, false).await);
}

async fn a_phone_gets_six_calls_in_an_hour(test: impl TestStore) {
    for number in 0..6 {
        let (talk, call_id) = emergency(&test, &format!("+1212555010{number}")).await;
        let claimed = claim(&turn(&test, &talk, call_id, OWNER, false).await);
        if number == 0 {
            // What Twilio has not processed does not count.
            test.store().release_ring(call_id, claimed, false).await.unwrap();
            test.time_passes(Duration::from_millis(1_200)).await;
            claim(&turn(&test, &talk, call_id, OWNER, false).await);
        }
        test.time_passes(Duration::from_millis(1_200)).await;
    }
    let (talk, call_id) = emergency(&test, CUSTOMER).await;
    assert_eq!(turn(&test, &talk, call_id, OWNER, true).await, RingTurn::Refused("capped"));
    test.time_passes(Duration::from_secs(3_600)).await;
    claim(&turn(&test, &talk, call_id, OWNER, true).await);
}

async fn a_contact_is_called_once_they_have_confirmed(test: impl TestStore) {
    let (talk, call_id) = emergency(&test, CUSTOMER).await;
    assert_eq!(turn(&test, &talk, call_id, CONTACT, false).await, RingTurn::Refused("not_confirmed"));
    test.store().confirm_phone("b1", &phone(CONTACT)).await.unwrap();
    test.store().confirm_phone("b1", &phone(CONTACT)).await.unwrap();
    claim(&turn(&test, &talk, call_id, CONTACT, false).await);
}

async fn a_call_that_was_placed_is_known(test: impl TestStore) {
    let (talk, call_id) = emergency(&test, CUSTOMER).await;
    claim(&turn(&test, &talk, call_id, OWNER, false).await);
    test.store().ring_placed(call_id, "CA9").await.unwrap();
    let placed = RingTurn::Placed { call_sid: "CA9".to_owned() };
    assert_eq!(turn(&test, &talk, call_id, OWNER, false).await, placed);
}

async fn the_newest_alert_to_a_phone_is_found_first(test: impl TestStore) {
    let (first, _) = emergency(&test, CUSTOMER).await;
    let mut second = Talk::of(first.business.clone(), NEIGHBOUR, first.at);
    let text = second.later(60).text("SM2", "Basement flooding!");
    second.commit(&test, &text).await;
    let since = first.at - TimeDelta::seconds(1);
    let found = test.store().alerted_conversations("b1", &phone(OWNER), since).await.unwrap();
    assert_eq!(found, [second.conversation().id, first.conversation().id]);
    let newer = test.store().alerted_conversations("b1", &phone(OWNER), first.at).await.unwrap();
    assert_eq!(newer, [second.conversation().id]);
    for (business, to) in [("b2", OWNER), ("b1", CONTACT)] {
        let found = test.store().alerted_conversations(business, &phone(to), since).await.unwrap();
        assert!(found.is_empty(), "{business} {to}");
    }
}
