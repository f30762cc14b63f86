//! Phones that were put with a key without the scope `numbers`, and the codes they must answer before they take effect.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::business_changes::{phones_of, with_phones};
use super::erasure::ErasureOf;
use super::{Store, StoreError, forwarding, transaction};
use crate::domain::phones::Phones;
use crate::secrets::constant_time_eq;
use crate::store::{CodeAnswer, PhoneAnswer};
use crate::text_enum;

/// The maximum number of codes to one phone per day, from all businesses together. Each may be an unwanted text.
const CODES_PER_PHONE: i64 = 5;
/// The maximum number of codes of one business per day.
const CODES_PER_BUSINESS: i64 = 20;
/// The number of wrong answers after which a code is no longer valid.
const WRONG_ANSWERS: usize = 5;

text_enum! {
    /// The state of a phone that is not in effect yet.
    pub enum CodeState {
        /// Its code waits to be sent.
        Waiting = "waiting",
        /// Its code was sent.
        Sent = "sent",
        /// It is not known whether its code was sent. The code is not sent again automatically.
        Unknown = "unknown",
        /// Twilio did not send its code, or the phone has opted out of this business's texts.
        NotSent = "not_sent",
        /// The phone has not answered in time, or has given too many wrong answers.
        Expired = "expired",
        /// The phone or the business has had too many codes in a day.
        TooMany = "too_many",
    }
}

/// A phone that was put and is not in effect yet.
#[derive(Debug, Clone)]
pub struct PendingPhone {
    /// The field that holds the phone: `forward_to` or `emergency_contacts`.
    pub field: &'static str,
    /// The phone number.
    pub phone: String,
    /// The state of its code.
    pub state: CodeState,
    /// The deadline for its answer, if it may still answer.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Phones that answered a code of this business in the last 30 days: they need no other code.
pub(super) async fn willing(tx: &mut PgConnection, business_id: &str) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar!(
        "SELECT DISTINCT phone FROM phone_codes
         WHERE business_id = $1 AND state = 'confirmed' AND settled_at > now() - interval '30 days'",
        business_id
    )
    .fetch_all(tx)
    .await?)
}

/// Stores the phones of a PUT that are not all in effect yet, in place of those stored before.
pub(super) async fn want(
    tx: &mut PgConnection,
    business_id: &str,
    wanted: Option<&Phones>,
    put_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let Some(wanted) = wanted else {
        sqlx::query!("DELETE FROM wanted_phones WHERE business_id = $1", business_id).execute(tx).await?;
        return Ok(());
    };
    sqlx::query!(
        "INSERT INTO wanted_phones (business_id, forward_to, forward_to_next, emergency_contacts, put_at, next_put_at)
         VALUES ($1, ($2::text[])[1], ($2::text[])[2:], $3, $4, $4)
         ON CONFLICT (business_id) DO UPDATE SET forward_to = excluded.forward_to,
           forward_to_next = excluded.forward_to_next, emergency_contacts = excluded.emergency_contacts,
           put_at = excluded.put_at, next_put_at = excluded.next_put_at",
        business_id,
        &wanted.forward_to,
        &wanted.contacts,
        put_at
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Queues a code for each of these phones, within the daily limits, unless it has an open one. Cancels the codes of all
/// other phones of the business.
pub(super) async fn ask(tx: &mut PgConnection, business_id: &str, phones: &[String]) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE phone_codes SET state = 'cancelled', settled_at = now()
         WHERE business_id = $1 AND NOT phone = ANY($2) AND state IN ('waiting', 'sending', 'sent', 'unknown')",
        business_id,
        phones
    )
    .execute(&mut *tx)
    .await?;
    for phone in phones {
        let asked = sqlx::query_scalar!(
            "INSERT INTO phone_codes (id, business_id, phone, state, expires_at)
             SELECT $1, $2, $3, 'waiting', now() + interval '30 minutes'
             WHERE NOT EXISTS (SELECT 1 FROM phone_codes
                 WHERE business_id = $2 AND phone = $3 AND expires_at > now() AND cardinality(answers) < $4
                   AND (state IN ('waiting', 'sent') OR (state = 'sending' AND expires_at > now() + interval '29 minutes')))
               AND (SELECT count(*) FROM phone_codes WHERE phone = $3 AND asked_at > now() - interval '1 day') < $5
               AND (SELECT count(*) FROM phone_codes WHERE business_id = $2 AND asked_at > now() - interval '1 day') < $6
             RETURNING id",
            Uuid::now_v7(),
            business_id,
            phone,
            i32::try_from(WRONG_ANSWERS).unwrap_or(i32::MAX),
            CODES_PER_PHONE,
            CODES_PER_BUSINESS
        )
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(id) = asked {
            sqlx::query!(
                "UPDATE phone_codes SET state = 'cancelled', settled_at = now()
                 WHERE business_id = $1 AND phone = $2 AND id <> $3 AND state IN ('waiting', 'sending', 'sent', 'unknown')",
                business_id,
                phone,
                id
            )
            .execute(&mut *tx)
            .await?;
        }
    }
    Ok(())
}

