//! A conversation's history in the race, and the check of it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;
use uuid::Uuid;

/// What happened in one conversation, as far as it is checked.
#[derive(Debug)]
pub struct History {
    pub customer: String,
    pub texts: Vec<DateTime<Utc>>,
    pub questions: Vec<Question>,
    /// The windows whose answer was ready but superseded.
    pub superseded: Arc<HashSet<Uuid>>,
    pub replies: Vec<Reply>,
    /// How long Twilio held its answers to our POSTs.
    pub held: Duration,
    pub takeover: Takeover,
    pub ownership: String,
}

/// DispatchBot is asked about a window.
#[derive(Debug)]
pub struct Question {
    pub at: DateTime<Utc>,
    pub window: Uuid,
}

/// Twilio accepts a message of ours.
#[derive(Debug)]
pub struct Reply {
    pub accepted_at: DateTime<Utc>,
    /// The window that it answers, from the message's row; `None` if there is no row.
    pub window: Option<Uuid>,
}

/// A takeover, from the request until its answer was read.
#[derive(Debug)]
pub struct Takeover {
    pub asked_at: DateTime<Utc>,
    pub answered_at: DateTime<Utc>,
    pub changed: bool,
    pub in_flight: bool,
}

impl Takeover {
    pub fn took(&self) -> TimeDelta {
        self.answered_at - self.asked_at
    }
}

/// How far the AI's answer was when the takeover came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Met {
    /// Nobody had asked DispatchBot yet.
    Collecting,
    /// DispatchBot had been asked, but its answer did not become a message.
    Thinking,
    /// DispatchBot had been asked, and its answer became a message that was superseded.
    Queued,
    /// It was accepted by Twilio between the takeover's request and its answer.
    Posting,
    /// It had been accepted, but Twilio had not answered the POST yet.
    Held,
    /// The answer had been sent before.
    Answered,
}

impl Met {
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Thinking | Self::Queued | Self::Posting | Self::Held)
    }
}

/// A violated guarantee.
#[derive(Debug, PartialEq)]
pub enum Breach {
    /// Twilio accepted a message of the AI this long after the takeover was answered.
    AcceptedAfter { customer: String, by_ms: i64, takeover_took_ms: i64 },
    /// The takeover reported a message still in flight, although Twilio took at most three seconds.
    InFlight { customer: String },
    /// The first takeover reported that it changed nothing.
    ChangedNothing { customer: String },
    /// At the end, the person does not own the conversation.
    OwnedBy { customer: String, owner: String },
    /// Two messages for one window.
    AnsweredTwice { customer: String, window: Uuid },
    /// Twilio has a message for which there is no row.
    Unrecorded { customer: String },
}

impl History {
    pub fn breaches(&self) -> Vec<Breach> {
        let customer = || self.customer.clone();
        let mut found = Vec::new();
        let mut answered = HashSet::new();
        for reply in &self.replies {
            let by = reply.accepted_at - self.takeover.answered_at;
            if by > TimeDelta::zero() {
                found.push(Breach::AcceptedAfter {
                    customer: customer(),
                    by_ms: by.num_milliseconds(),
                    takeover_took_ms: self.takeover.took().num_milliseconds(),
                });
            }
            match reply.window {
                None => found.push(Breach::Unrecorded { customer: customer() }),
                Some(window) if !answered.insert(window) => {
                    found.push(Breach::AnsweredTwice { customer: customer(), window });
                }
                Some(_) => {}
            }
        }
        if self.takeover.in_flight {
            found.push(Breach::InFlight { customer: customer() });
        }
        if !self.takeover.changed {
            found.push(Breach::ChangedNothing { customer: customer() });
        }
        if self.ownership != "user" {
            found.push(Breach::OwnedBy { customer: customer(), owner: self.ownership.clone() });
        }
        found
    }

