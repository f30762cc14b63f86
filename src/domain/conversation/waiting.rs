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

/// How many groups of texts are told apart. Beyond that the oldest two become one, which waits for the answer to both.
const MOST_GROUPS: usize = 8;
/// How many windows and messages that know of a group are remembered: the newest.
const MOST_KNOWING: usize = 8;
/// A text with more answers than this is answered for good: not all of them will be lost.
const MOST_ANSWERS: usize = 4;

/// The customer's texts that are not answered for good, in groups of those that the same answers know of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Unanswered(Vec<Group>);

/// Texts between which no window closed and no person wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Group {
    /// When the edge received the earliest of them.
    since: DateTime<Utc>,
    /// The closed windows and the messages of people that know of them: if one of their answers arrives, these are answered.
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
        match self.0.last_mut() {
            Some(group) if group.known_to.is_empty() && group.answers.is_empty() => {
                group.since = group.since.min(received_at);
            }
            _ => self.0.push(Group { since: received_at, known_to: Vec::new(), answers: Vec::new() }),
        }
        if self.0.len() > MOST_GROUPS {
            let oldest = self.0.remove(0);
            let next = &mut self.0[0];
            next.since = next.since.min(oldest.since);
            next.known_to.retain(|id| oldest.known_to.contains(id));
            next.answers.retain(|id| oldest.answers.contains(id));
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
    }

    /// The answer to a window leaves it to a person, so it is none.
    pub(super) fn left_by(&mut self, window_id: Uuid) {
        for group in &mut self.0 {
            group.known_to.retain(|id| *id != window_id);
        }
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
    }

    /// The customer did not get a message, or may not have got it.
    pub(super) fn lost(&mut self, message_id: Uuid) {
        for group in &mut self.0 {
            group.answers.retain(|id| *id != message_id);
        }
    }

    /// The customer has a message, so what it answers is answered for good.
    pub(super) fn delivered(&mut self, message_id: Uuid) {
        self.0.retain(|group| !group.answers.contains(&message_id));
    }

    /// Nothing waits any more.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
