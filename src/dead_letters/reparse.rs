//! Parses webhooks again that could not be parsed on arrival: a newer version of the code may be able to.

use super::DeadLetterBody;
use crate::telemetry::WebhookKind;
use crate::trace::Trace;
use crate::webhook::form::{Form, FormError, parse};
use crate::webhook::{
    EDGE_SUBJECT, HEADER_PATH, Inbound, SignedForm, call, call_status, message_status, signer_in, sms,
};

/// Parses the webhook of a letter that the edge wrote, as the edge parses webhooks now.
///
/// # Errors
/// A description, if it still cannot be parsed.
pub fn read_again(letter: &DeadLetterBody) -> Result<Inbound, String> {
    let kind: WebhookKind = letter
        .subject
        .strip_prefix(EDGE_SUBJECT)
        .and_then(|kind| kind.parse().ok())
        .ok_or_else(|| "unknown kind of webhook".to_owned())?;
    let path = letter.headers.get(HEADER_PATH).ok_or_else(|| format!("header {HEADER_PATH} is missing"))?;
    let body = letter.payload.bytes().map_err(|error| error.to_string())?;
    let in_words = |error: FormError| error.to_string();
    let signed = SignedForm {
        kind,
        form: Form::decode(parse(&body)).map_err(in_words)?,
        received_at: letter.first_seen,
        trace: Trace::start(),
        signer: signer_in(&letter.headers),
        path: path.clone(),
    };
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let (input_id, webhook) = match kind {
        WebhookKind::Call => call::Call::read(&signed).map(|call| call.into_webhook(None)),
        WebhookKind::CallStatus => call_status::read(&signed, path.rsplit('/').next().unwrap_or_default()),
        WebhookKind::Sms => sms::read(&signed),
        WebhookKind::MessageStatus => message_status::read(&signed, message_status::id_in(query)),
    }
    .map_err(in_words)?;
    Ok(signed.inbound(input_id, webhook))
}
