//! The condition of the claim: every combination of its parts, compared with the fence as the rules define it
//! ([`Standing::lets_pass`]). `src/domain/conversation/tests/fence.rs` tests each part of it by itself.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, stream};
use uuid::Uuid;

use super::talk::{OWNER, Talk, business, phone};
use super::{TestStore, on_both_stores};
use crate::domain::conversation::{
    Answering, Conversation, Fence, Fenced, LedgerChange, MessageKind, MessageStatus, NewMessage, Phase, Priority,
    Resumed, Standing, Status, derive_id,
};
use crate::store::{Claim, SendingAccount};
use crate::worker::send::OutboundStore;

on_both_stores! {
    a_claim_passes_exactly_what_the_fence_lets_pass,
}

/// How the customer has opted out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OptOut {
    None,
    InConversation,
    InLedger,
    /// In the ledger, which has the customer by a hash.
    Erased,
}

/// What has become of the number of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Kept,
    GivenUp,
    WithAnotherBusiness,
}

/// A conversation, and the messages that wait in it.
struct Situation {
    opt_out: OptOut,
    number: Number,
    own_account: bool,
    never_text: bool,
    conversation: Conversation,
    messages: Vec<NewMessage>,
}

async fn a_claim_passes_exactly_what_the_fence_lets_pass(test: impl TestStore) {
    let now = test.now().await;
    let mut situations = Vec::new();
    for opt_out in [OptOut::None, OptOut::InConversation, OptOut::InLedger, OptOut::Erased] {
        for number in [Number::Kept, Number::GivenUp, Number::WithAnotherBusiness] {
            for (own_account, never_text) in [(false, false), (false, true), (true, false)] {
                let place = situations.len();
                let of = (opt_out, number, own_account, never_text);
                situations.push(Situation::arrange(&test, place, of, now).await);
            }
        }
    }
    let cases: Vec<_> = situations.iter().flat_map(|s| s.messages.iter().map(move |message| (s, message))).collect();
    assert_eq!(cases.len(), 36 * 50);
    let judged = stream::iter(cases).map(|(situation, message)| situation.judge(&test, message, now));
    let wrong: Vec<String> = judged.buffer_unordered(12).filter_map(async |wrong| wrong).collect().await;
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

impl Situation {
    async fn arrange(
        test: &impl TestStore,
        place: usize,
        (opt_out, number, own_account, never_text): (OptOut, Number, bool, bool),
        now: DateTime<Utc>,
    ) -> Self {
        let [own, other] = ["2", "3"].map(|area| format!("+1{area}125550{place:03}"));
        let of_its_own = business(&format!("b{place}"), &[&own]);
        test.put_business(&of_its_own).await;
        let customer = format!("+14125550{place:03}");
        let mut talk = Talk::of(of_its_own.clone(), &customer, now);
        if matches!(opt_out, OptOut::InLedger | OptOut::Erased) {
            let mut stop = talk.text(&format!("SM of the opt-out {place}"), "Hi");
            stop.decision.ledger = Some(LedgerChange::Out { by: "word".to_owned(), at: now, note: None });
            stop.decision.conversation.status = Status::Completed;
            talk.commit(test, &stop).await;
        }
        if opt_out == OptOut::Erased {
            test.erase(&of_its_own.id, &phone(&customer)).await;
            talk.state = None;
        }
        let mut opening = talk.later(60).text(&format!("SM{place}"), "Hi");
        let conversation = &mut opening.decision.conversation;
        (conversation.epoch, conversation.hard_epoch) = (5, 3);
        conversation.opted_out = opt_out == OptOut::InConversation;
        conversation.own_account = own_account.then(|| "AC2".to_owned());
        conversation.answering = Some(answering(now));
        opening.decision.messages.extend(messages(place, now));
        talk.commit(test, &opening).await;
        if number != Number::Kept {
            test.put_business(&business(&of_its_own.id, &[&other])).await;
        }
        if number == Number::WithAnotherBusiness {
            test.put_business(&business(&format!("b{place} too"), &[&own])).await;
        }
        if never_text {
            test.never_text(&of_its_own.id, &phone(&customer)).await;
        }
        let messages = opening.decision.messages.split_off(1);
        Self { opt_out, number, own_account, never_text, conversation: opening.after(), messages }
    }

    /// Claims a message with the main account and with another; returns how the store departs from the fence, if it does.
    async fn judge(&self, test: &impl TestStore, message: &NewMessage, now: DateTime<Utc>) -> Option<String> {
        for is_main in [true, false] {
            let standing = Standing {
                opted_out: self.opt_out != OptOut::None,
                never_text: self.never_text,
                has_number: self.number == Number::Kept,
                is_under_wrong_account: is_main && self.own_account,
                ..Standing::of(&self.conversation)
            };
            let fenced = Fenced {
                is_to_customer: message.recipient.is_none(),
                fence: message.fence,
                in_reply_to_window: message.in_reply_to_window,
            };
            let account = SendingAccount { sid: if is_main { "AC1" } else { "AC2" }, is_main, conversation_sid: None };
            let claim = test.store().claim(message.id, account, Duration::from_secs(2), now).await.unwrap();
            let passed = match claim {
                Claim::Ours(claimed) => {
                    test.store().release_claim(message.id, claimed).await.unwrap();
                    true
                }
                Claim::Stale => false,
                Claim::Taken => return Some(format!("{standing:?} {fenced:?}: taken")),
            };
            if passed != standing.lets_pass(&fenced, now) {
                return Some(format!("{standing:?} {fenced:?}: passed {passed}"));
            }
        }
        None
    }
}

fn window(name: &str) -> Uuid {
    derive_id("windows", name, "window", 0)
}

fn answering(now: DateTime<Utc>) -> Answering {
    Answering {
        window_id: window("answering"),
        opened_at: now,
        closed_at: now,
        due_at: None,
        exempt_at: now,
        epoch: 5,
        hard_epoch: 3,
        resumed: Resumed::default(),
        emergency_rule: None,
        priority: Priority::Normal,
        is_escalated: false,
        phase: Phase::Analyzing,
    }
}

/// A message without a fence, and one for each combination of its parts; each to the customer, and to the owner.
fn messages(place: usize, now: DateTime<Utc>) -> Vec<NewMessage> {
    let second = TimeDelta::seconds(1);
    let mut fences = vec![(None, None)];
    for epoch in [5, 4] {
        for hard_epoch in [3, 2] {
            for exempt_at in [now, now + second] {
                let fence = Some(Fence { epoch, exempt_at, hard_epoch });
                fences.extend([None, Some("answering"), Some("another")].map(|name| (fence, name.map(window))));
            }
        }
    }
    let message = |number: usize, recipient: Option<&str>, (fence, in_reply_to_window)| NewMessage {
        id: derive_id("messages", &format!("{place}"), "message", number),
        kind: MessageKind::Reply,
        user_id: None,
        recipient: recipient.map(phone),
        body: "Hello".to_owned(),
        media: Vec::new(),
        twilio_sid: None,
        status: MessageStatus::Queued,
        window_id: None,
        in_reply_to_window,
        fence,
        not_before: None,
        verdict: None,
        bundle_line: None,
        created_at: now,
        stream_sequence: 0,
        is_recovered: false,
    };
    let both = fences.iter().flat_map(|fence| [None, Some(OWNER)].map(|recipient| (recipient, *fence)));
    both.enumerate().map(|(number, (recipient, fence))| message(number, recipient, fence)).collect()
}
