//! `/conversations` and `/messages`: what was said, and where it stands.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use uuid::Uuid;

use super::auth::{Caller, Reader};
use super::emergencies::EmergencyVerdict;
use super::failure::Failure;
use super::page::Page;
use super::validation::{Problems, default_limit};
use super::{EdgeData, Group, cursor};
use crate::adapters::postgres::{self, ConversationFilter};
use crate::adapters::twilio;
use crate::domain::conversation::{self, MessageKind};
use crate::http::Edge;
use crate::http::problem::Problem;

/// A conversation between a customer and a business.
#[derive(Debug, Object)]
pub(super) struct Conversation {
    /// Its id.
    id: Uuid,
    /// The business.
    business_id: String,
    /// Its owner.
    user_id: String,
    /// The missed call that opened it, if one did.
    call_id: Option<Uuid>,
    /// Whom we talk to.
    customer_phone: String,
    /// The number that the customer called or wrote to.
    business_phone: String,
    /// `active`, `ai_handling`, `user_handling` or `completed`.
    status: String,
    /// Who may speak: `none`, `ai` or `user`.
    ownership: String,
    /// Whether a customer message has started the AI timer.
    ai_timer_started: bool,
    /// When the first customer message started it.
    ai_timer_started_at: Option<DateTime<Utc>>,
    /// When a person last took over.
    user_takeover_at: Option<DateTime<Utc>>,
    /// Whether an emergency was seen.
    emergency_detected: bool,
    /// What DispatchBot took the job to be.
    job_type: Option<String>,
    /// `normal`, `urgent` or `emergency`.
    urgency_level: Option<String>,
    /// How it ended.
    outcome: Option<String>,
    /// A summary for the owner.
    summary: Option<String>,
    /// Whether the customer has opted out of texts.
    opted_out: bool,
    /// When it was opened.
    created_at: DateTime<Utc>,
    /// When something last happened in it.
    last_activity: DateTime<Utc>,
}

impl From<conversation::Conversation> for Conversation {
    fn from(c: conversation::Conversation) -> Self {
        Self {
            id: c.id,
            business_id: c.business_id,
            user_id: c.user_id,
            call_id: c.call_id,
            customer_phone: c.customer_phone.into(),
            business_phone: c.business_phone.into(),
            status: c.status.to_string(),
            ownership: c.ownership.to_string(),
            ai_timer_started: c.ai_timer_started,
            ai_timer_started_at: c.ai_timer_started_at,
            user_takeover_at: c.user_takeover_at,
            emergency_detected: c.emergency_detected,
            job_type: c.job_type,
            urgency_level: c.urgency_level,
            outcome: c.outcome,
            summary: c.summary,
            opted_out: c.opted_out,
            created_at: c.created_at,
            last_activity: c.last_activity,
        }
    }
}

/// A page of conversations, newest activity first.
#[derive(Debug, Object)]
struct ConversationList {
    /// The conversations.
    conversations: Vec<Conversation>,
    /// Leads to the next page; none on the last.
    next_cursor: Option<String>,
}

/// An attachment.
#[derive(Debug, Object)]
struct Media {
    /// Where Twilio keeps it, which asks for its account's token; `…/media/{n}` fetches it without.
    url: String,
    /// Its MIME type.
    content_type: String,
}

/// A message of a conversation.
#[derive(Debug, Object)]
pub(super) struct Message {
    /// Its id.
    id: Uuid,
    /// The conversation.
    conversation_id: Uuid,
    /// `inbound` or `outbound`.
    direction: String,
    /// `customer`, `ai` or `user`; every automatic text is `ai`.
    sender_type: String,
    /// The person who wrote it, if one did.
    user_id: Option<String>,
    /// The text.
    body: String,
    /// Attachments.
    media: Vec<Media>,
    /// Twilio's id of it, once known.
    twilio_sid: Option<String>,
    /// `received`, `queued`, `sending`, `sent`, `delivered`, `undelivered`, `failed`, `superseded` or `unknown`.
    status: String,
    /// Twilio's error code, if it failed with one.
    error_code: Option<i32>,
    /// What that code means, in words, where it is a known one.
    error_message: Option<String>,
    /// The window that it answers.
    in_reply_to_window: Option<Uuid>,
    /// Why a customer's words were taken for an emergency, if they were.
    emergency: Option<EmergencyVerdict>,
    /// When it arrived at the edge, or when it was decided to send it.
    created_at: DateTime<Utc>,
}

impl From<postgres::Message> for Message {
    fn from(m: postgres::Message) -> Self {
        Self {
            id: m.id,
            conversation_id: m.conversation_id,
            direction: m.direction,
            sender_type: m.sender_type,
            user_id: m.user_id,
            body: m.body,
            media: m.media.into_iter().map(|m| Media { url: m.url, content_type: m.content_type }).collect(),
            twilio_sid: m.twilio_sid,
            status: m.status.to_string(),
            error_code: m.error_code,
            error_message: m.error_code.and_then(twilio::explain).map(str::to_owned),
            in_reply_to_window: m.in_reply_to_window,
            emergency: None,
            created_at: m.created_at,
        }
    }
}

