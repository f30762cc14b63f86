//! The ledger of who wants no texts: per business and customer, whichever of its numbers they wrote to. Customers who were
//! erased are in it by a hash.

use sqlx::PgConnection;

use super::{Store, StoreError};
use crate::conversation::{Conversation, LedgerChange};
use crate::phone::PhoneNumber;

impl Store {
    /// Whether a customer wants no texts of a business.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn is_opted_out(&self, business_id: &str, customer: &PhoneNumber) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM opt_outs WHERE business_id = $1 AND customer_phone = $2)
                 OR EXISTS (SELECT 1 FROM erased_opt_outs WHERE business_id = $1 AND customer = customer_hash($1, $2)) AS "out!""#,
            business_id,
            customer.as_str()
        )
        .fetch_one(&self.pool)
        .await?)
    }
}

/// Keeps a change of the ledger, in the transaction of the decision that made it.
pub(super) async fn write(
    tx: &mut PgConnection,
    conversation: &Conversation,
    change: &LedgerChange,
) -> Result<(), StoreError> {
    let (business_id, customer) = (&conversation.business_id, conversation.customer_phone.as_str());
    match change {
        LedgerChange::Out { by } => {
            sqlx::query!(
                "INSERT INTO opt_outs (business_id, customer_phone, by) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                business_id,
                customer,
                by
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
