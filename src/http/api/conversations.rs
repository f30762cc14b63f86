//! `/conversations` and `/messages`.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::{Json, Response};
use poem_openapi::{Object, OpenApi};
use uuid::Uuid;

use super::auth::{Caller, Reader};
use super::conversation_order::Order;
use super::emergencies::EmergencyVerdict;
use super::failure::Failure;
use super::if_match::tagged;
use super::last_message::{self, LastMessage};
use super::page::Page;
use super::validation::{Problems, default_limit};
use super::{EdgeData, Group, cursor};
use crate::adapters::postgres::ConversationFilter;
use crate::adapters::twilio;
use crate::domain::conversation::{self, Ownership, Seen};
use crate::http::Edge;
use crate::http::problem::Problem;
use crate::store;

/// The messages between one customer and one number of a business, with their status and ownership.
#[derive(Debug, Object)]
pub(super) struct Conversation {
    /// The conversation's id.
    pub(super) id: Uuid,
    /// The id of the business.
    business_id: String,
    /// The id of the business's owner in the App Server.
    user_id: String,
    /// The id of the missed call that opened the conversation. Null if no call opened it.
    call_id: Option<Uuid>,
    /// The customer's number.
    customer_phone: String,
    /// The number of the business that the customer called or texted.
    business_phone: String,
    /// The status: `active`, `ai_handling`, `user_handling` or `completed`. A new or reopened conversation is `active`.
    status: String,
    /// Who may speak to the customer: `none`, `ai` or `user`.
    ownership: String,
    /// Whether a customer's message has started the timer after which the AI answers.
    ai_timer_started: bool,
    /// When the first customer message started the timer.
    ai_timer_started_at: Option<DateTime<Utc>>,
    /// When a person last took over.
    user_takeover_at: Option<DateTime<Utc>>,
    /// The id of the person who owns the conversation, as the takeover named them. Null unless `ownership` is `user`, and if
    /// a version of the service took it over that did not keep it.
    owned_by: Option<String>,
    /// Since when the customer waits for an answer: when their earliest text without one arrived. Null if none waits. What
    /// only says that somebody will answer (a fallback text, an answer that leaves it to a person) is no answer, nor is one
    /// that did not arrive. Answered calls, the end of the conversation and opt-outs end the wait.
    waiting_since: Option<DateTime<Utc>>,
    /// When the AI will answer what the customer has written, unless a person does or the customer writes on. Null if a
    /// person owns the conversation, if nothing is to be answered, and while the answer is being prepared.
    answer_due_at: Option<DateTime<Utc>>,
    /// Whether an emergency was detected and not called a false alarm.
    emergency_detected: bool,
    /// The kind of job, according to DispatchBot.
    job_type: Option<String>,
    /// The urgency: `normal`, `urgent` or `emergency`.
    urgency_level: Option<String>,
    /// The outcome of a completed conversation: a word of the App Server or of DispatchBot, `number_released` if the
    /// business gave up the number, `idle` if nothing happened in it for long, or `erased` if the customer was erased.
    outcome: Option<String>,
    /// A summary for the owner.
    summary: Option<String>,
    /// Whether the customer has opted out of texts.
    opted_out: bool,
    /// When the conversation was opened.
    created_at: DateTime<Utc>,
    /// When something last happened in the conversation.
    last_activity: DateTime<Utc>,
    /// The last message, if `last_message=true` asks for it and there is one. Otherwise null.
    pub(super) last_message: Option<LastMessage>,
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
            owned_by: c.owned_by.filter(|_| c.ownership == Ownership::User),
            waiting_since: c.waiting_since,
            answer_due_at: c.window.and_then(|window| window.deadline),
            emergency_detected: c.emergency_detected,
            job_type: c.job_type,
            urgency_level: c.urgency_level,
            outcome: c.outcome,
            summary: c.summary,
            opted_out: c.opted_out,
            created_at: c.created_at,
            last_activity: c.last_activity,
            last_message: None,
        }
    }
}

/// A page of conversations.
#[derive(Debug, Object)]
struct ConversationList {
    /// The conversations.
    conversations: Vec<Conversation>,
    /// The `cursor` of the next page. Null on the last page.
    next_cursor: Option<String>,
}

/// An attachment of a message.
#[derive(Debug, Object)]
struct Media {
    /// The attachment's URL at Twilio, which requires the credentials of the Twilio account.
    /// `GET /conversations/{id}/messages/{message_id}/media/{n}` returns the attachment without them.
    url: String,
    /// The MIME type, such as `image/jpeg`.
    content_type: String,
}

