//! The limits of a day, and alerts that are bundled.

use std::time::Duration;

use chrono::TimeDelta;
use uuid::Uuid;

use super::talk::{CUSTOMER, NUMBER, OWNER, Talk, commit, phone, verdicts};
use super::{TestStore, on_both_stores};
use crate::businesses::Records;
use crate::domain::alert_pace::AlertTurn;
use crate::domain::conversation::{MessageKind, MessageReport, MessageStatus};
use crate::domain::day_limits::Limit;
use crate::engine::ConversationStore;
use crate::store::BundledAlert;
use crate::worker::send::OutboundStore;

on_both_stores! {
    what_a_decision_uses_is_known_that_day,
    of_two_that_use_the_rest_one_is_decided_again,
    what_others_used_meanwhile_is_a_conflict,
    a_limit_is_told_by_one,
    the_first_three_alerts_to_a_phone_go_alone_and_the_rest_together,
    an_alert_that_was_bundled_is_known_by_its_carrier,
    alerts_of_another_phone_or_business_are_not_bundled,
}

const COLLECTS: Duration = Duration::from_secs(30);

/// As many customers of one business.
async fn customers(test: &impl TestStore, count: usize) -> Vec<Talk> {
    let talk = Talk::with(test, CUSTOMER).await;
    (0..count).map(|number| Talk::of(talk.business.clone(), &format!("+12125550{number:03}"), talk.at)).collect()
}

async fn what_a_decision_uses_is_known_that_day(test: impl TestStore) {
    let mut talk = Talk::with(&test, CUSTOMER).await;
    assert_eq!(talk.facts(&test).await.day_use.used.texts, 0);
    let missed = talk.missed_call("CA1");
    talk.commit(&test, &missed).await;
    let used = talk.facts(&test).await.day_use.used;
    assert_eq!((used.texts, used.new_numbers, used.ai, used.alerts), (1, 1, 0, 0));
    talk.later(86_400);
    assert_eq!(talk.facts(&test).await.day_use.used.texts, 0, "another day");
}

async fn of_two_that_use_the_rest_one_is_decided_again(test: impl TestStore) {
    let mut talks = customers(&test, 3).await;
    for talk in &mut talks {
        talk.business.policy.day_texts = Some(2);
    }
    let missed: Vec<_> = talks.iter().enumerate().map(|(n, talk)| talk.missed_call(&format!("CA{n}"))).collect();
    let committed = commit(&test, &missed.iter().collect::<Vec<_>>()).await;
    assert_eq!(verdicts(&committed), ["done", "done", "conflict"]);
    assert_eq!(talks[0].facts(&test).await.day_use.used.texts, 2);
}

async fn what_others_used_meanwhile_is_a_conflict(test: impl TestStore) {
    let mut talks = customers(&test, 2).await;
    talks.iter_mut().for_each(|talk| talk.business.policy.day_new_numbers = Some(1));
    let late = talks[1].missed_call("CA1");
    let first = talks[0].missed_call("CA0");
    talks[0].commit(&test, &first).await;
    assert_eq!(verdicts(&commit(&test, &[&late]).await), ["conflict"]);
    talks[1].day_use = talks[1].facts(&test).await.day_use;
    let again = talks[1].missed_call("CA1");
    assert!(again.decision.messages.is_empty() && again.decision.stopped_by == [Limit::NewNumbers]);
    assert_eq!(verdicts(&commit(&test, &[&again]).await), ["done"]);
}

async fn a_limit_is_told_by_one(test: impl TestStore) {
    let mut talks = customers(&test, 2).await;
    talks.iter_mut().for_each(|talk| talk.business.policy.day_texts = Some(0));
    let missed: Vec<_> = talks.iter().enumerate().map(|(n, talk)| talk.missed_call(&format!("CA{n}"))).collect();
    assert_eq!(verdicts(&commit(&test, &missed.iter().collect::<Vec<_>>()).await), ["done", "conflict"]);
    let known = talks[0].facts(&test).await.day_use;
    assert_eq!((known.told.texts, known.used.texts), (1, 0));
}

/// Queued alerts to the owner, one of each customer.
async fn alerts(test: &impl TestStore, talks: &mut [Talk]) -> Vec<Uuid> {
    let mut alerts = Vec::new();
    for (number, talk) in talks.iter_mut().enumerate() {
        let emergency = talk.text(&format!("SM{}{number}", talk.business.id), "basement is flooding");
        talk.commit(test, &emergency).await;
        alerts.push(emergency.decision.messages.iter().find(|m| m.kind == MessageKind::Alert).unwrap().id);
    }
    alerts
}

