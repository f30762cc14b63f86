//! `DELETE /customers/{phone}`: erases a customer.

use poem::web::Data;
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::auth::Writer;
use super::failure::Failure;
use super::idempotency::Once;
use super::validation::Problems;
use super::{EdgeData, Group};
use crate::adapters::postgres::ErasureOf;
use crate::domain::phone::PhoneNumber;
use crate::http::problem::Problem;
use crate::lifecycle::erasure::{Erased, ErasureError};

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
        let mut problems = Problems::default();
        let customer = problems.parsed::<PhoneNumber>("phone", Some(&phone)).map(PhoneNumber::of_person);
        problems.into_result()?;
        let Some(customer) = customer else { return Err(Problem::not_found("customer").into()) };
        if let Some(business_id) = &business_id.0 {
            key.0.sees(business_id, "business")?;
        }
        let business_ids = business_id.0.map(|id| vec![id]).or_else(|| key.0.businesses().map(<[_]>::to_vec));
        let asked_by = key.0.name(&edge).await?;
        let of = ErasureOf { customer: &customer, business_ids: business_ids.as_deref(), asked_by: &asked_by };
        Ok(Json(edge.eraser.erase(&of, &once.to_string()).await?.into()))
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
