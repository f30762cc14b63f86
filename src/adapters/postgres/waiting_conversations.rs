//! The conversations whose customers wait for an answer, longest first.
//!
//! Few conversations wait at a time, so the index of those is read in order, and the other filters are applied to its rows.

use sqlx::types::Json;

use super::checked::Checked;
use super::conversation_lists::{ConversationFilter, FEW_BUSINESSES};
use super::conversations::{
    ConversationRow, RulesState, select_conversations, select_from_conversations, with_conversation_columns,
};
use super::{Store, StoreError};
use crate::domain::conversation::{Conversation, Ownership, Status};

/// Merges lists of conversations that wait: `select_waiting!("lists by business", "the business of a row", businesses, filter,
/// limit)`. The businesses are `$1`.
macro_rules! select_waiting {
    ($by_business:literal, $of_business:literal, $businesses:expr, $filter:expr, $limit:expr) => {{
        let (after_at, after_id) = $filter.after.unzip();
        select_conversations!(
            "WHERE id = ANY(ARRAY(
                 SELECT page.id
                 FROM "
                + $by_business
                + " (SELECT c.id, c.waiting_since FROM conversations c
                     WHERE c.waiting_since IS NOT NULL AND "
                + $of_business
                + " AND ($2::text IS NULL OR c.customer_phone = $2)
                       AND ($3::text IS NULL OR c.status = $3)
                       AND ($4::text IS NULL OR c.ownership = $4)
                       AND ($5::timestamptz IS NULL OR c.last_activity >= $5)
                       AND ($6::timestamptz IS NULL OR (c.waiting_since, c.id) > ($6, $7::uuid))
                     ORDER BY c.waiting_since, c.id
                     LIMIT $8) page
                 ORDER BY page.waiting_since, page.id
                 LIMIT $8))
               ORDER BY waiting_since, id",
            $businesses as _,
            $filter.customer_phone,
            $filter.status.map(Status::as_str),
            $filter.ownership.map(Ownership::as_str),
            $filter.since,
            after_at,
            after_id,
            $limit
        )
    }};
}

impl Store {
    /// The conversations whose customers wait, longest first. `after` of the filter is the last one's `waiting_since` and id.
    pub async fn waiting_conversations(
        &self,
        filter: &ConversationFilter,
        limit: i64,
    ) -> Result<Vec<Conversation>, StoreError> {
        let businesses = filter.businesses();
        let businesses = businesses.as_deref();
        let mut connection = self.list().await?;
        let rows = match businesses {
            Some(few) if few.len() <= FEW_BUSINESSES => {
                let waiting = select_waiting!(
                    "unnest($1::text[]) AS b CROSS JOIN LATERAL",
                    "c.business_id = b",
                    few,
                    filter,
                    limit
                );
                waiting.fetch_all(&mut *connection).await?
            }
            businesses => {
                let waiting =
                    select_waiting!("", "($1::text[] IS NULL OR c.business_id = ANY($1))", businesses, filter, limit);
                waiting.fetch_all(&mut *connection).await?
            }
        };
        rows.into_iter().map(ConversationRow::parse).collect()
    }
}
