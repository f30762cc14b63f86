//! `/webhooks/twilio/ladder/{call_id}`: what is said to a person who is called in an emergency, and the answer to the key
//! that they press.
//!
//! What is said is read from PostgreSQL, for at most 700 ms. If it does not answer in time, general words are said: who is
//! called can take the emergency nevertheless, and has the details in a text.

use std::sync::Arc;
use std::time::{Duration, Instant};

use poem::web::Data;
use poem::{Body, IntoResponse, Request, Response, handler};
use uuid::Uuid;

use super::publish::publish;
use super::verify::{Refusal, admit};
use super::{Answer, twiml};
use crate::domain::business::{Profile, Signer};
use crate::domain::conversation::{Conversation, EmergencyTaken, Status, name_of};
use crate::http::Edge;
use crate::telemetry::Stage;
use crate::webhook::{SignedForm, Webhook, WebhookKind, ladder};

/// The path of the document, as a route.
pub(super) const PATH: &str = "/webhooks/twilio/ladder/:call_id";
/// The person waits on the phone meanwhile.
const LOOK_UP: Duration = Duration::from_millis(700);
const GENERAL: &str = "Emergency. A customer needs help at once. The text message to this phone has the details.";
const CHOICE: &str = "Press 1 to take it. Press 2 to pass it to the next person.";
/// Said to a phone that has opted out of texts: this call is the only way by which an emergency reaches it.
const NO_TEXTS: &str = "Emergency texts do not reach this phone any more. Text START to our number to get them again.";
/// Said to a phone that rang when a false alarm was reported, or the conversation ended.
const OVER: &str = "This emergency is over. You need not do anything.";
const GOODBYE: &str = "Goodbye.";

/// What is said when the phone answers.
#[handler]
pub(super) async fn document(request: &Request, body: Body, edge: Data<&Edge>) -> Response {
    let (edge, began) = (edge.0, Instant::now());
    let answer = match admit(edge, WebhookKind::LadderDigit, request, body).await {
        Ok(signed) => said(edge, &signed).await,
        Err(refusal) => Err(refusal),
    };
    let answer = match answer {
        Ok(answer) => Ok(answer),
        Err(refusal) => refusal.answer(edge).await,
    };
    let response = answer.map_or_else(IntoResponse::into_response, IntoResponse::into_response);
    if response.status().is_success() {
        edge.metrics.stage(Stage::Webhook, began.elapsed(), None);
    }
    response
}

async fn said(edge: &Edge, signed: &SignedForm) -> Result<Answer, Refusal> {
    let (call_id, conversation_id) = ladder::ids(&signed.path).map_err(|error| Refusal::unusable(signed, &error))?;
    let known = look_up(edge, conversation_id, &signed.signer).await;
    let twiml = match &known {
        Some(Known { conversation, .. }) if conversation.memory.emergency_taken.is_some() => {
            let taken = conversation.memory.emergency_taken.as_ref();
            let who = taken.map(|taken| who(conversation, taken)).unwrap_or_default();
            twiml::say_and_hang_up(&[&format!("The emergency was taken by {who}. You need not do anything."), GOODBYE])
        }
        Some(known) if known.is_over() => twiml::say_and_hang_up(&[OVER, GOODBYE]),
        Some(known) => {
            let words = known.conversation.memory.ladder.as_ref().map_or(GENERAL, |ladder| ladder.words.as_str());
            asks(edge, call_id, conversation_id, words)
        }
        None => asks(edge, call_id, conversation_id, GENERAL),
    };
    Ok(Answer::Twiml(twiml))
}

fn asks(edge: &Edge, call_id: Uuid, conversation_id: Uuid, words: &str) -> String {
    let action = edge.public_url.join(&ladder::digit_path(call_id, conversation_id));
    // Twice: at night the first words are not understood.
    twiml::gather_digit(&[words, CHOICE, words, CHOICE], &action, GOODBYE)
}

