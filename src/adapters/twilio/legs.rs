//! Asks Twilio how the leg of a call to the owner's phone ended.

use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;

use super::client::{Account, TwilioClient, query};
use crate::adapters::http_client::describe;

/// Twilio's answer about the legs of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegFound {
    /// The leg has ended.
    Ended {
        /// Its status: `completed`, `no-answer`, `busy`, `failed` or `canceled`.
        status: String,
        /// How long it was connected, in seconds.
        duration_seconds: i32,
    },
    /// The owner's phone still rings, or the two are talking.
    UnderWay,
    /// There is no leg: nobody was dialled.
    Nothing,
    /// Twilio refused the account or its token.
    Refused,
    /// There was no usable answer.
    Unanswered {
        /// How long Twilio asks us to wait.
        retry_after: Option<Duration>,
        /// What happened.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Page {
    calls: Vec<Leg>,
}

#[derive(Deserialize)]
struct Leg {
    status: String,
    /// Seconds, as text.
    duration: Option<String>,
}

impl TwilioClient {
    /// Looks up the legs that were dialled for a call, with one request.
    pub async fn find_leg(&self, account: &Account, call_sid: &str) -> LegFound {
        match self.get(account, "Calls.json", &query(&[("ParentCallSid", call_sid)])).await {
            Ok((status, retry_after, body)) => read(status, retry_after, &body.unwrap_or_default()),
            Err(error) => LegFound::Unanswered { retry_after: None, reason: describe(error.without_url()) },
        }
    }
}

/// Whether this is the status of a call, or of a leg, that has ended.
pub fn call_is_over(status: &str) -> bool {
    !matches!(status, "queued" | "initiated" | "ringing" | "in-progress")
}

/// Interprets the answer. Phones are rung in turn, so of several legs one that talked decides, once all are over.
fn read(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> LegFound {
    if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS && status != StatusCode::REQUEST_TIMEOUT {
        return LegFound::Refused;
    }
    let unanswered = |reason: String| LegFound::Unanswered { retry_after, reason };
    if !status.is_success() {
        return unanswered(format!("status {status}"));
    }
    let Ok(Page { calls }) = serde_json::from_slice(body) else {
        return unanswered("the answer is not a list of calls".to_owned());
    };
    let seconds = |leg: &Leg| leg.duration.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0);
    let talked = |leg: &&Leg| leg.status == "completed" && seconds(leg) > 0;
    let is_over = |leg: &Leg| call_is_over(&leg.status);
    match calls.iter().find(talked).or(calls.first()) {
        Some(leg) if calls.iter().all(is_over) => {
            LegFound::Ended { status: leg.status.clone(), duration_seconds: seconds(leg) }
        }
        Some(_) => LegFound::UnderWay,
        None => LegFound::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::answered(200, r#"{"calls":[{"sid":"CA2","status":"completed","duration":"42"}]}"#, "completed 42")]
    #[case::ended_at_once(200, r#"{"calls":[{"status":"completed","duration":"0"}]}"#, "completed 0")]
    #[case::not_answered(200, r#"{"calls":[{"status":"no-answer","duration":null}]}"#, "no-answer 0")]
    #[case::talking(200, r#"{"calls":[{"status":"in-progress","duration":null}]}"#, "under way")]
    #[case::one_of_two_talked(
        200,
        r#"{"calls":[{"status":"busy","duration":null},{"status":"completed","duration":"7"}]}"#,
        "completed 7"
    )]
    #[case::one_of_two_rings(200, r#"{"calls":[{"status":"busy","duration":null},{"status":"ringing"}]}"#, "under way")]
    #[case::a_voicemail_and_one_that_rings(
        200,
        r#"{"calls":[{"status":"ringing"},{"status":"completed","duration":"9"}]}"#,
        "under way"
    )]
    #[case::nobody_was_dialled(200, r#"{"calls":[]}"#, "nothing")]
    #[case::another_token(401, r#"{"code":20003}"#, "refused")]
    #[case::no_such_account(404, r#"{"code":20404}"#, "refused")]
    #[case::too_many(429, "{}", "unanswered")]
    #[case::out_of_order(503, "", "unanswered")]
    #[case::no_list(200, r#"{"messages":[]}"#, "unanswered")]
    fn the_leg_decides_by_status_and_duration(#[case] status: u16, #[case] body: &str, #[case] expected: &str) {
        let found = match read(StatusCode::from_u16(status).unwrap_or_default(), None, body.as_bytes()) {
            LegFound::Ended { status, duration_seconds } => format!("{status} {duration_seconds}"),
            LegFound::UnderWay => "under way".to_owned(),
            LegFound::Nothing => "nothing".to_owned(),
            LegFound::Refused => "refused".to_owned(),
            LegFound::Unanswered { .. } => "unanswered".to_owned(),
        };
        assert_eq!(found, expected);
    }
}
