//! `GET …/Calls.json?ParentCallSid=`: the legs that were dialled for a call.

use std::sync::Arc;

use poem::http::header;
use poem::web::{Data, Json, Path};
use poem::{Request, handler};
use serde::Deserialize;
use serde_json::{Value, json};

use super::check::authorize;
use super::error::ApiError;
use super::faults::Endpoint;
use super::header_text;
use super::list::{one_page, parameter};
use super::state::State;
use crate::sim::lock;

/// The leg to the dialled phone. The JSON of `POST /_sim/legs`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leg {
    /// The call for which it was dialled.
    pub parent_call_sid: String,
    /// The leg's own id.
    pub call_sid: String,
    /// `ringing`, `in-progress`, `completed`, `no-answer`, `busy`, `failed` or `canceled`.
    pub status: String,
    /// How long it was connected, in seconds.
    #[serde(default)]
    pub duration_seconds: u32,
}

#[handler]
pub(super) async fn list(
    request: &Request,
    Path(account): Path<String>,
    Data(state): Data<&Arc<State>>,
) -> Result<Json<Value>, ApiError> {
    authorize(state, &account, header_text(request, header::AUTHORIZATION).as_deref())?;
    let query = request.uri().query().unwrap_or_default();
    let parent = parameter(query, "ParentCallSid");
    if let Some(refusal) = state.take_refusal(Endpoint::Calls, "") {
        state.count(format!("calls_fault_{}", refusal.status));
        return Err(refusal.into());
    }
    state.count("calls_listed");
    let legs = lock(&state.legs);
    let of_parent = legs.iter().filter(|leg| parent.as_ref().is_none_or(|parent| leg.parent_call_sid == *parent));
    let found: Vec<Value> = of_parent.map(|leg| resource(&account, leg)).collect();
    Ok(Json(one_page(&account, "Calls.json", query, "calls", &found)))
}

/// A call as Twilio shows it, with the fields that are in use. The duration is a text, and null while the call lasts.
fn resource(account: &str, leg: &Leg) -> Value {
    let is_over = !matches!(leg.status.as_str(), "queued" | "ringing" | "in-progress");
    json!({
        "account_sid": account,
        "direction": "outbound-dial",
        "duration": is_over.then(|| leg.duration_seconds.to_string()),
        "parent_call_sid": leg.parent_call_sid,
        "sid": leg.call_sid,
        "status": leg.status,
        "uri": format!("/2010-04-01/Accounts/{account}/Calls/{}.json", leg.call_sid),
    })
}
