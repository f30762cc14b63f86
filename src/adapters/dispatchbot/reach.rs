//! Whether DispatchBot is there and knows our key, without asking it anything.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use super::client::DispatchBotClient;
use super::wire::{self, MAX_ANSWER};
use crate::adapters::http_client::{describe, read_body};

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
    /// Posts an empty object to the service's DispatchBot: nothing is analyzed. If the dialect has a path for health, that
    /// is asked as well.
    pub async fn reach(&self, timeout: Duration) -> Reached {
        let wire = wire::of(self.endpoint.dialect);
        let base = self.endpoint.url.trim_end_matches('/');
        let request = (wire.authorize)(self.http.post(format!("{base}{}", wire.path)), &self.endpoint.api_key);
        let reached = match request.json(&serde_json::json!({})).timeout(timeout).send().await {
            Ok(answer) => read(answer.status()),
            Err(error) => Reached::Away { reason: describe(error) },
        };
        match wire.health_path {
            Some(path)
                if reached == Reached::Accepted && self.is_unhealthy(&format!("{base}{path}"), timeout).await =>
            {
                Reached::Away { reason: "it says that it is unhealthy".to_owned() }
            }
            _ => reached,
        }
    }

    /// Whether it says so itself. No readable answer says nothing.
    async fn is_unhealthy(&self, url: &str, timeout: Duration) -> bool {
        let Ok(answer) = self.http.get(url).timeout(timeout).send().await else { return false };
        let Ok(body) = read_body(answer, MAX_ANSWER).await else { return false };
        let health: Value = serde_json::from_slice(&body).unwrap_or_default();
        health["status"] == "unhealthy"
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
