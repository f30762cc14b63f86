//! What the load generator did and what came of it: the one side of the ledger. It counts itself, so that a generator that
//! loses count is seen.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::super::plan::{Command, ConversationPlan};
use crate::sim::lock;

/// A webhook's kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::chaos) enum What {
    /// A call rings.
    Call,
    /// Its dial has ended so.
    CallStatus(&'static str),
    /// A text.
    Text {
        /// It is an opt-out.
        stop: bool,
    },
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chaos) enum Outcome {
    /// An answer, whole.
    Answered(u16),
    /// No connection came about: nobody can have read it.
    Refused,
    /// The connection ended, or time ran out, without an answer.
    Broken,
}

impl Outcome {
    /// Whether it was taken, by the answer.
    pub(in crate::chaos) fn is_acknowledged(self) -> bool {
        matches!(self, Self::Answered(200..300))
    }
}

/// One request to a webhook.
#[derive(Debug, Clone)]
pub(in crate::chaos) struct Posted {
    /// Its kind.
    pub what: What,
    /// Twilio's id.
    pub sid: String,
    /// When it was sent.
    pub sent_at: DateTime<Utc>,
    /// When the outcome was known.
    pub ended_at: DateTime<Utc>,
    /// The outcome.
    pub outcome: Outcome,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::chaos) enum End {
    /// It was carried out.
    Done {
        /// The takeover's exception.
        in_flight: bool,
    },
    /// It was refused, by the error's code.
    Refused(String),
    /// No answer came, however often it was asked.
    NoAnswer,
    /// There was no conversation yet.
    NoConversation,
}

/// One command of a person, with all its tries.
#[derive(Debug, Clone)]
pub(in crate::chaos) struct Asked {
    /// What.
    pub command: Command,
    /// In which conversation.
    pub conversation: Option<Uuid>,
    /// What was written, where something was: no other message has this text.
    pub body: Option<String>,
    /// When it was first sent.
    pub asked_at: DateTime<Utc>,
    /// When its answer had been read.
    pub ended_at: DateTime<Utc>,
    /// How it ended.
    pub end: End,
}

/// The generator's own books.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::chaos) struct Count {
    /// Conversations that were begun, and ended as planned.
    pub conversations: Both,
    /// Webhooks that were to be sent, and were.
    pub webhooks: Both,
    /// Commands that were to be given, and were.
    pub commands: Both,
    /// Requests that were begun, and whose outcome is in the journal.
    pub requests: Both,
    /// Tasks that ended before they were done.
    pub tasks_lost: u64,
}

/// What was to be, and what was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::chaos) struct Both {
    /// Was to be.
    pub wanted: u64,
    /// Was.
    pub done: u64,
}

#[derive(Default)]
struct Books {
    count: Count,
    posted: Vec<Posted>,
    asked: Vec<Asked>,
}

/// The journal; its entries are in the order in which requests ended.
#[derive(Default)]
pub(in crate::chaos) struct Journal {
    books: std::sync::Mutex<Books>,
}

impl Journal {
    /// A conversation begins: what it wants to do.
    pub(super) fn planned(&self, plan: &ConversationPlan) {
        let count = &mut lock(&self.books).count;
        count.conversations.wanted += 1;
        count.webhooks.wanted += plan.said.iter().map(|said| 1 + said.again.len() as u64).sum::<u64>();
        count.commands.wanted += plan.deeds.len() as u64;
    }

    /// A conversation has done all that it wanted.
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

    /// Its outcome.
    pub(super) fn posted(&self, posted: Posted) {
        let books = &mut *lock(&self.books);
        books.count.requests.done += 1;
        books.posted.push(posted);
    }

    /// A command has ended.
    pub(super) fn asked(&self, asked: Asked) {
        let books = &mut *lock(&self.books);
        books.count.commands.done += 1;
        books.asked.push(asked);
    }

    /// All of it.
    pub(in crate::chaos) fn read(&self) -> (Count, Vec<Posted>, Vec<Asked>) {
        let books = lock(&self.books);
        (books.count, books.posted.clone(), books.asked.clone())
    }
}
