//! `/messages/undelivered`: texts that customers did not get, with the reasons.

use poem_openapi::param::Query;
use poem_openapi::{Object, OpenApi};

use super::auth::Reader;
use super::conversations::Message;
use super::failure::Failure;
use super::figures::businesses;
use super::page::Page;
use super::validation::default_limit;
use super::{EdgeData, Group, cursor};
use crate::adapters::postgres::NotDelivered;

/// A text to a customer that did not arrive, or may not have.
#[derive(Debug, Object)]
struct UndeliveredMessage {
    /// The message. Its `status` is `undelivered`, `failed` or `unknown`, and `error_message` says why, if Twilio did.
    #[oai(flatten)]
    message: Message,
    /// The id of the business.
    business_id: String,
    /// The customer's number.
    customer_phone: String,
}

impl From<NotDelivered> for UndeliveredMessage {
    fn from(of: NotDelivered) -> Self {
        Self { message: of.message.into(), business_id: of.business_id, customer_phone: of.customer_phone }
    }
}

/// A page of texts that did not arrive, newest first.
#[derive(Debug, Object)]
struct UndeliveredList {
    /// The messages.
    messages: Vec<UndeliveredMessage>,
    /// The `cursor` of the next page. Null on the last page.
    next_cursor: Option<String>,
}

pub(super) struct UndeliveredApi;

#[OpenApi(tag = "Group::Conversations")]
impl UndeliveredApi {
    /// Lists texts that customers did not get, or may not have got, newest first.
    #[oai(path = "/messages/undelivered", method = "get", operation_id = "list_undelivered_messages")]
    async fn list_undelivered_messages(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// Return only texts of this business.
        business_id: Query<Option<String>>,
        /// The maximum number of items on a page, from 1 to 200. Default: 50.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<u32>,
        /// The `next_cursor` of the previous page. Omit it for the first page.
        cursor: Query<Option<String>>,
    ) -> Result<Page<UndeliveredList>, Failure> {
        let after = cursor.0.as_deref().map(cursor::decode).transpose()?;
        let of = businesses(&key.0, business_id.0);
        let (of, most) = (of.as_deref(), i64::from(limit.0) + 1);
        let found = edge.read(|store| async move { store.messages_not_delivered(of, after, most).await }).await?;
        let (found, next_cursor) =
            cursor::page(found, limit.0 as usize, |each| cursor::encode(each.message.created_at, each.message.id));
        Ok(Page(UndeliveredList { messages: found.into_iter().map(Into::into).collect(), next_cursor }))
    }
}
