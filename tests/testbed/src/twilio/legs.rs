//! `GET …/Calls.json`: calls that came in or were placed, and the legs that were dialled for them, or only the legs
//! (`ParentCallSid`).

use std::sync::Arc;

use chrono::{DateTime, Utc};
use poem::http::header;
use poem::web::{Data, Json, Path};
use poem::{Request, handler};
use serde::Deserialize;
use serde_json::{Value, json};

use super::check::authorize;
use super::error::ApiError;
use super::faults::Endpoint;
use super::header_text;
use super::list::{first_moment, one_page, parameter};
use super::message::rfc2822;
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

/// A call of a customer, or one that the server placed, in the list.
#[derive(Clone, Debug)]
pub(super) struct ListedCall {
    pub(super) account_sid: String,
    pub(super) sid: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) status: String,
    /// `inbound` or `outbound-api`.
    pub(super) direction: &'static str,
    /// How long it lasted, once it is over.
    pub(super) duration_seconds: Option<u32>,
    pub(super) began_at: DateTime<Utc>,
}

impl ListedCall {
    /// A call of which nothing but its id is known.
    pub(super) fn missing(sid: String) -> Self {
        let began_at = Utc::now();
        let [account_sid, from, to, status] = ["", "", "", "queued"].map(str::to_owned);
        Self { account_sid, sid, from, to, status, direction: "outbound-api", duration_seconds: None, began_at }
    }

    pub(super) fn resource(&self) -> Value {
        json!({
            "account_sid": self.account_sid,
            "date_created": rfc2822(self.began_at),
            "direction": self.direction,
            "duration": self.duration_seconds.map(|seconds| seconds.to_string()),
            "from": self.from,
            "parent_call_sid": null,
            "sid": self.sid,
            "start_time": rfc2822(self.began_at),
            "status": self.status,
            "to": self.to,
            "uri": format!("/2010-04-01/Accounts/{}/Calls/{}.json", self.account_sid, self.sid),
        })
    }
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
    let began_from = first_moment(&parameter(query, "StartTime>"));
    let (to, from) = (parameter(query, "To"), parameter(query, "From"));
    let is = |wanted: &Option<String>, number: &str| wanted.as_deref().is_none_or(|wanted| wanted == number);
    let is_recent = |call: &&ListedCall| {
        began_from.is_none_or(|from| call.began_at >= from) && is(&to, &call.to) && is(&from, &call.from)
    };
    let calls: Vec<ListedCall> = match &parent {
        Some(_) => Vec::new(),
        None => {
            lock(&state.calls).iter().filter(|call| call.account_sid == account).filter(is_recent).cloned().collect()
        }
    };
    let legs = lock(&state.legs);
    // Without a parent, only the legs of the calls that are shown.
    let is_wanted = |leg: &&Leg| match &parent {
        Some(parent) => leg.parent_call_sid == *parent,
        None => calls.iter().any(|call| call.sid == leg.parent_call_sid),
    };
    let mut found: Vec<Value> = legs.iter().filter(is_wanted).map(|leg| leg.resource(&account)).collect();
    found.extend(calls.iter().rev().map(ListedCall::resource));
    Ok(Json(one_page(&account, "Calls.json", query, "calls", &found)))
}

impl Leg {
    /// A leg as Twilio shows it, with the fields that are in use. The duration is a text, and null while the call lasts.
    pub(super) fn resource(&self, account: &str) -> Value {
        let is_over = !matches!(self.status.as_str(), "queued" | "ringing" | "in-progress");
        json!({
            "account_sid": account,
            "direction": "outbound-dial",
            "duration": is_over.then(|| self.duration_seconds.to_string()),
            "parent_call_sid": self.parent_call_sid,
            "sid": self.call_sid,
            "status": self.status,
            "uri": format!("/2010-04-01/Accounts/{account}/Calls/{}.json", self.call_sid),
        })
    }
}
