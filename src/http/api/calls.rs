//! `/calls`: call records.

use chrono::{DateTime, Utc};
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use uuid::Uuid;

use super::auth::Reader;
use super::failure::Failure;
use super::page::Page;
use super::validation::Problems;
use super::{EdgeData, Group, cursor};
use crate::adapters::postgres::CallFilter;
use crate::domain::call;
use crate::http::problem::Problem;

/// A call to a number of a business.
#[derive(Debug, Object)]
struct Call {
    /// The id of the call.
    id: Uuid,
    /// Twilio's id of the call, `CA…`.
    call_sid: String,
    /// The id of the business whose number was called.
    business_id: String,
    /// The id of the conversation that the missed call opened or joined. Null if there is none.
    conversation_id: Option<Uuid>,
    /// The caller's number. Null if the caller withholds it.
    customer_phone: Option<String>,
    /// The number that was called.
    business_phone: String,
    /// The status of the call: `ringing`, `answered` or `missed`.
    status: String,
    /// How the forwarded call ended, in Twilio's words, such as `completed`, `no-answer` or `busy`.
    /// `forwarded_by_owner` and `loop` mean that the call was not forwarded, because it came back from our own
    /// forwarding.
    /// `no_result` means that Twilio reported neither an end nor a leg to the owner's phone.
    dial_status: Option<String>,
    /// What decided the status: `dial_result` (Twilio's result of the dialling), `not_dialled`, or `leg` (the result did
    /// not come, and Twilio was asked about the leg to the owner's phone). Null until then.
    settled_by: Option<String>,
    /// How the carriers' check of the caller's number (STIR/SHAKEN) ended, in Twilio's words, such as
    /// `TN-Validation-Passed-A` or `TN-Validation-Failed-C`. Null if Twilio did not say.
    stir_verstat: Option<String>,
    /// Whether the owner's phone is asked for a key before it is connected (`policy.screening`).
    screened: bool,
    /// When that key was pressed. Null until then.
    accepted_at: Option<DateTime<Utc>>,
    /// How long the caller and the owner talked, in seconds.
    duration_seconds: Option<i32>,
    /// When the call rang.
    created_at: DateTime<Utc>,
    /// When the call ended. Null until then.
    ended_at: Option<DateTime<Utc>>,
}

/// A page of calls, newest first.
#[derive(Debug, Object)]
struct CallList {
    /// The calls.
    calls: Vec<Call>,
    /// The `cursor` of the next page. Null on the last page.
    next_cursor: Option<String>,
}

impl From<call::Call> for Call {
    fn from(call: call::Call) -> Self {
        Self {
            id: call.id,
            call_sid: call.call_sid,
            business_id: call.business_id,
            conversation_id: call.conversation_id,
            customer_phone: call.customer_phone.map(String::from),
            business_phone: call.business_phone.into(),
            status: call.status.to_string(),
            dial_status: call.dial_status,
            settled_by: call.settled_by.map(|by| by.to_string()),
            stir_verstat: call.stir_verstat,
            screened: call.screened,
            accepted_at: call.accepted_at,
            duration_seconds: call.duration_seconds,
            created_at: call.created_at,
            ended_at: call.ended_at,
        }
    }
}

pub(super) struct CallsApi;

#[OpenApi(tag = "Group::Calls")]
impl CallsApi {
    /// Returns a call by its Twilio id.
    #[oai(path = "/calls/:call_sid", method = "get", operation_id = "get_call")]
    async fn get_call(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// Twilio's id of the call, `CA…`.
        call_sid: Path<String>,
    ) -> Result<Json<Call>, Failure> {
        let sid = call_sid.as_str();
        let call = edge.find(|store| async move { store.call(sid).await }).await?;
        let call = call.ok_or_else(|| Problem::not_found("call"))?;
        key.0.sees(&call.business_id, "call")?;
        Ok(Json(call.into()))
    }

    /// Lists calls, newest first.
    #[oai(path = "/calls", method = "get", operation_id = "list_calls")]
    async fn list_calls(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// Return only calls to this business.
        business_id: Query<Option<String>>,
        /// Return only calls from this number.
        customer_phone: Query<Option<String>>,
        /// The maximum number of items on a page, from 1 to 200. Default: 50.
        #[oai(default = "super::validation::default_limit", validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<u32>,
        /// The `next_cursor` of the previous page. Omit it for the first page.
        cursor: Query<Option<String>>,
    ) -> Result<Page<CallList>, Failure> {
        let after = cursor.0.as_deref().map(cursor::decode).transpose()?;
        let mut problems = Problems::default();
        let customer_phone = problems.phone("customer_phone", customer_phone.0);
        problems.into_result()?;
        let filter = CallFilter {
            business_ids: key.0.businesses().map(<[_]>::to_vec),
            business_id: business_id.0,
            customer_phone,
            after,
        };
        let (filter, most) = (&filter, i64::from(limit.0) + 1);
        let calls = edge.read(|store| async move { store.calls(filter, most).await }).await?;
        let (calls, next_cursor) =
            cursor::page(calls, limit.0 as usize, |call| cursor::encode(call.created_at, call.id));
        Ok(Page(CallList { calls: calls.into_iter().map(Call::from).collect(), next_cursor }))
    }
}
