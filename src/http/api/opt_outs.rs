//! `/opt-outs`: the ledger of those who want no texts, and what people record in it.

use chrono::{DateTime, Utc};
use poem::web::Data;
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};
use uuid::Uuid;

use super::auth::{Caller, Reader, Writer};
use super::body::Body;
use super::commands::MAX_WORDS;
use super::failure::Failure;
use super::idempotency::Once;
use super::page::Page;
use super::validation::{Problems, default_limit};
use super::{EdgeData, Group, cursor};
use crate::adapters::postgres::{self, OptOutFilter};
use crate::domain::conversation::{Input, OptOutSource};
use crate::domain::phone::PhoneNumber;
use crate::engine::EngineError;
use crate::http::Edge;
use crate::http::problem::{Code, Problem};
use crate::lifecycle::consent;

/// Maximum length of a note and of a proof.
const MAX_TEXT: usize = 1_000;

/// A customer who wants no texts of a business.
#[derive(Debug, Object)]
struct OptOut {
    /// The id of the opt-out.
    id: Uuid,
    /// The business's id.
    business_id: String,
    /// The customer's number. Null if the customer was erased: the opt-out stays in effect, under a hash of the number.
    customer_phone: Option<String>,
    /// How the customer said so. By SMS: `word`, `sentence`, `twilio` (Twilio's own verdict) or `carrier` (a message was
    /// refused). Recorded by a person: `phone`, `mail`, `letter`, `in_person`, `web` or `other`.
    source: String,
    /// What the person who recorded it wrote about it. Otherwise null.
    note: Option<String>,
    /// When the customer said so last, or when it was recorded.
    opted_out_at: DateTime<Utc>,
}

/// A page of opt-outs, newest first.
#[derive(Debug, Object)]
struct OptOutList {
    /// The opt-outs.
    opt_outs: Vec<OptOut>,
    /// The `cursor` of the next page. Null on the last page.
    next_cursor: Option<String>,
}

/// An opt-out that did not come as a text.
#[derive(Debug, Object)]
struct NewOptOut {
    /// The business's id.
    business_id: String,
    /// The customer's number in E.164.
    customer_phone: String,
    /// How the customer said so: `phone`, `mail` (e-mail), `letter`, `in_person`, `web` or `other`.
    source: String,
    /// A note about it, at most 1,000 characters. An erasure of the customer deletes it.
    note: Option<String>,
    /// The id of the person in the App Server who records it, at most 200 characters, for the audit record. Default: the
    /// person whom the API key belongs to, or the key's name.
    user_id: Option<String>,
}

/// The response to a record of an opt-out.
#[derive(ApiResponse)]
enum Recorded {
    /// The customer had opted out already. The entry of the ledger keeps its source; the audit record has this request.
    #[oai(status = 200)]
    Known(Json<OptOut>),
    /// The customer is opted out from now on.
    #[oai(status = 201)]
    New(Json<OptOut>),
}

/// The response to the end of an opt-out.
#[derive(ApiResponse)]
enum Lifted {
    /// The customer may be texted again.
    #[oai(status = 204)]
    Done,
}

pub(super) struct OptOutsApi;

#[OpenApi(tag = "Group::Customers")]
impl OptOutsApi {
    /// Lists the customers who want no texts, newest first.
    #[oai(path = "/opt-outs", method = "get", operation_id = "list_opt_outs")]
    async fn list_opt_outs(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// Return only opt-outs of this business.
        business_id: Query<Option<String>>,
        /// Return only opt-outs of this customer, also of one who was erased.
        customer_phone: Query<Option<String>>,
        /// The maximum number of items on a page, from 1 to 200. Default: 50.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<u32>,
        /// The `next_cursor` of the previous page. Omit it for the first page.
        cursor: Query<Option<String>>,
    ) -> Result<Page<OptOutList>, Failure> {
        let after = cursor.0.as_deref().map(cursor::decode).transpose()?;
        let mut problems = Problems::default();
        let customer_phone = problems.phone("customer_phone", customer_phone.0);
        problems.into_result()?;
        let business_ids = key.0.businesses().map(<[_]>::to_vec);
        let filter = OptOutFilter { business_ids, business_id: business_id.0, customer_phone, after };
        let (filter, most) = (&filter, i64::from(limit.0) + 1);
        let found = edge.read(|store| async move { store.list_opt_outs(filter, most).await }).await?;
        let (found, next_cursor) =
            cursor::page(found, limit.0 as usize, |entry| cursor::encode(entry.opted_out_at, entry.id));
        Ok(Page(OptOutList { opt_outs: found.into_iter().map(OptOut::from).collect(), next_cursor }))
    }

