//! The opt-out ledger: per business and customer, for all numbers of the business. It stores erased customers by hash.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::conversation::LedgerChange;
use crate::domain::phone::PhoneNumber;
use crate::store::LedgerEntry;

/// An entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptOut {
    /// The id of the entry.
    pub id: Uuid,
    /// The business that may not text the customer.
    pub business_id: String,
    /// The customer; `None` if they were erased.
    pub customer_phone: Option<String>,
    /// How it was said, as in [`LedgerChange::Out`].
    pub by: String,
    /// What the person who recorded it wrote about it.
    pub note: Option<String>,
    /// When it was said last.
    pub opted_out_at: DateTime<Utc>,
}

/// The filter of a list of opt-outs.
#[derive(Debug, Clone, Default)]
pub struct OptOutFilter {
    /// Only those of these businesses.
    pub business_ids: Option<Vec<String>>,
    /// Only those of this business.
    pub business_id: Option<String>,
    /// Only those of this customer, erased or not.
    pub customer_phone: Option<String>,
    /// Only those after this one in the list, given by its `opted_out_at` and id.
    pub after: Option<(DateTime<Utc>, Uuid)>,
}

impl Store {
    /// Opt-outs, the newest first.
    pub async fn list_opt_outs(&self, filter: &OptOutFilter, limit: i64) -> Result<Vec<OptOut>, StoreError> {
        let (at, id) = filter.after.unzip();
        Ok(sqlx::query_as!(
            OptOut,
            r#"SELECT id AS "id!", business_id AS "business_id!", customer_phone, by AS "by!", note,
                 opted_out_at AS "opted_out_at!"
               FROM (
                 (SELECT id, business_id, customer_phone, by, note, opted_out_at FROM opt_outs
                  WHERE ($1::text[] IS NULL OR business_id = ANY($1)) AND ($2::text IS NULL OR business_id = $2)
                    AND ($3::text IS NULL OR customer_phone = $3)
                    AND ($4::timestamptz IS NULL OR (opted_out_at, id) < ($4, $5::uuid))
                  ORDER BY opted_out_at DESC, id DESC LIMIT $6)
                 UNION ALL
                 (SELECT id, business_id, NULL, by, NULL, opted_out_at FROM erased_opt_outs
                  WHERE ($1::text[] IS NULL OR business_id = ANY($1)) AND ($2::text IS NULL OR business_id = $2)
                    AND ($3::text IS NULL OR customer = customer_hash(business_id, $3))
                    AND ($4::timestamptz IS NULL OR (opted_out_at, id) < ($4, $5::uuid))
                  ORDER BY opted_out_at DESC, id DESC LIMIT $6)
               ) AS ledger
               ORDER BY opted_out_at DESC, id DESC LIMIT $6"#,
            filter.business_ids.as_deref(),
            filter.business_id,
            filter.customer_phone,
            at,
            id,
            limit
        )
        .fetch_all(&mut *self.list().await?)
        .await?)
    }

    /// The opt-out with this id.
    pub async fn opt_out(&self, id: Uuid) -> Result<Option<OptOut>, StoreError> {
        Ok(sqlx::query_as!(
            OptOut,
            r#"SELECT id AS "id!", business_id AS "business_id!", customer_phone, by AS "by!", note,
                 opted_out_at AS "opted_out_at!" FROM opt_outs WHERE id = $1
               UNION ALL SELECT id, business_id, NULL, by, NULL, opted_out_at FROM erased_opt_outs WHERE id = $1"#,
            id
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// The opt-out of a customer of a business, if it is under their number.
    pub async fn opt_out_of(&self, business_id: &str, customer: &PhoneNumber) -> Result<Option<OptOut>, StoreError> {
        Ok(sqlx::query_as!(
            OptOut,
            r#"SELECT id, business_id, customer_phone AS "customer_phone?", by, note, opted_out_at FROM opt_outs
               WHERE business_id = $1 AND customer_phone = $2"#,
            business_id,
            customer.as_str()
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// The conversations in which a change of the ledger is recorded: those of the customer that are open, at any number of
    /// the business, or the newest if none is.
    pub async fn conversations_of_ledger(
        &self,
        business_id: &str,
        customer: &PhoneNumber,
    ) -> Result<Vec<Uuid>, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"WITH theirs AS (
                 SELECT id, status <> 'completed' AS is_open, created_at FROM conversations
                 WHERE business_id = $1 AND customer_phone = $2
               )
               SELECT id AS "id!" FROM theirs WHERE is_open
               UNION ALL
               (SELECT id FROM theirs WHERE NOT EXISTS (SELECT 1 FROM theirs WHERE is_open)
                ORDER BY created_at DESC, id DESC LIMIT 1)"#,
            business_id,
            customer.as_str()
        )
        .fetch_all(&self.pool)
        .await?)
    }
}

/// Stores a change of the ledger, in the transaction of the decision that made it.
pub(super) async fn write(
    tx: &mut PgConnection,
    business_id: &str,
    customer: &PhoneNumber,
    change: &LedgerChange,
) -> Result<(), StoreError> {
    let customer = customer.as_str();
    match change {
        LedgerChange::Out { by, at, note } => {
            sqlx::query!(
                "INSERT INTO opt_outs (business_id, customer_phone, by, opted_out_at, note) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (business_id, customer_phone)
                 DO UPDATE SET opted_out_at = greatest(opt_outs.opted_out_at, excluded.opted_out_at),
                   note = coalesce(opt_outs.note, excluded.note)",
                business_id,
                customer,
                by,
                at,
                note.as_deref()
            )
            .execute(tx)
            .await?;
        }
        LedgerChange::In => {
            sqlx::query!("DELETE FROM opt_outs WHERE business_id = $1 AND customer_phone = $2", business_id, customer)
                .execute(&mut *tx)
                .await?;
            sqlx::query!(
                "DELETE FROM erased_opt_outs WHERE business_id = $1 AND customer = customer_hash($1, $2)",
                business_id,
                customer
            )
            .execute(tx)
            .await?;
        }
    }
    Ok(())
}

/// Stores a change of the ledger for a customer who has no conversation, and its entry in the audit log: it has the hash by
/// which an erased customer is known, too.
pub(super) async fn write_entry(
    tx: &mut PgConnection,
    entry: &LedgerEntry,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let LedgerEntry { business_id, customer, change, audit } = entry;
    write(tx, business_id, customer, change).await?;
    sqlx::query!(
        "INSERT INTO audit (conversation_id, business_id, at, actor, actor_id, action, data)
         VALUES (NULL, $1, $2, $3, $4, $5,
                 $6::jsonb || jsonb_build_object('customer', encode(customer_hash($1, $7), 'hex')))",
        business_id,
        at,
        audit.actor,
        audit.actor_id,
        audit.action,
        audit.data,
        customer.as_str()
    )
    .execute(tx)
    .await?;
    Ok(())
}
