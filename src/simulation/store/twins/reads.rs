//! What the engine and analysis read.

use std::collections::HashMap;
use std::time::Duration;

use chrono::TimeDelta;
use uuid::Uuid;

use super::talk::{CUSTOMER, Decided, NEIGHBOUR, NUMBER, OTHER_NUMBER, Talk, business, commit, phone, verdicts};
use super::{TestStore, on_both_stores};
use crate::adapters::postgres::BusinessRecord;
use crate::businesses::{Businesses, Records};
use crate::domain::business::Profile;
use crate::domain::conversation::{Conversation, MessageKind, MessageReport, MessageStatus};
use crate::engine::ConversationStore;
use crate::store::{Parties, SendingAccount};
use crate::worker::analyze::AnalysisStore;
use crate::worker::send::OutboundStore;

on_both_stores! {
    businesses_are_found_by_id_and_by_number,
    conversations_are_read_by_their_ids,
    of_the_conversations_of_two_parties_the_open_one_is_read_or_the_newest,
    the_newest_messages_come_in_order_of_time_and_without_alerts,
    the_ai_s_messages_under_way_are_counted,
    webhooks_that_wait_are_read_by_their_subject,
    only_a_customer_s_text_is_moved_to_an_earlier_arrival,
    timers_that_are_overdue_come_the_longest_overdue_first,
    inputs_are_forgotten_when_they_are_old,
}

async fn businesses_are_found_by_id_and_by_number(test: impl TestStore) {
    let (joes, other) = (business("b1", &[NUMBER, "+15555551112"]), business("b2", &[OTHER_NUMBER]));
    test.put_business(&joes).await;
    test.put_business(&other).await;
    let store = test.store();
    let profile = |record: BusinessRecord| -> Profile { serde_json::from_value(record.profile).unwrap() };
    assert_eq!(store.business("b1").await.unwrap().map(profile), Some(joes.clone()));
    assert_eq!(store.business("b3").await.unwrap(), None);
    for (number, expected) in
        [(NUMBER, Some("b1")), ("+15555551112", Some("b1")), (OTHER_NUMBER, Some("b2")), (CUSTOMER, None)]
    {
        let found = store.business_by_phone(&phone(number)).await.unwrap().map(|business| business.id);
        assert_eq!(found.as_deref(), expected, "{number}");
    }
}

async fn conversations_are_read_by_their_ids(test: impl TestStore) {
    let mut talks = [Talk::with(&test, CUSTOMER).await, Talk::with(&test, NEIGHBOUR).await];
    for (talk, sid) in talks.iter_mut().zip(["SM1", "SM2"]) {
        let text = talk.text(sid, "Hi");
        talk.commit(&test, &text).await;
    }
    let ids = [talks[0].conversation().id, Uuid::nil(), talks[1].conversation().id];
    let read = test.store().conversations_by_id(&ids).await.unwrap();
    let read: HashMap<Uuid, Conversation> = read.into_iter().map(|(id, read)| (id, read.unwrap())).collect();
    let expected = talks.map(|talk| (talk.conversation().id, talk.conversation().clone()));
    assert_eq!(read, HashMap::from(expected));
}

async fn of_the_conversations_of_two_parties_the_open_one_is_read_or_the_newest(test: impl TestStore) {
    let mut talk = Talk::with(&test, CUSTOMER).await;
    let parties = Parties::of("b1", &talk.number, &talk.customer);
    let read = async || {
        let elsewhere = Parties { business_id: "b2".to_owned(), ..parties.clone() };
        let of_neighbour = Parties { customer_phone: NEIGHBOUR.to_owned(), ..parties.clone() };
        let mut read =
            test.store().conversations_of_parties(&[elsewhere, parties.clone(), of_neighbour]).await.unwrap();
        let found = read.remove(&parties).map(Result::unwrap);
        assert!(read.is_empty(), "{read:?}");
        found
    };
    assert_eq!(read().await, None);
    let mut ended = Vec::new();
    for sid in ["SM1", "SM2"] {
        let text = talk.later(60).text(sid, "My sink is blocked");
        talk.commit(&test, &text).await;
        assert_eq!(read().await, talk.state, "the open one");
        let end = talk.later(60).complete();
        talk.commit(&test, &end).await;
        assert_eq!(read().await, talk.state, "the newest");
        ended.extend(talk.state.clone());
    }
    // A late report is activity of the older conversation, which does not make it the newest.
    let mut first = Talk { state: Some(ended[0].clone()), ..talk.clone() };
    let mut late = first.later(600).complete();
    late.decision.conversation.last_activity = first.at;
    first.commit(&test, &late).await;
    assert_eq!(read().await.map(|conversation| conversation.id), Some(ended[1].id));
}

