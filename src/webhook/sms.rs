//! `/webhooks/twilio/sms`: a customer sent a message.

use url::Url;

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

/// The attachments. A conversation may continue under another account of its business: so whose attachment it is, is
/// decided here, where it is known which account signed it, and not when it is fetched.
fn media(signed: &SignedForm) -> Vec<Media> {
    let account_sid = signed.signer.own_account.clone().or_else(|| signed.text("AccountSid"));
    let attached = |n| {
        let url = signed.text(&format!("MediaUrl{n}")).filter(|url| !url.is_empty())?;
        let content_type = signed.text(&format!("MediaContentType{n}")).unwrap_or_default();
        let is_foreign = account_sid.as_deref().is_some_and(|sid| !may_belong_to(sid, &url));
        Some(Media { url, content_type, is_foreign })
    };
    (0..MAX_MEDIA).filter_map(attached).collect()
}

/// False if the URL's path is `…/Accounts/AC…/…` of another account. A URL that names none may belong to any: whether
/// it may be requested is decided when it is fetched, and so it is for what is no URL.
fn may_belong_to(account_sid: &str, url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return true };
    let segments: Vec<&str> = url.path().split('/').collect();
    segments.windows(2).all(|pair| pair[0] != "Accounts" || pair[1] == account_sid)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::its_own("https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1", true)]
    #[case::below_a_prefix("https://proxy.example/twilio/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1", true)]
    #[case::no_account("https://media.twiliocdn.com/0123", true)]
    #[case::in_the_query("https://media.twiliocdn.com/0123?from=/Accounts/AC2/", true)]
    #[case::no_url("look at my picture", true)]
    #[case::another("https://api.twilio.com/2010-04-01/Accounts/AC2/Messages/MM1/Media/ME1", false)]
    #[case::one_that_begins_alike("https://api.twilio.com/2010-04-01/Accounts/AC11/Messages/MM1/Media/ME1", false)]
    #[case::another_below_a_prefix("https://proxy.example/twilio/2010-04-01/Accounts/AC2/Messages/MM1", false)]
    #[case::another_behind_its_own("https://api.twilio.com/2010-04-01/Accounts/AC1/../../Accounts/AC2/x", false)]
    #[case::both("https://api.twilio.com/Accounts/AC1/Accounts/AC2/x", false)]
    #[case::none("https://api.twilio.com/2010-04-01/Accounts/", false)]
    fn an_attachment_belongs_to_the_account_that_its_url_names(#[case] url: &str, #[case] may: bool) {
        assert_eq!(may_belong_to("AC1", url), may);
    }
}
