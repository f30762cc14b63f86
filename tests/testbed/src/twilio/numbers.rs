//! `IncomingPhoneNumbers`: which account has which numbers, and where their calls and texts go. By default, every account
//! has every number, and a list without a filter shows those of [`Numbers::of_account`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use poem::http::header;
use poem::web::{Data, Json, Path};
use poem::{Request, handler};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::check::{authorize, is_http};
use super::error::ApiError;
use super::faults::Endpoint;
use super::header_text;
use super::list::{one_page, parameter};
use super::state::State;
use crate::sim::lock;

/// Exceptions from the default that every account has every number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Numbers {
    /// Accounts that have only these numbers.
    pub of_account: HashMap<String, BTreeSet<String>>,
    /// Numbers that no account has, such as a customer's mobile.
    pub of_nobody: BTreeSet<String>,
    /// What a number cannot do: `voice`, `sms`, `mms`.
    pub lacking: HashMap<String, BTreeSet<String>>,
}

impl Numbers {
    fn has(&self, account: &str, number: &str) -> bool {
        !self.of_nobody.contains(number) && self.of_account.get(account).is_none_or(|numbers| numbers.contains(number))
    }
}

/// Whether the account has the number.
pub(super) fn has(state: &State, account: &str, number: &str) -> bool {
    lock(&state.numbers).has(account, number)
}

/// The settings of a number by account and number; what is not there is as after a purchase.
pub(super) type Settings = HashMap<(String, String), BTreeMap<&'static str, String>>;

/// A parameter that changes a setting, the field that shows it, and its value after a purchase.
const SETTINGS: [(&str, &str, &str); 13] = [
    ("VoiceUrl", "voice_url", ""),
    ("VoiceMethod", "voice_method", "POST"),
    ("VoiceFallbackUrl", "voice_fallback_url", ""),
    ("VoiceFallbackMethod", "voice_fallback_method", "POST"),
    ("StatusCallback", "status_callback", ""),
    ("StatusCallbackMethod", "status_callback_method", "POST"),
    ("SmsUrl", "sms_url", ""),
    ("SmsMethod", "sms_method", "POST"),
    ("SmsFallbackUrl", "sms_fallback_url", ""),
    ("SmsFallbackMethod", "sms_fallback_method", "POST"),
    ("VoiceApplicationSid", "voice_application_sid", ""),
    ("SmsApplicationSid", "sms_application_sid", ""),
    ("TrunkSid", "trunk_sid", ""),
];

#[handler]
pub(super) async fn list(
    request: &Request,
    Path(account): Path<String>,
    Data(state): Data<&Arc<State>>,
) -> Result<Json<Value>, ApiError> {
    let query = request.uri().query().unwrap_or_default();
    let asked = parameter(query, "PhoneNumber");
    admit(state, request, &account, asked.as_deref().unwrap_or_default())?;
    state.count("numbers_listed");
    let numbers = lock(&state.numbers).clone();
    let found: Vec<Value> = match &asked {
        Some(number) if numbers.has(&account, number) => vec![resource(state, &account, number)],
        Some(_) => Vec::new(),
        None => {
            let listed = numbers.of_account.get(&account).into_iter().flatten();
            listed.map(|number| resource(state, &account, number)).collect()
        }
    };
    Ok(Json(one_page(&account, "IncomingPhoneNumbers.json", query, "incoming_phone_numbers", &found)))
}

#[handler]
pub(super) async fn fetch(
    request: &Request,
    Path((account, file)): Path<(String, String)>,
    Data(state): Data<&Arc<State>>,
) -> Result<Json<Value>, ApiError> {
    let number = found(state, request, &account, &file)?;
    state.count("number_fetched");
    Ok(Json(resource(state, &account, &number)))
}

#[handler]
pub(super) async fn update(
    request: &Request,
    Path((account, file)): Path<(String, String)>,
    body: Vec<u8>,
    Data(state): Data<&Arc<State>>,
) -> Result<Json<Value>, ApiError> {
    let number = found(state, request, &account, &file)?;
    if let Some(refusal) = state.take_refusal(Endpoint::NumberUpdate, &number) {
        state.count(format!("number_update_fault_{}", refusal.status));
        return Err(refusal.into());
    }
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
    form.iter().try_for_each(|(parameter, value)| check(parameter, value))?;
    state.count("number_updated");
    let changed = form.iter().filter_map(|(parameter, value)| {
        let (_, field, _) = SETTINGS.iter().find(|(known, _, _)| known == parameter)?;
        Some((*field, value.clone()))
    });
    set(state, &account, &number, changed);
    Ok(Json(resource(state, &account, &number)))
}