    /// How far the newest answer was; an answer superseded by a second text does not count as under way.
    pub fn met(&self) -> Met {
        let Takeover { asked_at, answered_at, .. } = self.takeover;
        let accepted = |from: DateTime<Utc>, to: DateTime<Utc>| {
            self.replies.iter().any(|reply| (from..=to).contains(&reply.accepted_at))
        };
        if accepted(asked_at, answered_at) {
            return Met::Posting;
        }
        let before = |at: &&DateTime<Utc>| **at < asked_at;
        let last_text = self.texts.iter().filter(before).max();
        let Some(question) = self.questions.iter().rfind(|question| question.at < asked_at) else {
            return Met::Collecting;
        };
        let is_answered = self.replies.iter().any(|reply| reply.window == Some(question.window));
        if is_answered {
            return if accepted(asked_at - self.held, asked_at) { Met::Held } else { Met::Answered };
        }
        match last_text {
            Some(text) if *text > question.at => Met::Collecting,
            _ if self.superseded.contains(&question.window) => Met::Queued,
            _ => Met::Thinking,
        }
    }
}

/// Tests the check itself: a correct conversation, and one invented breach of each kind.
#[rstest]
#[case::all_is_well(|_: &mut History| {}, "")]
#[case::accepted_before_the_takeover_answered(|h: &mut History| h.replies[0].accepted_at = at(1_600), "")]
#[case::accepted_after(|h: &mut History| h.replies[0].accepted_at = at(1_601), "AcceptedAfter")]
#[case::another_accepted_long_after(|h: &mut History| h.replies.push(reply(9_000, 2)), "AcceptedAfter")]
#[case::two_answers_to_one_window(|h: &mut History| h.replies.push(reply(1_550, 1)), "AnsweredTwice")]
#[case::two_windows_have_an_answer_each(|h: &mut History| h.replies.push(reply(1_550, 2)), "")]
#[case::a_message_without_a_row(|h: &mut History| h.replies[0].window = None, "Unrecorded")]
#[case::in_flight(|h: &mut History| h.takeover.in_flight = true, "InFlight")]
#[case::no_change(|h: &mut History| h.takeover.changed = false, "ChangedNothing")]
#[case::still_the_ai_s(|h: &mut History| h.ownership = "ai".to_owned(), "OwnedBy")]
fn takeover_race_the_judge_sees_a_breach(#[case] spoil: fn(&mut History), #[case] expected: &str) {
    let mut history = made_up();
    spoil(&mut history);
    let told: Vec<_> = history.breaches().iter().map(|breach| format!("{breach:?}")).collect();
    let kinds: Vec<_> = told.iter().filter_map(|breach| breach.split([' ', '{']).next()).collect();
    assert_eq!(kinds.join(", "), expected, "{told:?}");
}

#[rstest]
#[case::before_the_question(900, |_: &mut History| {}, Met::Collecting)]
#[case::before_acceptance(1_400, |_: &mut History| {}, Met::Posting)]
#[case::while_twilio_holds_its_answer(1_550, |_: &mut History| {}, Met::Held)]
#[case::when_all_is_over(1_900, |_: &mut History| {}, Met::Answered)]
#[case::while_dispatchbot_thinks(1_400, |h: &mut History| h.replies.clear(), Met::Thinking)]
#[case::while_it_is_queued(1_400, |h: &mut History| { h.replies.clear(); h.superseded = Arc::new([window(1)].into()); }, Met::Queued)]
#[case::when_a_second_text_has_overtaken_it(1_400, |h: &mut History| { h.replies.clear(); h.texts.push(at(1_300)); }, Met::Collecting)]
fn takeover_race_what_a_takeover_met_is_told_from_its_history(
    #[case] asked_at: i64,
    #[case] change: fn(&mut History),
    #[case] expected: Met,
) {
    let mut history = made_up();
    history.takeover = Takeover { asked_at: at(asked_at), answered_at: at(asked_at + 150), ..history.takeover };
    change(&mut history);
    assert_eq!(history.met(), expected);
}

fn made_up() -> History {
    History {
        customer: "+12125551234".to_owned(),
        texts: vec![at(0)],
        questions: vec![Question { at: at(1_000), window: window(1) }],
        superseded: Arc::default(),
        replies: vec![reply(1_500, 1)],
        held: Duration::from_millis(300),
        takeover: Takeover { asked_at: at(1_400), answered_at: at(1_600), changed: true, in_flight: false },
        ownership: "user".to_owned(),
    }
}

fn at(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_700_000_000_000 + ms).expect("a time")
}

fn window(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn reply(ms: i64, of: u128) -> Reply {
    Reply { accepted_at: at(ms), window: Some(window(of)) }
}
