//! What became of dead letters: which were put back, when, and at whose word.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Postgres, Transaction};

use super::{Store, StoreError};

/// Held while queued letters are put back: one process at a time, so that the rate is that of all.
const QUEUE_LOCK: i64 = 0x6e6d_635f_6465_6164;
/// NMC_DEAD keeps letters for 90 days.
const KEEP_DAYS: i32 = 100;

/// A letter that was to be put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayRow {
    /// Its sequence in NMC_DEAD.
    pub letter: u64,
    /// When it got there.
    pub dead_since: DateTime<Utc>,
    /// Who asked.
    pub asked_by: String,
    /// When.
    pub asked_at: DateTime<Utc>,
    /// `queued`, `put_back` or `unusable`.
    pub outcome: String,
    /// Where it went, or why it could not.
    pub detail: Option<String>,
    /// When it was done with.
    pub done_at: Option<DateTime<Utc>>,
}

/// A letter in the queue.
#[derive(Debug, Clone, Copy)]
pub struct QueuedLetter {
    /// The row.
    pub id: i64,
    /// Its sequence in NMC_DEAD.
    pub letter: u64,
    /// When it got there.
    pub dead_since: DateTime<Utc>,
}

/// A letter that is ours to put back; dropped, it is nobody's.
#[derive(Debug)]
pub struct LetterClaim(Transaction<'static, Postgres>);

impl LetterClaim {
    /// It was put back.
    ///
    /// # Errors
    /// When PostgreSQL is away: it may be put back once more, under the same id.
    pub async fn done(self) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }
}

/// Queued letters that may be put back now, by nobody else meanwhile.
#[derive(Debug)]
pub struct LetterQueue {
    tx: Transaction<'static, Postgres>,
    /// The oldest first.
    pub rows: Vec<QueuedLetter>,
}

impl LetterQueue {
    /// One was put back.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn put_back(&mut self, id: i64, subject: &str) -> Result<(), StoreError> {
        self.mark(id, "put_back", subject).await
    }

    /// One cannot be.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn unusable(&mut self, id: i64, why: &str) -> Result<(), StoreError> {
        self.mark(id, "unusable", why).await
    }

    async fn mark(&mut self, id: i64, outcome: &str, detail: &str) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE dead_letter_replays SET outcome = $2, detail = $3, done_at = clock_timestamp() WHERE id = $1",
            id,
            outcome,
            detail
        )
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Keeps what was marked.
    ///
    /// # Errors
    /// When PostgreSQL is away: it is put back once more, under the same ids.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.tx.commit().await?)
    }
}

