//! Texts of the business's own side: what is known when one is read, what is done about it, and the codes of conversations.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::checked::Checked;
use super::conversations::{
    ConversationRow, RulesState, select_conversations, select_from_conversations, with_conversation_columns,
};
use super::erasure::ErasureOf;
use super::{Store, StoreError, Stored, transaction};
use crate::domain::conversation::{CodeChange, Conversation, pairing};
use crate::domain::owner::{Code, Plan, RELAYED_WITHIN};
use crate::store::{MOST_OPEN, OwnerText, OwnerView};

impl Store {
    /// What is known when a text of the business's own side is read.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable.
    pub async fn owner_view(&self, text: &OwnerText<'_>, now: DateTime<Utc>) -> Stored<OwnerView> {
        let OwnerText { input_id, business_id, phone, body } = *text;
        let before = sqlx::query!(
            r#"SELECT
                 (SELECT plan FROM owner_texts WHERE input_id = $1) AS "plan: Json<Plan>",
                 EXISTS (SELECT FROM owner_codes o WHERE o.business_id = $2 AND o.given_back_at > $5
                         AND NOT EXISTS (SELECT FROM conversations c WHERE c.id = o.conversation_id AND c.status <> 'completed')
                 ) AS "ended_lately!",
                 count(*) AS "texts!", count(*) FILTER (WHERE words_hash = sha256(convert_to($4, 'UTF8'))) AS "same_words!"
               FROM owner_texts
               WHERE business_id = $2 AND phone = $3 AND input_id <> $1 AND created_at > $5"#,
            input_id,
            business_id,
            phone.as_str(),
            body,
            now - RELAYED_WITHIN
        )
        .fetch_one(&self.pool)
        .await?;
        let rows = select_conversations!(
            "WHERE business_id = $1 AND status <> 'completed' ORDER BY last_activity DESC, id DESC LIMIT $2",
            business_id,
            MOST_OPEN
        )
        .fetch_all(&self.pool)
        .await?;
        // One that this version does not understand keeps the owner from no other.
        let is_understood = |row: Result<Conversation, StoreError>| match row {
            Err(error @ StoreError::Corrupt { .. }) => {
                tracing::warn!(business_id, %error, "an open conversation is left out");
                None
            }
            row => Some(row),
        };
        let open = rows.into_iter().map(ConversationRow::parse).filter_map(is_understood).collect::<Result<_, _>>()?;
        let plan = before.plan.map(|plan| plan.0);
        Ok(OwnerView {
            plan,
            open,
            texts: before.texts,
            same_words: before.same_words,
            ended_lately: before.ended_lately,
        })
    }

    /// Keeps what is to be done about a text that was received `at`, once: returns what was kept first. A text that has
    /// arrived by the other of Twilio's APIs, too, has had its plan: for its second arrival, nothing is to be done.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable: it may be kept.
    pub async fn keep_owner_plan(&self, text: &OwnerText<'_>, plan: Plan, at: DateTime<Utc>) -> Stored<Plan> {
        let mut tx = transaction::begin(&self.pool).await?;
        sqlx::query_scalar!(
            r#"SELECT true AS "locked!" FROM pg_advisory_xact_lock(hashtextextended($1 || ' owner ' || $2, 0))"#,
            text.business_id,
            text.phone.as_str()
        )
        .fetch_one(&mut *tx)
        .await?;
        let kept = sqlx::query_scalar!(
            r#"INSERT INTO owner_texts AS t (input_id, business_id, phone, words_hash, plan, created_at)
               SELECT $1, $2, $3, sha256(convert_to($4, 'UTF8')), CASE WHEN arrivals.other > arrivals.own THEN $7::jsonb ELSE $5::jsonb END, $6
               FROM (SELECT count(*) FILTER (WHERE (input_id LIKE 'sms:IM%') = ($1 LIKE 'sms:IM%')) AS own,
                            count(*) FILTER (WHERE (input_id LIKE 'sms:IM%') <> ($1 LIKE 'sms:IM%')) AS other
                     FROM owner_texts
                     WHERE business_id = $2 AND phone = $3 AND words_hash = sha256(convert_to($4, 'UTF8')) AND input_id <> $1
                       AND created_at BETWEEN $6::timestamptz - make_interval(secs => $8) AND $6 + make_interval(secs => $8)) AS arrivals
               ON CONFLICT (input_id) DO UPDATE SET plan = t.plan
               RETURNING plan AS "plan: Json<Plan>""#,
            text.input_id,
            text.business_id,
            text.phone.as_str(),
            text.body,
            Json(plan) as _,
            at,
            Json(Plan::Nothing) as _,
            pairing::WITHIN.as_seconds_f64()
        )
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(kept.0)
    }

    /// Records that the owner is away, or back, by a text of this time. An older text than the last one changes nothing.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable: it may be recorded.
    pub async fn set_owner_off(&self, business_id: &str, is_off: bool, at: DateTime<Utc>) -> Stored<()> {
        sqlx::query!(
            "UPDATE businesses SET owner_off_since = CASE WHEN $2 THEN coalesce(owner_off_since, $3) END, owner_off_changed_at = $3
             WHERE id = $1 AND (owner_off_changed_at IS NULL OR owner_off_changed_at <= $3)",
            business_id,
            is_off,
            at
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The codes that no other conversation of these businesses may get, by business.
    pub(super) async fn codes_in_use(&self, business_ids: &[&str]) -> Stored<Vec<(String, Code)>> {
        let rows = sqlx::query!(
            "SELECT business_id, code FROM owner_codes
             WHERE business_id = ANY($1) AND (given_back_at IS NULL OR given_back_at > now() - interval '1 day')",
            business_ids as _
        )
        .fetch_all(&self.by_key)
        .await?;
        let parsed = rows.into_iter().filter_map(|row| Some((row.business_id, row.code.parse().ok()?)));
        Ok(parsed.collect())
    }
}

/// Forgets the words of the texts that were for these conversations of a customer, and the customer's number, if it is that of
/// a phone of an own side. Which conversation a text was for stays: a text that is delivered again changes no other one.
pub(super) async fn forget(tx: &mut PgConnection, of: &ErasureOf<'_>, ids: &[Uuid]) -> Result<(), StoreError> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    sqlx::query!(
        "UPDATE owner_texts SET words_hash = '', phone = CASE WHEN phone = $1 THEN '' ELSE phone END
         WHERE (phone = $1 OR plan ->> 'conversation' = ANY($2)) AND ($3::text[] IS NULL OR business_id = ANY($3))",
        of.customer.as_str(),
        &ids,
        of.business_ids
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes a change of codes; `false` if another conversation has the code.
pub(super) async fn write_code(
    tx: &mut PgConnection,
    business_id: &str,
    conversation_id: Uuid,
    change: CodeChange,
) -> Result<bool, StoreError> {
    match change {
        CodeChange::Taken(code) => {
            let taken = sqlx::query!(
                "INSERT INTO owner_codes AS c (business_id, code, conversation_id) VALUES ($1, $2, $3)
                 ON CONFLICT (business_id, code) DO UPDATE SET conversation_id = $3, given_back_at = NULL
                   WHERE c.given_back_at <= now() - interval '1 day'",
                business_id,
                code.to_string(),
                conversation_id
            )
            .execute(tx)
            .await?;
            Ok(taken.rows_affected() == 1)
        }
        CodeChange::GivenBack => {
            sqlx::query!(
                "UPDATE owner_codes SET given_back_at = now() WHERE conversation_id = $1 AND given_back_at IS NULL",
                conversation_id
            )
            .execute(tx)
            .await?;
            Ok(true)
        }
    }
}
