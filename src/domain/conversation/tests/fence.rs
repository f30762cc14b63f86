//! The fence: what lets a message pass, and what holds it back, each by itself.

use super::*;
use crate::domain::conversation::{Fenced, Standing};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn window(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// An answer to the window that is being answered; nothing has happened since it was computed.
fn fresh() -> (Standing, Fenced) {
    let standing = Standing {
        epoch: 5,
        hard_epoch: 3,
        answering_window: Some(window(1)),
        opted_out: false,
        never_text: false,
        has_number: true,
        is_under_wrong_account: false,
    };
    let fence = Fence { epoch: 5, exempt_at: now() + TimeDelta::seconds(1), hard_epoch: 3 };
    (standing, Fenced { is_to_customer: true, fence: Some(fence), in_reply_to_window: Some(window(1)) })
}

/// The customer has written since.
fn overtake(standing: &mut Standing) {
    standing.epoch += 1;
}

/// The answer is sent even so.
fn exempt(message: &mut Fenced) {
    message.fence.as_mut().unwrap().exempt_at = now();
}

type Change = fn(&mut Standing, &mut Fenced);

const CASES: [(&str, Change, bool); 17] = [
    ("as it is", |_, _| {}, true),
    ("the customer opted out", |standing, _| standing.opted_out = true, false),
    (
        "an alert about a customer who opted out",
        |standing, message| (standing.opted_out, message.is_to_customer) = (true, false),
        true,
    ),
    ("a number that is never texted", |standing, _| standing.never_text = true, false),
    (
        "a person's words to a number that is never texted",
        |standing, message| (standing.never_text, message.fence) = (true, None),
        true,
    ),
    (
        "an alert about a number that is never texted",
        |standing, message| (standing.never_text, message.is_to_customer) = (true, false),
        true,
    ),
    ("the number is given up", |standing, _| standing.has_number = false, false),
    ("the wrong account", |standing, _| standing.is_under_wrong_account = true, false),
    ("silenced", |standing, _| standing.hard_epoch += 1, false),
    (
        "silenced, though exempt",
        |standing, message| {
            standing.hard_epoch += 1;
            exempt(message);
        },
        false,
    ),
    ("overtaken", |standing, _| overtake(standing), false),
    (
        "overtaken, but exempt",
        |standing, message| {
            overtake(standing);
            exempt(message);
        },
        true,
    ),
    (
        "overtaken, and another window is answered",
        |standing, message| {
            overtake(standing);
            exempt(message);
            standing.answering_window = Some(window(2));
        },
        false,
    ),
    (
        "overtaken, and no window is answered",
        |standing, message| {
            overtake(standing);
            exempt(message);
            standing.answering_window = None;
        },
        false,
    ),
    (
        "overtaken, but no answer to a window",
        |standing, message| {
            overtake(standing);
            exempt(message);
            message.in_reply_to_window = None;
        },
        true,
    ),
    (
        "written by a person",
        |standing, message| {
            overtake(standing);
            standing.hard_epoch += 1;
            message.fence = None;
        },
        true,
    ),
    (
        "written by a person for a customer who opted out",
        |standing, message| {
            standing.opted_out = true;
            message.fence = None;
        },
        false,
    ),
];

#[test]
fn each_condition_holds_a_message_back_by_itself() {
    for (what, change, passes) in CASES {
        let (mut standing, mut message) = fresh();
        change(&mut standing, &mut message);
        assert_eq!(standing.lets_pass(&message, now()), passes, "{what}");
    }
}
