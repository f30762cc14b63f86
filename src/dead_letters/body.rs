//! The body of a dead letter, as stored in NMC_DEAD.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::phone::PhoneNumber;
use crate::stream::DeadLetter;

/// The body of a dead letter, as it is written and read.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadLetterBody {
    /// Why it could not be processed, as a code.
    pub reason: String,
    /// The details, including the last error; may quote the message, so never log it.
    pub detail: String,
    /// The subject of the message. Nothing is ever published on a subject that begins with `nmc.edge.`.
    pub subject: String,
    /// The business that it belongs to, if known.
    #[serde(default)]
    pub business_id: Option<String>,
    /// Its sequence in its stream.
    pub stream_sequence: u64,
    /// How often it had been delivered.
    pub delivery_count: u64,
    /// When it was published.
    pub first_seen: DateTime<Utc>,
    /// Its headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Its payload.
    pub payload: Kept,
}

/// A payload: UTF-8 stays readable, other bytes are kept exactly.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    Text(String),
    /// Bytes that are not UTF-8.
    Base64(String),
}

/// A payload marked as base64 that is not valid base64.
#[derive(Debug, thiserror::Error)]
#[error("the payload is marked as base64, but is not valid base64: {0}")]
pub struct KeptError(#[from] base64::DecodeError);

impl Kept {
    pub fn of(bytes: &Bytes) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(STANDARD.encode(bytes)),
        }
    }

    /// The original bytes.
    ///
    /// # Errors
    /// If the base64 is invalid, which this code never writes.
    pub fn bytes(&self) -> Result<Bytes, KeptError> {
        match self {
            Self::Text(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
            Self::Base64(text) => Ok(STANDARD.decode(text)?.into()),
        }
    }
}

impl DeadLetterBody {
    /// The body for a message that could not be processed.
    pub fn of(letter: &DeadLetter, business_id: Option<String>) -> Self {
        Self {
            reason: letter.reason.code().to_owned(),
            detail: letter.detail.clone(),
            subject: letter.subject.clone(),
            business_id,
            stream_sequence: letter.stream_sequence,
            delivery_count: letter.delivery_count,
            first_seen: letter.first_seen,
            headers: letter.headers.clone(),
            payload: Kept::of(&letter.payload),
        }
    }
}

impl DeadLetterBody {
    /// The JSON to store.
    pub fn json(&self) -> String {
        // Cannot fail: JSON can represent every text, number and time.
        serde_json::to_value(self).unwrap_or_default().to_string()
    }
}

impl DeadLetterBody {
    /// Whether it contains a phone number, plain or form-encoded.
    pub fn mentions(&self, phone: &PhoneNumber) -> bool {
        let payload = self.payload.bytes().unwrap_or_default();
        let (payload, digits) = (String::from_utf8_lossy(&payload), phone.as_str().trim_start_matches('+'));
        [payload.as_ref(), &self.detail].into_iter().any(|text| {
            text.match_indices(digits).any(|(at, _)| {
                let (before, after) = (&text[..at], &text[at + digits.len()..]);
                let begins = before.ends_with('+') || before.to_ascii_lowercase().ends_with("%2b");
                begins && !after.starts_with(|c: char| c.is_ascii_digit())
            })
        })
    }
}

/// Omits the fields that may contain a customer's words.
impl std::fmt::Debug for DeadLetterBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeadLetterBody")
            .field("reason", &self.reason)
            .field("subject", &self.subject)
            .field("stream_sequence", &self.stream_sequence)
            .finish_non_exhaustive()
    }
}

/// Never shows the payload.
impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept(…)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::text("caf\u{e9}".as_bytes(), r#"{"text":"café"}"#)]
    #[case::no_text(b"caf\xe9", r#"{"base64":"Y2Fm6Q=="}"#)]
    #[case::nothing(b"", r#"{"text":""}"#)]
    fn a_payload_is_kept_to_the_byte(#[case] bytes: &'static [u8], #[case] json: &str) {
        let kept = Kept::of(&Bytes::from_static(bytes));
        assert_eq!(serde_json::to_string(&kept).unwrap(), json);
        assert_eq!(kept.bytes().unwrap(), bytes);
    }

    #[rstest]
    #[case::as_json(r#"{"from":"+12125551234"}"#, true)]
    #[case::as_a_form("From=%2B12125551234&To=%2B1", true)]
    #[case::a_longer_number("+121255512345", false)]
    #[case::digits_of_something_else("SM12125551234", false)]
    #[case::another_number("+12125551235", false)]
    fn a_number_is_found_in_whatever_it_is_written(#[case] text: &str, #[case] found: bool) {
        let body = DeadLetterBody {
            reason: String::new(),
            detail: String::new(),
            subject: String::new(),
            business_id: None,
            stream_sequence: 0,
            delivery_count: 0,
            first_seen: DateTime::default(),
            headers: BTreeMap::new(),
            payload: Kept::Text(text.to_owned()),
        };
        assert_eq!(body.mentions(&"+12125551234".parse().unwrap()), found);
    }

    #[test]
    fn a_letter_of_an_older_version_names_no_business() {
        let text = r#"{"reason":"exhausted","detail":"","subject":"nmc.inbound.sms.k","stream_sequence":1,
            "delivery_count":5,"first_seen":"2026-11-23T14:05:06Z","headers":{},"payload":{"text":"hush"}}"#;
        let body: DeadLetterBody = serde_json::from_str(text).unwrap();
        assert_eq!(body.business_id, None);
        assert!(!format!("{body:?}").contains("hush"));
    }
}
