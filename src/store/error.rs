//! What a store could not do, whichever store it is. `adapters::postgres` says so of PostgreSQL's errors.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

type Source = Box<dyn Error + Send + Sync>;

/// The result of asking a store.
pub type Stored<T> = Result<T, StoreError>;

/// An error of a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It did not answer, or cannot do anything at the moment.
    #[error("Database connection failed: {0}")]
    Unavailable(#[from] Unavailable),
    /// It refused what it was asked.
    #[error("the database refused a statement: {0}")]
    Refused(#[source] Source),
    /// A text to be written has a character that the store cannot keep.
    #[error("a text cannot be stored: {0}")]
    Unstorable(#[source] Source),
    /// A row holds a value that this version does not understand.
    #[error("invalid row {id} in table {table}: {what}")]
    Corrupt {
        /// The table of the row.
        table: &'static str,
        /// The id of the row.
        id: String,
        /// What is wrong with the row.
        what: String,
    },
    /// A value to be written already belongs to another row.
    #[error("{0}")]
    Conflict(String),
    /// The caller may not make this change.
    #[error("{0}")]
    Forbidden(String),
    /// A value to be written contradicts stored data or a limit; the caller can correct it.
    #[error("{field}: {reason}")]
    Invalid {
        /// The name of the invalid field.
        field: &'static str,
        /// What is wrong with the field.
        reason: String,
    },
}

/// The store is unavailable: the same may succeed later.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(#[source] pub Source);

#[derive(Debug, thiserror::Error)]
#[error("no answer in time")]
struct NoAnswer;

impl StoreError {
    /// The error of a store that did not answer in time.
    pub fn away() -> Self {
        Unavailable(NoAnswer.into()).into()
    }

    /// The result, or [`away`](Self::away) if it takes longer than `limit`; the asking is then given up.
    pub async fn within<T>(limit: Duration, asked: impl Future<Output = Stored<T>>) -> Stored<T> {
        tokio::time::timeout(limit, asked).await.unwrap_or_else(|_late| Err(Self::away()))
    }

    pub(crate) fn corrupt(table: &'static str, id: impl ToString, what: impl ToString) -> Self {
        Self::Corrupt { table, id: id.to_string(), what: what.to_string() }
    }
}
