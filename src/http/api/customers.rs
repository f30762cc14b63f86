//! `DELETE /customers/{phone}`: a customer is forgotten.

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

/// How much of a customer was erased: what was erased before is not counted again.
#[derive(Debug, Object)]
struct Erasure {
    /// Conversations: ended, and their customer's number replaced by one that is nobody's.
    conversations: u64,
    /// Messages: without their texts and attachments.
    messages: u64,
    /// Calls: without their caller.
    calls: u64,
    /// Opt-outs: they hold on, known by a hash only.
    opt_outs: u64,
    /// Dead letters: deleted. None where they could not be read: they go by their age.
    dead_letters: Option<u64>,
    /// Entries of the log in Redis: deleted. None where Redis was away: they go by their age.
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
    /// Erases a customer: their conversations are ended, and texts, attachments and their number go from every table at
    /// once. What is counted stays; who has opted out stays opted out; whoever writes again is a stranger. The streams keep
    /// what was said for as long as they keep anything: 30 days at the most, dead letters that could not be deleted 90. At Twilio nothing is erased.
    #[oai(path = "/customers/:phone", method = "delete", operation_id = "erase_customer")]
    async fn erase_customer(
        &self,
        edge: EdgeData<'_>,
        once: Data<&Once>,
        key: Writer,
        /// The same request again, with the same key, changes nothing more and gets the same answer, for a day.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        /// The customer's number.
        phone: Path<String>,
        /// Only with this business; without it, with all that the key is for.
        business_id: Query<Option<String>>,
    ) -> Result<Json<Erasure>, Failure> {
        let mut problems = Problems::default();
        let customer = problems.parsed::<PhoneNumber>("phone", Some(&phone));
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
