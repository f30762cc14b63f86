//! Places calls.

use std::fmt;
use std::time::Duration;

use super::client::{Account, SendOutcome, TwilioClient};
use super::wire::read_created_as;
use crate::adapters::http_client::describe;

/// A call to place.
#[derive(Clone, PartialEq, Eq)]
pub struct OutgoingCall {
    /// The phone to call.
    pub to: String,
    /// The number that it shows: one of the business.
    pub from: String,
    /// Where Twilio gets the TwiML that is played when the phone answers.
    pub url: String,
    /// Where Twilio reports how the call ended.
    pub status_callback: String,
    /// How long it rings.
    pub rings_for: Duration,
}

/// Omits the numbers.
impl fmt::Debug for OutgoingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingCall").field("url", &self.url).finish_non_exhaustive()
    }
}

impl TwilioClient {
    /// Places a call, with one request and without a retry. Twilio takes one call a second of an account, and refuses more.
    pub async fn place_call(&self, account: &Account, call: &OutgoingCall) -> SendOutcome {
        let rings_for = call.rings_for.as_secs().to_string();
        let form = [
            ("To", &call.to),
            ("From", &call.from),
            ("Url", &call.url),
            ("StatusCallback", &call.status_callback),
            ("Timeout", &rings_for),
        ];
        let request = self.http.post(self.resource_url(account, "Calls.json")).form(&form);
        match self.exchange(account, request).await {
            Ok((status, retry_after, body)) => read_created_as(&["CA"], status, retry_after, &body.unwrap_or_default()),
            Err(error) if error.is_connect() || error.is_builder() => {
                SendOutcome::NotProcessed { retry_after: None, reason: describe(error) }
            }
            Err(error) => SendOutcome::Unknown { reason: describe(error) },
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
        loopback::{Loopback, Reply},
    };
    use crate::config::Secret;

    #[rstest]
    #[case::placed(201, r#"{"sid":"CA0123456789abcdef0123456789abcdef","status":"queued"}"#, "accepted")]
    #[case::another_sid(201, r#"{"sid":"SM0123456789abcdef0123456789abcdef"}"#, "unknown")]
    #[case::too_many(429, r#"{"code":20429}"#, "not_processed")]
    #[case::refused(400, r#"{"code":21211}"#, "rejected")]
    #[case::out_of_order(503, "", "unknown")]
    #[tokio::test]
    async fn a_call_is_placed_or_it_is_known_what_happened(
        #[case] status: u16,
        #[case] body: &str,
        #[case] said: &str,
    ) {
        let server = Loopback::start([Reply::Answer(status, "", body.to_owned())]).await;
        let client = TwilioClient::new(http_client::build().unwrap(), server.url.clone(), Duration::from_secs(30));
        let account = Account { sid: "AC1".to_owned(), token: Secret::new("token") };
        let call = OutgoingCall {
            to: "+15555550001".to_owned(),
            from: "+15555551111".to_owned(),
            url: "https://nmc.test/1".to_owned(),
            status_callback: "https://nmc.test/2".to_owned(),
            rings_for: Duration::from_secs(25),
        };
        assert_eq!(client.place_call(&account, &call).await.label(), said);
    }
}