impl Store {
    /// What became of these letters, in order.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn letter_replays(&self, letters: &[(u64, DateTime<Utc>)]) -> Result<Vec<ReplayRow>, StoreError> {
        if letters.is_empty() {
            return Ok(Vec::new());
        }
        let (ids, since) = columns(letters);
        Ok(sqlx::query!(
            r#"SELECT r.letter, r.dead_since, asked_by, asked_at, outcome, detail, done_at
               FROM dead_letter_replays r JOIN unnest($1::bigint[], $2::timestamptz[]) AS l (letter, dead_since)
                 ON r.letter = l.letter AND r.dead_since = l.dead_since
               ORDER BY r.id"#,
            &ids,
            &since
        )
        .map(|row| ReplayRow {
            letter: u64::try_from(row.letter).unwrap_or_default(),
            dead_since: row.dead_since,
            asked_by: row.asked_by,
            asked_at: row.asked_at,
            outcome: row.outcome,
            detail: row.detail,
            done_at: row.done_at,
        })
        .fetch_all(&self.pool)
        .await?)
    }

    /// Claims a letter to be put back now, queued or not; `None` where it has been. Whoever has claimed it is waited for.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn claim_letter(
        &self,
        letter: u64,
        dead_since: DateTime<Utc>,
        asked_by: &str,
        subject: &str,
    ) -> Result<Option<LetterClaim>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let claimed = sqlx::query!(
            "INSERT INTO dead_letter_replays AS r (letter, dead_since, asked_by, outcome, detail, done_at)
             VALUES ($1, $2, $3, 'put_back', $4, clock_timestamp())
             ON CONFLICT (letter, dead_since) WHERE outcome <> 'unusable'
             DO UPDATE SET outcome = 'put_back', detail = $4, done_at = clock_timestamp() WHERE r.outcome = 'queued'",
            i64::try_from(letter).unwrap_or(i64::MAX),
            dead_since,
            asked_by,
            subject
        )
        .execute(&mut *tx)
        .await?;
        Ok((claimed.rows_affected() == 1).then_some(LetterClaim(tx)))
    }

    /// Notes that a letter could not be put back, and why.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn letter_is_unusable(
        &self,
        letter: u64,
        dead_since: DateTime<Utc>,
        asked_by: &str,
        why: &str,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO dead_letter_replays (letter, dead_since, asked_by, outcome, detail, done_at)
             VALUES ($1, $2, $3, 'unusable', $4, clock_timestamp())",
            i64::try_from(letter).unwrap_or(i64::MAX),
            dead_since,
            asked_by,
            why
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Queues letters that are neither queued nor put back; returns how many these are.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn queue_letters(&self, letters: &[(u64, DateTime<Utc>)], asked_by: &str) -> Result<u64, StoreError> {
        let (ids, since) = columns(letters);
        let queued = sqlx::query!(
            "INSERT INTO dead_letter_replays (letter, dead_since, asked_by, outcome)
             SELECT l.letter, l.dead_since, $3, 'queued'
             FROM unnest($1::bigint[], $2::timestamptz[]) AS l (letter, dead_since)
             ON CONFLICT DO NOTHING",
            &ids,
            &since,
            asked_by
        )
        .execute(&self.pool)
        .await?;
        Ok(queued.rows_affected())
    }

    /// As many queued letters as may be put back now, `most` at the most: of `count` in any `per`, those that are left.
    /// `None` where there are none, or another process is at it.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn begin_queue(&self, count: u32, per: Duration, most: u32) -> Result<Option<LetterQueue>, StoreError> {
        let waiting = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM dead_letter_replays WHERE outcome = 'queued') AS "any!""#
        )
        .fetch_one(&self.pool)
        .await?;
        if !waiting {
            return Ok(None);
        }
        let mut tx = self.pool.begin().await?;
        let ours = sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock($1) AS "ours!""#, QUEUE_LOCK)
            .fetch_one(&mut *tx)
            .await?;
        if !ours {
            return Ok(None);
        }
        let rows = sqlx::query!(
            "SELECT id, letter, dead_since FROM dead_letter_replays WHERE outcome = 'queued'
             ORDER BY letter, id
             LIMIT least($3::bigint, greatest(0, $1::bigint - (SELECT count(*) FROM dead_letter_replays
               WHERE outcome = 'put_back' AND done_at > clock_timestamp() - make_interval(secs => $2))))
             FOR UPDATE SKIP LOCKED",
            i64::from(count),
            per.as_secs_f64(),
            i64::from(most)
        )
        .map(|row| QueuedLetter {
            id: row.id,
            letter: u64::try_from(row.letter).unwrap_or_default(),
            dead_since: row.dead_since,
        })
        .fetch_all(&mut *tx)
        .await?;
        Ok(Some(LetterQueue { tx, rows }))
    }

    /// Forgets what became of letters that NMC_DEAD cannot hold any more.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn prune_letter_replays(&self) -> Result<u64, StoreError> {
        let pruned = sqlx::query!(
            "DELETE FROM dead_letter_replays WHERE dead_since < now() - make_interval(days => $1)",
            KEEP_DAYS
        )
        .execute(&self.pool)
        .await?;
        Ok(pruned.rows_affected())
    }
}

fn columns(letters: &[(u64, DateTime<Utc>)]) -> (Vec<i64>, Vec<DateTime<Utc>>) {
    letters.iter().map(|(id, since)| (i64::try_from(*id).unwrap_or(i64::MAX), *since)).unzip()
}
