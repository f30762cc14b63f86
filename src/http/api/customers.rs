//! `/customers/{phone}`: erases a customer, and exports what is kept of one.

use poem::web::Data;
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use serde_json::Value;

use super::auth::{Caller, Reader, Writer};
use super::failure::Failure;
use super::idempotency::Once;
use super::page::Page;
use super::validation::{Problems, default_limit};
use super::{EdgeData, Group, cursor};
use crate::adapters::postgres::ErasureOf;
use crate::domain::phone::PhoneNumber;
use crate::http::problem::Problem;
use crate::lifecycle::erasure::{Erased, ErasureError};
use crate::lifecycle::export::{ExportError, ExportOf, Item, Place};

/// How much was erased. Items that were erased earlier are not counted again.
#[derive(Debug, Object)]
struct Erasure {
    /// Conversations whose customer number was replaced by an unassigned one. Open conversations were completed first.
    conversations: u64,
    /// Messages whose text and attachments were removed.
    messages: u64,
    /// Calls whose caller's number was removed.
    calls: u64,
    /// Opt-outs that were kept: they stay in effect, identified only by a hash of the number.
    opt_outs: u64,
    /// Dead letters that were deleted. Null if they could not be read; they are then deleted at the end of their
    /// retention.
    dead_letters: Option<u64>,
    /// Entries of the event log in Redis that were deleted. Null if Redis was unavailable; they are then deleted at the
    /// end of their retention.
    log_entries: Option<u64>,
}

impl From<Erased> for Erasure {
    fn from(erased: Erased) -> Self {
        Self {
            conversations: erased.rows.conversations,
            messages: erased.rows.messages,
            calls: erased.rows.calls,
            opt_outs: erased.rows.opt_outs,
            dead_letters: erased.dead_letters,
            log_entries: erased.log_entries,
        }
    }
}

/// Something that is kept of a customer.
#[derive(Debug, Object)]
struct Exported {
    /// Where it is kept: a table (`conversations`, `messages`, `calls`, `windows`, `window_steps`, `analyses`,
    /// `emergency_verdicts`, `outbox`, `opt_outs`, `erased_opt_outs`, `audit`, `never_text`, `phone_codes`,
    /// `wanted_phones`, `confirmed_phones`, `owner_texts`, `twilio_participants`, `idempotency`), `dead_letters`, or
    /// `event_log` (the events in Redis). Ignore unknown words.
    kept_in: String,
    /// The row with its columns, the dead letter, or the event. Its fields are not part of the API.
    data: Value,
}

/// A page of what is kept of a customer.
#[derive(Debug, Object)]
struct Export {
    /// What is kept.
    export: Vec<Exported>,
    /// The `cursor` of the next page. Null on the last page. A page may hold fewer items than `limit` although there is
    /// a next page.
    next_cursor: Option<String>,
}

impl From<Item> for Exported {
    fn from(Item { kept, data }: Item) -> Self {
        Self { kept_in: kept.to_string(), data }
    }
}

pub(super) struct CustomersApi;

#[OpenApi(tag = "Group::Customers")]
impl CustomersApi {
    /// Erases a customer.
    ///
    /// The customer's conversations are completed, and their texts, attachments and number are removed from all tables
    /// at once. Rows remain, so that counts do not change. A customer who has opted out stays opted out. A later
    /// message is treated as that of a new customer. The internal streams keep copies until the end of their retention:
    /// at most 30 days, and up to 90 days for dead letters that could not be deleted. Nothing is deleted at Twilio.
    #[oai(path = "/customers/:phone", method = "delete", operation_id = "erase_customer")]
    async fn erase_customer(
        &self,
        edge: EdgeData<'_>,
        once: Data<&Once>,
        key: Writer,
        /// A unique value that you choose, 1 to 255 visible ASCII characters. For one day, the same request with the
        /// same value has no further effect and gets the same response, with the header `Idempotency-Replayed: true`.
        /// The answer is 409 for a different request with the same value, or while the first request is in progress.
        /// Responses with 401, 403, 429 or 5xx are not repeated: the request is then carried out again.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        /// The customer's phone number in E.164.
        phone: Path<String>,
        /// Erase the customer only for this business. If omitted, the customer is erased for all businesses of the key.
        business_id: Query<Option<String>>,
    ) -> Result<Json<Erasure>, Failure> {
        let (customer, business_ids) = of(&key.0, &phone, business_id.0)?;
        let asked_by = key.0.name(&edge).await?;
        let of = ErasureOf { customer: &customer, business_ids: business_ids.as_deref(), asked_by: &asked_by };
        Ok(Json(edge.eraser.erase(&of, &once.to_string()).await?.into()))
    }

    /// Exports all that is kept of a customer.
    ///
    /// Everything that an erasure of the customer would reach, place by place: conversations, messages (also alerts to
    /// people about the customer), calls, windows, DispatchBot's answers, emergencies, opt-outs, the audit record, dead
    /// letters and events. The internal streams have copies of it, and Twilio has its own records. Read it page by page
    /// until `next_cursor` is null; what happens meanwhile may be missing.
    #[oai(path = "/customers/:phone/export", method = "get", operation_id = "export_customer")]
    async fn export_customer(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// The customer's phone number in E.164.
        phone: Path<String>,
        /// Export only what this business has. If omitted, all businesses of the key.
        business_id: Query<Option<String>>,
        /// The maximum number of items on a page, from 1 to 200. Default: 50.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<u32>,
        /// The `next_cursor` of the previous page. Omit it for the first page.
        cursor: Query<Option<String>>,
    ) -> Result<Page<Export>, Failure> {
        let (customer, business_ids) = of(&key.0, &phone, business_id.0)?;
        let from = cursor.0.as_deref().map(place).transpose()?;
        let of = ExportOf { customer: &customer, business_ids: business_ids.as_deref() };
        let page = edge.exporter.page(of, from, limit.0 as usize).await?;
        let next_cursor = page.next.map(|next| cursor::encode_text(&next.to_string()));
        Ok(Page(Export { export: page.items.into_iter().map(Exported::from).collect(), next_cursor }))
    }
}

/// The customer, and the businesses of the key, or the one of them that is asked for.
fn of(
    caller: &Caller,
    phone: &str,
    business_id: Option<String>,
) -> Result<(PhoneNumber, Option<Vec<String>>), Problem> {
    let mut problems = Problems::default();
    let customer = problems.parsed::<PhoneNumber>("phone", Some(phone)).map(PhoneNumber::of_person);
    problems.into_result()?;
    let Some(customer) = customer else { return Err(Problem::not_found("customer")) };
    if let Some(business_id) = &business_id {
        caller.sees(business_id, "business")?;
    }
    Ok((customer, business_id.map(|id| vec![id]).or_else(|| caller.businesses().map(<[_]>::to_vec))))
}

fn place(cursor: &str) -> Result<Place, Problem> {
    let text = cursor::decode_text(cursor).and_then(|text| text.parse().ok());
    text.ok_or_else(|| cursor::unusable("cursor"))
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Store(error) => error.into(),
            error => Problem::unavailable(&error).into(),
        }
    }
}

impl From<ErasureError> for Failure {
    fn from(error: ErasureError) -> Self {
        match error {
            ErasureError::Store(error) => error.into(),
            error => Problem::unavailable(&error).into(),
        }
    }
}
