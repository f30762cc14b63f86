//! The conversation cache: an active conversation is not read from PostgreSQL for each of its messages.
//!
//! It is only a hint: every commit compares the version, so a stale entry costs one more attempt and does no harm. The
//! fence and the reads of the REST API do not use it.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use uuid::Uuid;

use super::Target;
use crate::domain::conversation::{Conversation, Status};
use crate::store::Parties;

const CAPACITY: u64 = 10_000;
/// An entry that is not used for this long is dropped.
const IDLE: Duration = Duration::from_secs(300);

/// The cache; clones share it.
#[derive(Debug, Clone)]
pub(super) struct ConversationCache {
    by_id: Cache<Uuid, Arc<Conversation>>,
    /// The business is part of the key: a number may move to another business.
    open: Cache<Parties, Uuid>,
}

impl ConversationCache {
    pub(super) fn new() -> Self {
        Self {
            by_id: Cache::builder().max_capacity(CAPACITY).time_to_idle(IDLE).build(),
            open: Cache::builder().max_capacity(CAPACITY).time_to_idle(IDLE).build(),
        }
    }

    /// The conversation, if it is cached.
    pub(super) fn find(&self, target: &Target) -> Option<Conversation> {
        let id = match target {
            Target::Id(id) => *id,
            Target::Open { .. } => self.open.get(&target.parties()?)?,
        };
        self.by_id.get(&id).map(|cached| (*cached).clone())
    }

    /// Stores the conversation as it was just committed.
    pub(super) fn keep(&self, conversation: &Conversation) {
        if conversation.status == Status::Completed {
            self.forget(conversation);
        } else {
            self.open.insert(Parties::of_conversation(conversation), conversation.id);
            self.by_id.insert(conversation.id, Arc::new(conversation.clone()));
        }
    }

    /// Drops the entry: the conversation ended, or the entry may be stale.
    pub(super) fn forget(&self, conversation: &Conversation) {
        self.open.invalidate(&Parties::of_conversation(conversation));
        self.by_id.invalidate(&conversation.id);
    }
}
