//! Texts of the business's own side: what is known, what is kept, the codes of conversations, and who is away.

use std::time::Duration;

use chrono::TimeDelta;

use super::talk::{CUSTOMER, NEIGHBOUR, OWNER, Talk, commit, phone, verdicts};
use super::{TestStore, on_both_stores};
use crate::businesses::Businesses;
use crate::domain::conversation::CodeChange;
use crate::domain::owner::{Answer, Code, Plan, RELAYED_WITHIN};
use crate::engine::ConversationStore;
use crate::store::{FactsOf, OwnerText};

on_both_stores! {
    what_is_done_about_a_text_is_kept_once,
    a_text_by_both_of_twilios_apis_is_carried_out_once_and_two_equal_ones_twice,
    a_phones_texts_of_the_last_minutes_are_counted,
    the_open_conversations_are_read_the_newest_activity_first,
    a_code_belongs_to_one_conversation_and_is_free_a_day_after_its_end,
    the_newest_word_says_whether_the_owner_is_away,
    a_phone_of_the_own_side_that_opted_out_is_known_with_its_business,
}

fn text<'a>(input_id: &'a str, from: &'a crate::domain::phone::PhoneNumber, body: &'a str) -> OwnerText<'a> {
    OwnerText { input_id, business_id: "b1", phone: from, body }
}

const LIST: Plan = Plan::Say { what: Answer::List };

async fn what_is_done_about_a_text_is_kept_once(test: impl TestStore) {
    let (store, owner, now) = (test.store(), phone(OWNER), test.now().await);
    let take = text("sms:SM1", &owner, "TAKE");
    assert_eq!(store.owner_view(&take, now).await.unwrap().plan, None);
    assert_eq!(store.keep_owner_plan(&take, LIST, now).await.unwrap(), LIST);
    assert_eq!(store.keep_owner_plan(&take, Plan::Off, now).await.unwrap(), LIST, "the first one counts");
    assert_eq!(store.owner_view(&take, now).await.unwrap().plan, Some(LIST));
    assert_eq!(store.owner_view(&text("sms:SM2", &owner, "TAKE"), now).await.unwrap().plan, None);
}

async fn a_text_by_both_of_twilios_apis_is_carried_out_once_and_two_equal_ones_twice(test: impl TestStore) {
    let (store, owner, other, now) = (test.store(), phone(OWNER), phone(NEIGHBOUR), test.now().await);
    let second = TimeDelta::seconds(1);
    for (id, from, body, at, plan) in [
        ("sms:SM1", &owner, "On my way", now, LIST),
        ("sms:IM1", &owner, "On my way", now + second, Plan::Nothing),
        ("sms:SM2", &owner, "On my way", now + second * 2, LIST),
        ("sms:SM3", &owner, "On my way", now + second * 3, LIST),
        ("sms:IM2", &owner, "On my way", now + second * 4, Plan::Nothing),
        ("sms:IM3", &owner, "On my way", now + second * 5, Plan::Nothing),
        ("sms:IM4", &owner, "On my way", now + second * 6, LIST),
        ("sms:IM5", &owner, "Off", now, LIST),
        ("sms:SM5", &owner, "Off", now - second, Plan::Nothing),
        ("sms:SM6", &other, "On my way", now, LIST),
        ("sms:IM7", &owner, "On my way", now + second * 120, LIST),
    ] {
        assert_eq!(store.keep_owner_plan(&text(id, from, body), LIST, at).await.unwrap(), plan, "{id}");
    }
}

async fn a_phones_texts_of_the_last_minutes_are_counted(test: impl TestStore) {
    let (store, owner, other, now) = (test.store(), phone(OWNER), phone(NEIGHBOUR), test.now().await);
    let long_ago = now - RELAYED_WITHIN - TimeDelta::seconds(1);
    for (id, from, body, at) in [
        ("sms:SM1", &owner, "On my way", now),
        ("sms:SM2", &owner, "On my way", now),
        ("sms:SM3", &owner, "LIST", now),
        ("sms:SM4", &owner, "On my way", long_ago),
        ("sms:SM5", &other, "On my way", now),
    ] {
        store.keep_owner_plan(&text(id, from, body), LIST, at).await.unwrap();
    }
    let view = store.owner_view(&text("sms:SM6", &owner, "On my way"), now).await.unwrap();
    assert_eq!((view.texts, view.same_words), (3, 2));
    let again = store.owner_view(&text("sms:SM1", &owner, "On my way"), now).await.unwrap();
    assert_eq!((again.texts, again.same_words), (2, 1), "not itself");
}

