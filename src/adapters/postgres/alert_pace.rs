//! Whose turn it is of the alerts to one phone, and what a bundle of them says.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Store, StoreError, transaction};
use crate::domain::alert_pace::{AlertPace, AlertTurn, Paced, bundle};
use crate::domain::sms_segments;
use crate::store::BundledAlert;

const HELD: &str = Paced::Held.as_str();

/// An alert that has a bundle line.
struct PacedAlert {
    business_id: String,
    recipient: String,
    pace: Option<String>,
    not_before: Option<DateTime<Utc>>,
}

impl Store {
    /// How an alert goes, which is decided once: alone, or held for a bundle, which collects for this time. When its time comes, a held alert takes the
    /// others of its phone with it; those are superseded. Repeated, it gives the same answer, with those that were added
    /// since.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable; then nothing has changed.
    pub async fn alert_turn(
        &self,
        message_id: Uuid,
        collects: Duration,
        now: DateTime<Utc>,
    ) -> Result<AlertTurn, StoreError> {
        let mut tx = transaction::begin(&self.pool).await?;
        let Some(alert) = paced(&mut tx, message_id).await? else { return Ok(AlertTurn::Alone) };
        let mut pace = lock(&mut tx, &alert).await?;
        // Another worker may have decided while the lock was waited for.
        let Some(alert) = paced(&mut tx, message_id).await? else { return Ok(AlertTurn::Alone) };
        let turn = match (alert.pace.as_deref(), alert.not_before) {
            (Some(HELD), Some(at)) if now < at => AlertTurn::Held(at),
            (Some(HELD), _) => gather(&mut tx, message_id, &alert, &mut pace, now).await?,
            (Some(_), _) => AlertTurn::Alone,
            (None, _) => {
                let held_until = pace.next(now, collects);
                set(&mut tx, message_id, held_until).await?;
                held_until.map_or(AlertTurn::Alone, AlertTurn::Held)
            }
        };
        save(&mut tx, &alert, &pace).await?;
        tx.commit().await?;
        Ok(turn)
    }

    /// The alerts that were sent as part of this one.
    pub async fn bundled_alerts(&self, carrier: Uuid) -> Result<Vec<BundledAlert>, StoreError> {
        Ok(sqlx::query_as!(
            BundledAlert,
            "SELECT id, subject_conversation_id AS conversation_id FROM messages WHERE bundled_into = $1 ORDER BY id",
            carrier
        )
        .fetch_all(&self.pool)
        .await?)
    }
}

/// `None` if it is not queued any more.
async fn paced(tx: &mut PgConnection, message_id: Uuid) -> Result<Option<PacedAlert>, StoreError> {
    Ok(sqlx::query_as!(
        PacedAlert,
        r#"SELECT c.business_id, m.recipient AS "recipient!", m.pace, m.not_before
           FROM messages m JOIN conversations c ON c.id = m.subject_conversation_id
           WHERE m.id = $1 AND m.status = 'queued' AND m.recipient IS NOT NULL"#,
        message_id
    )
    .fetch_optional(tx)
    .await?)
}

async fn lock(tx: &mut PgConnection, alert: &PacedAlert) -> Result<AlertPace, StoreError> {
    let row = sqlx::query!(
        "INSERT INTO alert_pace AS p (business_id, recipient, recent) VALUES ($1, $2, '{}')
         ON CONFLICT (business_id, recipient) DO UPDATE SET recent = p.recent
         RETURNING recent, bundle_at",
        alert.business_id,
        alert.recipient
    )
    .fetch_one(tx)
    .await?;
    Ok(AlertPace { recent: row.recent, bundle_at: row.bundle_at })
}

async fn save(tx: &mut PgConnection, alert: &PacedAlert, pace: &AlertPace) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE alert_pace SET recent = $3, bundle_at = $4 WHERE business_id = $1 AND recipient = $2",
        alert.business_id,
        alert.recipient,
        &pace.recent,
        pace.bundle_at
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn set(tx: &mut PgConnection, message_id: Uuid, held_until: Option<DateTime<Utc>>) -> Result<(), StoreError> {
    let word = if held_until.is_some() { Paced::Held } else { Paced::Alone }.as_str();
    sqlx::query!(
        "UPDATE messages SET pace = $2, not_before = coalesce($3, not_before) WHERE id = $1",
        message_id,
        word,
        held_until
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Makes a bundle of this alert, what it has taken already, and what else is held for the phone.
async fn gather(
    tx: &mut PgConnection,
    carrier: Uuid,
    alert: &PacedAlert,
    pace: &mut AlertPace,
    now: DateTime<Utc>,
) -> Result<AlertTurn, StoreError> {
    // In the order in which they came, this one first: it must be in the text.
    let held = sqlx::query!(
        r#"SELECT m.id, m.body, m.bundle_line
           FROM messages m JOIN conversations c ON c.id = m.subject_conversation_id
           WHERE m.bundled_into = $1
              OR m.recipient = $2 AND c.business_id = $3 AND m.status = 'queued' AND m.pace = 'held'
                 AND (m.id = $1 OR m.not_before <= $4 AND NOT EXISTS (SELECT 1 FROM messages t WHERE t.bundled_into = m.id))
           ORDER BY m.id <> $1, m.bundled_into IS NULL, m.created_at, m.id
           FOR UPDATE OF m"#,
        carrier,
        alert.recipient,
        alert.business_id,
        now
    )
    .fetch_all(&mut *tx)
    .await?;
    if let [only] = &held[..] {
        pace.bundled(now);
        return Ok(AlertTurn::Bundle(only.body.clone()));
    }
    let (body, taken) = bundle(held.iter().map(|row| row.bundle_line.as_deref()));
    let members: Vec<Uuid> = held[..taken].iter().map(|row| row.id).filter(|id| *id != carrier).collect();
    sqlx::query!(
        "UPDATE messages SET status = 'superseded', bundled_into = $2 WHERE id = ANY($1) AND bundled_into IS NULL",
        &members,
        carrier
    )
    .execute(&mut *tx)
    .await?;
    let segments = i32::try_from(sms_segments::count(&body)).ok();
    sqlx::query!("UPDATE messages SET body = $2, segments = $3 WHERE id = $1", carrier, body, segments)
        .execute(tx)
        .await?;
    pace.bundled(now);
    Ok(AlertTurn::Bundle(body))
}
