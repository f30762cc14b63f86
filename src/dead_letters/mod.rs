//! Dead letters: what could not be processed, listed, and put back once its cause is mended.
//!
//! Fed by the pipelines and the edge, which write letters to NMC_DEAD ([`DeadLetterStream`]); read and
//! replayed by the REST API and the command line. A replay publishes what the letter holds where it came from, under an id
//! of its own and with the input's old one: the inbox knows what was decided before, so it changes nothing twice. Each letter
//! is put back once; what fails again comes back as a new letter that names the one before.

mod body;
mod business;
mod find;
mod queue;
mod reparse;
mod replay;
mod stream;

use chrono::{DateTime, Utc};

use crate::adapters::jetstream::{JetStream, LetterError};
use crate::adapters::postgres::{ReplayRow, Store, StoreError};

pub use body::{DeadLetterBody, Kept};
pub use business::Attribution;
pub use find::{LetterFilter, Order, Status};
pub use queue::replay_queued;
pub use replay::Replayed;
pub use stream::{DeadLetterStream, dead_letter};

/// Header of a webhook or task that was put back: the letter that it was.
pub const REPLAY_OF: &str = "Nmc-Replay-Of";
/// How far back the history of a letter that was put back again and again is told.
const LONGEST_HISTORY: usize = 20;

/// Dead letters could not be read, or put back.
#[derive(Debug, thiserror::Error)]
pub enum DeadLettersError {
    /// NMC_DEAD is out of reach.
    #[error(transparent)]
    Letters(#[from] LetterError),
    /// What became of them is not known: the store is away.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// JetStream has not acknowledged what was put back: it may be tried again.
    #[error(transparent)]
    Publish(#[from] crate::adapters::jetstream::PublishError),
}

/// A letter of NMC_DEAD, and what became of it.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Its sequence in NMC_DEAD.
    pub id: u64,
    /// When it was put aside.
    pub dead_since: DateTime<Utc>,
    /// What it holds.
    pub body: DeadLetterBody,
    /// When it was to be put back, by whom, and what came of that; in order.
    pub replays: Vec<ReplayRow>,
}

impl Letter {
    /// Where it stands.
    pub fn status(&self) -> Status {
        let stands = |outcome: &str| self.replays.iter().any(|replay| replay.outcome == outcome);
        match () {
            () if stands("put_back") => Status::Replayed,
            () if stands("queued") => Status::Queued,
            () => Status::Waiting,
        }
    }

    /// The letter that it was before it was put back, if it was.
    pub fn replay_of(&self) -> Option<u64> {
        self.body.headers.get(REPLAY_OF)?.parse().ok()
    }
}

/// The letters; clones share everything.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    jetstream: JetStream,
    store: Store,
}

impl DeadLetters {
    /// The letters of this JetStream, with what this store knows of them.
    pub fn new(jetstream: JetStream, store: Store) -> Self {
        Self { jetstream, store }
    }

    /// One letter; `None` where there is none, or none any more.
    ///
    /// # Errors
    /// When JetStream or the store is away.
    pub async fn get(&self, id: u64) -> Result<Option<Letter>, DeadLettersError> {
        let Some(stored) = self.jetstream.letter(id).await? else { return Ok(None) };
        Ok(self.with_replays(vec![stored]).await?.pop())
    }

    /// The newest letter's id; 0 where there has never been one.
    ///
    /// # Errors
    /// When JetStream is away.
    pub async fn newest(&self) -> Result<u64, DeadLettersError> {
        Ok(self.jetstream.letters_there().await?.1)
    }

    /// The letters that this one was before, the newest first.
    ///
    /// # Errors
    /// When JetStream or the store is away.
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
