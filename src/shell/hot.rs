//! Hot conversations in memory: a conversation under way is not read from PostgreSQL for each of its messages.
//!
//! A guess and nothing more: every commit compares the version, so a stale entry costs a second try and no harm. The fence
//! and the REST reads never look here.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use uuid::Uuid;

use super::Target;
use crate::conversation::{Conversation, Status};

/// How many conversations are kept.
const CAPACITY: u64 = 10_000;
/// A conversation that is not touched for so long is cold.
const IDLE: Duration = Duration::from_secs(300);

/// The cache; clones share it.
#[derive(Debug, Clone)]
pub(super) struct HotConversations {
    by_id: Cache<Uuid, Arc<Conversation>>,
    /// Business number and customer number.
    open: Cache<(String, String), Uuid>,
}

impl HotConversations {
    pub(super) fn new() -> Self {
        Self {
            by_id: Cache::builder().max_capacity(CAPACITY).time_to_idle(IDLE).build(),
            open: Cache::builder().max_capacity(CAPACITY).time_to_idle(IDLE).build(),
        }
    }

    /// The conversation, if it is hot.
    pub(super) fn find(&self, target: &Target) -> Option<Conversation> {
        let id = match target {
            Target::Id(id) => *id,
            Target::Open { business_phone, customer_phone, .. } => {
                self.open.get(&(business_phone.to_string(), customer_phone.to_string()))?
            }
        };
        self.by_id.get(&id).map(|hot| (*hot).clone())
    }

    /// Keeps the conversation as it was just committed.
    pub(super) fn keep(&self, conversation: &Conversation) {
        if conversation.status == Status::Completed {
            self.forget(conversation);
        } else {
            self.open.insert(numbers(conversation), conversation.id);
            self.by_id.insert(conversation.id, Arc::new(conversation.clone()));
        }
    }

    /// Somebody else has changed it.
    pub(super) fn forget(&self, conversation: &Conversation) {
        self.open.invalidate(&numbers(conversation));
        self.by_id.invalidate(&conversation.id);
    }
}

fn numbers(conversation: &Conversation) -> (String, String) {
    (conversation.business_phone.to_string(), conversation.customer_phone.to_string())
}
