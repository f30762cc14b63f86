//! Checks with Twilio whether an auth token belongs to an account.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::StatusCode;
use serde::Deserialize;

use super::client::{Account, TwilioClient};
use crate::adapters::http_client::describe;

/// Twilio's answer about an account and its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The token belongs to the account.
    Confirmed,
    /// It does not, or the account does not exist.
    Refused,
    /// No usable answer: Twilio is unreachable, or does not answer as expected.
    Away {
        /// What happened, without any content of the answer.
        reason: String,
    },
}

/// The fields of `GET /Accounts/{sid}.json` that are used.
#[derive(Deserialize)]
struct AccountResource {
    sid: String,
}

impl TwilioClient {
    /// Requests the account from Twilio with the account's own token, within `timeout`.
    pub async fn prove(&self, account: &Account, timeout: Duration) -> Proof {
        let sid = utf8_percent_encode(&account.sid, NON_ALPHANUMERIC);
        let request = self.http.get(format!("{}/2010-04-01/Accounts/{sid}.json", self.api_url));
        let asked = tokio::time::timeout(timeout, self.exchange(account, request));
        let (status, body) = match asked.await {
            Ok(Ok((status, _, body))) => (status, body),
            Ok(Err(error)) => return Proof::Away { reason: describe(error) },
            Err(_late) => return Proof::Away { reason: "timeout".to_owned() },
        };
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Proof::Refused,
            StatusCode::OK => match serde_json::from_slice::<AccountResource>(&body.unwrap_or_default()) {
                Ok(resource) if resource.sid == account.sid => Proof::Confirmed,
                Ok(_another) => Proof::Refused,
                Err(_) => Proof::Away { reason: "the answer is not an account".to_owned() },
            },
            status => Proof::Away { reason: format!("status {}", status.as_u16()) },
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::adapters::http_client::{
        self,
        loopback::{Loopback, Reply, nobody},
    };
    use crate::config::Secret;

    const LONG: Duration = Duration::from_secs(30);

    fn account() -> Account {
        Account { sid: "AC1".to_owned(), token: Secret::new("token") }
    }

    fn client(url: String) -> TwilioClient {
        TwilioClient::new(http_client::build().unwrap(), url, LONG)
    }

    fn away(proof: &Proof) -> bool {
        matches!(proof, Proof::Away { .. })
    }

    #[tokio::test]
    async fn twilio_confirms_the_token_by_giving_the_account() {
        let mut server = Loopback::start([Reply::Answer(200, "", r#"{"sid":"AC1","status":"active"}"#.into())]).await;
        assert_eq!(client(server.url.clone()).prove(&account(), LONG).await, Proof::Confirmed);
        let request = &server.received()[0];
        assert!(request.head.starts_with("GET /2010-04-01/Accounts/AC1.json HTTP/1.1\r\n"), "{}", request.head);
        assert_eq!(request.header("authorization"), Some("Basic QUMxOnRva2Vu"));
    }

    #[rstest]
    #[case::a_wrong_token(401, "{}")]
    #[case::no_access(403, "{}")]
    #[case::no_such_account(404, "{}")]
    #[case::another_account(200, r#"{"sid":"AC2"}"#)]
    #[tokio::test]
    async fn twilio_says_no(#[case] status: u16, #[case] body: &str) {
        let server = Loopback::start([Reply::Answer(status, "", body.to_owned())]).await;
        assert_eq!(client(server.url.clone()).prove(&account(), LONG).await, Proof::Refused);
    }

    #[rstest]
    #[case::a_server_error(Reply::Answer(503, "", String::new()))]
    #[case::too_many_requests(Reply::Answer(429, "", String::new()))]
    #[case::no_account(Reply::Answer(200, "", "<html>".into()))]
    #[case::a_redirect(Reply::Answer(302, "location: /\r\n", String::new()))]
    #[case::a_broken_answer(Reply::Break(200))]
    #[tokio::test]
    async fn anything_else_is_no_answer(#[case] reply: Reply) {
        let server = Loopback::start([reply]).await;
        let proof = client(server.url.clone()).prove(&account(), LONG).await;
        assert!(away(&proof), "{proof:?}");
    }

    #[tokio::test]
    async fn a_twilio_that_is_away_or_slow_has_not_said_anything() {
        assert!(away(&client(nobody().await).prove(&account(), LONG).await));
        let server = Loopback::start([Reply::Hang]).await;
        assert!(away(&client(server.url.clone()).prove(&account(), Duration::from_millis(50)).await));
    }
}
