//! Checks with Twilio whether an account has a phone number.

use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;

use super::client::{Account, TwilioClient, query};
use crate::adapters::http_client::describe;

/// Twilio's answer about a number of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NumberFound {
    /// The account has the number.
    Yes,
    /// The account does not have the number.
    No,
    /// Twilio refused the account or its token.
    Refused,
    /// There was no usable answer.
    Unanswered {
        /// How long Twilio asks us to wait.
        retry_after: Option<Duration>,
        /// What happened, without the number.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Page {
    incoming_phone_numbers: Vec<IncomingNumber>,
}

#[derive(Deserialize)]
struct IncomingNumber {
    phone_number: String,
}

impl TwilioClient {
    /// Looks up one number in an account, with one request.
    pub async fn find_number(&self, account: &Account, phone: &str) -> NumberFound {
        match self.get(account, "IncomingPhoneNumbers.json", &query(&[("PhoneNumber", phone)])).await {
            Ok((status, retry_after, body)) => read(phone, status, retry_after, &body.unwrap_or_default()),
            Err(error) => NumberFound::Unanswered { retry_after: None, reason: describe(error.without_url()) },
        }
    }
}

/// Interprets the answer. An account that does not exist, or is closed, counts as refused.
fn read(phone: &str, status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> NumberFound {
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) {
        return NumberFound::Refused;
    }
    let unanswered = |reason: String| NumberFound::Unanswered { retry_after, reason };
    if !status.is_success() {
        return unanswered(format!("status {status}"));
    }
    // Twilio's filter also matches parts of numbers.
    match serde_json::from_slice::<Page>(body) {
        Ok(page) if page.incoming_phone_numbers.iter().any(|number| number.phone_number == phone) => NumberFound::Yes,
        Ok(_) => NumberFound::No,
        Err(_) => unanswered("the answer is not a list of numbers".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::found(200, r#"{"incoming_phone_numbers":[{"sid":"PN1","phone_number":"+15555551111"}],"page":0}"#, "yes")]
    #[case::only_a_longer_one(200, r#"{"incoming_phone_numbers":[{"phone_number":"+155555511112"}]}"#, "no")]
    #[case::none(200, r#"{"incoming_phone_numbers":[]}"#, "no")]
    #[case::another_token(401, r#"{"code":20003}"#, "refused")]
    #[case::no_such_account(404, r#"{"code":20404}"#, "refused")]
    #[case::too_many(429, "{}", "unanswered")]
    #[case::out_of_order(503, "", "unanswered")]
    #[case::no_list(200, r#"{"messages":[]}"#, "unanswered")]
    #[case::no_json(200, "<html>", "unanswered")]
    fn only_a_list_without_it_says_no(#[case] status: u16, #[case] body: &str, #[case] said: &str) {
        let status = StatusCode::from_u16(status).unwrap_or_default();
        let found = match read("+15555551111", status, None, body.as_bytes()) {
            NumberFound::Yes => "yes",
            NumberFound::No => "no",
            NumberFound::Refused => "refused",
            NumberFound::Unanswered { .. } => "unanswered",
        };
        assert_eq!(found, said);
    }
}
