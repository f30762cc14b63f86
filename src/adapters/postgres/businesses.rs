//! Businesses: what the App Server put, and whose number is whose.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::business_changes::BusinessChange;
use super::{Store, StoreError};
use crate::domain::phone::PhoneNumber;

/// A business as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct BusinessRecord {
    /// As the App Server names it.
    pub id: String,
    /// Its whole public document (docs/contract.md, section 3), without any auth token.
    pub profile: Value,
    /// Its own Twilio account, if it brings one whose token Twilio has confirmed.
    pub twilio_account_sid: Option<String>,
    /// That account's token, encrypted.
    pub twilio_auth_token: Option<Vec<u8>>,
    /// The account that was put, where it does not count: Twilio has not confirmed its token.
    pub pending_account_sid: Option<String>,
    /// That account's token, encrypted; none where it was put without one.
    pub pending_auth_token: Option<Vec<u8>>,
    /// When Twilio refused that token; none where it could not be asked yet.
    pub refused_at: Option<DateTime<Utc>>,
    /// When it was first put.
    pub created_at: DateTime<Utc>,
    /// When it was last put.
    pub updated_at: DateTime<Utc>,
}

/// Selects businesses, of the row `b`. An account whose token is not proven is one that was put and does not count, whichever
/// version of the service has put it.
macro_rules! select_businesses {
    ($tail:tt $(, $argument:expr)*) => {
        sqlx::query_as!(
            BusinessRecord,
            r#"SELECT b.id, b.profile,
                 CASE WHEN b.twilio_proven_token = b.twilio_auth_token THEN b.twilio_account_sid END AS twilio_account_sid,
                 CASE WHEN b.twilio_proven_token = b.twilio_auth_token THEN b.twilio_auth_token END AS twilio_auth_token,
                 coalesce(b.twilio_pending_account_sid,
                          CASE WHEN b.twilio_proven_token = b.twilio_auth_token THEN NULL ELSE b.twilio_account_sid END)
                   AS pending_account_sid,
                 CASE WHEN b.twilio_pending_auth_token IS NOT NULL THEN b.twilio_pending_auth_token
                      WHEN b.twilio_proven_token IS DISTINCT FROM b.twilio_auth_token THEN b.twilio_auth_token
                 END AS pending_auth_token,
                 b.twilio_refused_at AS refused_at, b.created_at, b.updated_at "# + $tail
            $(, $argument)*
        )
    };
}
pub(super) use select_businesses;

/// The Twilio account that a business is put with.
#[derive(Debug, Clone, Copy)]
pub enum AccountWrite<'a> {
    /// None of its own: the main account.
    Main,
    /// The one that counts, as it is; nothing else is pending.
    Unchanged,
    /// This one, whose token Twilio has confirmed.
    Proven {
        /// `AC…`.
        account_sid: &'a str,
        /// The token, encrypted.
        sealed: &'a [u8],
    },
    /// This one, once Twilio has confirmed its token; until then what counts goes on.
    Pending {
        /// `AC…`.
        account_sid: &'a str,
        /// The token, encrypted; none where it is yet to be put.
        sealed: Option<&'a [u8]>,
    },
}

impl<'a> AccountWrite<'a> {
    /// The account, where it is one that is put anew.
    pub fn account_sid(self) -> Option<&'a str> {
        match self {
            Self::Main | Self::Unchanged => None,
            Self::Proven { account_sid, .. } | Self::Pending { account_sid, .. } => Some(account_sid),
        }
    }
}

/// A business to be kept.
#[derive(Debug)]
pub struct BusinessWrite<'a> {
    /// As the App Server names it.
    pub id: &'a str,
    /// What customers know it by.
    pub name: &'a str,
    /// Its owner, as the App Server names them.
    pub user_id: &'a str,
    /// Where its calls are forwarded to.
    pub forward_to: &'a PhoneNumber,
    /// Its numbers.
    pub phone_numbers: &'a [PhoneNumber],
    /// Who is told of an emergency when the owner does not answer.
    pub emergency_contacts: &'a [PhoneNumber],
    /// Whether whoever puts it may add numbers or an account, and whether phones that are new count at once: the scope
    /// `numbers`.
    pub may_manage_numbers: bool,
    /// Its whole public document.
    pub profile: &'a Value,
    /// Its Twilio account.
    pub account: AccountWrite<'a>,
}

