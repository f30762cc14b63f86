//! `/key`: what the key of a request may do. `/keys`: which keys there are.

use chrono::{DateTime, Utc};
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use uuid::Uuid;

use super::auth::Reader;
use super::failure::Failure;
use super::page::Page;
use super::validation::default_limit;
use super::{EdgeData, Group, cursor};
use crate::adapters::postgres::ApiKey;

/// The API key of the request, without its secret.
#[derive(Debug, Object)]
struct Key {
    /// The name that the operator gave the key. Null for a key of `NMC_API_KEYS`, which has none.
    name: Option<String>,
    /// The id of the person whom the key belongs to, in the App Server: commands need no `user_id`. Null if it is nobody's.
    user_id: Option<String>,
    /// The businesses that the key may access. Null if it may access all.
    business_ids: Option<Vec<String>>,
    /// Whether the key may change anything.
    may_write: bool,
    /// Whether the key may add numbers, phones and Twilio accounts: the scope `numbers`.
    may_manage_numbers: bool,
    /// How many requests the key may make, such as `1000/min`.
    rate: String,
}

/// An API key, without its secret.
#[derive(Debug, Object)]
struct ListedKey {
    /// The id of the key, by which `nevermisscall keys revoke` names it.
    id: Uuid,
    /// The name that the operator gave the key.
    name: String,
    /// The id of the person whom the key belongs to, in the App Server. Null if it is nobody's.
    user_id: Option<String>,
    /// The businesses that the key may access. Null if it may access all.
    business_ids: Option<Vec<String>>,
    /// Whether the key may change anything.
    may_write: bool,
    /// Whether the key may add numbers, phones and Twilio accounts: the scope `numbers`.
    may_manage_numbers: bool,
    /// How many requests the key may make, such as `100/min`. Null if as many as `NMC_RATE_LIMIT` says.
    rate: Option<String>,
    /// When the key was created.
    created_at: DateTime<Utc>,
    /// When the key was revoked. Null if it is valid.
    revoked_at: Option<DateTime<Utc>>,
}

impl From<ApiKey> for ListedKey {
    fn from(key: ApiKey) -> Self {
        Self {
            may_manage_numbers: key.may_write && (key.may_manage_numbers || key.business_ids.is_none()),
            id: key.id,
            name: key.name,
            user_id: key.user_id,
            business_ids: key.business_ids,
            may_write: key.may_write,
            rate: key.rate_limit,
            created_at: key.created_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// A page of keys, newest first.
#[derive(Debug, Object)]
struct KeyList {
    /// The keys.
    keys: Vec<ListedKey>,
    /// The `cursor` of the next page. Null on the last page.
    next_cursor: Option<String>,
}

pub(super) struct KeyApi;

#[OpenApi(tag = "Group::Keys")]
impl KeyApi {
    /// Returns what the API key of the request may do.
    ///
    #[oai(path = "/key", method = "get", operation_id = "get_key")]
    async fn get_key(&self, edge: EdgeData<'_>, key: Reader) -> Result<Json<Key>, Failure> {
        let caller = key.0;
        Ok(Json(Key {
            name: edge.store.api_key_name(&caller.key).await?,
            user_id: caller.user().map(str::to_owned),
            business_ids: caller.businesses().map(<[_]>::to_vec),
            may_write: caller.may_write(),
            may_manage_numbers: caller.manages_numbers(),
            rate: edge.keys.rate_of(&caller).to_string(),
        }))
    }
    /// Lists the API keys, newest first, also those that were revoked.
    ///
    /// A key for certain businesses lists those that are for none but these. Keys of `NMC_API_KEYS` are not listed.
    /// `nevermisscall keys` creates and revokes keys.
    #[oai(path = "/keys", method = "get", operation_id = "list_keys")]
    async fn list_keys(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// The maximum number of items on a page, from 1 to 200. Default: 50.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<u32>,
        /// The `next_cursor` of the previous page. Omit it for the first page.
        cursor: Query<Option<String>>,
    ) -> Result<Page<KeyList>, Failure> {
        let after = cursor.0.as_deref().map(cursor::decode).transpose()?;
        let keys = edge.store.api_keys_page(key.0.businesses(), after, i64::from(limit.0) + 1).await?;
        let (keys, next_cursor) = cursor::page(keys, limit.0 as usize, |key| cursor::encode(key.created_at, key.id));
        Ok(Page(KeyList { keys: keys.into_iter().map(ListedKey::from).collect(), next_cursor }))
    }
}
