//! Emergencies: what customers' words were taken for, and what a person says of it.

use chrono::{DateTime, Utc};
use poem::web::Data;
use poem_openapi::param::{Header, Path};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::auth::{Reader, Writer};
use super::body::Body;
use super::commands::{MAX_WORDS, reload};
use super::conversations::{Conversation, conversation_id, load_authorized};
use super::failure::Failure;
use super::idempotency::Once;
use super::validation::Problems;
use super::{EdgeData, Group};
use crate::adapters::postgres::{MessageVerdict, RuleCount};
use crate::domain::conversation::Input;
use crate::http::problem::{Code, Problem};

/// Why a customer's words were taken for an emergency.
#[derive(Debug, Object)]
pub(super) struct EmergencyVerdict {
    /// The strongest rule.
    rule: String,
    /// All rules that were met.
    reasons: Vec<Reason>,
    /// The danger to life: `gas`, `carbon_monoxide` or `fire`.
    life_safety: Option<String>,
    /// The language of the words: `en` or `es`.
    language: String,
    /// Whether it was treated as an emergency: a business may take none.
    accepted: bool,
    /// When a person called it a false alarm.
    false_alarm_at: Option<DateTime<Utc>>,
}

/// A rule, and the words that met it.
#[derive(Debug, Object)]
struct Reason {
    /// The rule.
    rule: String,
    /// The words, as the customer wrote them.
    words: Vec<String>,
}

impl From<MessageVerdict> for EmergencyVerdict {
    fn from(v: MessageVerdict) -> Self {
        Self {
            rule: v.rule,
            reasons: v.reasons.into_iter().map(|reason| Reason { rule: reason.rule, words: reason.words }).collect(),
            life_safety: v.life_safety,
            language: v.language,
            accepted: v.accepted,
            false_alarm_at: v.false_alarm_at,
        }
    }
}

/// Who calls it a false alarm.
#[derive(Debug, Object)]
struct FalseAlarm {
    /// Who, as the App Server names them.
    user_id: String,
}

/// How a rule on words has fared with a business.
#[derive(Debug, Object)]
struct EmergencyRule {
    /// The rule.
    rule: String,
    /// How many texts it was the strongest rule of.
    verdicts: i64,
    /// How many of these a person has called a false alarm.
    false_alarms: i64,
}

impl From<RuleCount> for EmergencyRule {
    fn from(count: RuleCount) -> Self {
        Self { rule: count.rule, verdicts: count.verdicts, false_alarms: count.false_alarms }
    }
}

/// The rules on words that texts to a business have met.
#[derive(Debug, Object)]
struct EmergencyRules {
    /// The most frequent first.
    rules: Vec<EmergencyRule>,
}

pub(super) struct EmergenciesApi;

#[OpenApi(tag = "Group::Conversations")]
impl EmergenciesApi {
    /// Says that what was taken for an emergency is none: nobody else is alerted, and it counts against the rules that
    /// were met. Also once the conversation is completed. 409 where no emergency was seen in it.
    #[oai(path = "/conversations/:id/false-alarm", method = "post", operation_id = "false_alarm")]
    async fn false_alarm(
        &self,
        edge: EdgeData<'_>,
        once: Data<&Once>,
        key: Writer,
        /// The same request again, with the same key, changes nothing more and gets the same answer, for a day.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        /// The conversation's id.
        id: Path<String>,
        request: Body<FalseAlarm>,
    ) -> Result<Json<Conversation>, Failure> {
        let before = load_authorized(&key.0, &edge, conversation_id(&id)?).await?;
        let id = before.id;
        let user_id = request.0.user_id;
        let mut problems = Problems::default();
        problems.text("user_id", &user_id, MAX_WORDS);
        problems.into_result()?;
        if !before.emergency_detected {
            return Err(Problem::new(Code::Conflict, "no emergency was seen in the conversation").into());
        }
        let input_id = format!("false-alarm:{id}:{}", once.0);
        let told = edge.engine.command(id, &input_id, Input::FalseAlarm { user_id }).await;
        told.map_err(|error| Problem::unavailable(&error))?;
        Ok(Json(reload(&edge, id).await?.into()))
    }

    /// How often each rule on words has taken a text to a business for an emergency, and how often wrongly.
    #[oai(path = "/businesses/:business_id/emergency-rules", method = "get", operation_id = "list_emergency_rules")]
    async fn list_emergency_rules(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// The business's id, as the App Server has chosen it.
        business_id: Path<String>,
    ) -> Result<Json<EmergencyRules>, Failure> {
        key.0.sees(&business_id, "business")?;
        edge.store.business(&business_id).await?.ok_or_else(|| Problem::not_found("business"))?;
        let counts = edge.store.rule_counts(&business_id).await?;
        Ok(Json(EmergencyRules { rules: counts.into_iter().map(EmergencyRule::from).collect() }))
    }
}
