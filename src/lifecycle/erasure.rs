//! Erasure of a customer (docs/retention.md): their conversations are ended, so that nothing is sent any more, and then what
//! they said and their number go from the tables, at once and all together; from dead letters and the log in Redis, too. The
//! streams hold what was said for as long as they hold anything.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::adapters::postgres::{ErasedRows, Erasure, ErasureOf, Store, StoreError};
use crate::adapters::redis::RedisSink;
use crate::dead_letters::{DeadLetters, DeadLettersError};
use crate::domain::conversation::Input;
use crate::domain::phone::PhoneNumber;
use crate::engine::{Engine, EngineError};

/// How a conversation ends that is erased.
const OUTCOME: &str = "erased";
/// How long a message that is at Twilio is waited for: after that its outcome counts as unknown.
const SETTLING: Duration = Duration::from_secs(10);
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often conversations are ended that the customer opens again and again meanwhile.
const ATTEMPTS: usize = 16;
/// How long Redis may take: its log is bounded by age as well.
const REDIS_PATIENCE: Duration = Duration::from_secs(10);

/// How much of a customer was erased.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// In the tables.
    pub rows: ErasedRows,
    /// Dead letters; `None` where NMC_DEAD could not be read: they go by their age.
    pub dead_letters: Option<u64>,
    /// Entries of the log in Redis; `None` where it was away: they go by their age.
    pub log_entries: Option<u64>,
}

/// A customer could not be erased: nothing was.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    /// The store is away.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A conversation could not be ended.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What the customer has sent is not processed yet: JetStream is away.
    #[error("webhooks of the customer wait for JetStream")]
    Waiting,
    /// The customer goes on writing.
    #[error("conversations of the customer were opened again and again")]
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
    /// Erases here.
    pub fn new(engine: Engine, letters: DeadLetters, redis: Arc<RedisSink>) -> Self {
        Self { store: engine.store().clone(), engine, letters, redis }
    }

    /// Erases a customer; `once` names the request. What there is no more is not erased again.
    ///
    /// # Errors
    /// When a part is missing: it may be asked for again.
    pub async fn erase(&self, of: &ErasureOf<'_>, once: &str) -> Result<Erased, ErasureError> {
        let rows = self.rows(of, once).await?;
        let dead_letters = match self.letters.erase(of.customer, of.business_ids).await {
            Ok(count) => Some(count),
            Err(error) => {
                tracing::warn!(%error, "dead letters of an erased customer go by their age");
                None
            }
        };
        let log = self.redis.erase(of.customer, of.business_ids);
        let log_entries = match tokio::time::timeout(REDIS_PATIENCE, log).await {
            Ok(Ok(count)) => Some(count),
            Ok(Err(error)) => {
                tracing::warn!(%error, "events of an erased customer go from Redis by their age");
                None
            }
            Err(_) => None,
        };
        Ok(Erased { rows, dead_letters, log_entries })
    }

    async fn rows(&self, of: &ErasureOf<'_>, once: &str) -> Result<ErasedRows, ErasureError> {
        // It would come back with the webhook.
        if self.store.webhooks_wait_for(of.customer).await? {
            return Err(ErasureError::Waiting);
        }
        let began = Instant::now();
        let mut ended = 0;
        loop {
            match self.store.erase(of, began.elapsed() >= SETTLING).await? {
                Erasure::Done(rows) => return Ok(rows),
                Erasure::Sending => tokio::time::sleep(LOOK_EVERY).await,
                Erasure::Open if ended < ATTEMPTS => {
                    self.end_conversations(of, &format!("{once}:{ended}")).await?;
                    ended += 1;
                }
                Erasure::Open => return Err(ErasureError::Contended),
            }
        }
    }

    /// Through the engine, so that windows, timers and answers under way end as they do when a person ends them.
    async fn end_conversations(&self, of: &ErasureOf<'_>, once: &str) -> Result<(), ErasureError> {
        for id in self.store.open_conversations_of(of).await? {
            let user_id = of.asked_by.to_owned();
            let end = Input::Completed { user_id, outcome: OUTCOME.to_owned(), summary: None };
            self.engine.command(id, &format!("erase:{id}:{once}"), end).await?;
        }
        Ok(())
    }
}

impl DeadLetters {
    /// Deletes the letters that tell of a customer; returns how many. Those that name no business are deleted where all of
    /// the customer is.
    ///
    /// # Errors
    /// When JetStream or the store is away.
    async fn erase(&self, customer: &PhoneNumber, business_ids: Option<&[String]>) -> Result<u64, DeadLettersError> {
        let filter = crate::dead_letters::LetterFilter {
            business_ids: business_ids.map(<[_]>::to_vec),
            ..crate::dead_letters::LetterFilter::default()
        };
        self.delete_where(&filter, |letter| letter.body.mentions(customer)).await
    }
}