impl Store {
    /// Keeps a business, and takes its numbers.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where a number belongs to another business, [`StoreError::Forbidden`] where it says more
    /// than whoever puts it may, [`StoreError::Invalid`] where it has too many numbers or calls would never arrive;
    /// otherwise when PostgreSQL is away.
    pub async fn put_business(&self, b: &BusinessWrite<'_>) -> Result<BusinessRecord, StoreError> {
        let mut tx = self.pool.begin().await?;
        let put = BusinessChange::judged(&mut tx, b).await?;
        let phones: Vec<String> = b.phone_numbers.iter().map(|p| p.as_str().to_owned()).collect();
        sqlx::query!(
            r#"INSERT INTO businesses (id, name, user_id, forward_to, profile) VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (id) DO UPDATE SET name = excluded.name, user_id = excluded.user_id,
                 forward_to = excluded.forward_to, profile = excluded.profile, updated_at = now()"#,
            b.id,
            b.name,
            b.user_id,
            put.forward_to,
            put.profile
        )
        .execute(&mut *tx)
        .await?;
        super::twilio_accounts::write(&mut tx, b.id, b.account).await?;
        sqlx::query!("DELETE FROM business_numbers WHERE business_id = $1 AND NOT phone = ANY($2)", b.id, &phones)
            .execute(&mut *tx)
            .await?;
        sqlx::query!(
            "INSERT INTO business_numbers (phone, business_id) SELECT unnest($1::text[]), $2 ON CONFLICT (phone) DO NOTHING",
            &phones,
            b.id
        )
        .execute(&mut *tx)
        .await?;
        let foreign = sqlx::query_scalar!(
            "SELECT phone FROM business_numbers WHERE phone = ANY($1) AND business_id <> $2 ORDER BY phone",
            &phones,
            b.id
        )
        .fetch_all(&mut *tx)
        .await?;
        if !foreign.is_empty() {
            return Err(StoreError::Conflict(format!(
                "phone_numbers: {} belong to another business",
                foreign.join(", ")
            )));
        }
        let record = select_businesses!("FROM businesses b WHERE b.id = $1", b.id).fetch_one(&mut *tx).await?;
        put.settled(&mut tx, b, record.updated_at).await?;
        tx.commit().await?;
        Ok(record)
    }

    /// One business.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn business(&self, id: &str) -> Result<Option<BusinessRecord>, StoreError> {
        Ok(select_businesses!("FROM businesses b WHERE b.id = $1", id).fetch_optional(&self.pool).await?)
    }

    /// The business that a number belongs to.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn business_by_phone(&self, phone: &PhoneNumber) -> Result<Option<BusinessRecord>, StoreError> {
        Ok(select_businesses!(
            "FROM business_numbers n JOIN businesses b ON b.id = n.business_id WHERE n.phone = $1",
            phone.as_str()
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Businesses in the order of their ids, after `after`; of these only, where `among` names any.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn businesses(
        &self,
        among: Option<&[String]>,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<BusinessRecord>, StoreError> {
        Ok(select_businesses!(
            "FROM businesses b WHERE ($1::text IS NULL OR b.id > $1) AND ($3::text[] IS NULL OR b.id = ANY($3))
             ORDER BY b.id LIMIT $2",
            after,
            limit,
            among
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// All businesses.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn all_businesses(&self) -> Result<Vec<BusinessRecord>, StoreError> {
        Ok(select_businesses!("FROM businesses b ORDER BY b.id").fetch_all(&self.pool).await?)
    }

    /// Forgets a business and gives its numbers back; its conversations stay. `false` where there is none.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn delete_business(&self, id: &str) -> Result<bool, StoreError> {
        let result = sqlx::query!("DELETE FROM businesses WHERE id = $1", id).execute(&self.pool).await?;
        Ok(result.rows_affected() == 1)
    }

    /// Whether a business has this number now.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn has_number(&self, business_id: &str, phone: &PhoneNumber) -> Result<bool, StoreError> {
        super::business_numbers::has(&self.pool, business_id, phone).await
    }
}