/// Answers the key that was pressed. A `1` and a `2` are durable first.
pub(super) async fn pressed(edge: &Edge, signed: SignedForm) -> Result<Answer, Refusal> {
    // Any other key is asked again; a star is no word that could be kept.
    if signed.text("Digits").is_some_and(|digits| !matches!(digits.trim(), "1" | "2")) {
        let (call_id, conversation_id) =
            ladder::ids(&signed.path).map_err(|error| Refusal::unusable(&signed, &error))?;
        let again = edge.public_url.join(&ladder::document_path(call_id, conversation_id));
        return Ok(Answer::Twiml(twiml::redirect(&again)));
    }
    let (input_id, webhook) = Webhook::read(&signed).map_err(|error| Refusal::unusable(&signed, &error))?;
    let Webhook::LadderDigit { call_id, conversation_id, digit, .. } = webhook.clone() else {
        return Ok(Answer::Twiml(twiml::empty()));
    };
    let known = look_up(edge, conversation_id, &signed.signer).await;
    let gets_no_texts = known.as_ref().is_some_and(|known| known.gets_no_texts(&signed));
    publish(edge, signed, input_id, webhook).await?;
    let said = match (digit.as_str(), &known) {
        (_, Some(known)) if known.is_over() => OVER.to_owned(),
        ("2", Some(known)) if !known.goes_on(call_id) => "All right. Nobody else is called.".to_owned(),
        ("2", _) => "All right. The next person is called.".to_owned(),
        (_, Some(Known { conversation, .. })) if conversation.memory.emergency_taken.is_some() => {
            let taken = conversation.memory.emergency_taken.as_ref();
            let who = taken.map(|taken| who(conversation, taken)).unwrap_or_default();
            format!("The emergency was already taken by {who}.")
        }
        (_, Some(Known { conversation, .. })) => {
            let number = spelled(conversation.customer_phone.as_str().trim_start_matches('+'));
            format!("You have it. Please call the customer now. The number is {number}. Once more: {number}.")
        }
        _ => "You have it. Please call the customer now. The number is in the text message.".to_owned(),
    };
    let words = [Some(said.as_str()), gets_no_texts.then_some(NO_TEXTS), Some(GOODBYE)];
    Ok(Answer::Twiml(twiml::say_and_hang_up(&words.into_iter().flatten().collect::<Vec<_>>())))
}

fn who(conversation: &Conversation, taken: &EmergencyTaken) -> String {
    match &taken.phone {
        // A number is not understood when it is said as one word.
        Some(phone) if taken.by != conversation.user_id => {
            format!("the phone that ends in {}", spelled(&phone.as_str()[phone.as_str().len().saturating_sub(4)..]))
        }
        None if taken.by != conversation.user_id => "somebody in the app".to_owned(),
        _ => name_of(&conversation.user_id, taken),
    }
}

fn spelled(digits: &str) -> String {
    digits.chars().map(String::from).collect::<Vec<_>>().join(" ")
}

/// An emergency's conversation and its business.
struct Known {
    conversation: Conversation,
    business: Arc<Profile>,
}

impl Known {
    /// Whether nothing is left to take.
    fn is_over(&self) -> bool {
        self.conversation.status == Status::Completed || !self.conversation.emergency_detected
    }

    /// Whether another phone is called if this one passes the emergency on, or is being called already.
    fn goes_on(&self, call_id: Uuid) -> bool {
        let ladder = self.conversation.memory.ladder.as_ref();
        ladder.is_some_and(|ladder| ladder.left > 0 || ladder.call != Some(call_id))
    }

    /// Whether the phone that is called has opted out of texts.
    fn gets_no_texts(&self, signed: &SignedForm) -> bool {
        let called = signed.text("To").and_then(|to| to.parse().ok());
        called.is_some_and(|phone| self.business.own_side.opted_out.contains(&phone))
    }
}

/// The conversation, if PostgreSQL has it in time and the signer may speak for its business.
async fn look_up(edge: &Edge, id: Uuid, signer: &Signer) -> Option<Known> {
    let found = async {
        let conversation = edge.store.conversation(id).await.ok().flatten()?;
        let business = edge.business_cache.by_id(&conversation.business_id).await.ok().flatten()?;
        business.is_spoken_for_by(signer).then_some(Known { conversation, business })
    };
    tokio::time::timeout(LOOK_UP, found).await.ok().flatten()
}