/// A message of a conversation.
#[derive(Debug, Object)]
pub(super) struct Message {
    /// The message's id.
    id: Uuid,
    /// The conversation's id.
    conversation_id: Uuid,
    /// The direction: `inbound` from the customer, or `outbound` to the customer.
    direction: String,
    /// Who sent the message: `customer`, `ai` or `user`. Every automatic text is `ai`.
    sender_type: String,
    /// What the message is. Inbound: `customer`, or `reaction` or `auto_reply` if the customer's phone or mailbox wrote it;
    /// those two are kept and change nothing else. Outbound: `missed_call`, `reply`, `fallback`, `emergency`, `notice`, or
    /// `user` if a person wrote it.
    kind: String,
    /// The id of the person who wrote the message, as given by the App Server. Null if it was not written by one.
    user_id: Option<String>,
    /// The text of the message.
    body: String,
    /// The attachments.
    media: Vec<Media>,
    /// Twilio's id of the message, `SM…` or `MM…`. Null until it is known.
    twilio_sid: Option<String>,
    /// The status: `received` for inbound messages; `queued`, `sending`, `sent`, `delivered`, `undelivered`, `failed`,
    /// `superseded` or `unknown` for outbound ones. A `superseded` message was dropped before it was sent. `unknown`
    /// means that it could not be determined whether it was sent.
    status: String,
    /// Twilio's error code, if the message failed with one. Otherwise null.
    error_code: Option<i32>,
    /// The meaning of `error_code` in words, if it is a known code.
    error_message: Option<String>,
    /// The id of the window that this message answers. Null if it answers none.
    in_reply_to_window: Option<Uuid>,
    /// Why the customer's words were classified as an emergency. Null if they were not.
    emergency: Option<EmergencyVerdict>,
    /// When an inbound message arrived, or when it was decided to send an outbound one.
    created_at: DateTime<Utc>,
}

