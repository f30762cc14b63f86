//! Whether DispatchBot is there and knows our key, without asking it anything.

use std::time::Duration;

use reqwest::StatusCode;

use super::client::DispatchBotClient;
use crate::adapters::http_client::describe;

/// DispatchBot's answer to an empty request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// It accepts our key, and refuses the request because it is empty, as it must.
    Accepted,
    /// It refuses our key.
    KeyRefused,
    /// No usable answer.
    Away {
        /// What happened, without any content of the answer.
        reason: String,
    },
}

impl DispatchBotClient {
    /// Posts an empty object: nothing is analyzed.
    pub async fn reach(&self, timeout: Duration) -> Reached {
        let request = self.http.post(&self.analyze_url).bearer_auth(self.api_key.expose());
        match request.json(&serde_json::json!({})).timeout(timeout).send().await {
            Ok(answer) => read(answer.status()),
            Err(error) => Reached::Away { reason: describe(error) },
        }
    }
}

fn read(status: StatusCode) -> Reached {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::OK => Reached::Accepted,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Reached::KeyRefused,
        status => Reached::Away { reason: format!("status {}", status.as_u16()) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn away(status: u16) -> Reached {
        Reached::Away { reason: format!("status {status}") }
    }

    #[rstest]
    #[case::it_misses_the_fields(422, Reached::Accepted)]
    #[case::it_cannot_read_it(400, Reached::Accepted)]
    #[case::another_key(401, Reached::KeyRefused)]
    #[case::no_access(403, Reached::KeyRefused)]
    #[case::another_address(404, away(404))]
    #[case::a_redirect(302, away(302))]
    #[case::too_many_requests(429, away(429))]
    #[case::an_error(503, away(503))]
    fn the_status_says_whether_it_is_there(#[case] status: u16, #[case] expected: Reached) {
        assert_eq!(StatusCode::from_u16(status).map(read).ok(), Some(expected));
    }
}