/// Erases a customer who is such a phone: their codes.
pub(super) async fn forget_codes(tx: &mut PgConnection, of: &ErasureOf<'_>) -> Result<(), StoreError> {
    forwarding::lock(tx).await?;
    let (phone, business_ids) = (of.customer.as_str(), of.business_ids);
    sqlx::query!(
        "DELETE FROM phone_codes WHERE phone = $1 AND ($2::text[] IS NULL OR business_id = ANY($2))",
        phone,
        business_ids
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Erases a customer who is such a phone: their phone, if it was put and is not in effect yet.
pub(super) async fn forget_wanted(tx: &mut PgConnection, of: &ErasureOf<'_>) -> Result<(), StoreError> {
    forwarding::lock(tx).await?;
    let (phone, business_ids) = (of.customer.as_str(), of.business_ids);
    sqlx::query!(
        "UPDATE wanted_phones SET forward_to = nullif(forward_to, $1),
           forward_to_next = array_remove(forward_to_next, $1), emergency_contacts = array_remove(emergency_contacts, $1)
         WHERE (forward_to = $1 OR $1 = ANY(forward_to_next) OR $1 = ANY(emergency_contacts)) AND ($2::text[] IS NULL OR business_id = ANY($2))",
        phone,
        business_ids
    )
    .execute(tx)
    .await?;
    Ok(())
}

impl Store {
    /// Checks a text as the answer to a code. With the right code the phone takes effect, unless calls forwarded to it
    /// would no longer arrive.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable; then nothing has changed, and the same text may be checked again.
    pub async fn phone_answered(&self, answer: &CodeAnswer<'_>) -> Result<PhoneAnswer, StoreError> {
        let (business_id, phone) = (answer.business_id, answer.phone.as_str());
        let asked = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM phone_codes WHERE business_id = $1 AND phone = $2) AS "asked!""#,
            business_id,
            phone
        )
        .fetch_one(&self.pool)
        .await?;
        if !asked {
            return Ok(PhoneAnswer::NotAsked);
        }
        let mut tx = transaction::begin(&self.pool).await?;
        forwarding::lock(&mut tx).await?;
        let before = sqlx::query_scalar!(
            "SELECT state FROM phone_codes WHERE business_id = $1 AND phone = $2 AND $3 = ANY(answers)
             ORDER BY (state = 'confirmed' AND answers[cardinality(answers)] = $3) DESC LIMIT 1",
            business_id,
            phone,
            answer.message_sid
        )
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(state) = before {
            let right = state == "confirmed" && is_last(&mut tx, answer).await?;
            return Ok(if right { PhoneAnswer::Right { now: false } } else { PhoneAnswer::Wrong });
        }
        let code = sqlx::query!(
            r#"SELECT id, code_hash AS "expected!",
                 sha256(customer_hash(business_id, phone) || uuid_send(id) || convert_to($3, 'UTF8')) AS "given!"
               FROM phone_codes
               WHERE business_id = $1 AND phone = $2 AND state IN ('sending', 'sent', 'unknown') AND code_hash IS NOT NULL
                 AND expires_at > now() AND cardinality(answers) < $4
               ORDER BY asked_at DESC LIMIT 1 FOR UPDATE"#,
            business_id,
            phone,
            answer.code,
            i32::try_from(WRONG_ANSWERS).unwrap_or(i32::MAX)
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(code) = code else { return Ok(PhoneAnswer::NotAsked) };
        let right = constant_time_eq(&code.expected, &code.given);
        sqlx::query!(
            "UPDATE phone_codes SET answers = answers || $2, state = CASE WHEN $3 THEN 'confirmed' ELSE state END,
               settled_at = CASE WHEN $3 THEN now() ELSE settled_at END
             WHERE id = $1",
            code.id,
            &[answer.message_sid.to_owned()][..],
            right
        )
        .execute(&mut *tx)
        .await?;
        if right {
            super::ladder_calls::confirm(&mut tx, business_id, phone).await?;
            counts_now(&mut tx, business_id).await?;
        }
        tx.commit().await?;
        Ok(if right { PhoneAnswer::Right { now: true } } else { PhoneAnswer::Wrong })
    }

    /// The phones of these businesses that were put and are not in effect yet, by business.
    pub async fn pending_phones(
        &self,
        business_ids: &[String],
    ) -> Result<HashMap<String, Vec<PendingPhone>>, StoreError> {
        let wanted = sqlx::query!(
            r#"SELECT w.business_id, w.forward_to, w.emergency_contacts, b.forward_to AS effective, b.profile,
                 CASE WHEN w.next_put_at = w.put_at THEN w.forward_to_next END AS forward_to_next
               FROM wanted_phones w JOIN businesses b ON b.id = w.business_id AND b.updated_at = w.put_at
               WHERE w.business_id = ANY($1)"#,
            business_ids
        )
        .fetch_all(&self.pool)
        .await?;
        let mut pending = HashMap::new();
        for row in wanted {
            let counts = phones_of(row.effective, &row.profile);
            let wanted = wanted_phones(row.forward_to, row.forward_to_next, row.emergency_contacts, &counts);
            let codes = self.newest_codes(&row.business_id).await?;
            let of = |field, phone: &String| {
                let (state, expires_at) = codes.get(phone).copied().unwrap_or((CodeState::TooMany, None));
                PendingPhone { field, phone: phone.clone(), state, expires_at }
            };
            let calls = Phones { contacts: Vec::new(), forward_to: wanted.forward_to };
            let alerts = Phones { forward_to: Vec::new(), contacts: wanted.contacts };
            let forward_to: Vec<_> = counts.missing(&calls).iter().map(|p| of("forward_to", p)).collect();
            let contacts: Vec<_> = counts.missing(&alerts).iter().map(|p| of("emergency_contacts", p)).collect();
            pending.insert(row.business_id, forward_to.into_iter().chain(contacts).collect());
        }
        Ok(pending)
    }

    async fn newest_codes(
        &self,
        business_id: &str,
    ) -> Result<HashMap<String, (CodeState, Option<DateTime<Utc>>)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT DISTINCT ON (phone) phone, state, expires_at, expires_at <= now() AS "is_over!",
                 cardinality(answers) AS "answers!"
               FROM phone_codes WHERE business_id = $1 AND asked_at > now() - interval '1 day'
                 AND state NOT IN ('cancelled', 'confirmed')
               ORDER BY phone, asked_at DESC"#,
            business_id
        )
        .fetch_all(&self.pool)
        .await?;
        let row = rows.into_iter().map(|row| {
            let wrong = usize::try_from(row.answers).unwrap_or_default() >= WRONG_ANSWERS;
            let state = match row.state.as_str() {
                "not_sent" => CodeState::NotSent,
                _ if row.is_over || wrong => CodeState::Expired,
                "waiting" => CodeState::Waiting,
                "unknown" => CodeState::Unknown,
                _ => CodeState::Sent,
            };
            let may_answer = !matches!(state, CodeState::NotSent | CodeState::Expired);
            (row.phone, (state, may_answer.then_some(row.expires_at)))
        });
        Ok(row.collect())
    }

    /// Deletes codes older than 31 days; an answer is valid for 30 days.
    pub async fn prune_phone_codes(&self) -> Result<u64, StoreError> {
        let pruned = sqlx::query!("DELETE FROM phone_codes WHERE asked_at < now() - interval '31 days'")
            .execute(&self.pool)
            .await?;
        Ok(pruned.rows_affected())
    }
}

