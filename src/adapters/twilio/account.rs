//! The state of an account at Twilio.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::StatusCode;
use serde::Deserialize;

use super::client::{Account, TwilioClient};
use super::wire::Problem;
use crate::adapters::http_client::describe;

/// An account at Twilio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountFound {
    /// The token belongs to it.
    Is {
        /// `active`, `suspended` or `closed`.
        status: String,
        /// `Full` or `Trial`.
        kind: String,
    },
    /// Twilio refuses the account or its token.
    Refused {
        /// Twilio's error code.
        code: Option<u32>,
    },
    /// No usable answer.
    Away {
        /// What happened.
        reason: String,
    },
}

#[derive(Deserialize)]
struct AccountResource {
    status: String,
    #[serde(rename = "type", default)]
    kind: String,
}

impl TwilioClient {
    /// The account as Twilio has it, with one request.
    pub async fn account(&self, account: &Account) -> AccountFound {
        let sid = utf8_percent_encode(&account.sid, NON_ALPHANUMERIC);
        let request = self.http.get(format!("{}/2010-04-01/Accounts/{sid}.json", self.api_url));
        let (status, body) = match self.exchange(account, request).await {
            Ok((status, _, body)) => (status, body.unwrap_or_default()),
            Err(error) => return AccountFound::Away { reason: describe(error) },
        };
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => AccountFound::Refused {
                code: serde_json::from_slice::<Problem>(&body).ok().and_then(|problem| problem.code),
            },
            StatusCode::OK => match serde_json::from_slice::<AccountResource>(&body) {
                Ok(AccountResource { status, kind }) => AccountFound::Is { status, kind },
                Err(_) => AccountFound::Away { reason: "the answer is not an account".to_owned() },
            },
            status => AccountFound::Away { reason: format!("status {}", status.as_u16()) },
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::*;
    use crate::adapters::http_client::{
        self,
        loopback::{Loopback, Reply},
    };
    use crate::config::Secret;

    #[rstest]
    #[case::active(200, r#"{"sid":"AC1","status":"active","type":"Trial"}"#, "active")]
    #[case::refused(401, r#"{"code":20003}"#, "refused")]
    #[case::away(503, "", "away")]
    #[case::no_account(200, "{}", "away")]
    #[tokio::test]
    async fn an_account_is_read_or_it_is_said_why_not(#[case] status: u16, #[case] body: &str, #[case] said: &str) {
        let server = Loopback::start([Reply::Answer(status, "", body.to_owned())]).await;
        let client = TwilioClient::new(http_client::build().unwrap(), server.url.clone(), Duration::from_secs(30));
        let account = Account { sid: "AC1".to_owned(), token: Secret::new("token") };
        let found = match client.account(&account).await {
            AccountFound::Is { status, .. } => status,
            AccountFound::Refused { .. } => "refused".to_owned(),
            AccountFound::Away { .. } => "away".to_owned(),
        };
        assert_eq!(found, said);
    }
}