async fn the_newest_messages_come_in_order_of_time_and_without_alerts(test: impl TestStore) {
    let mut talk = Talk::with(&test, CUSTOMER).await;
    let mut texts = Vec::new();
    for (sid, seconds, sequence) in [("SM1", 0, 9), ("SM2", 5, 2), ("SM3", 5, 1), ("SM4", 3, 7)] {
        let mut text = talk.text(sid, sid);
        text.decision.messages[0].created_at = talk.at + TimeDelta::seconds(seconds);
        text.decision.messages[0].stream_sequence = sequence;
        texts.push(text.decision.messages[0].clone());
        talk.commit(&test, &text).await;
    }
    let emergency = talk.later(60).text("SM5", "I smell gas");
    let kinds: Vec<MessageKind> = emergency.decision.messages.iter().map(|message| message.kind).collect();
    assert!(kinds.contains(&MessageKind::Alert) && kinds.contains(&MessageKind::Notice), "{kinds:?}");
    talk.commit(&test, &emergency).await;
    let newest = test.store().newest_messages(talk.conversation().id, 5).await.unwrap();
    let bodies: Vec<&str> = newest.iter().map(|message| message.body.as_str()).collect();
    assert_eq!(bodies[..3], ["SM4", "SM3", "SM2"]);
    let others: Vec<MessageKind> = newest[3..].iter().map(|message| message.kind).collect();
    assert!(others.contains(&MessageKind::Customer) && others.contains(&MessageKind::Notice), "{others:?}");
    let all = test.store().newest_messages(talk.conversation().id, 100).await.unwrap();
    assert_eq!(all.len(), 6);
    let alert = emergency.decision.messages.iter().find(|message| message.kind == MessageKind::Alert).unwrap();
    let read = test.store().message(alert.id).await.unwrap().unwrap();
    assert_eq!((read.conversation_id, read.kind), (talk.conversation().id, MessageKind::Alert));
}

async fn the_ai_s_messages_under_way_are_counted(test: impl TestStore) {
    let mut talk = Talk::with(&test, CUSTOMER).await;
    let account = SendingAccount { sid: "AC1", is_main: true, conversation_sid: None };
    let answer = talk.get_answer(&test, "SM1").await;
    let emergency = talk.text("SM2", "I smell gas");
    talk.commit(&test, &emergency).await;
    let reply = talk.reply("I will come by.");
    let by_person = reply.decision.messages[0].id;
    let count = async || test.store().ai_messages_under_way(talk.conversation().id).await.unwrap();
    assert_eq!(count().await, 0);
    let of_emergency = emergency.decision.messages.iter().filter(|message| message.kind != MessageKind::Customer);
    for id in of_emergency.map(|message| message.id).chain([answer]) {
        test.store().claim(id, account, Duration::from_secs(2), talk.at).await.unwrap();
    }
    let claimed = count().await;
    let mut sending = 0;
    for message in test.store().newest_messages(talk.conversation().id, 100).await.unwrap() {
        sending += i64::from(message.status == MessageStatus::Sending);
    }
    assert_eq!((claimed, sending), (1, 1), "the notice; the alert is not in the conversation, the answer is overtaken");
    let mut talk = talk.clone();
    talk.commit(&test, &reply).await;
    test.store().claim(by_person, account, Duration::from_secs(2), talk.at).await.unwrap();
    assert_eq!(test.store().message(by_person).await.unwrap().unwrap().status, MessageStatus::Sending);
    assert_eq!(test.store().ai_messages_under_way(talk.conversation().id).await.unwrap(), 1, "a person's is another's");
}

