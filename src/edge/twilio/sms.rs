//! `/webhooks/twilio/sms`: a customer wrote.

use super::admission::{Admitted, bury};
use super::form::FormError;
use super::{Answer, twiml};
use crate::conversation::Media;
use crate::edge::Edge;
use crate::edge::problem::Problem;
use crate::inbound::Webhook;

/// Twilio attaches ten at the most.
const MAX_MEDIA: usize = 10;
/// Twilio's names for the same id, the newest first.
const SID_NAMES: [&str; 3] = ["MessageSid", "SmsMessageSid", "SmsSid"];

pub(super) async fn received(edge: &Edge, admitted: Admitted) -> Result<Answer, Problem> {
    let (input_id, webhook) = match read(&admitted) {
        Ok(read) => read,
        Err(error) => {
            let (reason, detail, letter) = admitted.unusable(&error);
            return bury(edge, reason, detail, letter).await;
        }
    };
    admitted.publish(edge, input_id, webhook).await?;
    Ok(Answer::Twiml(twiml::empty()))
}

/// What it says, and under which id it is published.
pub(super) fn read(admitted: &Admitted) -> Result<(String, Webhook), FormError> {
    let message_sid = required_fields(admitted)?;
    let webhook = Webhook::Sms {
        message_sid: message_sid.clone(),
        from: admitted.text("From").unwrap_or_default(),
        to: admitted.text("To").unwrap_or_default(),
        // A picture may come without a word.
        body: admitted.text("Body").unwrap_or_default(),
        media: media(admitted),
        opt_out_type: admitted.text("OptOutType").filter(|word| !word.is_empty()),
    };
    Ok((format!("sms:{message_sid}"), webhook))
}

fn required_fields(admitted: &Admitted) -> Result<String, FormError> {
    admitted.form.required("From")?;
    admitted.form.required("To")?;
    if admitted.form.get("Body").is_none() && media(admitted).is_empty() {
        admitted.form.required("Body")?;
    }
    admitted.word_of(&SID_NAMES)
}

fn media(admitted: &Admitted) -> Vec<Media> {
    (0..MAX_MEDIA)
        .filter_map(|n| {
            let url = admitted.text(&format!("MediaUrl{n}")).filter(|url| !url.is_empty())?;
            let content_type = admitted.text(&format!("MediaContentType{n}")).unwrap_or_default();
            Some(Media { url, content_type })
        })
        .collect()
}
