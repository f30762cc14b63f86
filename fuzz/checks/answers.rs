//! The answers of DispatchBot and Twilio: a body, read as both, and with every kind of status.

use std::time::Duration;

use nevermisscall::internals::{Dialect, PriceRange, SendOutcome, are_estimated, read_answer, read_created, read_page};
use reqwest::StatusCode;

/// Nothing panics; the rules can use every answer that passes; an unclear answer is unknown.
pub fn check(data: &[u8]) {
    for dialect in Dialect::ALL {
        is_answer(*dialect, data);
    }
    for status in [200, 201, 202, 204, 302, 400, 401, 404, 408, 429, 499, 500, 503] {
        twilio(StatusCode::from_u16(status).expect("a status"), data);
    }
}

/// Whether DispatchBot's answer could be read in this dialect.
pub fn is_answer(dialect: Dialect, data: &[u8]) -> bool {
    let Ok(answer) = read_answer(dialect, data) else { return false };
    assert!(!answer.text.trim().is_empty(), "a blank message");
    assert!(answer.confidence.is_none_or(|confidence| (0.0..=1.0).contains(&confidence)), "{:?}", answer.confidence);
    assert!(!answer.emergency_detected || answer.confidence.is_some(), "an emergency without a confidence");
    let kept = serde_json::to_string(&answer).expect("encoded");
    assert!(!kept.contains("\\u0000"), "PostgreSQL cannot keep it");
    let ranges = [PriceRange { min: 0.0, max: f64::INFINITY }];
    assert!(are_estimated(&answer.text, &ranges), "a price outside of all there are");
    true
}

/// Whether Twilio's answer is an accepted message or a list of messages.
pub fn twilio(status: StatusCode, data: &[u8]) -> bool {
    let asked_to_wait = Some(Duration::from_secs(3));
    let outcome = read_created(status, asked_to_wait, data);
    let accepted = matches!(outcome, SendOutcome::Accepted { .. });
    match (&outcome, status.as_u16()) {
        (SendOutcome::Accepted { sid, segments, .. }, 200..300) => {
            let (kind, digits) = sid.split_at(2);
            assert!(matches!(kind, "SM" | "MM") && digits.len() == 32, "no id of a message: {sid}");
            assert!(u128::from_str_radix(digits, 16).is_ok() && !digits.starts_with('+'), "no id of a message: {sid}");
            assert!(*segments >= 1, "a message without a segment");
        }
        (SendOutcome::NotProcessed { retry_after, .. }, 400..500) => assert_eq!(*retry_after, asked_to_wait),
        (SendOutcome::Rejected { http_status, .. }, 400..500) => {
            assert!(*http_status == status.as_u16() && *http_status != 429);
        }
        // In all other cases, the message may have been accepted: if it counted as refused, it would be sent again.
        (SendOutcome::Unknown { .. }, _) => assert_ne!(status, StatusCode::TOO_MANY_REQUESTS),
        (other, status) => panic!("{other:?} under {status}"),
    }
    let listed = read_page(status, asked_to_wait, data);
    assert!(listed.is_err() || status.is_success(), "a list under {status}");
    accepted || listed.is_ok()
}
