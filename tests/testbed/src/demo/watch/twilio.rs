//! The Twilio simulator: each SMS that it accepts, and each delivery report that it posts.

use std::sync::Arc;
use std::time::Duration;

use crate::demo::screen::{Screen, Tag};
use crate::demo::text::short;
use crate::twilio::{TwilioSim, segments};

const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Prints each SMS.
pub(super) async fn messages(screen: Screen, twilio: Arc<TwilioSim>) {
    for index in 0.. {
        let Ok(all) = twilio.wait_for(|all| all.len() > index, FOR_EVER).await else { return };
        let sms = &all[index];
        let note = format!("{}, segments: {}", short(&sms.sid, 9), segments(&sms.body));
        screen.line(Tag::SmsOut, &format!("{} → {}: “{}”", sms.from, sms.to, sms.body), &note);
    }
}

/// Prints each delivery report.
pub(super) async fn callbacks(screen: Screen, twilio: Arc<TwilioSim>) {
    for index in 0.. {
        let Ok(all) = twilio.wait_for_callbacks(|all| all.len() > index, FOR_EVER).await else { return };
        let report = &all[index];
        let path = url::Url::parse(&report.url).map_or_else(|_| report.url.clone(), |url| url.path().to_owned());
        let answer = report.http_status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        let text = format!("POST {path} MessageStatus={} → {answer}", report.status);
        screen.line(Tag::Webhook, &text, &format!("signed, {}", short(&report.message_sid, 9)));
    }
}
