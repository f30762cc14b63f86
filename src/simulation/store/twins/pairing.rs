//! Texts that come by both of Twilio's APIs.

use chrono::TimeDelta;

use super::talk::{CUSTOMER, NEIGHBOUR, Talk, commit, phone, verdicts};
use super::{TestStore, on_both_stores};
use crate::businesses::Records;
use crate::domain::channel::Channel;
use crate::domain::conversation::UnpairedText;
use crate::engine::ConversationStore;
use crate::store::{FactsOf, Participant, ParticipantOf, TextOf};
use crate::worker::send::OutboundStore;

on_both_stores! {
    a_customer_who_takes_part_in_no_conversation_is_not_looked_up,
    a_text_is_unpaired_until_it_comes_by_the_other_api,
    only_texts_of_the_same_numbers_and_the_other_api_are_found,
    of_two_second_arrivals_that_race_one_is_paired,
    the_earlier_arrival_counts,
    a_participant_is_known_by_account_conversation_and_id,
    a_closed_conversation_is_not_found_until_it_is_kept_again,
}

/// What may be the text that arrives now by this API.
async fn unpaired(test: &impl TestStore, talk: &Talk, channel: Channel) -> Vec<UnpairedText> {
    let text = TextOf { business_phone: &talk.number, channel, received_at: talk.at };
    let wanted = FactsOf { text: Some(text), ..FactsOf::of(&talk.business.id, &talk.customer) };
    test.store().facts(&[wanted]).await.unwrap().pop().unwrap().unwrap().unpaired_texts
}

/// A customer who takes part in a conversation of Twilio.
async fn participating(test: &impl TestStore) -> Talk {
    test.store().keep_participant(&participant(Some("MB1"))).await.unwrap();
    Talk::with(test, CUSTOMER).await
}

async fn a_customer_who_takes_part_in_no_conversation_is_not_looked_up(test: impl TestStore) {
    let mut talk = Talk::with(&test, CUSTOMER).await;
    let text = talk.text("SM1", "Hello?");
    talk.commit(&test, &text).await;
    assert!(unpaired(&test, &talk, Channel::Conversations).await.is_empty());
    test.store().keep_participant(&participant(None)).await.unwrap();
    assert_eq!(unpaired(&test, &talk, Channel::Conversations).await.len(), 1);
}

async fn a_text_is_unpaired_until_it_comes_by_the_other_api(test: impl TestStore) {
    let mut talk = participating(&test).await;
    let text = talk.text("SM1", "Hello?");
    talk.commit(&test, &text).await;
    let found = unpaired(&test, &talk, Channel::Conversations).await;
    let message_id = text.decision.messages[0].id;
    let expected = UnpairedText { message_id, twilio_sid: "SM1".into(), body: "Hello?".into(), received_at: talk.at };
    assert_eq!(found, [expected]);
    let second = talk.text_beside("IM1", "Hello?", &found);
    talk.commit(&test, &second).await;
    assert!(unpaired(&test, &talk, Channel::Conversations).await.is_empty());
    let message = test.store().message_by_sid("SM1").await.unwrap();
    assert_eq!(message.map(|message| message.id), Some(message_id), "the first id is that of the message");
}

async fn only_texts_of_the_same_numbers_and_the_other_api_are_found(test: impl TestStore) {
    let mut talk = participating(&test).await;
    let text = talk.text("IM1", "Hello?");
    talk.commit(&test, &text).await;
    assert_eq!(unpaired(&test, &talk, Channel::Messaging).await.len(), 1);
    assert!(unpaired(&test, &talk, Channel::Conversations).await.is_empty());
    let by_other_number = Talk { number: phone("+15555551112"), ..talk.clone() };
    assert!(unpaired(&test, &by_other_number, Channel::Messaging).await.is_empty());
    let neighbour = Talk::of(talk.business.clone(), NEIGHBOUR, talk.at);
    assert!(unpaired(&test, &neighbour, Channel::Messaging).await.is_empty());
    assert_eq!(unpaired(&test, talk.later(60), Channel::Messaging).await.len(), 1);
    assert!(unpaired(&test, talk.later(1), Channel::Messaging).await.is_empty());
}