impl From<store::Message> for Message {
    fn from(m: store::Message) -> Self {
        Self {
            id: m.id,
            conversation_id: m.conversation_id,
            direction: m.direction,
            sender_type: m.sender_type,
            kind: m.kind.to_string(),
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
    /// The `cursor` of the next page. Null on the last page.
    next_cursor: Option<String>,
}

pub(super) struct ConversationsApi;

#[OpenApi(tag = "Group::Conversations")]
impl ConversationsApi {
    /// Lists conversations, newest activity first, or those whose customers wait, longest first.
    #[oai(path = "/conversations", method = "get", operation_id = "list_conversations")]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter")]
    async fn list_conversations(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// Return only conversations of this business.
        business_id: Query<Option<String>>,
        /// Return only conversations with this customer's number.
        customer_phone: Query<Option<String>>,
        /// Return only conversations with this status: `active`, `ai_handling`, `user_handling` or `completed`.
        status: Query<Option<String>>,
        /// Return only conversations with this ownership: `none`, `ai` or `user`.
        ownership: Query<Option<String>>,
        /// Return only conversations with activity at or after this time.
        since: Query<Option<DateTime<Utc>>>,
        /// The order: `activity`, newest activity first, which is the default; or `waiting`: only the conversations with a
        /// `waiting_since`, longest first; or `emergencies`: only those with an emergency that is not over, newest activity
        /// first. A cursor is for the order that it came with.
        sort: Query<Option<String>>,
        /// Whether to add the last message of each conversation.
        last_message: Query<Option<bool>>,
        /// The maximum number of items on a page, from 1 to 200. Default: 50.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<u32>,
        /// The `next_cursor` of the previous page. Omit it for the first page.
        cursor: Query<Option<String>>,
    ) -> Result<Page<ConversationList>, Failure> {
        let mut problems = Problems::default();
        let sort = problems.parsed("sort", sort.0.as_deref()).unwrap_or(Order::Activity);
        let filter = ConversationFilter {
            business_ids: key.0.businesses().map(<[_]>::to_vec),
            business_id: business_id.0,
            customer_phone: problems.phone("customer_phone", customer_phone.0),
            status: problems.parsed("status", status.0.as_deref()),
            ownership: problems.parsed("ownership", ownership.0.as_deref()),
            since: problems.time("since", since.0),
            after: cursor.0.as_deref().map(|cursor| sort.decode(cursor)).transpose()?,
        };
        problems.into_result()?;
        let (filter, most) = (&filter, i64::from(limit.0) + 1);
        let found = match sort {
            Order::Activity => edge.read(|store| async move { store.conversations(filter, most).await }).await?,
            Order::Waiting => edge.read(|store| async move { store.waiting_conversations(filter, most).await }).await?,
            Order::Emergencies => edge.read(|store| async move { store.open_emergencies(filter, most).await }).await?,
        };
        let (found, next_cursor) = cursor::page(found, limit.0 as usize, |c| sort.after(c));
        let conversations = last_message::shown(&edge, found, last_message.0.unwrap_or(false)).await?;
        Ok(Page(ConversationList { conversations, next_cursor }))
    }

    /// Returns a conversation.
    ///
    /// Its `ETag` is for `If-Match` of commands. Read the messages after it, and not before: then the person has seen at least
    /// what the ETag stands for.
    #[oai(path = "/conversations/:id", method = "get", operation_id = "get_conversation")]
    async fn get_conversation(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// The conversation's id.
        id: Path<String>,
        /// Whether to add the last message.
        last_message: Query<Option<bool>>,
    ) -> Result<Response<Json<Conversation>>, Failure> {
        let conversation = read_authorized(&key.0, &edge, conversation_id(&id)?).await?;
        let seen = Seen::of(&conversation);
        let mut shown = last_message::shown(&edge, vec![conversation], last_message.0.unwrap_or(false)).await?;
        Ok(tagged(Json(shown.remove(0)), Some(seen)))
    }

    /// Lists the messages of a conversation, in the order in which they arrived.
    #[oai(path = "/conversations/:id/messages", method = "get", operation_id = "list_messages")]
    async fn list_messages(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// The conversation's id.
        id: Path<String>,
        /// The maximum number of items on a page, from 1 to 200. Default: 50.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<u32>,
        /// The `next_cursor` of the previous page. Omit it for the first page.
        cursor: Query<Option<String>>,
    ) -> Result<Page<MessageList>, Failure> {
        let id = conversation_id(&id)?;
        let after = match cursor.0 {
            Some(cursor) => Some(cursor.parse::<Uuid>().map_err(|_| cursor::unusable("cursor"))?),
            None => None,
        };
        read_authorized(&key.0, &edge, id).await?;
        let most = i64::from(limit.0) + 1;
        let found = edge.read(|store| async move { store.messages(id, after, most).await }).await?;
        let (found, next_cursor) = cursor::page(found, limit.0 as usize, |message| message.id.to_string());
        Ok(Page(MessageList { messages: with_verdicts(&edge, found).await?, next_cursor }))
    }

    /// Returns a message by its Twilio id.
    #[oai(path = "/messages", method = "get", operation_id = "get_message")]
    async fn get_message(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// Twilio's id of the message, `SM…` or `MM…`.
        twilio_sid: Query<String>,
    ) -> Result<Json<Message>, Failure> {
        let sid = twilio_sid.as_str();
        let found = edge.find(|store| async move { store.message_by_any_sid(sid).await }).await?;
        let found = found.filter(|message| !message.kind.is_to_own_side());
        let found = found.ok_or_else(|| Problem::not_found("message"))?;
        let id = found.conversation_id;
        let conversation = edge.find(|store| async move { store.conversation(id).await }).await?;
        let conversation = conversation.ok_or_else(|| Problem::not_found("message"))?;
        key.0.sees(&conversation.business_id, "message")?;
        Ok(Json(with_verdicts(&edge, vec![found]).await?.remove(0)))
    }
}

/// Adds to each message the emergency verdict on its words.
async fn with_verdicts(edge: &Edge, found: Vec<store::Message>) -> Result<Vec<Message>, Failure> {
    let ids: Vec<Uuid> = found.iter().map(|message| message.id).collect();
    let ids = ids.as_slice();
    let verdicts = edge.read(|store| async move { store.verdicts(ids).await }).await?.into_iter();
    let mut verdicts: HashMap<_, _> = verdicts.map(|verdict| (verdict.message_id, verdict)).collect();
    let shown = found.into_iter().map(|message| {
        let emergency = verdicts.remove(&message.id).map(EmergencyVerdict::from);
        Message { emergency, ..message.into() }
    });
    Ok(shown.collect())
}

/// Returns the conversation if it exists and the caller may see it.
pub(super) async fn load_authorized(
    caller: &Caller,
    edge: &Edge,
    id: Uuid,
) -> Result<conversation::Conversation, Failure> {
    let found = edge.store.conversation(id).await?.ok_or_else(|| Problem::not_found("conversation"))?;
    caller.sees(&found.business_id, "conversation")?;
    Ok(found)
}

/// The same for an answer that may be some seconds old.
pub(super) async fn read_authorized(
    caller: &Caller,
    edge: &Edge,
    id: Uuid,
) -> Result<conversation::Conversation, Failure> {
    let found = edge.find(|store| async move { store.conversation(id).await }).await?;
    let found = found.ok_or_else(|| Problem::not_found("conversation"))?;
    caller.sees(&found.business_id, "conversation")?;
    Ok(found)
}

/// A malformed id counts as the id of nothing: 404.
pub(super) fn conversation_id(text: &str) -> Result<Uuid, Problem> {
    text.parse().map_err(|_| Problem::not_found("conversation"))
}
