//! What stands beside a business's document: whose its numbers are, and which phones have still to answer a code; and what
//! may be put of them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use poem_openapi::Object;

use super::twilio_account::TwilioAccount;
use super::validation::Problems;
use crate::adapters::postgres::{self, BusinessRecord, StoreError};
use crate::domain::business::Profile;
use crate::domain::phone::PhoneNumber;
use crate::domain::phones::{beyond_scope, scope, why_refused};
use crate::http::Edge;
use crate::http::problem::{Code, Problem};

/// A number of a business, and what Twilio says of it.
#[derive(Debug, Clone, Object)]
pub(super) struct NumberState {
    /// The number.
    phone: String,
    /// Whether the account of the business has it: `yes`, `no`, or `unknown` as long as Twilio has not said. Calls and texts
    /// are taken in any case.
    verified: String,
}

/// A phone that does not count yet.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(super) struct PendingPhone {
    /// Where it was put: `forward_to` or `emergency_contacts`.
    field: String,
    /// The phone.
    phone: String,
    /// `waiting` (its code is yet to be sent), `sent`, `unknown` (whether it was sent), `not_sent`, `expired`, or `too_many`
    /// (it has had 5 codes within a day, or the business 20). From the last four on, putting it again has another code sent.
    state: String,
    /// Until when it may answer.
    expires_at: Option<DateTime<Utc>>,
}

/// What belongs to several businesses, by their ids.
#[derive(Debug, Default)]
pub(super) struct Beside {
    numbers: HashMap<String, Vec<NumberState>>,
    pending: HashMap<String, Vec<postgres::PendingPhone>>,
}

impl Beside {
    /// Reads it.
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

    /// What belongs to one of them.
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

/// Phones that calls or alerts go to are ordinary ones.
pub(super) fn ordinary(problems: &mut Problems, field: &str, phones: &[PhoneNumber]) {
    // Which one it is stands in the request: it is not repeated.
    if let Some(why) = phones.iter().find_map(why_refused) {
        problems.add(field, why);
    }
}

/// Refuses what a key without the scope `numbers` must not put, before anything else is done for it. The transaction that
/// keeps the business looks once more.
pub(super) async fn within_scope(edge: &Edge, put: &Profile, account: Option<&TwilioAccount>) -> Result<(), Problem> {
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
    let beyond = beyond_scope(&numbers, &account_sids, &put.phone_numbers, put_account_sid, puts_token);
    if beyond.is_empty() {
        return Ok(());
    }
    Err(Problem::new(Code::Unauthorized, scope::why(&beyond)).forbidden())
}
