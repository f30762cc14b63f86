//! Messaging Services of `https://messaging.twilio.com/v1`: their senders, and their registration for A2P 10DLC.

use std::sync::Arc;

use poem::http::header;
use poem::web::{Data, Json, Path};
use poem::{Request, handler};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::check::credentials;
use super::error::ApiError;
use super::faults::Endpoint;
use super::header_text;
use super::numbers;
use super::page::page;
use super::state::State;
use crate::sim::lock;

const MAX_PAGE_SIZE: usize = 1000;
const SINCE: &str = "2026-01-05T12:00:00Z";

/// A Messaging Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MessagingService {
    /// `MG…`.
    pub sid: String,
    /// The account that it belongs to.
    pub account_sid: String,
    /// Its name.
    pub friendly_name: String,
    /// Where texts to its senders go; `None`: nowhere.
    pub inbound_request_url: Option<String>,
    /// Whether texts go where each number's own settings say instead.
    pub use_inbound_webhook_on_number: bool,
    /// The numbers in its pool of senders.
    pub senders: Vec<String>,
    /// The `campaign_status` of each of its campaigns, such as `VERIFIED`.
    pub campaigns: Vec<String>,
}

#[handler]
pub(super) async fn list_services(request: &Request, Data(state): Data<&Arc<State>>) -> Result<Json<Value>, ApiError> {
    let account = admit(state, request)?;
    state.count("services_listed");
    let services = lock(&state.services).clone();
    let own = services.iter().filter(|service| service.account_sid == account);
    let items: Vec<Value> = own.map(|service| resource(state, service)).collect();
    Ok(Json(page(base(state), request, "services", &items, MAX_PAGE_SIZE)))
}

#[handler]
pub(super) async fn fetch_service(
    request: &Request,
    Path(sid): Path<String>,
    Data(state): Data<&Arc<State>>,
) -> Result<Json<Value>, ApiError> {
    let service = found(state, request, &sid)?;
    Ok(Json(resource(state, &service)))
}

#[handler]
pub(super) async fn list_senders(
    request: &Request,
    Path(sid): Path<String>,
    Data(state): Data<&Arc<State>>,
) -> Result<Json<Value>, ApiError> {
    let service = found(state, request, &sid)?;
    let sender = |number: &String| {
        let number_sid = numbers::sid(number);
        json!({
            "account_sid": service.account_sid,
            "capabilities": ["MMS", "SMS", "Voice"],
            "country_code": "US",
            "date_created": SINCE,
            "date_updated": SINCE,
            "phone_number": number,
            "service_sid": service.sid,
            "sid": number_sid,
            "url": format!("{}/v1/Services/{}/PhoneNumbers/{number_sid}", base(state), service.sid),
        })
    };
    let items: Vec<Value> = service.senders.iter().map(sender).collect();
    Ok(Json(page(base(state), request, "phone_numbers", &items, MAX_PAGE_SIZE)))
}

#[handler]
pub(super) async fn list_campaigns(
    request: &Request,
    Path(sid): Path<String>,
    Data(state): Data<&Arc<State>>,
) -> Result<Json<Value>, ApiError> {
    let service = found(state, request, &sid)?;
    state.count("campaigns_listed");
    let campaign = |(index, status): (usize, &String)| {
        let is_verified = status == "VERIFIED";
        let sid = super::sid::sid("QE", index as u128);
        json!({
            "account_sid": service.account_sid,
            "age_gated": false,
            "brand_registration_sid": super::sid::sid("BN", 1),
            "campaign_id": is_verified.then(|| format!("C{index:06}")),
            "campaign_status": status,
            "date_created": SINCE,
            "date_updated": SINCE,
            "description": "Answers to people who called a business",
            "direct_lending": false,
            "errors": [],
            "has_embedded_links": false,
            "has_embedded_phone": false,
            "help_keywords": ["HELP"],
            "help_message": "Call us.",
            "is_externally_registered": false,
            "message_flow": "The customer calls first.",
            "message_samples": ["Hi! I missed your call", "We can come at 9"],
            "messaging_service_sid": service.sid,
            "mock": false,
            "opt_in_keywords": ["START"],
            "opt_in_message": "You are subscribed again.",
            "opt_out_keywords": ["STOP"],
            "opt_out_message": "You get no more messages.",
            "privacy_policy_url": null,
            "rate_limits": is_verified.then(|| json!({ "att": { "mps": 75, "msg_class": "T" } })),
            "sid": sid,
            "subscriber_opt_in": true,
            "terms_and_conditions_url": null,
            "url": format!("{}/v1/Services/{}/Compliance/Usa2p/{sid}", base(state), service.sid),
            "us_app_to_person_usecase": "CUSTOMER_CARE",
        })
    };
    let items: Vec<Value> = service.campaigns.iter().enumerate().map(campaign).collect();
    Ok(Json(page(base(state), request, "compliance", &items, MAX_PAGE_SIZE)))
}

/// Checks the credentials; the account that they are of.
fn admit(state: &State, request: &Request) -> Result<String, ApiError> {
    let given = header_text(request, header::AUTHORIZATION);
    let Some((account, token)) = given.as_deref().and_then(credentials) else { return Err(ApiError::unauthorized()) };
    if !state.accepts_token(&account, &token) {
        return Err(ApiError::unauthorized());
    }
    if let Some(refusal) = state.take_refusal(Endpoint::Messaging, "") {
        state.count(format!("messaging_fault_{}", refusal.status));
        return Err(refusal.into());
    }
    Ok(account)
}

fn found(state: &State, request: &Request, sid: &str) -> Result<MessagingService, ApiError> {
    let account = admit(state, request)?;
    let services = lock(&state.services);
    let service = services.iter().find(|service| service.sid == sid && service.account_sid == account);
    service.cloned().ok_or_else(|| ApiError::not_found(request.uri().path()))
}

fn base(state: &State) -> &str {
    state.base_url.get().map_or("", String::as_str)
}

fn resource(state: &State, service: &MessagingService) -> Value {
    let url = format!("{}/v1/Services/{}", base(state), service.sid);
    let links: Value = [
        ("alpha_senders", "AlphaSenders"),
        ("phone_numbers", "PhoneNumbers"),
        ("short_codes", "ShortCodes"),
        ("us_app_to_person", "Compliance/Usa2p"),
    ]
    .into_iter()
    .map(|(name, path)| (name.to_owned(), Value::from(format!("{url}/{path}"))))
    .collect::<serde_json::Map<_, _>>()
    .into();
    json!({
        "account_sid": service.account_sid,
        "area_code_geomatch": true,
        "date_created": SINCE,
        "date_updated": SINCE,
        "fallback_method": "POST",
        "fallback_to_long_code": false,
        "fallback_url": null,
        "friendly_name": service.friendly_name,
        "inbound_method": "POST",
        "inbound_request_url": service.inbound_request_url,
        "links": links,
        "mms_converter": true,
        "scan_message_content": "inherit",
        "sid": service.sid,
        "smart_encoding": true,
        "status_callback": null,
        "sticky_sender": true,
        "synchronous_validation": false,
        "url": url,
        "us_app_to_person_registered": service.campaigns.iter().any(|status| status == "VERIFIED"),
        "use_inbound_webhook_on_number": service.use_inbound_webhook_on_number,
        "usecase": "undeclared",
        "validity_period": 14_400,
    })
}