/// The phones of a PUT; those of which the table has nothing are as the document has them.
fn wanted_phones(
    first: Option<String>,
    next: Option<Vec<String>>,
    contacts: Option<Vec<String>>,
    counts: &Phones,
) -> Phones {
    let forward_to: Vec<String> = first.into_iter().chain(next.unwrap_or_default()).collect();
    Phones {
        forward_to: if forward_to.is_empty() { counts.forward_to.clone() } else { forward_to },
        contacts: contacts.unwrap_or_else(|| counts.contacts.clone()),
    }
}

/// Whether this text was the right answer.
async fn is_last(tx: &mut PgConnection, answer: &CodeAnswer<'_>) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM phone_codes WHERE business_id = $1 AND phone = $2 AND state = 'confirmed'
             AND answers[cardinality(answers)] = $3) AS "last!""#,
        answer.business_id,
        answer.phone.as_str(),
        answer.message_sid
    )
    .fetch_one(tx)
    .await?)
}

/// Puts the phones of a PUT into effect, as far as they have agreed.
async fn counts_now(tx: &mut PgConnection, business_id: &str) -> Result<(), StoreError> {
    let row = sqlx::query!(
        "SELECT w.forward_to, w.emergency_contacts, b.forward_to AS effective, b.profile,
           CASE WHEN w.next_put_at = w.put_at THEN w.forward_to_next END AS forward_to_next
         FROM wanted_phones w JOIN businesses b ON b.id = w.business_id AND b.updated_at = w.put_at
         WHERE w.business_id = $1 FOR UPDATE",
        business_id
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(()) };
    let before = phones_of(row.effective, &row.profile);
    let mut wanted = wanted_phones(row.forward_to, row.forward_to_next, row.emergency_contacts, &before);
    let willing = willing(tx, business_id).await?;
    let mut counts = before.with(&wanted, |phone| willing.iter().any(|other| other == phone));
    if counts.forward_to != before.forward_to {
        let numbers = sqlx::query_scalar!("SELECT phone FROM business_numbers WHERE business_id = $1", business_id)
            .fetch_all(&mut *tx)
            .await?;
        if forwarding::why_not(tx, business_id, &numbers, &counts.forward_to).await?.is_some() {
            tracing::warn!(
                business_id,
                "phone confirmed its code, but calls to it would now loop; forward_to is unchanged"
            );
            (counts.forward_to, wanted.forward_to) = (before.forward_to.clone(), before.forward_to.clone());
        }
    }
    sqlx::query!(
        "UPDATE businesses SET forward_to = $2, profile = $3 WHERE id = $1",
        business_id,
        counts.forward_to.first().cloned().unwrap_or_default(),
        with_phones(row.profile, &counts)
    )
    .execute(&mut *tx)
    .await?;
    if counts.missing(&wanted).is_empty() {
        sqlx::query!("DELETE FROM wanted_phones WHERE business_id = $1", business_id).execute(&mut *tx).await?;
    } else {
        sqlx::query!(
            "UPDATE wanted_phones SET forward_to = ($2::text[])[1], forward_to_next = ($2::text[])[2:], next_put_at = put_at
             WHERE business_id = $1",
            business_id,
            &wanted.forward_to
        )
        .execute(&mut *tx)
        .await?;
    }
    let data = json!({ "forward_to": counts.forward_to != before.forward_to,
                       "emergency_contacts": counts.contacts != before.contacts });
    sqlx::query!(
        "INSERT INTO audit (conversation_id, business_id, at, actor, actor_id, action, data)
         VALUES (NULL, $1, now(), 'phone', NULL, 'answered_a_code', $2)",
        business_id,
        data
    )
    .execute(tx)
    .await?;
    Ok(())
}
