//! The answer to an alert: who presses or texts `1` takes the emergency.
//!
//! Used for a text from a phone of the business. The digit in a call names its emergency itself
//! (`src/worker/webhooks.rs`).

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::domain::business::Profile;
use crate::domain::conversation::{self, ANSWERABLE, AlertState, Conversation, EmergencyTaken, TakenVia, name_of};
use crate::domain::emergency::Language;
use crate::domain::phone::PhoneNumber;
use crate::engine::{Applied, ConversationStore, Engine, EngineError, Happening, Input, Publish, Target};
use crate::trace::Trace;

/// An alert may be on its way to Twilio for half an hour before it can be answered.
const ON_ITS_WAY: TimeDelta = TimeDelta::minutes(30);

/// What became of the answer to an alert.
#[derive(Debug, Clone, PartialEq)]
pub enum AlertAnswered {
    /// The emergency of this conversation is the phone's, now or since an earlier answer.
    Taken(Box<Conversation>),
    /// Somebody else has it.
    ByAnother(Box<Conversation>, EmergencyTaken),
    /// There is no alert to the phone that could be answered.
    Nothing,
}

impl AlertAnswered {
    /// The answer in words: it names the customer of the emergency.
    pub fn in_words(&self, business: &Profile, language: Language) -> String {
        match (self, language) {
            (Self::Taken(conversation), Language::En) => {
                let customer = &conversation.customer_phone;
                format!("You have the emergency of {customer}. Call them. The others are being informed.")
            }
            (Self::Taken(conversation), Language::Es) => {
                format!("Usted tiene la emergencia de {}. Llame. Ya avisamos a los demás.", conversation.customer_phone)
            }
            (Self::ByAnother(conversation, taken), Language::En) => {
                let (who, customer) = (name_of(&business.user_id, taken), &conversation.customer_phone);
                format!("The emergency of {customer} is already taken, by {who}. You need not do anything.")
            }
            (Self::ByAnother(conversation, taken), Language::Es) => {
                let customer = &conversation.customer_phone;
                match taken.phone.as_ref().filter(|_| taken.by != business.user_id) {
                    Some(phone) => {
                        format!("Ya atiende la emergencia de {customer} el {phone}. No tiene que hacer nada.")
                    }
                    None => format!("Ya alguien atiende la emergencia de {customer}. No tiene que hacer nada."),
                }
            }
            (Self::Nothing, Language::En) => "No emergency waits for your answer.".to_owned(),
            (Self::Nothing, Language::Es) => "Ninguna emergencia espera su respuesta.".to_owned(),
        }
    }
}

/// Which emergencies an answer of a phone may mean, the newest alert first.
///
/// # Errors
/// When PostgreSQL is unavailable.
async fn alerts_to<R: ConversationStore, P: Publish>(
    engine: &Engine<R, P>,
    business: &Profile,
    phone: &PhoneNumber,
    at: DateTime<Utc>,
) -> Result<Vec<(Conversation, AlertState)>, EngineError> {
    let since = at - ANSWERABLE - ON_ITS_WAY;
    let ids: Vec<Uuid> = engine.store().alerted_conversations(&business.id, phone, since).await?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut alerts: Vec<(DateTime<Utc>, Conversation, AlertState)> = Vec::new();
    let mut read = engine.store().conversations_by_id(&ids).await?;
    for id in &ids {
        let Some(conversation) = read.remove(id).transpose()? else { continue };
        if let (Some(alerted), Some(state)) = (conversation.alerted_at(phone), conversation.alert_to(phone, at)) {
            alerts.push((alerted, conversation, state));
        }
    }
    alerts.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
    Ok(alerts.into_iter().map(|(_, conversation, state)| (conversation, state)).collect())
}

/// Answers, for the holder of a phone, the newest alert to it within 30 minutes that nobody has taken. If all are taken, the
/// answer is about the newest. `at` is when the edge received the text. The same input may be applied again, with the same result.
///
/// A message of the AI that is claimed may still go out: see [`ai_sends_finished`](crate::engine::ai_sends_finished).
///
/// # Errors
/// When a service is unavailable: nothing may have changed.
pub async fn answer_alert<R: ConversationStore, P: Publish>(
    engine: &Engine<R, P>,
    business: &Profile,
    phone: &PhoneNumber,
    at: DateTime<Utc>,
    input_id: &str,
    trace: &Trace,
) -> Result<AlertAnswered, EngineError> {
    let alerts = alerts_to(engine, business, phone, at).await?;
    let open = alerts.iter().find(|(_, state)| *state == AlertState::Open);
    let Some((conversation, _)) = open else { return Ok(standing(alerts, phone)) };
    let take = conversation::Input::AlertTaken { phone: phone.clone(), via: TakenVia::Sms, at };
    let input = Input {
        id: input_id.to_owned(),
        body_hash: None,
        trace: trace.clone(),
        target: Target::Id(conversation.id),
        happening: Happening::Input(take),
    };
    let id = conversation.id;
    let applied = engine.apply(input).await?;
    // Who answers an alert has it: the phone may be called in the next emergency.
    engine.store().confirm_phone(&business.id, phone).await?;
    match applied {
        Applied::Now(change) => match change.conversation.memory.emergency_taken.clone() {
            Some(taken) if taken.phone.as_ref() != Some(phone) => {
                Ok(AlertAnswered::ByAnother(Box::new(change.conversation), taken))
            }
            _ => Ok(AlertAnswered::Taken(Box::new(change.conversation))),
        },
        // Somebody else was faster, or this answer was applied before, perhaps to another emergency.
        Applied::Nothing { .. } | Applied::Before { .. } => {
            let mut alerts = alerts_to(engine, business, phone, at).await?;
            alerts.sort_by_key(|(conversation, _)| conversation.id != id);
            Ok(standing(alerts, phone))
        }
    }
}

/// What is to be said if nothing can be taken: that the phone has it already, or who else has.
fn standing(alerts: Vec<(Conversation, AlertState)>, phone: &PhoneNumber) -> AlertAnswered {
    let taken = alerts.into_iter().filter_map(|(conversation, state)| match state {
        AlertState::Taken(taken) => Some((conversation, taken)),
        AlertState::Open => None,
    });
    let (own, others): (Vec<_>, Vec<_>) = taken.partition(|(_, taken)| taken.phone.as_ref() == Some(phone));
    let own = own.into_iter().max_by_key(|(_, taken)| taken.at);
    match (own, others.into_iter().next()) {
        (Some((conversation, _)), _) => AlertAnswered::Taken(Box::new(conversation)),
        (None, Some((conversation, taken))) => AlertAnswered::ByAnother(Box::new(conversation), taken),
        (None, None) => AlertAnswered::Nothing,
    }
}
