//! `/webhooks/twilio/sms`: a customer sent a message.

use super::form::FormError;
use super::{SignedForm, Webhook};
use crate::domain::conversation::Media;

/// Twilio allows at most ten attachments.
const MAX_MEDIA: usize = 10;
/// Twilio's names for the same id, newest first.
const SID_NAMES: [&str; 3] = ["MessageSid", "SmsMessageSid", "SmsSid"];

/// Reads the webhook to publish, with its input id.
pub(super) fn read(signed: &SignedForm) -> Result<(String, Webhook), FormError> {
    let message_sid = required_fields(signed)?;
    let webhook = Webhook::Sms {
        message_sid: message_sid.clone(),
        from: signed.text("From").unwrap_or_default(),
        to: signed.text("To").unwrap_or_default(),
        // A picture may come without text.
        body: signed.text("Body").unwrap_or_default(),
        media: media(signed),
        opt_out_type: signed.text("OptOutType").filter(|word| !word.is_empty()),
    };
    Ok((format!("sms:{message_sid}"), webhook))
}

fn required_fields(signed: &SignedForm) -> Result<String, FormError> {
    signed.form.required("From")?;
    signed.form.required("To")?;
    if signed.form.get("Body").is_none() && media(signed).is_empty() {
        signed.form.required("Body")?;
    }
    signed.word_of(&SID_NAMES)
}

fn media(signed: &SignedForm) -> Vec<Media> {
    (0..MAX_MEDIA)
        .filter_map(|n| {
            let url = signed.text(&format!("MediaUrl{n}")).filter(|url| !url.is_empty())?;
            let content_type = signed.text(&format!("MediaContentType{n}")).unwrap_or_default();
            Some(Media { url, content_type })
        })
        .collect()
}
