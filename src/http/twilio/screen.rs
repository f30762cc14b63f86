//! `/webhooks/twilio/screen/{CallSid}`: the owner's phone has answered a screened call. It is asked for a key, and is
//! connected with the caller only if a person presses it: a voicemail does not.
//!
//! Nothing is looked up for that: the words are in the URL, which Twilio signs. The key is stored before the two are
//! connected, so it is known before the result of the dialling. If it cannot be stored, the two are connected all the same:
//! a text too many is better than a caller too few (docs/design.md, Calls).

use super::publish::publish;
use super::verify::Refusal;
use super::{Answer, twiml};
use crate::domain::business::Profile;
use crate::domain::call::{Attempt, KEY_TIMEOUT, TAKES, question};
use crate::http::Edge;
use crate::webhook::SignedForm;
use crate::webhook::screen::Screen;

/// The URL of the document for a phone of this business that answers.
pub(super) fn url(edge: &Edge, business: &Profile, call_sid: &str, attempt: Attempt) -> String {
    let screen = Screen {
        call_sid: call_sid.to_owned(),
        attempt,
        name: business.name.clone(),
        language: business.policy.owner_language(),
        digits: None,
    };
    edge.public_url.join(&screen.path())
}

/// A phone has answered, or a key was pressed.
pub(super) async fn answered(edge: &Edge, signed: SignedForm) -> Result<Answer, Refusal> {
    let screen = Screen::read(&signed).map_err(|error| Refusal::unusable(&signed, &error))?;
    match screen.digits.as_deref() {
        None => {
            let (words, action) = (question(&screen.name, screen.language), edge.public_url.join(&screen.path()));
            Ok(Answer::Twiml(twiml::ask_for_key(&words, screen.language, KEY_TIMEOUT, &action)))
        }
        Some(TAKES) => {
            let (input_id, webhook) = screen.into_webhook();
            if publish(edge, signed, input_id, webhook).await.is_err() {
                edge.metrics.call_unrecorded();
            }
            Ok(Answer::Twiml(twiml::empty()))
        }
        Some(_) => Ok(Answer::Twiml(twiml::hang_up())),
    }
}
