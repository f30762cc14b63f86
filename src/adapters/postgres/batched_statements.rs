//! The statements that callers share.

use std::future::Future;
use std::hash::Hash;

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use super::batched::{Batched, Rows};
use super::claims::{self, ClaimRequest};
use super::due_messages;
use super::slots::{self, SlotRequest};
use super::{BusinessRecord, Stored, businesses, conversations, messages, outbox, waiting_webhooks};
use crate::domain::conversation::Conversation;
use crate::store::{Claim, DueMessage, Message};

/// Look-ups of single rows, by kind, and the steps of sending.
#[derive(Debug)]
pub(super) struct BatchedStatements {
    pub(super) conversations: Batched<Uuid, Conversation>,
    pub(super) messages: Batched<Uuid, Message>,
    pub(super) messages_by_sid: Batched<String, Message>,
    pub(super) due_messages: Batched<Uuid, DueMessage>,
    pub(super) businesses: Batched<String, BusinessRecord>,
    pub(super) businesses_by_phone: Batched<String, BusinessRecord>,
    /// The payloads of the webhooks of a subject.
    pub(super) waiting_payloads: Batched<String, Vec<Vec<u8>>>,
    /// The keys for which effects wait in the outbox.
    pub(super) waiting_effects: Batched<Uuid, ()>,
    pub(super) slots: Batched<SlotRequest, DateTime<Utc>>,
    pub(super) claims: Batched<ClaimRequest, Claim>,
}

impl BatchedStatements {
    pub(super) fn new(pool: &PgPool) -> Self {
        Self {
            conversations: shared(pool, conversations::by_ids),
            messages: shared(pool, messages::by_ids),
            messages_by_sid: shared(pool, messages::by_sids),
            due_messages: shared(pool, due_messages::by_ids),
            businesses: shared(pool, businesses::by_ids),
            businesses_by_phone: shared(pool, businesses::by_phones),
            waiting_payloads: shared(pool, waiting_webhooks::payloads_of_subjects),
            waiting_effects: shared(pool, outbox::waiting_keys),
            slots: shared(pool, slots::reserve),
            claims: shared(pool, claims::claim_unlocked),
        }
    }
}

fn shared<K, V, F>(pool: &PgPool, statement: fn(PgPool, Vec<K>) -> F) -> Batched<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Send + 'static,
    F: Future<Output = Stored<Rows<K, V>>> + Send + 'static,
{
    let pool = pool.clone();
    Batched::new(move |keys| statement(pool.clone(), keys))
}
