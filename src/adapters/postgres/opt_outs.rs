//! The opt-out ledger: per business and customer, for all numbers of the business. It stores erased customers by hash.

use sqlx::PgConnection;

use super::StoreError;
use crate::domain::conversation::{Conversation, LedgerChange};

/// Stores a change of the ledger, in the transaction of the decision that made it.
pub(super) async fn write(
    tx: &mut PgConnection,
    conversation: &Conversation,
    change: &LedgerChange,
) -> Result<(), StoreError> {
    let (business_id, customer) = (&conversation.business_id, conversation.customer_phone.as_str());
    match change {
        LedgerChange::Out { by, at } => {
            sqlx::query!(
                "INSERT INTO opt_outs (business_id, customer_phone, by, opted_out_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (business_id, customer_phone)
                 DO UPDATE SET opted_out_at = greatest(opt_outs.opted_out_at, excluded.opted_out_at)",
                business_id,
                customer,
                by,
                at
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
