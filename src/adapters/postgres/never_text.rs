//! The numbers that a business never texts automatically.

use chrono::{DateTime, Utc};

use super::{Store, StoreError};
use crate::domain::phone::PhoneNumber;

/// The most numbers that a business can list: all of them are kept with the cached business.
const MOST_NUMBERS: i64 = 1_000;

/// A number that never gets an automatic text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeverText {
    /// The number.
    pub phone: String,
    /// When it was put on the list.
    pub added_at: DateTime<Utc>,
}

impl Store {
    /// Puts a number on a business's list. `false` if there is no such business.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if the list is full; otherwise if PostgreSQL is unavailable.
    pub async fn add_never_text(&self, business_id: &str, phone: &PhoneNumber) -> Result<bool, StoreError> {
        let added = sqlx::query_scalar!(
            r#"WITH listed AS (SELECT count(*) AS count FROM never_text WHERE business_id = $1 AND phone <> $2),
                 added AS (
                   INSERT INTO never_text (business_id, phone)
                   SELECT b.id, $2 FROM businesses b, listed WHERE b.id = $1 AND listed.count < $3
                   ON CONFLICT DO NOTHING)
               SELECT (SELECT count FROM listed) < $3 AS "is_added!" FROM businesses WHERE id = $1"#,
            business_id,
            phone.as_str(),
            MOST_NUMBERS
        )
        .fetch_optional(&self.pool)
        .await?;
        match added {
            None => Ok(false),
            Some(true) => Ok(true),
            Some(false) => Err(StoreError::Invalid {
                field: "phone",
                reason: format!("the list has {MOST_NUMBERS} numbers, which is the most"),
            }),
        }
    }

    /// Takes a number off a business's list. `false` if it is not on it.
    pub async fn remove_never_text(&self, business_id: &str, phone: &PhoneNumber) -> Result<bool, StoreError> {
        let removed =
            sqlx::query!("DELETE FROM never_text WHERE business_id = $1 AND phone = $2", business_id, phone.as_str())
                .execute(&self.pool)
                .await?;
        Ok(removed.rows_affected() == 1)
    }

    /// A business's list, ordered by number, after `after`.
    pub async fn never_text(
        &self,
        business_id: &str,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<NeverText>, StoreError> {
        Ok(sqlx::query_as!(
            NeverText,
            "SELECT phone, added_at FROM never_text
             WHERE business_id = $1 AND ($2::text IS NULL OR phone > $2) ORDER BY phone LIMIT $3",
            business_id,
            after,
            limit
        )
        .fetch_all(&mut *self.list().await?)
        .await?)
    }
}
