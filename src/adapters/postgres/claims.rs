//! The fence and the claim, in one statement.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use super::batched::Rows;
use super::{Store, StoreError, Stored};
use crate::store::{Claim, Claimed, SendingAccount};

impl Store {
    /// Checks the fence and claims the message in one statement, which several callers may share. A queued message that
    /// nothing has made stale is claimed for `lease`, to be sent with this account. The business must still have the
    /// number, and the main account sends nothing to a customer who reached the business under another account. The
    /// same statement reports whether the message is stale or taken, because a message that another worker held for a
    /// moment may be queued again in the next. The conversation's row is share-locked: a takeover that has committed is
    /// seen, and one that commits later sees the claim.
    pub async fn claim(
        &self,
        message_id: Uuid,
        account: SendingAccount<'_>,
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Result<Claim, StoreError> {
        let SendingAccount { sid, is_main, conversation_sid } = account;
        let (account_sid, conversation_sid) = (sid.to_owned(), conversation_sid.map(str::to_owned));
        let claim = Uuid::new_v4();
        let request = ClaimRequest { message_id, claim, account_sid, is_main, conversation_sid, lease, now };
        match self.statements.claims.one(request.clone()).await? {
            Some(claim) => Ok(claim),
            // Its conversation is locked, and only this message is to wait for that.
            None => claim_alone(&self.pool, request).await,
        }
    }
}

/// A message to be claimed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ClaimRequest {
    message_id: Uuid,
    claim: Uuid,
    account_sid: String,
    is_main: bool,
    conversation_sid: Option<String>,
    lease: Duration,
    now: DateTime<Utc>,
}

/// What was found out about a message that was to be claimed.
struct Judged {
    claim: Uuid,
    passes: bool,
    claimed: bool,
}

impl Judged {
    fn claim(&self) -> Claim {
        match self {
            Self { claimed: true, claim, .. } => Claim::Ours(Claimed { claim: *claim }),
            Self { passes: false, .. } => Claim::Stale,
            _ => Claim::Taken,
        }
    }
}

macro_rules! claim_messages {
    ($lock:literal, $wanted:expr) => {
        sqlx::query_as!(
            Judged,
            r#"WITH wanted AS (
                 SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bool[], $5::float8[], $6::timestamptz[],
                     $7::text[])
                   AS w (message_id, claim, account_sid, is_main, lease, decided_at, conversation_sid)
               ),
               fence AS (
                 SELECT c.id, c.epoch, c.hard_epoch, c.answering_window, c.business_id, c.business_phone, c.customer_phone,
                   c.opted_out, c.own_account
                 FROM conversations c
                 WHERE c.id IN (SELECT subject_conversation_id FROM messages WHERE id = ANY($1))
                 ORDER BY c.id "# + $lock + r#"
               ),
               -- What a message is judged by never changes in it.
               judged AS (
                 SELECT wanted.*, coalesce(
                   (m.recipient IS NOT NULL
                    OR NOT fence.opted_out AND NOT EXISTS (SELECT 1 FROM opt_outs o WHERE o.business_id = fence.business_id
                                                              AND o.customer_phone = fence.customer_phone)
                        AND NOT EXISTS (SELECT 1 FROM erased_opt_outs o WHERE o.business_id = fence.business_id
                                          AND o.customer = customer_hash(fence.business_id, fence.customer_phone))
                        AND (m.fence_hard_epoch IS NULL
                             OR NOT EXISTS (SELECT 1 FROM never_text n WHERE n.business_id = fence.business_id
                                              AND n.phone = fence.customer_phone)))
                   AND EXISTS (SELECT 1 FROM business_numbers n WHERE n.phone = fence.business_phone
                                                                  AND n.business_id = fence.business_id)
                   AND NOT (wanted.is_main AND fence.own_account IS NOT NULL)
                   AND (m.fence_hard_epoch IS NULL -- what a person wrote has no fence
                        OR (m.fence_hard_epoch = fence.hard_epoch
                            AND (m.fence_epoch = fence.epoch
                                 OR (m.fence_exempt_at <= wanted.decided_at
                                     AND (m.in_reply_to_window IS NULL
                                          OR m.in_reply_to_window = fence.answering_window))))), false) AS passes
                 FROM wanted JOIN messages m ON m.id = wanted.message_id JOIN fence ON fence.id = m.subject_conversation_id
               ),
               claimed AS (
                 UPDATE messages m
                 SET status = 'sending', claim = judged.claim,
                     lease_until = clock_timestamp() + make_interval(secs => judged.lease),
                     attempts = m.attempts + 1, attempted_at = clock_timestamp(), absent_reads = 0,
                     account_sid = judged.account_sid, twilio_conversation = judged.conversation_sid,
                     first_attempted_at = coalesce(m.first_attempted_at, clock_timestamp())
                 FROM judged
                 WHERE m.id = judged.message_id AND m.status = 'queued' AND judged.passes
                 RETURNING m.claim
               )
               SELECT judged.claim AS "claim!", judged.passes AS "passes!",
                 EXISTS (SELECT 1 FROM claimed WHERE claimed.claim = judged.claim) AS "claimed!"
               FROM judged"#,
            &column($wanted, |request| request.message_id),
            &column($wanted, |request| request.claim),
            &column($wanted, |request| request.account_sid.clone()),
            &column($wanted, |request| request.is_main),
            &column($wanted, |request| request.lease.as_secs_f64()),
            &column($wanted, |request| request.now),
            &column($wanted, |request| request.conversation_sid.clone()) as _
        )
    };
}

fn column<T>(wanted: &[ClaimRequest], of: impl Fn(&ClaimRequest) -> T) -> Vec<T> {
    wanted.iter().map(of).collect()
}

/// Claims messages, but none whose conversation is locked: those have no result.
pub(super) async fn claim_unlocked(pool: PgPool, wanted: Vec<ClaimRequest>) -> Stored<Rows<ClaimRequest, Claim>> {
    let judged = claim_messages!("FOR SHARE SKIP LOCKED", &wanted).fetch_all(&pool).await?;
    let claims: HashMap<Uuid, Claim> = judged.into_iter().map(|judged| (judged.claim, judged.claim())).collect();
    let result = |request: ClaimRequest| Some((request.clone(), Ok(*claims.get(&request.claim)?)));
    Ok(wanted.into_iter().filter_map(result).collect())
}

/// Claims a message, and waits if its conversation is locked.
async fn claim_alone(pool: &PgPool, request: ClaimRequest) -> Stored<Claim> {
    let judged = claim_messages!("FOR SHARE", std::slice::from_ref(&request)).fetch_optional(pool).await?;
    Ok(judged.map_or(Claim::Taken, |judged| judged.claim()))
}
