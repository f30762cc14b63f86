//! `/key`: what the key of a request may do.

use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::auth::Reader;
use super::failure::Failure;
use super::{EdgeData, Group};

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

pub(super) struct KeyApi;

#[OpenApi(tag = "Group::Keys")]
impl KeyApi {
    /// Returns what the API key of the request may do.
    ///
    /// A key reads itself only. `nevermisscall keys` creates, lists and revokes keys.
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
}
