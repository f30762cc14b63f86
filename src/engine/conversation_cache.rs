//! Hot conversations in memory: a conversation under way is not read from PostgreSQL for each of its messages.
//!
//! A guess and nothing more: every commit compares the version, so a stale entry costs a second try and no harm. The fence
//! and the REST reads never look here.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use uuid::Uuid;

use super::Target;
use crate::domain::conversation::{Conversation, Status};
use crate::domain::phone::PhoneNumber;

/// How many conversations are kept.
const CAPACITY: u64 = 10_000;
/// A conversation that is not touched for so long is cold.
const IDLE: Duration = Duration::from_secs(300);

/// The cache; clones share it.
#[derive(Debug, Clone)]
pub(super) struct ConversationCache {
    by_id: Cache<Uuid, Arc<Conversation>>,
    /// By whose it is: a number may move on to another business.
    open: Cache<Parties, Uuid>,
}

impl ConversationCache {
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
            Target::Open { business_phone, customer_phone, business } => {
                self.open.get(&parties(&business.id, business_phone, customer_phone))?
            }
        };
        self.by_id.get(&id).map(|hot| (*hot).clone())
    }

    /// Keeps the conversation as it was just committed.
    pub(super) fn keep(&self, conversation: &Conversation) {
        if conversation.status == Status::Completed {
            self.forget(conversation);
        } else {
            self.open.insert(parties_of(conversation), conversation.id);
            self.by_id.insert(conversation.id, Arc::new(conversation.clone()));
        }
    }

    /// Somebody else has changed it.
    pub(super) fn forget(&self, conversation: &Conversation) {
        self.open.invalidate(&parties_of(conversation));
        self.by_id.invalidate(&conversation.id);
    }
}

/// The business, its number and the customer's.
type Parties = (String, String, String);

fn parties(business_id: &str, business_phone: &PhoneNumber, customer_phone: &PhoneNumber) -> Parties {
    (business_id.to_owned(), business_phone.to_string(), customer_phone.to_string())
}

fn parties_of(conversation: &Conversation) -> Parties {
    parties(&conversation.business_id, &conversation.business_phone, &conversation.customer_phone)
}
