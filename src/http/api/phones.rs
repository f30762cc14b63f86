//! Data shown with a business: the verification of its numbers, and phones that have not confirmed their code yet; and
//! the rules for both.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use poem_openapi::Object;

use super::dispatchbot;
use super::twilio_account::TwilioAccount;
use super::validation::Problems;
use crate::adapters::postgres::{self, BusinessRecord};
use crate::domain::business::Profile;
use crate::domain::phone::PhoneNumber;
use crate::domain::phones::{beyond_scope, scope, why_refused};
use crate::http::Edge;
use crate::http::problem::{Code, Problem};
use crate::store::StoreError;

/// A number of a business, with the result of its verification at Twilio.
#[derive(Debug, Clone, Object)]
pub(super) struct NumberState {
    /// The phone number.
    phone: String,
    /// Whether the number is in the business's Twilio account: `yes`, `no`, or `unknown` until Twilio has answered.
    /// Calls and texts are accepted in any case.
    verified: String,
}

/// A phone that is not in effect yet.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(super) struct PendingPhone {
    /// The field for which the phone was set: `forward_to` or `emergency_contacts`.
    field: String,
    /// The phone number.
    phone: String,
    /// The state of its code:
    /// - `waiting`: the code is not sent yet.
    /// - `sent`: the code was sent, and the phone has not answered it yet.
    /// - `unknown`: it is not known whether the code was sent.
    /// - `not_sent`: the code could not be sent, or the phone has opted out of the business's texts.
    /// - `expired`: the phone did not answer it in time, or gave too many wrong answers.
    /// - `too_many`: the phone has had 5 codes within a day, or the business 20.
    ///
    /// In the last four states, setting the phone again sends another code.
    state: String,
    /// Until when the phone can answer the code.
    expires_at: Option<DateTime<Utc>>,
}

/// Numbers and pending phones of several businesses, by business id.
#[derive(Debug, Default)]
pub(super) struct Beside {
    numbers: HashMap<String, Vec<NumberState>>,
    pending: HashMap<String, Vec<postgres::PendingPhone>>,
}

impl Beside {
    /// Reads them from the store.
    pub(super) async fn read<'a>(
        edge: &Edge,
        of: impl IntoIterator<Item = &'a BusinessRecord>,
    ) -> Result<Self, StoreError> {
        let ids: Vec<String> = of.into_iter().map(|record| record.id.clone()).collect();
        let mut numbers: HashMap<String, Vec<NumberState>> = HashMap::new();
        for row in edge.store.numbers_of(&ids).await? {
            let state = NumberState { phone: row.phone, verified: row.verified.to_string() };
            numbers.entry(row.business_id).or_default().push(state);
        }
        Ok(Self { numbers, pending: edge.store.pending_phones(&ids).await? })
    }

    /// Those of one business.
    pub(super) fn of(&mut self, business_id: &str) -> (Vec<NumberState>, Vec<PendingPhone>) {
        let pending = self.pending.remove(business_id).unwrap_or_default().into_iter().map(|pending| PendingPhone {
            field: pending.field.to_owned(),
            phone: pending.phone,
            state: pending.state.to_string(),
            expires_at: pending.expires_at,
        });
        (self.numbers.remove(business_id).unwrap_or_default(), pending.collect())
    }
}

/// Checks that phones for calls or alerts are ordinary numbers.
pub(super) fn ordinary(problems: &mut Problems, field: &str, phones: &[PhoneNumber]) {
    // The number is in the request; the error does not repeat it.
    if let Some(why) = phones.iter().find_map(why_refused) {
        problems.add(field, why);
    }
}

/// Refuses what a key without the scope `numbers` must not change, before anything else is done. The transaction that
/// stores the business checks it again.
pub(super) async fn within_scope(
    edge: &Edge,
    put: &Profile,
    account: Option<&TwilioAccount>,
    puts_dispatchbot_key: bool,
) -> Result<(), Problem> {
    let unavailable = |error: StoreError| Problem::unavailable(&error);
    let before = edge.store.business(&put.id).await.map_err(unavailable)?;
    let numbers = edge.store.numbers_of(std::slice::from_ref(&put.id)).await.map_err(unavailable)?;
    let numbers: Vec<String> = numbers.into_iter().map(|row| row.phone).collect();
    let before = before.as_ref();
    let account_sids = [
        before.and_then(|before| before.twilio_account_sid.as_deref()),
        before.and_then(|before| before.pending_account_sid.as_deref()),
    ];
    let put_account_sid = account.map(|account| account.account_sid.as_str());
    let puts_token = account.is_some_and(|account| account.auth_token.is_some());
    let mut beyond = beyond_scope(&numbers, &account_sids, &put.phone_numbers, put_account_sid, puts_token);
    let own_before = before.and_then(dispatchbot::stored);
    if puts_dispatchbot_key || own_before.as_ref() != put.policy.dispatchbot.as_ref() {
        beyond.push(scope::DISPATCHBOT);
    }
    if beyond.is_empty() {
        return Ok(());
    }
    Err(Problem::new(Code::Unauthorized, scope::why(&beyond)).forbidden())
}
