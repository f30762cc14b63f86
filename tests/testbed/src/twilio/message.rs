//! A message that the simulator has accepted, and its form in the REST API.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

/// A message from us that Twilio has accepted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SentMessage {
    /// `SM…`.
    pub sid: String,
    /// The account under which it was sent.
    pub account_sid: String,
    /// The customer's number.
    pub to: String,
    /// The business's number; empty with a messaging service.
    pub from: String,
    /// The text of the message.
    pub body: String,
    /// The MediaUrl parameters.
    pub media_urls: Vec<String>,
    /// The URL to which its status is reported.
    pub status_callback: Option<String>,
    /// The ValidityPeriod parameter, in seconds.
    pub validity_period: Option<u32>,
    /// `queued`, `sent`, then `delivered`, `undelivered` or `failed`.
    pub status: String,
    /// The error code if it was not delivered.
    pub error_code: Option<u32>,
    /// The time at which it was accepted.
    pub accepted_at: DateTime<Utc>,
    /// The time at which it was sent, from status `sent` on.
    pub sent_at: Option<DateTime<Utc>>,
    /// The time of its last change.
    pub updated_at: DateTime<Utc>,
    /// Whether the 201 was sent: false while it is delayed, and for good if the answer was dropped or came too late.
    pub answered: bool,
    /// The list shows it only from this time on.
    #[serde(skip)]
    pub(super) listed_from: DateTime<Utc>,
    /// `outbound-api`, or `inbound` for a customer's text, which only the list shows.
    #[serde(skip)]
    pub(super) direction: &'static str,
}

impl SentMessage {
    /// The resource in the form of the REST API.
    pub fn resource(&self) -> Value {
        json!({
            "account_sid": self.account_sid,
            "api_version": "2010-04-01",
            "body": self.body,
            "date_created": rfc2822(self.accepted_at),
            "date_sent": self.sent_at.map(rfc2822),
            "date_updated": rfc2822(self.updated_at),
            "direction": self.direction,
            "error_code": self.error_code,
            "error_message": null,
            "from": self.from,
            "messaging_service_sid": null,
            "num_media": self.media_urls.len().to_string(),
            "num_segments": segments(&self.body).to_string(),
            "price": null,
            "price_unit": "USD",
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {"media": format!("{}/Media.json", self.uri().trim_end_matches(".json"))},
            "to": self.to,
            "uri": self.uri(),
        })
    }

    fn uri(&self) -> String {
        format!("/2010-04-01/Accounts/{}/Messages/{}.json", self.account_sid, self.sid)
    }
}

pub(super) fn rfc2822(time: DateTime<Utc>) -> String {
    time.format("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

const GSM_BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const GSM_EXTENDED: &str = "^{}\\[~]|€";

/// The number of SMS segments of a text: GSM-7 (160, or 153 each) if possible, else UCS-2 (70, or 67 each).
pub fn segments(body: &str) -> usize {
    let gsm = |character| match character {
        _ if GSM_BASIC.contains(character) => Some(1),
        _ if GSM_EXTENDED.contains(character) => Some(2),
        _ => None,
    };
    let (units, single, each) = match body.chars().map(gsm).sum::<Option<usize>>() {
        Some(septets) => (septets, 160, 153),
        None => (body.encode_utf16().count(), 70, 67),
    };
    if units <= single { 1 } else { units.div_ceil(each) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_counted_by_alphabet() {
        for (body, expected) in [
            ("a".repeat(160), 1),
            ("a".repeat(161), 2),
            ("€".repeat(81), 2),
            ("😀".repeat(35), 1),
            ("😀".repeat(36), 2),
            (String::new(), 1),
        ] {
            assert_eq!(segments(&body), expected, "{body}");
        }
    }
}