async fn the_open_conversations_are_read_the_newest_activity_first(test: impl TestStore) {
    let mut first = Talk::with(&test, CUSTOMER).await;
    let opening = first.text("SM1", "Hi");
    first.commit(&test, &opening).await;
    let mut second = Talk::of(first.business.clone(), NEIGHBOUR, first.at);
    let opening = second.later(5).text("SM2", "Hello");
    second.commit(&test, &opening).await;
    let mut over = Talk::of(first.business.clone(), "+12125559999", first.at);
    let opening = over.text("SM3", "Hey");
    over.commit(&test, &opening).await;
    let ended = over.complete();
    over.commit(&test, &ended).await;
    let view = test.store().owner_view(&text("sms:SM9", &phone(OWNER), "LIST"), first.at).await.unwrap();
    let ids: Vec<_> = view.open.iter().map(|open| open.id).collect();
    assert_eq!(ids, [second.conversation().id, first.conversation().id]);
}

/// A text that is the first to be relayed, with this code.
async fn relayed(test: &impl TestStore, talk: &Talk, sid: &str, code: Code) -> &'static str {
    let mut text = talk.text(sid, "My sink leaks");
    text.decision.code = Some(CodeChange::Taken(code));
    verdicts(&commit(test, &[&text]).await)[0]
}

async fn codes(test: &impl TestStore, talk: &Talk) -> Vec<Code> {
    let wanted = FactsOf {
        business_id: &talk.business.id,
        customer: &talk.customer,
        conversation_id: None,
        message_id: None,
        missed_call: false,
        other_business: false,
        other_conversations: false,
        text: None,
        day: None,
        codes: true,
    };
    let facts = test.store().facts(&[wanted]).await.unwrap().pop().unwrap().unwrap();
    facts.codes_in_use.unwrap()
}

async fn a_code_belongs_to_one_conversation_and_is_free_a_day_after_its_end(test: impl TestStore) {
    let code: Code = "B2".parse().unwrap();
    let mut first = Talk::with(&test, CUSTOMER).await;
    let second = Talk::of(first.business.clone(), NEIGHBOUR, first.at);
    let opening = {
        let mut text = first.text("SM1", "My sink leaks");
        text.decision.code = Some(CodeChange::Taken(code));
        text
    };
    first.commit(&test, &opening).await;
    assert_eq!(codes(&test, &second).await, [code]);
    assert_eq!(relayed(&test, &second, "SM2", code).await, "conflict");
    let mut ended = first.complete();
    ended.decision.code = Some(CodeChange::GivenBack);
    first.commit(&test, &ended).await;
    assert_eq!(codes(&test, &second).await, [code], "not at once");
    let (owner, now) = (phone(OWNER), test.now().await);
    let later = now + RELAYED_WITHIN + TimeDelta::minutes(1);
    for (now, ended_lately) in [(now, true), (later, false)] {
        let view = test.store().owner_view(&text("sms:SM9", &owner, "On my way"), now).await.unwrap();
        assert_eq!(view.ended_lately, ended_lately);
    }
    assert_eq!(relayed(&test, &second, "SM2", code).await, "conflict");
    test.time_passes(Duration::from_secs(25 * 3_600)).await;
    assert_eq!(codes(&test, &second).await, []);
    assert_eq!(relayed(&test, &second, "SM2", code).await, "done");
    // Two of a batch do not get the same.
    let third = Talk::of(first.business.clone(), "+12125550003", first.at);
    let fourth = Talk::of(first.business.clone(), "+12125550004", first.at);
    let other: Code = "C3".parse().unwrap();
    let texts = [(&third, "SM3"), (&fourth, "SM4")].map(|(talk, sid)| {
        let mut text = talk.text(sid, "Hi");
        text.decision.code = Some(CodeChange::Taken(other));
        text
    });
    let committed = commit(&test, &[&texts[0], &texts[1]]).await;
    let mut verdicts = verdicts(&committed);
    verdicts.sort_unstable();
    assert_eq!(verdicts, ["conflict", "done"]);
}

async fn the_newest_word_says_whether_the_owner_is_away(test: impl TestStore) {
    let talk = Talk::with(&test, CUSTOMER).await;
    let (store, at) = (test.store(), talk.at);
    let off_since = async || store.business("b1").await.unwrap().unwrap().owner_off_since;
    assert_eq!(off_since().await, None);
    store.set_owner_off("b1", true, at).await.unwrap();
    store.set_owner_off("b1", true, at + TimeDelta::seconds(9)).await.unwrap();
    assert_eq!(off_since().await, Some(at), "since the first word");
    store.set_owner_off("b1", false, at + TimeDelta::seconds(5)).await.unwrap();
    assert_eq!(off_since().await, Some(at), "an older word that comes late");
    store.set_owner_off("b1", false, at + TimeDelta::seconds(10)).await.unwrap();
    assert_eq!(off_since().await, None);
    store.set_owner_off("nobody", true, at).await.unwrap();
}

async fn a_phone_of_the_own_side_that_opted_out_is_known_with_its_business(test: impl TestStore) {
    let talk = Talk::with(&test, OWNER).await;
    let phones = async || test.store().business("b1").await.unwrap().unwrap().opted_out_phones;
    assert_eq!(phones().await, [""; 0]);
    let out = crate::domain::conversation::LedgerChange::Out { by: "own_side".into(), at: talk.at, note: None };
    talk.change_ledger(&test, "sms:SM1", out).await;
    assert_eq!(phones().await, [OWNER]);
}