/// Checks the credentials, and takes the error of a rule, if one applies.
fn admit(state: &State, request: &Request, account: &str, number: &str) -> Result<(), ApiError> {
    if let Err(error) = authorize(state, account, header_text(request, header::AUTHORIZATION).as_deref()) {
        state.count("numbers_unauthorized");
        return Err(error);
    }
    if let Some(refusal) = state.take_refusal(Endpoint::Numbers, number) {
        state.count(format!("numbers_fault_{}", refusal.status));
        return Err(refusal.into());
    }
    Ok(())
}

/// The number whose SID the path names, if the account has it.
fn found(state: &State, request: &Request, account: &str, file: &str) -> Result<String, ApiError> {
    let sid = file.strip_suffix(".json").unwrap_or(file);
    let number = sid.strip_prefix("PN").map(|digits| format!("+{}", digits.trim_start_matches('0')));
    admit(state, request, account, number.as_deref().unwrap_or_default())?;
    let number = number.filter(|number| lock(&state.numbers).has(account, number));
    number.ok_or_else(|| ApiError::not_found(request.uri().path()))
}

/// Twilio's checks of a parameter (errors 21402 and 21403).
fn check(parameter: &str, value: &str) -> Result<(), ApiError> {
    if parameter.ends_with("Method") && !matches!(value, "GET" | "POST") {
        return Err(ApiError::bad_request(21403, format!("Invalid Method: {parameter}")));
    }
    let is_url = parameter.ends_with("Url") || parameter == "StatusCallback";
    if is_url && !value.is_empty() && !is_http(value) {
        return Err(ApiError::bad_request(21402, format!("Invalid Url: {parameter} {value}")));
    }
    Ok(())
}

/// Changes settings of a number, by the fields that show them.
pub(super) fn set(state: &State, account: &str, number: &str, changed: impl Iterator<Item = (&'static str, String)>) {
    let mut settings = lock(&state.number_settings);
    let of_number = settings.entry((account.to_owned(), number.to_owned())).or_default();
    for (field, value) in changed {
        // An application and a trunk displace each other.
        if field == "voice_application_sid" && !value.is_empty() {
            of_number.remove("trunk_sid");
        }
        if field == "trunk_sid" && !value.is_empty() {
            of_number.remove("voice_application_sid");
        }
        of_number.insert(field, value);
    }
}

/// The field with this name, if it is a setting.
pub(super) fn setting(field: &str) -> Option<&'static str> {
    SETTINGS.iter().map(|(_, known, _)| *known).find(|known| *known == field)
}

/// A number as Twilio shows it.
pub(super) fn resource(state: &State, account: &str, number: &str) -> Value {
    let sid = sid(number);
    let lacking = lock(&state.numbers).lacking.get(number).cloned().unwrap_or_default();
    let can = |what: &str| !lacking.contains(what);
    let fixed = json!({
        "account_sid": account,
        "address_requirements": "none",
        "address_sid": null,
        "api_version": "2010-04-01",
        "beta": false,
        "bundle_sid": null,
        "capabilities": { "fax": false, "mms": can("mms"), "sms": can("sms"), "voice": can("voice") },
        "date_created": "Mon, 05 Jan 2026 12:00:00 +0000",
        "date_updated": "Mon, 05 Jan 2026 12:00:00 +0000",
        "emergency_address_sid": null,
        "emergency_address_status": "unregistered",
        "emergency_status": "Inactive",
        "friendly_name": number,
        "identity_sid": null,
        "origin": "twilio",
        "phone_number": number,
        "sid": sid,
        "status": "in-use",
        "type": "local",
        "uri": format!("/2010-04-01/Accounts/{account}/IncomingPhoneNumbers/{sid}.json"),
        "voice_caller_id_lookup": false,
        "voice_receive_mode": "voice",
    });
    let mut fields: Map<String, Value> = fixed.as_object().cloned().unwrap_or_default();
    let settings = lock(&state.number_settings);
    let own = settings.get(&(account.to_owned(), number.to_owned()));
    for (_, field, default) in SETTINGS {
        let value = own.and_then(|own| own.get(field)).map_or(default, String::as_str);
        // Only a trunk is null if there is none.
        let value = if field == "trunk_sid" && value.is_empty() { Value::Null } else { value.into() };
        fields.insert(field.to_owned(), value);
    }
    Value::Object(fields)
}

/// The SID of a number, which is made of its digits.
pub(super) fn sid(number: &str) -> String {
    format!("PN{:0>32}", number.trim_start_matches('+'))
}