async fn the_first_three_alerts_to_a_phone_go_alone_and_the_rest_together(test: impl TestStore) {
    let mut talks = customers(&test, 6).await;
    let alerts = alerts(&test, &mut talks).await;
    let (store, now) = (test.store(), talks[0].at);
    let turn = async |alert: usize, after: i64| {
        store.alert_turn(alerts[alert], COLLECTS, now + TimeDelta::seconds(after)).await.unwrap()
    };
    for alert in 0..3 {
        assert_eq!(turn(alert, 0).await, AlertTurn::Alone);
        assert_eq!(turn(alert, 1).await, AlertTurn::Alone, "it stays so");
    }
    let until = now + TimeDelta::seconds(32);
    assert_eq!([turn(3, 2).await, turn(4, 3).await, turn(4, 4).await], [0; 3].map(|_| AlertTurn::Held(until)));
    let due = store.due_message(alerts[3]).await.unwrap().unwrap();
    assert_eq!((due.not_before, due.may_be_bundled), (Some(until), true));
    let text = "2 more EMERGENCIES: +12125550004 (flooding), +12125550003 (flooding). Call them, or take the conversations over.";
    assert_eq!(turn(4, 32).await, AlertTurn::Bundle(text.to_owned()));
    assert_eq!(turn(4, 33).await, AlertTurn::Bundle(text.to_owned()), "it may be repeated");
    let status = async |alert: usize| store.message(alerts[alert]).await.unwrap().unwrap().status;
    assert_eq!([status(3).await, status(4).await], [MessageStatus::Superseded, MessageStatus::Queued]);
    assert_eq!(store.message(alerts[4]).await.unwrap().unwrap().body, text);
    assert_eq!(turn(5, 34).await, AlertTurn::Held(now + TimeDelta::seconds(64)), "the bundle counts as one of three");
}

async fn an_alert_that_was_bundled_is_known_by_its_carrier(test: impl TestStore) {
    let mut talks = customers(&test, 5).await;
    let alerts = alerts(&test, &mut talks).await;
    let (store, now) = (test.store(), talks[0].at);
    for alert in &alerts {
        store.alert_turn(*alert, COLLECTS, now).await.unwrap();
    }
    store.alert_turn(alerts[3], COLLECTS, now + TimeDelta::seconds(30)).await.unwrap();
    let bundled = store.bundled_alerts(alerts[3]).await.unwrap();
    assert_eq!(bundled, [BundledAlert { id: alerts[4], conversation_id: talks[4].conversation().id }]);
    assert_eq!(store.bundled_alerts(alerts[0]).await.unwrap(), []);
    // Its report goes to its own conversation.
    let message = store.message(alerts[4]).await.unwrap().unwrap().sent();
    let lost = talks[4].report(message, MessageReport::Rejected { code: None, why: "lost".to_owned() });
    talks[4].commit(&test, &lost).await;
    assert_eq!(store.message(alerts[4]).await.unwrap().unwrap().status, MessageStatus::Failed);
}

async fn alerts_of_another_phone_or_business_are_not_bundled(test: impl TestStore) {
    let mut talks = customers(&test, 4).await;
    let owners = alerts(&test, &mut talks).await;
    let mut other = super::talk::business("b2", &["+15555552222"]);
    test.put_business(&other).await;
    let mut elsewhere = Talk::of(other.clone(), CUSTOMER, talks[0].at);
    let theirs = alerts(&test, std::slice::from_mut(&mut elsewhere)).await;
    other.id = "b1".to_owned();
    other.phone_numbers = vec![phone(NUMBER)];
    other.forward_to = phone("+15555550009").into();
    let mut to_another = Talk::of(other, "+12125550099", talks[0].at);
    let emergency = to_another.text("SM99", "basement is flooding");
    to_another.commit(&test, &emergency).await;
    let anothers = emergency.decision.messages.iter().find(|m| m.kind == MessageKind::Alert).unwrap();
    assert_ne!(anothers.recipient, Some(phone(OWNER)));
    let (store, now) = (test.store(), talks[0].at);
    for alert in &owners {
        store.alert_turn(*alert, COLLECTS, now).await.unwrap();
    }
    for alert in [theirs[0], anothers.id] {
        assert_eq!(store.alert_turn(alert, COLLECTS, now).await.unwrap(), AlertTurn::Alone);
    }
}
