//! `/businesses/{id}/never-text`: the numbers that a business never texts automatically.

use chrono::{DateTime, Utc};
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::auth::{Reader, Writer};
use super::failure::Failure;
use super::page::Page;
use super::validation::{Problems, default_limit};
use super::{EdgeData, Group, cursor};
use crate::adapters::postgres;
use crate::domain::phone::PhoneNumber;
use crate::http::problem::Problem;

/// A number that never gets an automatic text.
#[derive(Debug, Object)]
struct NeverText {
    /// The number.
    phone: String,
    /// When it was put on the list.
    added_at: DateTime<Utc>,
}

/// A page of the numbers, in order.
#[derive(Debug, Object)]
struct NeverTextList {
    /// The numbers.
    never_text: Vec<NeverText>,
    /// The `cursor` of the next page. Null on the last page.
    next_cursor: Option<String>,
}

/// The response to a change of the list.
#[derive(ApiResponse)]
enum Changed {
    /// The list is changed.
    #[oai(status = 204)]
    Done,
}

pub(super) struct NeverTextApi;

#[OpenApi(tag = "Group::Businesses")]
impl NeverTextApi {
    /// Puts a number on the list of those that are never texted.
    ///
    /// For family, suppliers and robocallers: their missed calls are recorded and not texted, and no AI answers their
    /// texts; what they write is kept, and `conversation.needs_attention` has the reason `never_text`. Emergencies are
    /// detected as always. A person may still write to them. Repeating the request changes nothing.
    #[oai(path = "/businesses/:business_id/never-text/:phone", method = "put", operation_id = "put_never_text")]
    async fn put_never_text(
        &self,
        edge: EdgeData<'_>,
        key: Writer,
        /// A unique value that you choose, 1 to 255 visible ASCII characters. For one day, the same request with the
        /// same value has no further effect and gets the same response, with the header `Idempotency-Replayed: true`.
        /// The answer is 409 for a different request with the same value, or while the first request is in progress.
        /// Responses with 401, 403, 429 or 5xx are not repeated: the request is then carried out again.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        /// The business's id, chosen by the App Server.
        business_id: Path<String>,
        /// The phone number in E.164. At most 1,000 can be listed.
        phone: Path<String>,
    ) -> Result<Changed, Failure> {
        key.0.sees(&business_id, "business")?;
        let phone = person(&phone)?;
        if !edge.store.add_never_text(&business_id, &phone).await? {
            return Err(Problem::not_found("business").into());
        }
        edge.business_cache.forget_all();
        Ok(Changed::Done)
    }

    /// Takes a number off the list of those that are never texted.
    #[oai(path = "/businesses/:business_id/never-text/:phone", method = "delete", operation_id = "delete_never_text")]
    async fn delete_never_text(
        &self,
        edge: EdgeData<'_>,
        key: Writer,
        /// A unique value that you choose, 1 to 255 visible ASCII characters. For one day, the same request with the
        /// same value has no further effect and gets the same response, with the header `Idempotency-Replayed: true`.
        /// The answer is 409 for a different request with the same value, or while the first request is in progress.
        /// Responses with 401, 403, 429 or 5xx are not repeated: the request is then carried out again.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        /// The business's id, chosen by the App Server.
        business_id: Path<String>,
        /// The phone number in E.164.
        phone: Path<String>,
    ) -> Result<Changed, Failure> {
        key.0.sees(&business_id, "business")?;
        let phone = person(&phone)?;
        if !edge.store.remove_never_text(&business_id, &phone).await? {
            return Err(Problem::not_found("number").into());
        }
        edge.business_cache.forget_all();
        Ok(Changed::Done)
    }

    /// Lists the numbers that are never texted, in order.
    #[oai(path = "/businesses/:business_id/never-text", method = "get", operation_id = "list_never_text")]
    async fn list_never_text(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// The business's id, chosen by the App Server.
        business_id: Path<String>,
        /// The maximum number of items on a page, from 1 to 200. Default: 50.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<u32>,
        /// The `next_cursor` of the previous page. Omit it for the first page.
        cursor: Query<Option<String>>,
    ) -> Result<Page<NeverTextList>, Failure> {
        key.0.sees(&business_id, "business")?;
        if edge.store.business(&business_id).await?.is_none() {
            return Err(Problem::not_found("business").into());
        }
        let listed = edge.store.never_text(&business_id, cursor.0.as_deref(), i64::from(limit.0) + 1).await?;
        let (listed, next_cursor) = cursor::page(listed, limit.0 as usize, |number| number.phone.clone());
        Ok(Page(NeverTextList { never_text: listed.into_iter().map(NeverText::from).collect(), next_cursor }))
    }
}

impl From<postgres::NeverText> for NeverText {
    fn from(postgres::NeverText { phone, added_at }: postgres::NeverText) -> Self {
        Self { phone, added_at }
    }
}

fn person(phone: &str) -> Result<PhoneNumber, Problem> {
    let mut problems = Problems::default();
    let phone = problems.parsed::<PhoneNumber>("phone", Some(phone)).map(PhoneNumber::of_person);
    problems.into_result()?;
    phone.ok_or_else(|| Problem::not_found("number"))
}
