//! Erasure of a customer: removes what they said and who they are, in one transaction. The rows stay, for the counts.

use serde_json::json;
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::{Store, StoreError, transaction};
use crate::domain::phone::PhoneNumber;
use crate::store::Kept;

/// The number of rows from which a customer was erased.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ErasedRows {
    /// Conversations that no longer name the customer.
    pub conversations: u64,
    /// Messages whose texts and attachments were removed.
    pub messages: u64,
    /// Calls whose caller was removed.
    pub calls: u64,
    /// Opt-outs that are now stored only as a hash.
    pub opt_outs: u64,
}

/// The outcome of an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasure {
    /// The customer was erased.
    Done(ErasedRows),
    /// One of the conversations is open, perhaps reopened: it must be ended first.
    Open,
    /// A message is at Twilio, and its outcome is not known yet, or an effect is not published yet.
    Sending,
}

/// The customer to be erased, and who requested it.
#[derive(Debug, Clone, Copy)]
pub struct ErasureOf<'a> {
    /// The number of the customer.
    pub customer: &'a PhoneNumber,
    /// The businesses to erase the customer from; `None` means all.
    pub business_ids: Option<&'a [String]>,
    /// Who requested the erasure, for the audit entry.
    pub asked_by: &'a str,
}

/// Businesses are optional in its statements, as in those of lists.
const BEGIN: &str = "BEGIN; SET LOCAL plan_cache_mode = force_custom_plan";

impl Store {
    /// The ids of a customer's conversations.
    pub async fn conversation_ids_of(&self, of: &ErasureOf<'_>) -> Result<Vec<Uuid>, StoreError> {
        Ok(sqlx::query_scalar!(
            "SELECT id FROM conversations WHERE customer_phone = $1 AND ($2::text[] IS NULL OR business_id = ANY($2))",
            of.customer.as_str(),
            of.business_ids
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Those of these conversations that are open.
    pub async fn open_conversations(&self, ids: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
        Ok(sqlx::query_scalar!("SELECT id FROM conversations WHERE id = ANY($1) AND status <> 'completed'", ids)
            .fetch_all(&self.pool)
            .await?)
    }

    /// Whether a webhook that may be about the customer waits for JetStream: its payload contains their number.
    pub async fn webhooks_wait_for(&self, customer: &PhoneNumber) -> Result<bool, StoreError> {
        let digits = customer.as_str().trim_start_matches('+');
        Ok(sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM waiting_webhooks WHERE position(convert_to($1, 'UTF8') IN payload) > 0) AS "any!""#,
            digits
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Erases a customer, with `theirs` of the conversations; one that was opened later is a new customer's. With
    /// `whatever_is_sent`, a message whose outcome is not known yet counts as `unknown`, and what is not published is
    /// published without the customer.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable; then nothing is erased.
    pub async fn erase(
        &self,
        of: &ErasureOf<'_>,
        theirs: &[Uuid],
        whatever_is_sent: bool,
    ) -> Result<Erasure, StoreError> {
        let mut tx = transaction::begin_with(&self.pool, BEGIN).await?;
        // From here on, the locks keep these conversations from being changed and their messages from being claimed.
        let conversations = sqlx::query!(
            "SELECT id, status FROM conversations
             WHERE id = ANY($1) AND customer_phone = $2 ORDER BY id FOR UPDATE",
            theirs,
            of.customer.as_str()
        )
        .fetch_all(&mut *tx)
        .await?;
        if conversations.iter().any(|row| row.status != "completed") {
            return Ok(Erasure::Open);
        }
        let ids: Vec<Uuid> = conversations.iter().map(|row| row.id).collect();
        // What was just committed may be on its way to JetStream, from the memory of a worker.
        let sending = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM messages WHERE subject_conversation_id = ANY($1) AND status = 'sending')
                 OR EXISTS (SELECT 1 FROM outbox WHERE published_at IS NULL AND (key = ANY($1)
                      OR key IN (SELECT id FROM calls WHERE customer_phone = $2
                                 AND ($3::text[] IS NULL OR business_id = ANY($3)))))
                 OR EXISTS (SELECT 1 FROM messages m JOIN conversations own ON own.id = m.subject_conversation_id
                            WHERE own.own_side AND m.status = 'sending' AND position($2 IN m.body) > 0
                              AND ($3::text[] IS NULL OR own.business_id = ANY($3))) AS "any!""#,
            &ids,
            of.customer.as_str(),
            of.business_ids
        )
        .fetch_one(&mut *tx)
        .await?;
        if sending && !whatever_is_sent {
            return Ok(Erasure::Sending);
        }
        let mut erased = ErasedRows::default();
        for business_id in businesses(&mut tx, of).await? {
            erased.add(of_business(&mut tx, of, &business_id, &ids).await?);
        }
        for kept in Kept::ALL {
            match kept {
                Kept::Idempotency => forget_answers(&mut tx, of, &ids).await?,
                Kept::PhoneCodes => super::phone_codes::forget_codes(&mut tx, of).await?,
                Kept::WantedPhones => super::phone_codes::forget_wanted(&mut tx, of).await?,
                Kept::OwnerTexts => super::owner_texts::forget(&mut tx, of, &ids).await?,
                Kept::ConfirmedPhones => super::ladder_calls::forget(&mut tx, of).await?,
                Kept::TwilioParticipants => super::twilio_participants::forget(&mut tx, of).await?,
                _of_a_business => {}
            }
        }
        tx.commit().await?;
        Ok(Erasure::Done(erased))
    }
}

impl ErasedRows {
    fn add(&mut self, more: Self) {
        self.conversations += more.conversations;
        self.messages += more.messages;
        self.calls += more.calls;
        self.opt_outs += more.opt_outs;
    }
}

/// The businesses that have data about the customer.
async fn businesses(tx: &mut PgConnection, of: &ErasureOf<'_>) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT business_id AS "business_id!" FROM (
             SELECT business_id FROM conversations WHERE customer_phone = $1
             UNION SELECT business_id FROM calls WHERE customer_phone = $1
             UNION SELECT business_id FROM opt_outs WHERE customer_phone = $1
             UNION SELECT own.business_id FROM conversations own JOIN messages m ON m.subject_conversation_id = own.id
                   WHERE own.own_side AND position($1 IN m.body) > 0
           ) AS known WHERE $2::text[] IS NULL OR business_id = ANY($2)"#,
        of.customer.as_str(),
        of.business_ids
    )
    .fetch_all(tx)
    .await?)
}

