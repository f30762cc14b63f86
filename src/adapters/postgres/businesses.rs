//! Businesses: the documents that the App Server put, and which business has which number.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgPool;

use super::batched::Rows;
use super::business_changes::BusinessChange;
use super::{Store, StoreError, Stored, transaction};
use crate::domain::forward_to::ForwardTo;
use crate::domain::phone::PhoneNumber;

/// A business as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct BusinessRecord {
    /// The id that the App Server gave the business.
    pub id: String,
    /// Its whole public document (docs/contract.md, section 3), without any auth token.
    pub profile: Value,
    /// Its own Twilio account, if it has one whose token Twilio has confirmed.
    pub twilio_account_sid: Option<String>,
    /// The encrypted token of that account.
    pub twilio_auth_token: Option<Vec<u8>>,
    /// The encrypted second token of that account, if it has one.
    pub next_auth_token: Option<Vec<u8>>,
    /// The account that was put but is not in effect, because Twilio has not confirmed its token.
    pub pending_account_sid: Option<String>,
    /// The encrypted token of that account; `None` if it was put without one.
    pub pending_auth_token: Option<Vec<u8>>,
    /// When Twilio refused that token; `None` if Twilio could not be asked yet.
    pub refused_at: Option<DateTime<Utc>>,
    /// The encrypted key of its own DispatchBot, if its document has one.
    pub dispatchbot_api_key: Option<Vec<u8>>,
    /// The numbers that never get an automatic text.
    pub never_text: Vec<String>,
    /// Since when the owner is away, by their text; `None` while they are not.
    pub owner_off_since: Option<DateTime<Utc>>,
    /// The phones of its own side that want no texts.
    pub opted_out_phones: Vec<String>,
    /// Whether calls are forwarded to a number of a business.
    pub forwards_to_business: bool,
    /// When the business was first put.
    pub created_at: DateTime<Utc>,
    /// When the business was last put.
    pub updated_at: DateTime<Utc>,
}

/// Selects businesses from the table alias `b`. An account whose token is not confirmed is pending, regardless of which
/// version of the service stored it.
macro_rules! select_businesses {
    ($tail:tt $(, $argument:expr)*) => {
        sqlx::query_as!(
            BusinessRecord,
            r#"SELECT b.id, b.profile,
                 CASE WHEN b.twilio_proven_token = b.twilio_auth_token THEN b.twilio_account_sid END AS twilio_account_sid,
                 CASE WHEN b.twilio_proven_token = b.twilio_auth_token THEN b.twilio_auth_token END AS twilio_auth_token,
                 CASE WHEN b.twilio_proven_token = b.twilio_auth_token AND b.twilio_next_account_sid = b.twilio_account_sid
                      THEN b.twilio_next_auth_token END AS next_auth_token,
                 coalesce(b.twilio_pending_account_sid,
                          CASE WHEN b.twilio_proven_token = b.twilio_auth_token THEN NULL ELSE b.twilio_account_sid END)
                   AS pending_account_sid,
                 CASE WHEN b.twilio_pending_auth_token IS NOT NULL THEN b.twilio_pending_auth_token
                      WHEN b.twilio_proven_token IS DISTINCT FROM b.twilio_auth_token THEN b.twilio_auth_token
                 END AS pending_auth_token,
                 b.twilio_refused_at AS refused_at, b.dispatchbot_api_key,
                 ARRAY(SELECT n.phone FROM never_text n WHERE n.business_id = b.id) AS "never_text!",
                 b.owner_off_since,
                 ARRAY(SELECT o.customer_phone FROM opt_outs o WHERE o.business_id = b.id AND o.customer_phone = ANY(
                   b.forward_to || ARRAY(SELECT jsonb_array_elements_text(
                     coalesce(b.profile->'emergency_contacts', '[]') || coalesce(b.profile->'forward_to_next', '[]')))))
                   AS "opted_out_phones!",
                 EXISTS (SELECT 1 FROM business_numbers f WHERE f.phone = b.forward_to) AS "forwards_to_business!",
                 b.created_at, b.updated_at "# + $tail
            $(, $argument)*
        )
    };
}
pub(super) use select_businesses;

/// The Twilio account in a PUT of a business.
#[derive(Debug, Clone, Copy)]
pub enum AccountWrite<'a> {
    /// The main account: the business has no account itself.
    Main,
    /// The account in effect stays as it is, and none is pending.
    Unchanged,
    /// This account, whose token Twilio has confirmed.
    Proven {
        /// The account SID (`AC…`).
        account_sid: &'a str,
        /// The encrypted token.
        sealed: &'a [u8],
    },
    /// This account, once Twilio has confirmed its token; until then the current one stays in effect.
    Pending {
        /// The account SID (`AC…`).
        account_sid: &'a str,
        /// The encrypted token; `None` if it is still to be put.
        sealed: Option<&'a [u8]>,
    },
}

impl<'a> AccountWrite<'a> {
    /// The SID of the account, if the PUT sets one.
    pub fn account_sid(self) -> Option<&'a str> {
        match self {
            Self::Main | Self::Unchanged => None,
            Self::Proven { account_sid, .. } | Self::Pending { account_sid, .. } => Some(account_sid),
        }
    }
}

/// The key of the business's own DispatchBot in a PUT of a business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DispatchBotKeyWrite<'a> {
    /// The business has no DispatchBot of its own.
    Remove,
    /// The key that is stored.
    Keep,
    /// This key, encrypted.
    Set(&'a [u8]),
}