    /// Records that a customer wants no more texts.
    ///
    /// For a wish that did not come as a text, but by phone or mail, for example. It has the same effect as `STOP`: nothing
    /// goes to the customer any more at any number of the business, not even what was decided before, and neither the AI
    /// nor a person can write. Open windows are handed over. The open conversations, or the newest one if none is open,
    /// have it in their audit record. `START` from the customer ends it. It is not an opt-out at Twilio.
    /// `conversation.opted_out` is published unless the customer has no conversation.
    #[oai(path = "/opt-outs", method = "post", operation_id = "record_opt_out")]
    async fn record_opt_out(
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
        request: Body<NewOptOut>,
    ) -> Result<Recorded, Failure> {
        let NewOptOut { business_id, customer_phone, source, note, user_id } = request.0;
        let mut problems = Problems::default();
        let customer =
            problems.parsed::<PhoneNumber>("customer_phone", Some(&customer_phone)).map(PhoneNumber::of_person);
        let source = read_source(&mut problems, &source);
        if let Some(note) = &note {
            problems.text("note", note, MAX_TEXT);
        }
        key.0.refuses_others(&mut problems, user_id.as_deref());
        check_user_id(&mut problems, user_id.as_deref());
        problems.into_result()?;
        let (Some(customer), Some(source)) = (customer, source) else {
            return Err(Problem::not_found("customer").into());
        };
        key.0.sees(&business_id, "business")?;
        if edge.store.business(&business_id).await?.is_none() {
            return Err(Problem::not_found("business").into());
        }
        let is_known = edge.store.opt_out_of(&business_id, &customer).await?.is_some();
        let command = Input::OptOutRecorded { user_id: actor(&key.0, &edge, user_id).await?, source, note };
        consent::record(&edge.engine, &business_id, &customer, &once.to_string(), &command).await?;
        let Some(entry) = edge.store.opt_out_of(&business_id, &customer).await? else {
            return Err(Problem::new(Code::Conflict, "it was recorded, but the customer has opted in since").into());
        };
        let entry = Json(entry.into());
        Ok(if is_known { Recorded::Known(entry) } else { Recorded::New(entry) })
    }

    /// Ends an opt-out, because the customer has given consent again.
    ///
    /// It has the same effect as `START` from the customer. What was handed over to a person meanwhile stays with them.
    /// Twilio blocks the number pair of a customer who sent `STOP` until the customer sends `START`.
    #[oai(path = "/opt-outs/:id", method = "delete", operation_id = "lift_opt_out")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the request")]
    async fn lift_opt_out(
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
        /// The opt-out's id.
        id: Path<String>,
        /// How the customer gave consent again, and where that is recorded; at most 1,000 characters. It is kept in the
        /// audit record, which an erasure does not change, so it must not contain the customer's number.
        proof: Query<String>,
        /// The id of the person in the App Server who records it, at most 200 characters, for the audit record. Default:
        /// the person whom the API key belongs to, or the key's name.
        user_id: Query<Option<String>>,
    ) -> Result<Lifted, Failure> {
        let id: Uuid = id.parse().map_err(|_| Problem::not_found("opt-out"))?;
        let entry = edge.store.opt_out(id).await?.ok_or_else(|| Problem::not_found("opt-out"))?;
        key.0.sees(&entry.business_id, "opt-out")?;
        let Some(customer) = entry.customer_phone.and_then(|phone| phone.parse::<PhoneNumber>().ok()) else {
            let why = "the customer was erased, and the number is not known; START from the customer ends the opt-out";
            return Err(Problem::new(Code::Conflict, why).into());
        };
        let mut problems = Problems::default();
        problems.text("proof", &proof, MAX_TEXT);
        if has_number(&proof, &customer) {
            problems.add("proof", "must not contain the customer's number");
        }
        key.0.refuses_others(&mut problems, user_id.as_deref());
        check_user_id(&mut problems, user_id.as_deref());
        problems.into_result()?;
        let user_id = actor(&key.0, &edge, user_id.0).await?;
        let command = Input::OptOutLifted { user_id, proof: proof.0 };
        consent::record(&edge.engine, &entry.business_id, &customer, &once.to_string(), &command).await?;
        Ok(Lifted::Done)
    }
}

impl From<postgres::OptOut> for OptOut {
    fn from(entry: postgres::OptOut) -> Self {
        Self {
            id: entry.id,
            business_id: entry.business_id,
            customer_phone: entry.customer_phone,
            source: entry.by,
            note: entry.note,
            opted_out_at: entry.opted_out_at,
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Problem::unavailable(&error).into()
    }
}

fn read_source(problems: &mut Problems, word: &str) -> Option<OptOutSource> {
    let source = word.parse().ok();
    if source.is_none() {
        let words: Vec<&str> = OptOutSource::ALL.iter().map(|source| source.as_str()).collect();
        problems.add("source", format!("must be one of {}", words.join(", ")));
    }
    source
}

fn check_user_id(problems: &mut Problems, user_id: Option<&str>) {
    if let Some(user_id) = user_id {
        problems.name("user_id", user_id, MAX_WORDS);
    }
}

/// Who did it, for the audit record.
async fn actor(caller: &Caller, edge: &Edge, user_id: Option<String>) -> Result<String, Problem> {
    match user_id {
        Some(user_id) => Ok(user_id),
        None => caller.name(edge).await,
    }
}

/// Whether a text has the digits of a number, in whatever notation, with the country code or without.
fn has_number(text: &str, phone: &PhoneNumber) -> bool {
    /// The digits that tell numbers of a country apart; shorter numbers have no fewer.
    const NATIONAL: usize = 10;
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let own = phone.as_str().trim_start_matches('+');
    digits.contains(&own[own.len().saturating_sub(NATIONAL)..])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::as_it_is_written_here("called from +12125551234", true)]
    #[case::as_people_write_it("called from (212) 555-1234 on May 3", true)]
    #[case::another("called the office at 212 555 1239", false)]
    #[case::none("form 4711, signed on 2026-05-03", false)]
    fn a_proof_does_not_name_the_customer(#[case] proof: &str, #[case] has: bool) {
        assert_eq!(has_number(proof, &"+12125551234".parse().unwrap()), has);
    }
}
