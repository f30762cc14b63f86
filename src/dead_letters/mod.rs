//! Dead letters: messages that could not be processed. They are listed, and replayed after the cause is fixed.
//!
//! The worker and the edge write letters to NMC_DEAD ([`DeadLetterStream`]); the REST API and the command line list and
//! replay them. A replay publishes the message again under a new message id, but the input keeps its id: the inbox
//! knows which inputs were committed, so none is applied twice. Each letter is replayed at most once. A message that
//! fails again becomes a new letter that names the previous one.

mod body;
mod business;
mod find;
mod queue;
mod reparse;
mod replay;
mod stream;

use chrono::{DateTime, Utc};

use crate::adapters::jetstream::{JetStream, LetterError};
use crate::adapters::postgres::{ReplayRow, Store};
use crate::store::StoreError;

pub use body::{DeadLetterBody, Kept};
pub use business::Attribution;
pub use find::{LetterFilter, Order, Status};
pub use queue::replay_queued;
pub use replay::Replayed;
pub use stream::{DeadLetterStream, dead_letter};

/// Header of a replayed message: the id of its letter.
pub const REPLAY_OF: &str = "Nmc-Replay-Of";
/// How many earlier letters the history of a repeatedly replayed message shows at most.
const LONGEST_HISTORY: usize = 20;

/// Dead letters could not be read or replayed.
#[derive(Debug, thiserror::Error)]
pub enum DeadLettersError {
    /// NMC_DEAD is unreachable.
    #[error(transparent)]
    Letters(#[from] LetterError),
    /// The replays of letters are unknown, because PostgreSQL is unavailable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// JetStream has not acknowledged the replay; it may be tried again.
    #[error(transparent)]
    Publish(#[from] crate::adapters::jetstream::PublishError),
}

/// A letter of NMC_DEAD with its replays.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Its sequence in NMC_DEAD.
    pub id: u64,
    /// When it was quarantined.
    pub dead_since: DateTime<Utc>,
    pub body: DeadLetterBody,
    /// Its replays in order: when, requested by whom, and with which outcome.
    pub replays: Vec<ReplayRow>,
}

impl Letter {
    pub fn status(&self) -> Status {
        let stands = |outcome: &str| self.replays.iter().any(|replay| replay.outcome == outcome);
        match () {
            () if stands("put_back") => Status::Replayed,
            () if stands("queued") => Status::Queued,
            () => Status::Waiting,
        }
    }

    /// The id of the letter whose replay failed and became this one, if any.
    pub fn replay_of(&self) -> Option<u64> {
        self.body.headers.get(REPLAY_OF)?.parse().ok()
    }
}

/// Access to the dead letters; clones share everything.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    jetstream: JetStream,
    store: Store,
}

impl DeadLetters {
    pub fn new(jetstream: JetStream, store: Store) -> Self {
        Self { jetstream, store }
    }

    /// One letter; `None` if it does not exist or was deleted.
    ///
    /// # Errors
    /// If JetStream or PostgreSQL is unavailable.
    pub async fn get(&self, id: u64) -> Result<Option<Letter>, DeadLettersError> {
        let Some(stored) = self.jetstream.letter(id).await? else { return Ok(None) };
        Ok(self.with_replays(vec![stored]).await?.pop())
    }

    /// The newest letter's id; 0 if there has never been one.
    ///
    /// # Errors
    /// If JetStream is unavailable.
    pub async fn newest(&self) -> Result<u64, DeadLettersError> {
        Ok(self.jetstream.letters_there().await?.1)
    }

    /// The earlier letters of the same message, newest first.
    ///
    /// # Errors
    /// If JetStream or PostgreSQL is unavailable.
    pub async fn history(&self, letter: &Letter) -> Result<Vec<Letter>, DeadLettersError> {
        let mut history: Vec<Letter> = Vec::new();
        while history.len() < LONGEST_HISTORY {
            let newest = history.last().unwrap_or(letter);
            let Some(before) = newest.replay_of().filter(|before| *before < newest.id) else { break };
            match self.get(before).await? {
                Some(before) if before.dead_since <= newest.body.first_seen => history.push(before),
                _ => break,
            }
        }
        Ok(history)
    }
}