/// The second token in a PUT of a business.
#[derive(Debug, Clone, Copy)]
pub enum NextTokenWrite<'a> {
    /// The one that is stored stays, unless the account changes.
    Unchanged,
    /// The account has none.
    None,
    /// This one, which Twilio has confirmed.
    Proven {
        /// The account SID (`AC…`).
        account_sid: &'a str,
        /// The encrypted token.
        sealed: &'a [u8],
    },
}

/// A business to be stored.
#[derive(Debug)]
pub struct BusinessWrite<'a> {
    /// The id that the App Server gave the business.
    pub id: &'a str,
    /// The name by which customers know the business.
    pub name: &'a str,
    /// Its owner, as the App Server names them.
    pub user_id: &'a str,
    /// Where its calls are forwarded to.
    pub forward_to: &'a ForwardTo,
    /// All numbers of the business.
    pub phone_numbers: &'a [PhoneNumber],
    /// The phones that get alerts if the owner does not answer.
    pub emergency_contacts: &'a [PhoneNumber],
    /// Whether the caller may add numbers or an account, and new phones take effect at once: the scope `numbers`.
    pub may_manage_numbers: bool,
    /// Its whole public document.
    pub profile: &'a Value,
    /// The Twilio account in the PUT.
    pub account: AccountWrite<'a>,
    /// The key of the DispatchBot in the PUT.
    pub dispatchbot_key: DispatchBotKeyWrite<'a>,
    /// The second token of that account in the PUT.
    pub next_token: NextTokenWrite<'a>,
}

impl Store {
    /// Stores a business, and assigns its numbers to it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if a number belongs to another business, [`StoreError::Forbidden`] if the caller may
    /// not make these changes, [`StoreError::Invalid`] if it has too many numbers or calls would never arrive;
    /// otherwise if PostgreSQL is unavailable.
    pub async fn put_business(&self, b: &BusinessWrite<'_>) -> Result<BusinessRecord, StoreError> {
        let mut tx = transaction::begin(&self.pool).await?;
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
        let (keeps_key, new_key) = match b.dispatchbot_key {
            DispatchBotKeyWrite::Remove => (false, None),
            DispatchBotKeyWrite::Keep => (true, None),
            DispatchBotKeyWrite::Set(sealed) => (false, Some(sealed)),
        };
        sqlx::query!(
            "UPDATE businesses SET dispatchbot_api_key = CASE WHEN $2 THEN dispatchbot_api_key ELSE $3 END WHERE id = $1",
            b.id,
            keeps_key,
            new_key
        )
        .execute(&mut *tx)
        .await?;
        super::twilio_accounts::write_next_token(&mut tx, b.id, b.next_token).await?;
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
        let is_foreign = sqlx::query_scalar!(
            r#"SELECT EXISTS (
                 SELECT 1 FROM business_numbers WHERE phone = ANY($1) AND business_id <> $2) AS "is_foreign!""#,
            &phones,
            b.id
        )
        .fetch_one(&mut *tx)
        .await?;
        if is_foreign {
            // Not which: nobody is to find out what others own.
            return Err(StoreError::Conflict("phone_numbers: another business has one of them".to_owned()));
        }
        let record = select_businesses!("FROM businesses b WHERE b.id = $1", b.id).fetch_one(&mut *tx).await?;
        put.settled(&mut tx, b, record.updated_at).await?;
        tx.commit().await?;
        Ok(record)
    }

    /// Reads one business by its id.
    pub async fn business(&self, id: &str) -> Result<Option<BusinessRecord>, StoreError> {
        self.statements.businesses.one(id.to_owned()).await
    }

    /// The business that a number belongs to.
    pub async fn business_by_phone(&self, phone: &PhoneNumber) -> Result<Option<BusinessRecord>, StoreError> {
        self.statements.businesses_by_phone.one(phone.to_string()).await
    }

    /// Businesses in the order of their ids, after `after`; only those in `among`, if it is given.
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
        .fetch_all(&mut *self.list().await?)
        .await?)
    }

    /// All businesses, ordered by id.
    pub async fn all_businesses(&self) -> Result<Vec<BusinessRecord>, StoreError> {
        Ok(select_businesses!("FROM businesses b ORDER BY b.id").fetch_all(&self.pool).await?)
    }

    /// Deletes a business and releases its numbers; its conversations stay. `false` if there is no such business.
    pub async fn delete_business(&self, id: &str) -> Result<bool, StoreError> {
        let result = sqlx::query!("DELETE FROM businesses WHERE id = $1", id).execute(&self.pool).await?;
        Ok(result.rows_affected() == 1)
    }

    /// Whether a business has this number now.
    pub async fn has_number(&self, business_id: &str, phone: &PhoneNumber) -> Result<bool, StoreError> {
        super::business_numbers::has(&self.pool, business_id, phone).await
    }
}

/// Businesses by their ids.
pub(super) async fn by_ids(pool: PgPool, ids: Vec<String>) -> Stored<Rows<String, BusinessRecord>> {
    let records = select_businesses!("FROM businesses b WHERE b.id = ANY($1)", &ids).fetch_all(&pool).await?;
    Ok(records.into_iter().map(|record| (record.id.clone(), Ok(record))).collect())
}

/// Businesses by their numbers.
pub(super) async fn by_phones(pool: PgPool, phones: Vec<String>) -> Stored<Rows<String, BusinessRecord>> {
    let owners = sqlx::query!("SELECT phone, business_id FROM business_numbers WHERE phone = ANY($1)", &phones)
        .fetch_all(&pool)
        .await?;
    let ids = owners.iter().map(|owner| owner.business_id.clone()).collect();
    let records = by_ids(pool, ids).await?;
    let record = |id: &String| Some(Ok(records.get(id)?.as_ref().ok()?.clone()));
    Ok(owners.into_iter().filter_map(|owner| Some((owner.phone, record(&owner.business_id)?))).collect())
}
