//! Lists of conversations, newest activity first.
//!
//! A list is merged from groups: the conversations with one status and one ownership, of one business where few businesses
//! are asked for. Each group is read in its order from an index, so a filter that matches few rows, or none, costs no more
//! than one that matches all. PostgreSQL cannot skip through an index by itself, so the values are given.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use super::checked::Checked;
use super::conversations::{
    ConversationRow, RulesState, select_conversations, select_from_conversations, with_conversation_columns,
};
use super::{Store, StoreError};
use crate::domain::conversation::{Conversation, Ownership, Status};

/// For up to this many businesses, the groups of each are read. That is about a tenth of a millisecond for each of them; the
/// groups of all businesses are faster for more, unless these have few of all conversations.
pub(super) const FEW_BUSINESSES: usize = 64;

/// The filter of a list of conversations.
#[derive(Debug, Clone, Default)]
pub struct ConversationFilter {
    /// Only conversations of these businesses.
    pub business_ids: Option<Vec<String>>,
    /// Only conversations of this business.
    pub business_id: Option<String>,
    /// Only conversations with this customer.
    pub customer_phone: Option<String>,
    /// Only conversations with this status.
    pub status: Option<Status>,
    /// Only conversations with this ownership.
    pub ownership: Option<Ownership>,
    /// Only conversations with activity at or after this time.
    pub since: Option<DateTime<Utc>>,
    /// Only conversations after this one in the list, given by the time that orders it, and its id.
    pub after: Option<(DateTime<Utc>, Uuid)>,
}

impl ConversationFilter {
    /// The businesses; `None` means all.
    pub(super) fn businesses(&self) -> Option<Vec<&str>> {
        match (&self.business_id, &self.business_ids) {
            (None, None) => None,
            (None, Some(all)) => Some(all.iter().map(String::as_str).collect()),
            (Some(one), None) => Some(vec![one]),
            (Some(one), Some(all)) => Some(all.iter().filter(|id| *id == one).map(String::as_str).collect()),
        }
    }

    fn statuses(&self) -> Vec<&'static str> {
        self.status.as_ref().map_or(Status::ALL, std::slice::from_ref).iter().map(|status| status.as_str()).collect()
    }

    fn ownerships(&self) -> Vec<&'static str> {
        let ownerships = self.ownership.as_ref().map_or(Ownership::ALL, std::slice::from_ref);
        ownerships.iter().map(|ownership| ownership.as_str()).collect()
    }
}

/// Merges groups into a list: `select_merged!("groups by business", "the business of a row", businesses, filter, limit)`. The
/// businesses are `$1`.
macro_rules! select_merged {
    ($by_business:literal, $of_business:literal, $businesses:expr, $filter:expr, $limit:expr) => {{
        let (after_at, after_id) = $filter.after.unzip();
        select_conversations!(
            "WHERE id = ANY(ARRAY(
                 SELECT page.id
                 FROM "
                + $by_business
                + " unnest($2::text[]) AS s CROSS JOIN unnest($3::text[]) AS o
                   CROSS JOIN LATERAL (
                     SELECT c.id, c.last_activity FROM conversations c
                     WHERE c.status = s AND c.ownership = o AND NOT c.own_side AND "
                + $of_business
                + " AND ($4::timestamptz IS NULL OR c.last_activity >= $4)
                       AND ($5::timestamptz IS NULL OR (c.last_activity, c.id) < ($5, $6::uuid))
                     ORDER BY c.last_activity DESC, c.id DESC
                     LIMIT $7) page
                 ORDER BY page.last_activity DESC, page.id DESC
                 LIMIT $7))
               ORDER BY last_activity DESC, id DESC",
            $businesses as _,
            &$filter.statuses() as _,
            &$filter.ownerships() as _,
            $filter.since,
            after_at,
            after_id,
            $limit
        )
    }};
}

impl Store {
    /// Conversations, newest activity first.
    pub async fn conversations(
        &self,
        filter: &ConversationFilter,
        limit: i64,
    ) -> Result<Vec<Conversation>, StoreError> {
        let businesses = filter.businesses();
        let rows = match (&filter.customer_phone, businesses) {
            (Some(customer), businesses) => self.of_customer(filter, customer, businesses.as_deref(), limit).await?,
            (None, Some(few)) if few.len() <= FEW_BUSINESSES => self.of_few_businesses(filter, &few, limit).await?,
            (None, businesses) => self.of_many_businesses(filter, businesses.as_deref(), limit).await?,
        };
        rows.into_iter().map(ConversationRow::parse).collect()
    }

    async fn of_customer(
        &self,
        filter: &ConversationFilter,
        customer: &str,
        businesses: Option<&[&str]>,
        limit: i64,
    ) -> Result<Vec<ConversationRow>, StoreError> {
        let (after_at, after_id) = filter.after.unzip();
        Ok(select_conversations!(
            "WHERE customer_phone = $1 AND NOT own_side
                 AND ($2::text[] IS NULL OR business_id = ANY($2))
                 AND ($3::text IS NULL OR status = $3)
                 AND ($4::text IS NULL OR ownership = $4)
                 AND ($5::timestamptz IS NULL OR last_activity >= $5)
                 AND ($6::timestamptz IS NULL OR (last_activity, id) < ($6, $7::uuid))
               ORDER BY last_activity DESC, id DESC
               LIMIT $8",
            customer,
            businesses as _,
            filter.status.map(Status::as_str),
            filter.ownership.map(Ownership::as_str),
            filter.since,
            after_at,
            after_id,
            limit
        )
        .fetch_all(&mut *self.list().await?)
        .await?)
    }

    async fn of_few_businesses(
        &self,
        filter: &ConversationFilter,
        businesses: &[&str],
        limit: i64,
    ) -> Result<Vec<ConversationRow>, StoreError> {
        let merged =
            select_merged!("unnest($1::text[]) AS b CROSS JOIN", "c.business_id = b", businesses, filter, limit);
        Ok(merged.fetch_all(&mut *self.list().await?).await?)
    }

    async fn of_many_businesses(
        &self,
        filter: &ConversationFilter,
        businesses: Option<&[&str]>,
        limit: i64,
    ) -> Result<Vec<ConversationRow>, StoreError> {
        let merged = select_merged!("", "($1::text[] IS NULL OR c.business_id = ANY($1))", businesses, filter, limit);
        Ok(merged.fetch_all(&mut *self.list().await?).await?)
    }
}
