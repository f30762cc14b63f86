//! Messages that may be due to be sent.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use sqlx::types::Json;
use uuid::Uuid;

use super::batched::Rows;
use super::checked::Checked;
use super::messages::MessageRow;
use super::{Store, StoreError, Stored};
use crate::domain::conversation::Media;
use crate::store::DueMessage;

impl Store {
    /// Reads a message with everything that is needed to send it.
    pub async fn due_message(&self, id: Uuid) -> Result<Option<DueMessage>, StoreError> {
        self.statements.due_messages.one(id).await
    }
}

/// Messages with everything that is needed to send them.
pub(super) async fn by_ids(pool: PgPool, ids: Vec<Uuid>) -> Stored<Rows<Uuid, DueMessage>> {
    let rows = sqlx::query_as!(
        DueRow,
        r#"SELECT m.id, m.subject_conversation_id AS conversation_id, m.direction, m.sender_type, m.user_id, m.kind, m.body,
             m.media AS "media: Json<Checked<Vec<Media>>>", m.twilio_sid, m.status, m.error_code, m.window_id, m.in_reply_to_window, m.created_at,
             coalesce(m.recipient, c.customer_phone) AS "to!", c.business_phone, c.business_id, m.not_before, m.send_at,
             m.bundle_line IS NOT NULL OR m.pace IS NOT NULL AS "may_be_bundled!",
             m.attempts, m.attempted_at, m.account_sid, m.twilio_conversation, m.absent_reads, c.emergency_detected,
             greatest(extract(epoch FROM m.lease_until - clock_timestamp()), 0)::float8 AS lease_left_seconds,
             extract(epoch FROM clock_timestamp() - m.attempted_at)::float8 AS attempt_age_seconds
           FROM messages m JOIN conversations c ON c.id = m.subject_conversation_id WHERE m.id = ANY($1)"#,
        &ids
    )
    .fetch_all(&pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.parse())).collect())
}

struct DueRow {
    id: Uuid,
    conversation_id: Uuid,
    direction: String,
    sender_type: String,
    user_id: Option<String>,
    kind: String,
    body: String,
    media: Json<Checked<Vec<Media>>>,
    twilio_sid: Option<String>,
    status: String,
    error_code: Option<i32>,
    window_id: Option<Uuid>,
    in_reply_to_window: Option<Uuid>,
    created_at: DateTime<Utc>,
    to: String,
    business_phone: String,
    business_id: String,
    not_before: Option<DateTime<Utc>>,
    may_be_bundled: bool,
    send_at: Option<DateTime<Utc>>,
    attempts: i32,
    attempted_at: Option<DateTime<Utc>>,
    account_sid: Option<String>,
    twilio_conversation: Option<String>,
    absent_reads: i32,
    emergency_detected: bool,
    lease_left_seconds: Option<f64>,
    attempt_age_seconds: Option<f64>,
}

impl DueRow {
    fn parse(self) -> Stored<DueMessage> {
        let row = self;
        let corrupt = |what: String| StoreError::corrupt("conversations", row.conversation_id, what);
        let to = super::conversations::phone(&row.to).map_err(corrupt)?;
        let business_phone = super::conversations::phone(&row.business_phone).map_err(corrupt)?;
        let message = MessageRow {
            id: row.id,
            conversation_id: row.conversation_id,
            direction: row.direction,
            sender_type: row.sender_type,
            user_id: row.user_id,
            kind: row.kind,
            body: row.body,
            media: row.media,
            twilio_sid: row.twilio_sid,
            status: row.status,
            error_code: row.error_code,
            window_id: row.window_id,
            in_reply_to_window: row.in_reply_to_window,
            created_at: row.created_at,
        }
        .parse()?;
        Ok(DueMessage {
            to,
            business_phone,
            business_id: row.business_id,
            not_before: row.not_before,
            may_be_bundled: row.may_be_bundled,
            send_at: row.send_at,
            attempts: row.attempts,
            attempted_at: row.attempted_at,
            attempt_age: row.attempt_age_seconds.map(|seconds| Duration::from_secs_f64(seconds.max(0.0))),
            priority: message.kind.priority(row.emergency_detected),
            lease_left: row.lease_left_seconds.map_or(Duration::ZERO, Duration::from_secs_f64),
            account_sid: row.account_sid,
            twilio_conversation: row.twilio_conversation,
            absent_reads: row.absent_reads,
            message,
        })
    }
}
