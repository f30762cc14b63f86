//! Begins transactions, so that a caller who goes away leaves none open.
//!
//! sqlx 0.9 does not roll back a transaction whose `BEGIN` was sent and not answered yet: the connection would return to
//! the pool within it, and what others then write on it would be lost when PostgreSQL ends the idle transaction.

use std::future::Future;

use sqlx::{PgPool, Postgres, Transaction};

use super::Stored;

/// Begins a transaction.
#[expect(clippy::disallowed_methods, reason = "the beginning is completed")]
pub(super) async fn begin(pool: &PgPool) -> Stored<Transaction<'static, Postgres>> {
    let pool = pool.clone();
    completed(async move { pool.begin().await }).await
}

/// Begins a transaction with this statement.
#[expect(clippy::disallowed_methods, reason = "the beginning is completed")]
pub(super) async fn begin_with(pool: &PgPool, statement: &'static str) -> Stored<Transaction<'static, Postgres>> {
    let pool = pool.clone();
    completed(async move { pool.begin_with(statement).await }).await
}

/// Awaits the beginning in a task of its own, which ends even if the caller is gone: dropped there, the transaction is
/// rolled back.
async fn completed(
    beginning: impl Future<Output = Result<Transaction<'static, Postgres>, sqlx::Error>> + Send + 'static,
) -> Stored<Transaction<'static, Postgres>> {
    Ok(tokio::spawn(beginning).await.map_err(|_panicked| sqlx::Error::WorkerCrashed)??)
}
