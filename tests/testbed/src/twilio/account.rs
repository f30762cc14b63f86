//! `GET /Accounts/{Sid}.json`: an account, for callers with its token.

use std::sync::Arc;

use poem::http::header;
use poem::web::{Data, Json, Path};
use poem::{Request, handler};
use serde_json::{Value, json};

use super::check::authorize;
use super::error::ApiError;
use super::faults::Endpoint;
use super::header_text;
use super::state::State;

#[handler]
pub(super) async fn fetch(
    request: &Request,
    Path(file): Path<String>,
    Data(state): Data<&Arc<State>>,
) -> Result<Json<Value>, ApiError> {
    let sid = file.strip_suffix(".json").ok_or_else(|| ApiError::not_found(request.uri().path()))?;
    if let Some(refusal) = state.take_refusal(Endpoint::Account, "") {
        state.count(format!("account_fault_{}", refusal.status));
        return Err(refusal.into());
    }
    let authorized = authorize(state, sid, header_text(request, header::AUTHORIZATION).as_deref());
    state.count(if authorized.is_ok() { "account_confirmed" } else { "account_refused" });
    authorized?;
    let status = crate::sim::lock(&state.account_statuses).get(sid).cloned().unwrap_or_else(|| "active".to_owned());
    Ok(Json(json!({
        "sid": sid,
        "friendly_name": "An account of the simulator",
        "owner_account_sid": state.main_account,
        "status": status,
        "type": "Full",
        "date_created": "Mon, 05 Jan 2026 12:00:00 +0000",
        "date_updated": "Mon, 05 Jan 2026 12:00:00 +0000",
        "uri": format!("/2010-04-01/Accounts/{sid}.json"),
        "subresource_uris": { "messages": format!("/2010-04-01/Accounts/{sid}/Messages.json") },
    })))
}
