//! A customer's waiting, from their earliest text without an answer until it has one: what has been done about it, and
//! when something is to be done next.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// After so many minutes without an answer `conversation.waiting` is emitted.
const STEPS: [u32; 3] = [1, 5, 30];

/// A time in which the customer waits without a break.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spell {
    /// Since when they wait: the edge's time of the text.
    pub since: DateTime<Utc>,
    /// How many of the steps are over: announced, or before one that was.
    #[serde(default)]
    pub steps: usize,
    /// Whether a person was notified that the one who owns the conversation is silent.
    #[serde(default)]
    pub is_noticed: bool,
    /// The SMS that reminds the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminder: Option<Uuid>,
    /// When the next step is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_at: Option<DateTime<Utc>>,
    /// When the owner is to be reminded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind_at: Option<DateTime<Utc>>,
    /// When the conversation goes back to the AI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_at: Option<DateTime<Utc>>,
}

impl Spell {
    /// The start of a spell.
    pub fn begin(since: DateTime<Utc>) -> Self {
        Self { since, steps: 0, is_noticed: false, reminder: None, step_at: None, remind_at: None, return_at: None }
    }

    /// When something is to be done next.
    pub fn next_at(&self) -> Option<DateTime<Utc>> {
        [self.step_at, self.remind_at, self.return_at].into_iter().flatten().min()
    }

    /// When the customer has waited for as long as the next step says.
    pub fn next_step(&self) -> Option<DateTime<Utc>> {
        STEPS.get(self.steps).map(|minutes| self.since + TimeDelta::minutes(i64::from(*minutes)))
    }

    /// Passes all steps that the customer has waited for, and returns the minutes of the newest; `None` if there is none.
    pub fn pass_steps(&mut self, now: DateTime<Utc>) -> Option<u32> {
        let mut newest = None;
        while self.next_step().is_some_and(|at| at <= now) {
            newest = STEPS.get(self.steps).copied();
            self.steps += 1;
        }
        newest
    }
}