/// A customer of a business, while they are being erased.
struct Erasing<'a> {
    of: &'a ErasureOf<'a>,
    business_id: &'a str,
    /// The conversations that were ended and locked. The customer may be opening another one at this moment, as a new
    /// customer.
    ended: &'a [Uuid],
    /// The number in place of the customer's.
    nobody: String,
    /// The conversations of this business.
    ids: Vec<Uuid>,
    calls: Vec<Uuid>,
    erased: ErasedRows,
}

async fn of_business(
    tx: &mut Transaction<'_, Postgres>,
    of: &ErasureOf<'_>,
    business_id: &str,
    ended: &[Uuid],
) -> Result<ErasedRows, StoreError> {
    let (nobody, erased) = (nobody(), ErasedRows::default());
    let mut erasing = Erasing { of, business_id, ended, nobody, ids: Vec::new(), calls: Vec::new(), erased };
    for kept in Kept::ALL {
        erasing.forget(tx, *kept).await?;
    }
    record(tx, of, business_id, &erasing.ids, erasing.erased).await?;
    Ok(erasing.erased)
}

impl Erasing<'_> {
    /// Erases the customer from one of the places where something is kept of them.
    async fn forget(&mut self, tx: &mut PgConnection, kept: Kept) -> Result<(), StoreError> {
        match kept {
            Kept::Conversations => self.forget_conversations(tx).await,
            Kept::Messages => self.forget_messages(tx).await,
            Kept::Analyses => self.forget_analyses(tx).await,
            Kept::EmergencyVerdicts => self.forget_verdicts(tx).await,
            Kept::Calls => self.forget_calls(tx).await,
            Kept::Outbox => forget_effects(tx, &self.ids, &self.calls, &self.nobody).await,
            Kept::OptOuts => {
                self.erased.opt_outs = keep_opt_out(tx, self.business_id, self.of.customer.as_str()).await?;
                Ok(())
            }
            // Ids, times and words of ours; the hash of an opt-out; a list that the business keeps for itself.
            Kept::Windows | Kept::WindowSteps | Kept::Audit | Kept::ErasedOptOuts | Kept::NeverText => Ok(()),
            // For all businesses at once, whether they know the customer otherwise or not.
            Kept::PhoneCodes
            | Kept::WantedPhones
            | Kept::ConfirmedPhones
            | Kept::OwnerTexts
            | Kept::TwilioParticipants
            | Kept::Idempotency => Ok(()),
            // No tables.
            Kept::DeadLetters | Kept::EventLog => Ok(()),
        }
    }

    /// Single words from the rules and DispatchBot stay, because they are counted; sentences may describe the customer.
    async fn forget_conversations(&mut self, tx: &mut PgConnection) -> Result<(), StoreError> {
        self.ids = sqlx::query_scalar!(
            r#"UPDATE conversations SET customer_phone = $3, summary = NULL, erased_at = now(),
             outcome = CASE WHEN outcome ~ '^[a-z0-9_]{1,40}$' THEN outcome END,
             job_type = CASE WHEN job_type ~ '^[a-z0-9_]{1,40}$' THEN job_type END,
             rules_state = '{"window": null, "answering": null}', answering_window = NULL, next_timer_at = NULL,
             version = version + 1, epoch = epoch + 1, hard_epoch = hard_epoch + 1
           WHERE business_id = $1 AND customer_phone = $2 AND id = ANY($4) RETURNING id"#,
            self.business_id,
            self.of.customer.as_str(),
            self.nobody,
            self.ended
        )
        .fetch_all(tx)
        .await?;
        self.erased.conversations = self.ids.len() as u64;
        Ok(())
    }

    /// A bundle of alerts names several customers. One that is still to be sent takes its text from its lines, without
    /// this customer's.
    async fn forget_messages(&mut self, tx: &mut PgConnection) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE messages SET body = ''
         WHERE id IN (SELECT bundled_into FROM messages WHERE subject_conversation_id = ANY($1) AND bundled_into IS NOT NULL)",
            &self.ids
        )
        .execute(&mut *tx)
        .await?;
        let messages = sqlx::query!(
            "UPDATE messages m SET body = '', media = '[]', bundle_line = NULL, claim = NULL, lease_until = NULL,
           status = CASE WHEN status = 'queued' AND NOT EXISTS (SELECT 1 FROM messages b WHERE b.bundled_into = m.id)
                      THEN 'superseded'
                      WHEN status = 'sending' THEN 'unknown' ELSE status END
         WHERE subject_conversation_id = ANY($1)",
            &self.ids
        )
        .execute(&mut *tx)
        .await?;
        self.erased.messages = messages.rows_affected() + self.forget_notices(tx).await?;
        Ok(())
    }

    /// What a phone of the own side was told about several customers, such as the answer to LIST, is in that phone's own
    /// conversation. It is deleted as a whole: it is of no use any more, and the owner can ask again.
    async fn forget_notices(&self, tx: &mut PgConnection) -> Result<u64, StoreError> {
        let notices = sqlx::query!(
            "UPDATE messages SET body = '', claim = NULL, lease_until = NULL,
           status = CASE WHEN status = 'queued' THEN 'superseded' WHEN status = 'sending' THEN 'unknown' ELSE status END
         WHERE subject_conversation_id IN (SELECT id FROM conversations WHERE business_id = $1 AND own_side)
           AND position($2 IN body) > 0",
            self.business_id,
            self.of.customer.as_str()
        )
        .execute(tx)
        .await?;
        Ok(notices.rows_affected())
    }

    async fn forget_analyses(&self, tx: &mut PgConnection) -> Result<(), StoreError> {
        sqlx::query!(r#"UPDATE analyses SET said = '{"erased": true}' WHERE conversation_id = ANY($1)"#, &self.ids)
            .execute(tx)
            .await?;
        Ok(())
    }

    async fn forget_verdicts(&self, tx: &mut PgConnection) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE emergency_verdicts SET reasons =
           (SELECT coalesce(jsonb_agg(jsonb_set(reason, '{words}', '[]')), '[]') FROM jsonb_array_elements(reasons) AS reason)
         WHERE conversation_id = ANY($1)",
            &self.ids
        )
        .execute(tx)
        .await?;
        Ok(())
    }

    /// A call that is still ringing has no caller from now on, so that no text is sent for it.
    async fn forget_calls(&mut self, tx: &mut PgConnection) -> Result<(), StoreError> {
        self.calls = sqlx::query_scalar!(
            "UPDATE calls SET customer_phone = CASE WHEN status <> 'ringing' THEN $3 END, version = version + 1
         WHERE business_id = $1 AND customer_phone = $2 RETURNING id",
            self.business_id,
            self.of.customer.as_str(),
            self.nobody
        )
        .fetch_all(tx)
        .await?;
        self.erased.calls = self.calls.len() as u64;
        Ok(())
    }
}

