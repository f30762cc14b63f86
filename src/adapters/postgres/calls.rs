//! Reads call records and parses their rows.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::conversations::phone;
use super::{Store, StoreError};
use crate::domain::call::{Call, CallStatus, SettledBy};
use crate::domain::phone::PhoneNumber;

struct CallRow {
    id: Uuid,
    call_sid: String,
    business_id: String,
    conversation_id: Option<Uuid>,
    customer_phone: Option<String>,
    business_phone: String,
    status: String,
    dial_status: Option<String>,
    settled_by: Option<String>,
    settle_at: Option<DateTime<Utc>>,
    own_account: Option<String>,
    stir_verstat: Option<String>,
    screened: bool,
    accepted_at: Option<DateTime<Utc>>,
    duration_seconds: Option<i32>,
    created_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    version: i64,
    event_sequence: i64,
}

impl CallRow {
    fn parse(self) -> Result<Call, StoreError> {
        let corrupt = |what: String| StoreError::corrupt("calls", self.id, what);
        Ok(Call {
            customer_phone: self.customer_phone.as_deref().map(phone).transpose().map_err(corrupt)?,
            business_phone: phone(&self.business_phone).map_err(corrupt)?,
            status: self.status.parse::<CallStatus>().map_err(|e| corrupt(e.to_string()))?,
            settled_by: (self.settled_by.map(|by| by.parse::<SettledBy>()).transpose())
                .map_err(|e| corrupt(e.to_string()))?,
            settle_at: self.settle_at,
            own_account: self.own_account,
            stir_verstat: self.stir_verstat,
            screened: self.screened,
            accepted_at: self.accepted_at,
            id: self.id,
            call_sid: self.call_sid,
            business_id: self.business_id,
            conversation_id: self.conversation_id,
            dial_status: self.dial_status,
            duration_seconds: self.duration_seconds,
            created_at: self.created_at,
            ended_at: self.ended_at,
            version: self.version,
            event_sequence: self.event_sequence,
        })
    }
}

/// A recent call with its current status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentCall {
    /// Twilio's id of the call.
    pub call_sid: String,
    /// The status of the call.
    pub status: CallStatus,
}

/// The filter of a list of calls.
#[derive(Debug, Clone, Default)]
pub struct CallFilter {
    /// Only calls to these businesses.
    pub business_ids: Option<Vec<String>>,
    /// Only calls to this business.
    pub business_id: Option<String>,
    /// Only calls from this caller.
    pub customer_phone: Option<String>,
    /// Only calls after this one in the list, given by its `created_at` and id.
    pub after: Option<(DateTime<Utc>, Uuid)>,
}

impl Store {
    /// Reads one call by Twilio's id.
    pub async fn call(&self, call_sid: &str) -> Result<Option<Call>, StoreError> {
        sqlx::query_as!(CallRow, "SELECT * FROM calls WHERE call_sid = $1", call_sid)
            .fetch_optional(&self.pool)
            .await?
            .map(CallRow::parse)
            .transpose()
    }

    /// Calls whose result of the dialling has not come in time, longest overdue first, at most `limit`. Nobody else gets
    /// them for a while, which grows with their age from 10 s to 5 min.
    pub async fn claim_unsettled_calls(&self, limit: i64) -> Result<Vec<Call>, StoreError> {
        sqlx::query_as!(
            CallRow,
            "UPDATE calls
             SET settle_at = now() + least(greatest((now() - created_at) / 4, interval '10 s'), interval '5 min')
             WHERE id IN (SELECT id FROM calls WHERE settle_at < now() ORDER BY settle_at LIMIT $1
                          FOR UPDATE SKIP LOCKED)
             RETURNING *",
            limit
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(CallRow::parse)
        .collect()
    }

    /// Leaves a call as it is: nobody asks Twilio about it any more.
    pub async fn leave_unsettled(&self, call_id: Uuid) -> Result<(), StoreError> {
        sqlx::query!("UPDATE calls SET settle_at = NULL WHERE id = $1", call_id).execute(&self.pool).await?;
        Ok(())
    }

    /// Calls from one caller to one number that first rang after `since`: the newest first, at most 20.
    pub async fn recent_calls(
        &self,
        business_phone: &PhoneNumber,
        caller: &PhoneNumber,
        since: DateTime<Utc>,
    ) -> Result<Vec<RecentCall>, StoreError> {
        let rows = sqlx::query!(
            "SELECT call_sid, status FROM calls
             WHERE customer_phone = $1 AND business_phone = $2 AND created_at > $3
             ORDER BY created_at DESC, id DESC LIMIT 20",
            caller.as_str(),
            business_phone.as_str(),
            since
        )
        .fetch_all(&self.pool)
        .await?;
        let parse = |status: String, sid: &str| {
            status.parse::<CallStatus>().map_err(|error| StoreError::corrupt("calls", sid, error))
        };
        rows.into_iter()
            .map(|row| Ok(RecentCall { status: parse(row.status, &row.call_sid)?, call_sid: row.call_sid }))
            .collect()
    }

    /// Calls, newest first.
    pub async fn calls(&self, filter: &CallFilter, limit: i64) -> Result<Vec<Call>, StoreError> {
        let (after_at, after_id) = filter.after.unzip();
        sqlx::query_as!(
            CallRow,
            r#"SELECT * FROM calls
               WHERE ($1::text IS NULL OR business_id = $1)
                 AND ($2::text IS NULL OR customer_phone = $2)
                 AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4::uuid))
                 AND ($6::text[] IS NULL OR business_id = ANY($6))
               ORDER BY created_at DESC, id DESC
               LIMIT $5"#,
            filter.business_id,
            filter.customer_phone,
            after_at,
            after_id,
            limit,
            filter.business_ids.as_deref()
        )
        .fetch_all(&mut *self.list().await?)
        .await?
        .into_iter()
        .map(CallRow::parse)
        .collect()
    }
}
