//! Replays of dead letters: which letters were replayed, when, and who requested it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Postgres, Transaction};

use super::{Store, StoreError, transaction};

/// Advisory lock held while queued letters are replayed: one process at a time, so that the rate limit covers all.
const QUEUE_LOCK: i64 = 0x6e6d_635f_6465_6164;
/// Days for which replays are kept. NMC_DEAD keeps letters for 90 days.
const KEEP_DAYS: i32 = 100;

/// A requested replay of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayRow {
    /// The letter's sequence in NMC_DEAD.
    pub letter: u64,
    /// When the letter was stored in NMC_DEAD.
    pub dead_since: DateTime<Utc>,
    /// Who requested the replay.
    pub asked_by: String,
    /// When the replay was requested.
    pub asked_at: DateTime<Utc>,
    /// `queued`, `put_back` or `unusable`.
    pub outcome: String,
    /// The subject that the letter was published to, or why it could not be replayed.
    pub detail: Option<String>,
    /// When the letter was replayed or found unusable.
    pub done_at: Option<DateTime<Utc>>,
}

/// A dead letter queued for replay.
#[derive(Debug, Clone, Copy)]
pub struct QueuedLetter {
    /// The id of the replay's row.
    pub id: i64,
    /// The letter's sequence in NMC_DEAD.
    pub letter: u64,
    /// When the letter was stored in NMC_DEAD.
    pub dead_since: DateTime<Utc>,
}

/// The exclusive right to replay a letter; released when dropped.
#[derive(Debug)]
pub struct LetterClaim(Transaction<'static, Postgres>);

impl LetterClaim {
    /// Records that the letter was replayed.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable: the letter may then be replayed once more, with the same id.
    pub async fn done(self) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }
}

/// Queued letters that may be replayed now, locked against other processes.
#[derive(Debug)]
pub struct LetterQueue {
    tx: Transaction<'static, Postgres>,
    /// The letters, oldest first.
    pub rows: Vec<QueuedLetter>,
}

impl LetterQueue {
    /// Marks a letter as replayed.
    pub async fn put_back(&mut self, id: i64, subject: &str) -> Result<(), StoreError> {
        self.mark(id, "put_back", subject).await
    }

    /// Marks a letter that cannot be replayed.
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

    /// Commits the marks.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable: the letters are then replayed once more, with the same ids.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.tx.commit().await?)
    }
}

impl Store {
    /// The replays of these letters, in the order in which they were recorded.
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

    /// Reserves a letter to be replayed now, queued or not; `None` if it was replayed already. Waits while another
    /// process holds it.
    pub async fn claim_letter(
        &self,
        letter: u64,
        dead_since: DateTime<Utc>,
        asked_by: &str,
        subject: &str,
    ) -> Result<Option<LetterClaim>, StoreError> {
        let mut tx = transaction::begin(&self.pool).await?;
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

    /// Records that a letter could not be replayed, and why.
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

    /// Queues those of these letters that are neither queued nor replayed; returns how many were queued.
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

    /// Locks the queued letters that may be replayed now: at most `most`, and no more than `count` replays in any
    /// `per`. `None` if no letters are queued, or another process is replaying them.
    pub async fn begin_queue(&self, count: u32, per: Duration, most: u32) -> Result<Option<LetterQueue>, StoreError> {
        let waiting = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM dead_letter_replays WHERE outcome = 'queued') AS "any!""#
        )
        .fetch_one(&self.pool)
        .await?;
        if !waiting {
            return Ok(None);
        }
        let mut tx = transaction::begin(&self.pool).await?;
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

    /// Deletes the replays of letters that NMC_DEAD can no longer hold.
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