/// A page of messages, in the order in which they arrived.
#[derive(Debug, Object)]
struct MessageList {
    /// The messages.
    messages: Vec<Message>,
    /// Leads to the next page; none on the last.
    next_cursor: Option<String>,
}

pub(super) struct ConversationsApi;

#[OpenApi(tag = "Group::Conversations")]
impl ConversationsApi {
    /// Conversations, newest activity first.
    #[oai(path = "/conversations", method = "get", operation_id = "list_conversations")]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter")]
    async fn list_conversations(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// Only this business's.
        business_id: Query<Option<String>>,
        /// Only this customer's.
        customer_phone: Query<Option<String>>,
        /// Only those that stand here: `active`, `ai_handling`, `user_handling` or `completed`.
        status: Query<Option<String>>,
        /// Only those owned so: `none`, `ai` or `user`.
        ownership: Query<Option<String>>,
        /// Only those with activity at or after this time.
        since: Query<Option<DateTime<Utc>>>,
        /// How many, at the most.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<u32>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Page<ConversationList>, Failure> {
        let mut problems = Problems::default();
        let filter = ConversationFilter {
            business_ids: key.0.businesses().map(<[_]>::to_vec),
            business_id: business_id.0,
            customer_phone: problems.phone("customer_phone", customer_phone.0),
            status: problems.parsed("status", status.0.as_deref()),
            ownership: problems.parsed("ownership", ownership.0.as_deref()),
            since: since.0,
            after: cursor.0.as_deref().map(cursor::decode).transpose()?,
        };
        problems.into_result()?;
        let found = edge.store.conversations(&filter, i64::from(limit.0) + 1).await?;
        let (found, next_cursor) = cursor::page(found, limit.0 as usize, |c| cursor::encode(c.last_activity, c.id));
        Ok(Page(ConversationList { conversations: found.into_iter().map(Conversation::from).collect(), next_cursor }))
    }

    /// One conversation.
    #[oai(path = "/conversations/:id", method = "get", operation_id = "get_conversation")]
    async fn get_conversation(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// The conversation's id.
        id: Path<String>,
    ) -> Result<Json<Conversation>, Failure> {
        Ok(Json(load_authorized(&key.0, &edge, conversation_id(&id)?).await?.into()))
    }

    /// The messages of a conversation, in the order in which they arrived.
    #[oai(path = "/conversations/:id/messages", method = "get", operation_id = "list_messages")]
    async fn list_messages(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// The conversation's id.
        id: Path<String>,
        /// How many, at the most.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<u32>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Page<MessageList>, Failure> {
        let id = conversation_id(&id)?;
        let after = match cursor.0 {
            Some(cursor) => Some(cursor.parse::<Uuid>().map_err(|_| cursor::unusable("cursor"))?),
            None => None,
        };
        load_authorized(&key.0, &edge, id).await?;
        let found = edge.store.messages(id, after, i64::from(limit.0) + 1).await?;
        let (found, next_cursor) = cursor::page(found, limit.0 as usize, |message| message.id.to_string());
        Ok(Page(MessageList { messages: with_verdicts(&edge, found).await?, next_cursor }))
    }

    /// One message, by Twilio's id.
    #[oai(path = "/messages", method = "get", operation_id = "get_message")]
    async fn get_message(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// `SM…` or `MM…`.
        twilio_sid: Query<String>,
    ) -> Result<Json<Message>, Failure> {
        let found = edge.store.message_by_sid(&twilio_sid).await?.filter(|message| message.kind != MessageKind::Alert);
        let found = found.ok_or_else(|| Problem::not_found("message"))?;
        let conversation = edge.store.conversation(found.conversation_id).await?;
        let conversation = conversation.ok_or_else(|| Problem::not_found("message"))?;
        key.0.sees(&conversation.business_id, "message")?;
        Ok(Json(with_verdicts(&edge, vec![found]).await?.remove(0)))
    }
}

/// The messages, each with the verdict on its words.
async fn with_verdicts(edge: &Edge, found: Vec<postgres::Message>) -> Result<Vec<Message>, Failure> {
    let ids: Vec<Uuid> = found.iter().map(|message| message.id).collect();
    let verdicts = edge.store.verdicts(&ids).await?.into_iter();
    let mut verdicts: HashMap<_, _> = verdicts.map(|verdict| (verdict.message_id, verdict)).collect();
    let shown = found.into_iter().map(|message| {
        let emergency = verdicts.remove(&message.id).map(EmergencyVerdict::from);
        Message { emergency, ..message.into() }
    });
    Ok(shown.collect())
}

/// A conversation, if there is one that the caller may see.
pub(super) async fn load_authorized(
    caller: &Caller,
    edge: &Edge,
    id: Uuid,
) -> Result<conversation::Conversation, Failure> {
    let found = edge.store.conversation(id).await?.ok_or_else(|| Problem::not_found("conversation"))?;
    caller.sees(&found.business_id, "conversation")?;
    Ok(found)
}

/// An id of the wrong shape is the id of nothing.
pub(super) fn conversation_id(text: &str) -> Result<Uuid, Problem> {
    text.parse().map_err(|_| Problem::not_found("conversation"))
}
