//! The load generator's journal of its actions and their outcomes, one side of the ledger. It keeps its own counts, so
//! that a generator that loses count is detected.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::super::plan::{Command, ConversationPlan};
use crate::sim::lock;

/// A webhook's kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::chaos) enum What {
    /// A call rings.
    Call,
    /// The dial has ended with this status.
    CallStatus(&'static str),
    /// A text.
    Text {
        /// Whether it is an opt-out.
        stop: bool,
    },
}

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chaos) enum Outcome {
    /// A complete answer with this status.
    Answered(u16),
    /// No connection was made, so nobody can have read the request.
    Refused,
    /// The connection ended, or the timeout passed, without an answer.
    Broken,
}

impl Outcome {
    /// Whether the answer acknowledges the request.
    pub(in crate::chaos) fn is_acknowledged(self) -> bool {
        matches!(self, Self::Answered(200..300))
    }
}

/// One request to a webhook.
#[derive(Debug, Clone)]
pub(in crate::chaos) struct Posted {
    /// Its kind.
    pub what: What,
    /// Twilio's SID.
    pub sid: String,
    /// The time at which it was sent.
    pub sent_at: DateTime<Utc>,
    /// The time at which the outcome was known.
    pub ended_at: DateTime<Utc>,
    /// The outcome of the request.
    pub outcome: Outcome,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::chaos) enum End {
    /// The command was carried out.
    Done {
        /// Whether a message was still in flight; a takeover reports this.
        in_flight: bool,
    },
    /// It was refused with this error code.
    Refused(String),
    /// No answer came in any try.
    NoAnswer,
    /// There was no conversation yet.
    NoConversation,
}

/// A person's command, with all its tries.
#[derive(Debug, Clone)]
pub(in crate::chaos) struct Asked {
    /// The command.
    pub command: Command,
    /// The conversation.
    pub conversation: Option<Uuid>,
    /// The text of a reply; no other message has this text.
    pub body: Option<String>,
    /// The time of the first try.
    pub asked_at: DateTime<Utc>,
    /// The time at which its answer had been read.
    pub ended_at: DateTime<Utc>,
    /// The result.
    pub end: End,
}

/// The generator's own counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::chaos) struct Count {
    /// Conversations that began, and those that ended as planned.
    pub conversations: Both,
    /// Webhooks that were planned, and those that were sent.
    pub webhooks: Both,
    /// Commands that were planned, and those that were given.
    pub commands: Both,
    /// Requests that began, and those whose outcome is in the journal.
    pub requests: Both,
    /// Tasks that ended before they were done.
    pub tasks_lost: u64,
}

/// A planned count and the actual one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::chaos) struct Both {
    /// The planned count.
    pub wanted: u64,
    /// The actual count.
    pub done: u64,
}

#[derive(Default)]
struct Books {
    count: Count,
    served: Both,
    unserved: Vec<(DateTime<Utc>, Vec<Outcome>)>,
    posted: Vec<Posted>,
    asked: Vec<Asked>,
}

/// The journal; its entries are in the order in which the requests ended.
#[derive(Default)]
pub(in crate::chaos) struct Journal {
    books: std::sync::Mutex<Books>,
}

impl Journal {
    /// A conversation begins, with this plan.
    pub(super) fn planned(&self, plan: &ConversationPlan) {
        let count = &mut lock(&self.books).count;
        count.conversations.wanted += 1;
        count.webhooks.wanted += plan.said.iter().map(|said| 1 + said.again.len() as u64).sum::<u64>();
        count.commands.wanted += plan.deeds.len() as u64;
    }

    /// A conversation has carried out its plan.
    pub(super) fn finished(&self) {
        lock(&self.books).count.conversations.done += 1;
    }

    /// A webhook of the plan has been sent, in one or two requests.
    pub(super) fn sent(&self) {
        lock(&self.books).count.webhooks.done += 1;
    }

    /// A task has ended before it was done.
    pub(super) fn lost_a_task(&self) {
        lock(&self.books).count.tasks_lost += 1;
    }

    /// A request to a webhook begins.
    pub(super) fn begins(&self) {
        lock(&self.books).count.requests.wanted += 1;
    }

    /// A request to a webhook has ended.
    pub(super) fn posted(&self, posted: Posted) {
        let books = &mut *lock(&self.books);
        books.count.requests.done += 1;
        books.posted.push(posted);
    }

    /// A webhook has been sent, in these requests; it was acknowledged, or not.
    pub(super) fn served(&self, acknowledged: bool, outcomes: Vec<Outcome>) {
        let books = &mut *lock(&self.books);
        books.served.wanted += 1;
        books.served.done += u64::from(acknowledged);
        if !acknowledged {
            books.unserved.push((Utc::now(), outcomes));
        }
    }

    /// The webhooks that were not acknowledged: when that was known, and the outcome of each request.
    pub(in crate::chaos) fn unserved(&self) -> Vec<(DateTime<Utc>, Vec<Outcome>)> {
        lock(&self.books).unserved.clone()
    }

    /// How many webhooks were sent, and how many were acknowledged in the end.
    pub(in crate::chaos) fn availability(&self) -> Both {
        lock(&self.books).served
    }

    /// A command has ended.
    pub(super) fn asked(&self, asked: Asked) {
        let books = &mut *lock(&self.books);
        books.count.commands.done += 1;
        books.asked.push(asked);
    }

    /// The counts and all entries.
    pub(in crate::chaos) fn read(&self) -> (Count, Vec<Posted>, Vec<Asked>) {
        let books = lock(&self.books);
        (books.count, books.posted.clone(), books.asked.clone())
    }
}
