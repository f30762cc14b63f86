//! Emergencies: the verdicts on customers' words, and false alarms.

use chrono::{DateTime, Utc};
use poem::web::Data;
use poem_openapi::param::{Header, Path};
use poem_openapi::payload::{Json, Response};
use poem_openapi::{Object, OpenApi};

use super::auth::{Reader, Writer};
use super::body::Body;
use super::carry_out::{apply, reload};
use super::conversations::{Conversation, conversation_id, load_authorized};
use super::failure::Failure;
use super::idempotency::Once;
use super::if_match::{Condition, check};
use super::validation::Problems;
use super::{EdgeData, Group};
use crate::adapters::postgres::{MessageVerdict, RuleCount};
use crate::domain::conversation::Input;
use crate::http::problem::{Code, Problem};

/// Why a customer's words were classified as an emergency.
#[derive(Debug, Object)]
pub(super) struct EmergencyVerdict {
    /// The strongest rule that matched.
    rule: String,
    /// All rules that matched.
    reasons: Vec<Reason>,
    /// The danger to life: `gas`, `carbon_monoxide` or `fire`. Null if there is none.
    life_safety: Option<String>,
    /// The language of the words: `en` or `es`.
    language: String,
    /// Whether the message was handled as an emergency. `false` if the business does not accept emergencies.
    accepted: bool,
    /// When a person reported a false alarm. Null if nobody has.
    false_alarm_at: Option<DateTime<Utc>>,
}

/// A rule and the words that matched it.
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

/// A false alarm that a person reports.
#[derive(Debug, Object)]
struct FalseAlarm {
    /// The id of the person in the App Server, at most 200 characters. A key that belongs to a person needs none, and takes no
    /// other.
    user_id: Option<String>,
}

/// How often an emergency rule matched texts to a business.
#[derive(Debug, Object)]
struct EmergencyRule {
    /// The rule.
    rule: String,
    /// The number of texts of which this was the strongest rule.
    verdicts: i64,
    /// How many of these texts a person reported as a false alarm.
    false_alarms: i64,
}

impl From<RuleCount> for EmergencyRule {
    fn from(count: RuleCount) -> Self {
        Self { rule: count.rule, verdicts: count.verdicts, false_alarms: count.false_alarms }
    }
}

/// The emergency rules that matched texts to a business.
#[derive(Debug, Object)]
struct EmergencyRules {
    /// The rules, most frequent first.
    rules: Vec<EmergencyRule>,
}

pub(super) struct EmergenciesApi;

#[OpenApi(tag = "Group::Conversations")]
impl EmergenciesApi {
    /// Reports that a detected emergency is a false alarm.
    ///
    /// Alerts stop, and the false alarm is counted for the rules that matched. A completed conversation is allowed. If
    /// no emergency was detected in the conversation, the answer is 409.
    #[oai(path = "/conversations/:id/false-alarm", method = "post", operation_id = "false_alarm")]
    #[expect(clippy::too_many_arguments, reason = "each is a part of the request")]
    async fn false_alarm(
        &self,
        edge: EdgeData<'_>,
        once: Data<&Once>,
        key: Writer,
        /// A unique value that you choose, 1 to 255 visible ASCII characters. For one day, the same request with the
        /// same value has no further effect and gets the same response, with the header `Idempotency-Replayed: true`.
        /// The answer is 409 for a different request with the same value, or while the first request is in progress.
        /// Responses with 401, 403, 412, 429 or 5xx are not repeated: the request is then carried out again.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        condition: Condition,
        /// The ETag of the conversation as the person has seen it, several, or `*`. If somebody else has acted in the
        /// conversation since, or the customer has written, nothing is done: 412.
        #[oai(name = "If-Match")]
        _if_match: Header<Option<String>>,
        /// The conversation's id.
        id: Path<String>,
        request: Body<FalseAlarm>,
    ) -> Result<Response<Json<Conversation>>, Failure> {
        let before = load_authorized(&key.0, &edge, conversation_id(&id)?).await?;
        let id = before.id;
        let mut problems = Problems::default();
        let user_id = key.0.acts_as(&mut problems, request.0.user_id);
        problems.into_result()?;
        if !before.emergency_detected {
            check(condition.0.as_ref(), &before)?;
            return Err(Problem::new(Code::Conflict, "no emergency was detected in the conversation").into());
        }
        let input_id = format!("false-alarm:{id}:{}", once.0);
        let done = apply(&edge, &before, &input_id, Input::FalseAlarm { user_id }, condition.0).await?;
        Ok(done.answer(Json(reload(&edge, id).await?.into())))
    }

    /// Returns how often each emergency rule matched texts to a business, and how often wrongly.
    #[oai(path = "/businesses/:business_id/emergency-rules", method = "get", operation_id = "list_emergency_rules")]
    async fn list_emergency_rules(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// The business's id, chosen by the App Server.
        business_id: Path<String>,
    ) -> Result<Json<EmergencyRules>, Failure> {
        key.0.sees(&business_id, "business")?;
        edge.store.business(&business_id).await?.ok_or_else(|| Problem::not_found("business"))?;
        let id = business_id.as_str();
        let counts = edge.read(|store| async move { store.rule_counts(id).await }).await?;
        Ok(Json(EmergencyRules { rules: counts.into_iter().map(EmergencyRule::from).collect() }))
    }
}
