//! Erasure of a customer (docs/retention.md). First, their conversations are ended, so that nothing more is sent. Then
//! one transaction removes their texts and number from the tables. After that, dead letters and the log in Redis are
//! cleaned. The streams keep the texts until their retention ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::adapters::postgres::{ErasedRows, Erasure, ErasureOf, Store};
use crate::adapters::redis::RedisSink;
use crate::dead_letters::{DeadLetters, DeadLettersError};
use crate::domain::conversation::{ERASED, Input};
use crate::domain::phone::PhoneNumber;
use crate::engine::{Engine, EngineError};
use crate::store::{Kept, StoreError};

/// How long to wait for a message that is being sent; after that its outcome is unknown.
const SETTLING: Duration = Duration::from_secs(10);
/// How often to check whether it was sent.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How many times to end conversations that are open. Each is reopened once at most.
const ATTEMPTS: usize = 16;
/// Timeout for Redis. After it, the entries remain until their retention ends.
const REDIS_PATIENCE: Duration = Duration::from_secs(10);

/// How much was erased.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    pub rows: ErasedRows,
    /// `None` if NMC_DEAD could not be read; the letters then remain until their retention ends.
    pub dead_letters: Option<u64>,
    /// Entries of the log in Redis; `None` if Redis was unavailable; they then remain until their retention ends.
    pub log_entries: Option<u64>,
}

/// A customer could not be erased; nothing was erased.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    /// PostgreSQL is unavailable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A conversation could not be ended.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Webhooks of the customer are not processed yet, because JetStream is unavailable.
    #[error("webhooks of the customer are not yet published to JetStream")]
    Waiting,
    /// Conversations of the customer kept being reopened.
    #[error("conversations of the customer kept being reopened")]
    Contended,
}

/// Erases customers; clones share everything.
#[derive(Clone)]
pub struct Eraser {
    engine: Engine,
    store: Store,
    letters: DeadLetters,
    redis: Arc<RedisSink>,
}

impl Eraser {
    pub fn new(engine: Engine, letters: DeadLetters, redis: Arc<RedisSink>) -> Self {
        Self { store: engine.store().clone(), engine, letters, redis }
    }

    /// Erases a customer; `once` names the request. May be called again.
    ///
    /// # Errors
    /// If a service is unavailable; the request may be repeated.
    pub async fn erase(&self, of: &ErasureOf<'_>, once: &str) -> Result<Erased, ErasureError> {
        let mut erased = Erased { rows: self.rows(of, once).await?, ..Erased::default() };
        for kept in Kept::ALL {
            match kept {
                Kept::DeadLetters => erased.dead_letters = self.dead_letters(of).await,
                Kept::EventLog => erased.log_entries = self.log_entries(of).await,
                // Erased with the rows.
                _table => {}
            }
        }
        Ok(erased)
    }

    async fn dead_letters(&self, of: &ErasureOf<'_>) -> Option<u64> {
        match self.letters.erase(of.customer, of.business_ids).await {
            Ok(count) => Some(count),
            Err(error) => {
                tracing::warn!(%error, "erasing a customer's dead letters failed; they remain until they expire");
                None
            }
        }
    }

    async fn log_entries(&self, of: &ErasureOf<'_>) -> Option<u64> {
        let log = self.redis.erase(of.customer, of.business_ids);
        match tokio::time::timeout(REDIS_PATIENCE, log).await {
            Ok(Ok(count)) => Some(count),
            Ok(Err(error)) => {
                tracing::warn!(%error, "erasing a customer's events in Redis failed; they remain until they expire");
                None
            }
            Err(_) => None,
        }
    }

    async fn rows(&self, of: &ErasureOf<'_>, once: &str) -> Result<ErasedRows, ErasureError> {
        // A waiting webhook would bring the data back.
        if self.store.webhooks_wait_for(of.customer).await? {
            return Err(ErasureError::Waiting);
        }
        // Who writes from now on opens a new conversation, which is not theirs.
        let theirs = self.store.conversation_ids_of(of).await?;
        let began = Instant::now();
        for attempt in 0..ATTEMPTS {
            self.end_conversations(&theirs, of, &format!("{once}:{attempt}")).await?;
            loop {
                match self.store.erase(of, &theirs, began.elapsed() >= SETTLING).await? {
                    Erasure::Done(rows) => return Ok(rows),
                    Erasure::Sending => tokio::time::sleep(LOOK_EVERY).await,
                    Erasure::Open => break,
                }
            }
        }
        Err(ErasureError::Contended)
    }

    /// Uses the engine, so that windows, timers and pending answers end as if a person had completed the conversation.
    async fn end_conversations(&self, theirs: &[Uuid], of: &ErasureOf<'_>, once: &str) -> Result<(), ErasureError> {
        for id in self.store.open_conversations(theirs).await? {
            let user_id = of.asked_by.to_owned();
            let end = Input::Completed { user_id, outcome: ERASED.to_owned(), summary: None };
            self.engine.command(id, &format!("erase:{id}:{once}"), end).await?;
        }
        Ok(())
    }
}

impl DeadLetters {
    /// Deletes the letters that mention a customer; returns their number. Letters without a business are deleted only
    /// if the customer is erased for all businesses.
    ///
    /// # Errors
    /// If JetStream or PostgreSQL is unavailable.
    async fn erase(&self, customer: &PhoneNumber, business_ids: Option<&[String]>) -> Result<u64, DeadLettersError> {
        let filter = crate::dead_letters::LetterFilter {
            business_ids: business_ids.map(<[_]>::to_vec),
            ..crate::dead_letters::LetterFilter::default()
        };
        self.delete_where(&filter, |letter| letter.body.mentions(customer)).await
    }
}