async fn webhooks_that_wait_are_read_by_their_subject(test: impl TestStore) {
    for (subject, payload) in
        [("nmc.inbound.sms.a", "first"), ("nmc.inbound.sms.b", "another"), ("nmc.inbound.sms.a", "second")]
    {
        test.keep_webhook(subject, payload.as_bytes()).await;
    }
    let mut waiting = test.store().waiting_payloads("nmc.inbound.sms.a").await.unwrap();
    waiting.sort();
    assert_eq!(waiting, [b"first".to_vec(), b"second".to_vec()]);
    assert!(test.store().waiting_payloads("nmc.inbound.sms.c").await.unwrap().is_empty());
}

async fn only_a_customer_s_text_is_moved_to_an_earlier_arrival(test: impl TestStore) {
    let mut talk = Talk::with(&test, CUSTOMER).await;
    let (began, answer) = (talk.at, talk.get_answer(&test, "SM1").await);
    let account = SendingAccount { sid: "AC1", is_main: true, conversation_sid: None };
    test.store().claim(answer, account, Duration::from_secs(2), talk.at).await.unwrap();
    let claimed = test.store().message(answer).await.unwrap().unwrap();
    let accepted = MessageReport::Accepted { twilio_sid: "SMout".to_owned(), segments: None };
    let report = talk.report(claimed.sent(), accepted);
    talk.commit(&test, &report).await;
    let at = async |sid: &str| test.store().message_by_sid(sid).await.unwrap().unwrap().created_at;
    let earlier = began - TimeDelta::seconds(5);
    for (sid, moved_to, expected) in [
        ("SM1", began + TimeDelta::seconds(5), began),
        ("SM1", earlier, earlier),
        ("SM1", began, earlier),
        ("SMout", earlier, claimed.created_at),
    ] {
        test.store().backdate_arrival(sid, moved_to).await.unwrap();
        assert_eq!(at(sid).await, expected, "{sid} moved to {moved_to}");
    }
}

async fn timers_that_are_overdue_come_the_longest_overdue_first(test: impl TestStore) {
    let first = Talk::with(&test, CUSTOMER).await;
    let mut talks: Vec<Talk> = Vec::new();
    for (customer, seconds) in [("+12125550001", 2), ("+12125550002", 1), ("+12125550003", 3), ("+12125550004", 60)] {
        let mut talk = Talk::of(first.business.clone(), customer, first.at + TimeDelta::seconds(seconds));
        let text = talk.text(&format!("SM{customer}"), "Hi");
        talk.commit(&test, &text).await;
        talks.push(talk);
    }
    let end = talks[2].complete();
    talks[2].commit(&test, &end).await;
    let overdue = async |limit| {
        let overdue = test.store().overdue_windows(3.0, limit).await.unwrap();
        overdue.into_iter().map(|overdue| overdue.conversation_id).collect::<Vec<_>>()
    };
    assert!(overdue(10).await.is_empty());
    // Hold is 8 s.
    test.time_passes(Duration::from_secs(20)).await;
    let ids = [talks[1].conversation().id, talks[0].conversation().id];
    assert_eq!(overdue(10).await, ids);
    assert_eq!(overdue(1).await, ids[..1]);
}

async fn inputs_are_forgotten_when_they_are_old(test: impl TestStore) {
    let mut talk = Talk::with(&test, CUSTOMER).await;
    let old = talk.text("SM1", "My sink is blocked");
    talk.commit(&test, &old).await;
    test.time_passes(Duration::from_secs(9 * 24 * 3_600)).await;
    let new: Decided = talk.text("SM2", "Hello?");
    talk.commit(&test, &new).await;
    assert_eq!(test.store().prune(8).await.unwrap(), 1);
    assert_eq!(test.store().prune(8).await.unwrap(), 0);
    let seen = test.store().seen(&[&old.input_id, &new.input_id]).await.unwrap();
    assert!(seen.len() == 1 && seen.contains_key(&new.input_id), "{seen:?}");
    let verdicts = verdicts(&commit(&test, &[&talk.text("SM1", "My sink is blocked")]).await);
    assert_eq!(verdicts, ["seen with another body"], "the text is still recorded");
}