async fn of_two_second_arrivals_that_race_one_is_paired(test: impl TestStore) {
    let mut talk = participating(&test).await;
    let text = talk.text("SM1", "Hello?");
    talk.commit(&test, &text).await;
    let found = unpaired(&test, &talk, Channel::Conversations).await;
    let (one, other) = (talk.text_beside("IM1", "Hello?", &found), talk.text_beside("IM2", "Hello?", &found));
    talk.commit(&test, &one).await;
    assert_eq!(verdicts(&commit(&test, &[&other]).await), ["conflict"], "the conversation has changed");
    // Even if nothing else kept it from being committed.
    let other = talk.text_beside("IM2", "Hello?", &found);
    assert_eq!(verdicts(&commit(&test, &[&other]).await), ["conflict"], "the message is paired");
    let found = unpaired(&test, &talk, Channel::Conversations).await;
    let other = talk.text_beside("IM2", "Hello?", &found);
    assert_eq!(other.decision.messages.len(), 1, "it is a message of its own");
    talk.commit(&test, &other).await;
}

async fn the_earlier_arrival_counts(test: impl TestStore) {
    let mut talk = participating(&test).await;
    let text = talk.text("SM1", "Hello?");
    talk.commit(&test, &text).await;
    let found = unpaired(&test, &talk, Channel::Conversations).await;
    let earlier = talk.at - TimeDelta::seconds(3);
    let mut second = talk.text_beside("IM1", "Hello?", &found);
    second.decision.paired.as_mut().unwrap().received_at = earlier;
    talk.commit(&test, &second).await;
    assert_eq!(test.store().message_by_sid("SM1").await.unwrap().unwrap().created_at, earlier);
}

fn participant(sid: Option<&str>) -> Participant {
    Participant {
        sid: sid.map(str::to_owned),
        conversation_sid: "CH1".into(),
        account_sid: "AC1".into(),
        business_phone: "+15555551111".into(),
        customer_phone: CUSTOMER.into(),
    }
}

async fn a_participant_is_known_by_account_conversation_and_id(test: impl TestStore) {
    let store = test.store();
    let known = async |account_sid: &str, conversation_sid: &str, participant_sid: &str| {
        store.participant(ParticipantOf { account_sid, conversation_sid, participant_sid }).await.unwrap()
    };
    store.keep_participant(&participant(Some("MB1"))).await.unwrap();
    // That the conversation is known again does not forget who takes part.
    store.keep_participant(&participant(None)).await.unwrap();
    assert_eq!(known("AC1", "CH1", "MB1").await, Some(participant(Some("MB1"))));
    for (account, conversation, sid) in [("AC2", "CH1", "MB1"), ("AC1", "CH2", "MB1"), ("AC1", "CH1", "MB2")] {
        assert_eq!(known(account, conversation, sid).await, None);
    }
}

async fn a_closed_conversation_is_not_found_until_it_is_kept_again(test: impl TestStore) {
    let store = test.store();
    let open = async |account: &str| store.twilio_conversation(account, "+15555551111", CUSTOMER).await.unwrap();
    assert_eq!(open("AC1").await, None);
    store.keep_participant(&participant(None)).await.unwrap();
    assert_eq!((open("AC1").await.as_deref(), open("AC2").await), (Some("CH1"), None));
    store.close_twilio_conversation("AC2", "CH1").await.unwrap();
    assert_eq!(open("AC1").await.as_deref(), Some("CH1"), "it is not that account's");
    store.close_twilio_conversation("AC1", "CH1").await.unwrap();
    assert_eq!(open("AC1").await, None);
    store.keep_participant(&participant(None)).await.unwrap();
    assert_eq!(open("AC1").await.as_deref(), Some("CH1"));
}
