//! The emergency verdicts on customers' words, and which of them a person has called a false alarm.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::conversation::{Conversation, KeptVerdict};
use crate::domain::emergency::Reason;

/// The stored verdict on a message.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageVerdict {
    /// The id of the message.
    pub message_id: Uuid,
    /// The strongest rule that matched.
    pub rule: String,
    /// All rules that matched, with the customer's words.
    pub reasons: Vec<Reason>,
    /// The danger to life: `gas`, `carbon_monoxide` or `fire`.
    pub life_safety: Option<String>,
    /// The language of the words: `en` or `es`.
    pub language: String,
    /// Whether the message was treated as an emergency.
    pub accepted: bool,
    /// When a person called the verdict a false alarm.
    pub false_alarm_at: Option<DateTime<Utc>>,
}

/// How often a rule matched in texts to a business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleCount {
    /// The name of the rule.
    pub rule: String,
    /// The number of texts in which it was the strongest rule.
    pub verdicts: i64,
    /// The number of these that a person has called a false alarm.
    pub false_alarms: i64,
}

impl Store {
    /// The verdicts on these messages.
    pub async fn verdicts(&self, message_ids: &[Uuid]) -> Result<Vec<MessageVerdict>, StoreError> {
        Ok(sqlx::query!(
            r#"SELECT message_id, rule, reasons AS "reasons: Json<Vec<Reason>>", life_safety, language, accepted, false_alarm_at
               FROM emergency_verdicts WHERE message_id = ANY($1)"#,
            message_ids
        )
        .map(|row| MessageVerdict {
            message_id: row.message_id,
            rule: row.rule,
            reasons: row.reasons.0,
            life_safety: row.life_safety,
            language: row.language,
            accepted: row.accepted,
            false_alarm_at: row.false_alarm_at,
        })
        .fetch_all(&self.pool)
        .await?)
    }

    /// Counts the rules that matched in texts to a business, most frequent first.
    pub async fn rule_counts(&self, business_id: &str) -> Result<Vec<RuleCount>, StoreError> {
        Ok(sqlx::query_as!(
            RuleCount,
            r#"SELECT rule, count(*) AS "verdicts!", count(false_alarm_at) AS "false_alarms!"
               FROM emergency_verdicts WHERE business_id = $1 GROUP BY rule ORDER BY count(*) DESC, rule"#,
            business_id
        )
        .fetch_all(&self.pool)
        .await?)
    }
}

/// Stores a verdict, in the transaction of the decision that is based on it.
pub(super) async fn write(
    tx: &mut PgConnection,
    conversation: &Conversation,
    message_id: Uuid,
    kept: &KeptVerdict,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let KeptVerdict { verdict, accepted } = kept;
    sqlx::query!(
        "INSERT INTO emergency_verdicts (message_id, conversation_id, business_id, rule, reasons, life_safety, language,
           accepted, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        message_id,
        conversation.id,
        conversation.business_id,
        verdict.rule,
        Json(&verdict.reasons) as _,
        verdict.life_safety.map(|danger| danger.as_str()),
        verdict.language.as_str(),
        accepted,
        at
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Marks the verdicts of a conversation as false alarms, unless they are marked already.
pub(super) async fn mark_false_alarm(
    tx: &mut PgConnection,
    conversation: &Conversation,
    by: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE emergency_verdicts SET false_alarm_at = now(), false_alarm_by = $2
         WHERE conversation_id = $1 AND false_alarm_at IS NULL",
        conversation.id,
        by
    )
    .execute(tx)
    .await?;
    Ok(())
}
