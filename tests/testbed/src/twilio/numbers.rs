//! `GET …/IncomingPhoneNumbers.json`: which account has which numbers. By default, every account has every number.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use poem::http::header;
use poem::web::{Data, Json, Path};
use poem::{Request, handler};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::check::authorize;
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
}

impl Numbers {
    fn has(&self, account: &str, number: &str) -> bool {
        !self.of_nobody.contains(number) && self.of_account.get(account).is_none_or(|numbers| numbers.contains(number))
    }
}

#[handler]
pub(super) async fn list(
    request: &Request,
    Path(account): Path<String>,
    Data(state): Data<&Arc<State>>,
) -> Result<Json<Value>, ApiError> {
    if let Err(error) = authorize(state, &account, header_text(request, header::AUTHORIZATION).as_deref()) {
        state.count("numbers_unauthorized");
        return Err(error);
    }
    let query = request.uri().query().unwrap_or_default();
    let asked = parameter(query, "PhoneNumber");
    if let Some(refusal) = state.take_refusal(Endpoint::Numbers, asked.as_deref().unwrap_or_default()) {
        state.count(format!("numbers_fault_{}", refusal.status));
        return Err(refusal.into());
    }
    state.count("numbers_listed");
    let numbers = lock(&state.numbers).clone();
    let found: Vec<Value> = match &asked {
        Some(number) if numbers.has(&account, number) => vec![resource(&account, number)],
        Some(_) => Vec::new(),
        None => {
            numbers.of_account.get(&account).into_iter().flatten().map(|number| resource(&account, number)).collect()
        }
    };
    Ok(Json(one_page(&account, "IncomingPhoneNumbers.json", query, "incoming_phone_numbers", &found)))
}

/// A number as Twilio shows it, with the fields that are in use.
fn resource(account: &str, number: &str) -> Value {
    let digits = number.trim_start_matches('+');
    json!({
        "account_sid": account,
        "capabilities": { "fax": false, "mms": true, "sms": true, "voice": true },
        "friendly_name": number,
        "origin": "twilio",
        "phone_number": number,
        "sid": format!("PN{digits:0>32}"),
        "status": "in-use",
        "uri": format!("/2010-04-01/Accounts/{account}/IncomingPhoneNumbers/PN{digits:0>32}.json"),
    })
}