/// A number in place of the customer's. It belongs to nobody, because country code 999 is not assigned, and it does not
/// reveal the customer, because it is random.
fn nobody() -> String {
    format!("+999{:012}", rand::random_range(0..1_000_000_000_000_u64))
}

/// Deletes published effects, and removes the customer from events that still wait to be published.
async fn forget_effects(tx: &mut PgConnection, ids: &[Uuid], calls: &[Uuid], nobody: &str) -> Result<(), StoreError> {
    let keys = [ids, calls].concat();
    sqlx::query!("DELETE FROM outbox WHERE key = ANY($1) AND published_at IS NOT NULL", &keys)
        .execute(&mut *tx)
        .await?;
    sqlx::query!(
        "UPDATE outbox SET payload = payload || jsonb_build_object('customer_phone', $2::text, 'data', '{}'::jsonb)
         WHERE key = ANY($1) AND subject LIKE 'nmc.event.%'",
        &keys,
        nobody
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Keeps the opt-out of an erased customer: the ledger stores them as a hash.
async fn keep_opt_out(tx: &mut PgConnection, business_id: &str, customer: &str) -> Result<u64, StoreError> {
    sqlx::query!(
        "INSERT INTO erased_opt_outs (id, business_id, customer, by, opted_out_at)
         SELECT id, business_id, customer_hash(business_id, customer_phone), by, opted_out_at FROM opt_outs
         WHERE business_id = $1 AND customer_phone = $2 ON CONFLICT DO NOTHING",
        business_id,
        customer
    )
    .execute(&mut *tx)
    .await?;
    let gone =
        sqlx::query!("DELETE FROM opt_outs WHERE business_id = $1 AND customer_phone = $2", business_id, customer)
            .execute(tx)
            .await?;
    Ok(gone.rows_affected())
}

/// Deletes answers stored under idempotency keys that contain the customer's number or the id of one of their
/// conversations.
async fn forget_answers(tx: &mut PgConnection, of: &ErasureOf<'_>, ids: &[Uuid]) -> Result<(), StoreError> {
    let digits = of.customer.as_str().trim_start_matches('+');
    let told: Vec<String> = ids.iter().map(ToString::to_string).chain([digits.to_owned()]).collect();
    sqlx::query!(
        "DELETE FROM idempotency WHERE EXISTS (SELECT 1 FROM unnest($1::text[]) AS told WHERE position(told IN body) > 0)",
        &told
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes audit entries for each conversation and for the business: that the customer was erased, when and by whose
/// request, without the number.
async fn record(
    tx: &mut PgConnection,
    of: &ErasureOf<'_>,
    business_id: &str,
    ids: &[Uuid],
    erased: ErasedRows,
) -> Result<(), StoreError> {
    let ErasedRows { conversations, messages, calls, opt_outs } = erased;
    let counts = json!({ "conversations": conversations, "messages": messages, "calls": calls, "opt_outs": opt_outs });
    sqlx::query!(
        "INSERT INTO audit (conversation_id, business_id, at, actor, actor_id, action, data)
         SELECT id, $2, now(), 'user', $3, 'erased_the_customer', '{}'::jsonb FROM unnest($1::uuid[]) AS id
         UNION ALL SELECT NULL, $2, now(), 'user', $3, 'erased_the_customer', $4::jsonb",
        ids,
        business_id,
        of.asked_by,
        counts
    )
    .execute(tx)
    .await?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_a_number_that_can_be_read_as_one() {
        let (one, other) = (nobody(), nobody());
        assert!(one.parse::<PhoneNumber>().is_ok() && one.starts_with("+999") && one.len() == 16, "{one}");
        assert_ne!(one, other);
    }
}
