//! Parses webhooks again that could not be parsed on arrival: a newer version of the code may be able to.

use super::DeadLetterBody;
use crate::trace::Trace;
use crate::webhook::form::{Form, FormError, parse};
use crate::webhook::{EDGE_SUBJECT, HEADER_PATH, Inbound, SignedForm, Webhook, WebhookKind, signer_in};

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
        form: Form::decode(parse(&body)),
        received_at: letter.first_seen,
        trace: Trace::start(),
        signer: signer_in(&letter.headers),
        path: path.clone(),
    };
    let (input_id, webhook) = Webhook::read(&signed).map_err(in_words)?;
    Ok(signed.inbound(input_id, webhook))
}
