//! `/calls`: call records.

use chrono::{DateTime, Utc};
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use uuid::Uuid;

use super::auth::Reader;
use super::failure::Failure;
use super::validation::Problems;
use super::{EdgeData, Group, cursor};
use crate::adapters::postgres::CallFilter;
use crate::domain::call;
use crate::http::problem::Problem;

/// A call to a number of a business.
#[derive(Debug, Object)]
struct Call {
    /// Our id of it.
    id: Uuid,
    /// Twilio's.
    call_sid: String,
    /// Whose number was called.
    business_id: String,
    /// The conversation that the missed call opened or joined.
    conversation_id: Option<Uuid>,
    /// Who called; none where the caller withholds the number.
    customer_phone: Option<String>,
    /// Which number was called.
    business_phone: String,
    /// `ringing`, `answered` or `missed`.
    status: String,
    /// Twilio's word for how the dialling ended.
    dial_status: Option<String>,
    /// How long the two talked, in seconds.
    duration_seconds: Option<i32>,
    /// When it rang.
    created_at: DateTime<Utc>,
    /// When it ended.
    ended_at: Option<DateTime<Utc>>,
}

/// A page of calls, newest first.
#[derive(Debug, Object)]
struct CallList {
    /// The calls.
    calls: Vec<Call>,
    /// Leads to the next page; none on the last.
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
            duration_seconds: call.duration_seconds,
            created_at: call.created_at,
            ended_at: call.ended_at,
        }
    }
}

pub(super) struct CallsApi;

#[OpenApi(tag = "Group::Calls")]
impl CallsApi {
    /// One call, by Twilio's id.
    #[oai(path = "/calls/:call_sid", method = "get", operation_id = "get_call")]
    async fn get_call(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// `CA…`.
        call_sid: Path<String>,
    ) -> Result<Json<Call>, Failure> {
        let call = edge.store.call(&call_sid).await?.ok_or_else(|| Problem::not_found("call"))?;
        key.0.sees(&call.business_id, "call")?;
        Ok(Json(call.into()))
    }

    /// Calls, newest first.
    #[oai(path = "/calls", method = "get", operation_id = "list_calls")]
    async fn list_calls(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// Only calls to this business.
        business_id: Query<Option<String>>,
        /// Only this caller's.
        customer_phone: Query<Option<String>>,
        /// How many, at the most.
        #[oai(default = "super::validation::default_limit", validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<u32>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<CallList>, Failure> {
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
        let calls = edge.store.calls(&filter, i64::from(limit.0) + 1).await?;
        let (calls, next_cursor) =
            cursor::page(calls, limit.0 as usize, |call| cursor::encode(call.created_at, call.id));
        Ok(Json(CallList { calls: calls.into_iter().map(Call::from).collect(), next_cursor }))
    }
}
