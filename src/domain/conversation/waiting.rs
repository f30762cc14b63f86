//! How long a customer has waited for an answer.
//!
//! A text waits if it may be answered (it is in a window, or was found after a restore of the database) and its customer
//! has no answer to it. What counts as one:
//!
//! - an answer of DispatchBot to a window that knows of the text, once Twilio has accepted it, unless it leaves the window
//!   to a person. A fallback text or an emergency text says only that somebody will answer.
//! - a message of a person, from its command on.
//!
//! Either counts only as long as it may arrive: refused, not delivered or with an unknown outcome, it is none, and the text
//! waits as before; if the carrier delivers it after all, it counts again. A superseded answer was not sent. That a window
//! was handed over, or that a person took over, answers nothing.
//!
//! An answered call, the end of the conversation and an opt-out end every wait. A reopened conversation begins with the
//! text that reopens it. A text that arrives late waits since the edge received it, and only an answer that knows of it
//! answers it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How many groups of texts are told apart. Beyond that two become one, which waits for an answer to both.
const MOST_GROUPS: usize = 8;
/// How many windows and messages that know of a group are remembered: the newest.
const MOST_KNOWING: usize = 8;
/// A text with more answers than this is answered for good: not all of them will be lost.
const MOST_ANSWERS: usize = 4;

/// The customer's texts that are not answered for good, in groups of those that the same answers know of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Unanswered(Vec<Group>);

/// Texts that the same answers know of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Group {
    /// When the edge received the earliest of them.
    since: DateTime<Utc>,
    /// The closed windows and the messages of people that know of them: if one of their answers arrives, these are answered.
    /// Without those whose answer cannot arrive any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    known_to: Vec<Uuid>,
    /// The messages that answer them, unless they get lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    answers: Vec<Uuid>,
}

impl Unanswered {
    /// Since when the customer waits: the time of the earliest text without an answer.
    pub fn since(&self) -> Option<DateTime<Utc>> {
        self.0.iter().filter(|group| group.answers.is_empty()).map(|group| group.since).min()
    }

    /// A text that may be answered.
    pub(super) fn text(&mut self, received_at: DateTime<Utc>) {
        self.0.push(Group { since: received_at, known_to: Vec::new(), answers: Vec::new() });
        self.tidy();
        if self.0.len() > MOST_GROUPS {
            self.make_room();
        }
    }

    /// A window closed: its answer will know of all texts so far.
    pub(super) fn known_to(&mut self, window_id: Uuid) {
        for group in &mut self.0 {
            group.known_to.push(window_id);
            if group.known_to.len() > MOST_KNOWING {
                group.known_to.remove(0);
            }
        }
        self.tidy();
    }

    /// No answer of a window, or of a person's message, will arrive: there is none, it was not sent, or it is no answer.
    pub(super) fn forget(&mut self, by: Uuid) {
        for group in &mut self.0 {
            group.known_to.retain(|id| *id != by);
        }
        self.tidy();
    }

    /// A person wrote, who knows of all texts so far.
    pub(super) fn replied(&mut self, message_id: Uuid) {
        self.known_to(message_id);
        self.answered(message_id, message_id);
    }

    /// Twilio accepted the answer to a window, or what a person wrote (then `by` is the message itself).
    pub(super) fn answered(&mut self, by: Uuid, message_id: Uuid) {
        for group in self.0.iter_mut().filter(|group| group.known_to.contains(&by)) {
            if !group.answers.contains(&message_id) {
                group.answers.push(message_id);
            }
        }
        self.0.retain(|group| group.answers.len() <= MOST_ANSWERS);
        self.tidy();
    }

    /// The customer did not get a message, or may not have got it.
    pub(super) fn lost(&mut self, message_id: Uuid) {
        for group in &mut self.0 {
            group.answers.retain(|id| *id != message_id);
        }
        self.tidy();
    }

    /// The customer has a message, so what it answers is answered for good.
    pub(super) fn delivered(&mut self, message_id: Uuid) {
        self.0.retain(|group| !group.answers.contains(&message_id));
    }

    /// Nothing waits any more.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Joins neighbours that the same answers know of.
    fn tidy(&mut self) {
        self.0.dedup_by(|later, earlier| {
            let is_same = later.known_to == earlier.known_to && later.answers == earlier.answers;
            if is_same {
                earlier.since = earlier.since.min(later.since);
            }
            is_same
        });
    }

    /// Joins two groups into one that waits for an answer to both: two that are answered alike, if there are any.
    fn make_room(&mut self) {
        let alike = self.0.windows(2).position(|pair| pair[0].answers == pair[1].answers);
        let earlier = self.0.remove(alike.unwrap_or(0));
        let later = &mut self.0[alike.unwrap_or(0)];
        later.since = later.since.min(earlier.since);
        later.known_to.retain(|id| earlier.known_to.contains(id));
        later.answers.retain(|id| earlier.answers.contains(id));
        self.tidy();
    }
}
