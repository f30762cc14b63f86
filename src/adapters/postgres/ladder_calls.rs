//! Calls to people in an emergency: the claim before the request to Twilio, the pace of an account, the cap of a phone.

use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use super::erasure::ErasureOf;
use super::{Store, StoreError, transaction};
use crate::domain::phone::PhoneNumber;
use crate::store::{BETWEEN_CALLS, CALLS_PER_HOUR, MOST_RINGS, RingRequest, RingTurn};

impl Store {
    /// Claims a call, if the conversation waits for it, its phone may be called, and the account may make a call now. The
    /// conversation's row is share-locked: a takeover that has committed is seen.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable; then nothing is claimed.
    pub async fn ring_turn(&self, request: &RingRequest<'_>) -> Result<RingTurn, StoreError> {
        let mut tx = transaction::begin(&self.pool).await?;
        let turn = turn(&mut tx, request).await?;
        tx.commit().await?;
        Ok(turn)
    }

    /// Records that Twilio has accepted a call.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable: the call may be placed once more.
    pub async fn ring_placed(&self, call_id: Uuid, call_sid: &str) -> Result<(), StoreError> {
        sqlx::query!("UPDATE ladder_calls SET call_sid = $2, lease_until = NULL WHERE id = $1", call_id, call_sid)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Gives up a claim, so that the call can be claimed again. An attempt that Twilio has certainly not processed does not
    /// count.
    pub async fn release_ring(&self, call_id: Uuid, claim: Uuid, counts: bool) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE ladder_calls SET claim = NULL, lease_until = NULL, attempts = attempts - CASE WHEN $3 THEN 0 ELSE 1 END
             WHERE id = $1 AND claim = $2 AND call_sid IS NULL",
            call_id,
            claim,
            counts
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Records that the holder of a phone has answered once: they agree to be called.
    pub async fn confirm_phone(&self, business_id: &str, phone: &PhoneNumber) -> Result<(), StoreError> {
        confirm(&mut *self.pool.acquire().await?, business_id, phone.as_str()).await
    }

    /// Deletes what is older than 30 days.
    pub async fn prune_ladder_calls(&self) -> Result<u64, StoreError> {
        let pruned = sqlx::query!("DELETE FROM ladder_calls WHERE attempted_at < now() - interval '30 days'")
            .execute(&self.pool)
            .await?;
        Ok(pruned.rows_affected())
    }
}

/// The same in a transaction.
pub(super) async fn confirm(connection: &mut PgConnection, business_id: &str, phone: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO confirmed_phones (business_id, phone) SELECT id, $2 FROM businesses WHERE id = $1
         ON CONFLICT DO NOTHING",
        business_id,
        phone
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Those of these contacts who are to be called in an emergency, have not confirmed, and are asked: they have a
/// code that may be answered, or had none from this business within 30 days.
pub(super) async fn to_confirm(
    tx: &mut PgConnection,
    business_id: &str,
    contacts: &[String],
) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT w.phone AS "phone!" FROM unnest($2::text[]) AS w (phone)
           WHERE NOT EXISTS (SELECT 1 FROM confirmed_phones c WHERE c.business_id = $1 AND c.phone = w.phone)
             AND NOT EXISTS (SELECT 1 FROM phone_codes p WHERE p.business_id = $1 AND p.phone = w.phone
                               AND p.asked_at > now() - interval '30 days'
                               AND NOT (p.state IN ('waiting', 'sending', 'sent', 'unknown') AND p.expires_at > now()))"#,
        business_id,
        contacts
    )
    .fetch_all(tx)
    .await?)
}

/// Erases a customer who is such a phone: that it has confirmed.
pub(super) async fn forget(tx: &mut PgConnection, of: &ErasureOf<'_>) -> Result<(), StoreError> {
    let (phone, business_ids) = (of.customer.as_str(), of.business_ids);
    sqlx::query!(
        "DELETE FROM confirmed_phones WHERE phone = $1 AND ($2::text[] IS NULL OR business_id = ANY($2))",
        phone,
        business_ids
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn turn(tx: &mut PgConnection, request: &RingRequest<'_>) -> Result<RingTurn, StoreError> {
    let RingRequest { call_id, conversation_id, business_id, is_owner, is_main, .. } = *request;
    let phone = request.phone.as_str();
    let fence = sqlx::query!(
        r#"SELECT c.business_phone, c.own_account IS NOT NULL AND $5 AS "is_under_wrong_account!",
             coalesce(c.rules_state #>> '{memory,ladder,call}' = $2::uuid::text, false) AS "is_waited_for!",
             EXISTS (SELECT 1 FROM business_numbers n WHERE n.phone = c.business_phone AND n.business_id = c.business_id)
               AS "has_number!",
             $6 OR EXISTS (SELECT 1 FROM confirmed_phones p WHERE p.business_id = $3 AND p.phone = $4) AS "is_confirmed!"
           FROM conversations c WHERE c.id = $1 FOR SHARE OF c"#,
        conversation_id,
        call_id,
        business_id,
        phone,
        is_main,
        is_owner
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(fence) = fence else { return Ok(RingTurn::Stale) };
    let before = sqlx::query!(
        r#"SELECT call_sid, attempts, coalesce(lease_until > clock_timestamp(), false) AS "is_leased!"
           FROM ladder_calls WHERE id = $1 FOR UPDATE"#,
        call_id
    )
    .fetch_optional(&mut *tx)
    .await?;
    match before {
        Some(before) if before.call_sid.is_some() => {
            return Ok(RingTurn::Placed { call_sid: before.call_sid.unwrap_or_default() });
        }
        _ if !fence.is_waited_for => return Ok(RingTurn::Stale),
        Some(before) if before.is_leased => return Ok(RingTurn::Taken),
        Some(before) if before.attempts >= MOST_RINGS => return Ok(RingTurn::Refused("unknown")),
        _ => {}
    }
    if !fence.is_confirmed {
        return Ok(RingTurn::Refused("not_confirmed"));
    }
    if !fence.has_number || fence.is_under_wrong_account {
        return Ok(RingTurn::Refused("may_not_call"));
    }
    if let Some(not_now) = pace(tx, request).await? {
        return Ok(not_now);
    }
    let from = super::conversations::phone(&fence.business_phone)
        .map_err(|why| StoreError::corrupt("conversations", conversation_id, why))?;
    Ok(RingTurn::Ours { claim: claim(tx, request).await?, from })
}

/// Locks the account, and returns why it does not make the call now.
async fn pace(tx: &mut PgConnection, request: &RingRequest<'_>) -> Result<Option<RingTurn>, StoreError> {
    let slot = sqlx::query!(
        r#"INSERT INTO call_slots AS s (account_sid, next_free_at) VALUES ($1, clock_timestamp())
           ON CONFLICT (account_sid) DO UPDATE SET account_sid = s.account_sid
           RETURNING extract(epoch FROM next_free_at - clock_timestamp())::float8 AS "wait!",
             coalesce(extract(epoch FROM life_waits_until - clock_timestamp())::float8, 0) AS "life_waits!""#,
        request.account_sid
    )
    .fetch_one(&mut *tx)
    .await?;
    let calls = sqlx::query_scalar!(
        r#"SELECT coalesce(sum(attempts), 0) AS "calls!" FROM ladder_calls
           WHERE phone = $1 AND attempted_at > clock_timestamp() - interval '1 hour'"#,
        request.phone.as_str()
    )
    .fetch_one(&mut *tx)
    .await?;
    if calls >= CALLS_PER_HOUR {
        return Ok(Some(RingTurn::Refused("capped")));
    }
    if slot.wait > 0.0 && request.about_life {
        sqlx::query!(
            "UPDATE call_slots SET life_waits_until = next_free_at + make_interval(secs => $2) WHERE account_sid = $1",
            request.account_sid,
            BETWEEN_CALLS.as_secs_f64()
        )
        .execute(tx)
        .await?;
    }
    let wait = if request.about_life { slot.wait } else { slot.wait.max(slot.life_waits) };
    Ok((wait > 0.0).then(|| RingTurn::Wait(Duration::from_secs_f64(wait))))
}

async fn claim(tx: &mut PgConnection, request: &RingRequest<'_>) -> Result<Uuid, StoreError> {
    let claim = Uuid::new_v4();
    sqlx::query!(
        "INSERT INTO ladder_calls AS l (id, conversation_id, business_id, phone, account_sid, attempts, attempted_at, claim,
           lease_until)
         VALUES ($1, $2, $3, $4, $5, 1, clock_timestamp(), $6, clock_timestamp() + make_interval(secs => $7))
         ON CONFLICT (id) DO UPDATE SET attempts = l.attempts + 1, attempted_at = excluded.attempted_at,
           claim = excluded.claim, lease_until = excluded.lease_until, account_sid = excluded.account_sid",
        request.call_id,
        request.conversation_id,
        request.business_id,
        request.phone.as_str(),
        request.account_sid,
        claim,
        request.lease.as_secs_f64()
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "UPDATE call_slots SET next_free_at = clock_timestamp() + make_interval(secs => $2),
           life_waits_until = CASE WHEN $3 THEN NULL ELSE life_waits_until END
         WHERE account_sid = $1",
        request.account_sid,
        BETWEEN_CALLS.as_secs_f64(),
        request.about_life
    )
    .execute(tx)
    .await?;
    Ok(claim)
}
