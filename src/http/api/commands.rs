//! Commands of a person in a conversation: take over, send a message, release, complete.
//!
//! Commands are inputs of the engine like any other. Once takeover or a message has answered, no message of the AI
//! starts in the conversation: the command is committed, and then waits until messages that were already claimed have
//! settled, at most half a minute. `in_flight` reports the exception (docs/design.md, Fence and claim).
//!
//! The ETag of an answer is that of the state which the command made, not of what came while it waited: a text that the
//! person has not seen is not in it.

use poem::web::Data;
use poem_openapi::param::{Header, Path};
use poem_openapi::payload::{Json, Response};
use poem_openapi::{ApiResponse, Object, OpenApi};
use uuid::Uuid;

use super::auth::Writer;
use super::body::Body;
use super::carry_out::{carry_out, reload};
use super::conversations::{Conversation, Message, conversation_id, load_authorized};
use super::failure::Failure;
use super::idempotency::Once;
use super::if_match::Condition;
use super::validation::Problems;
use super::{EdgeData, Group};
use crate::domain::conversation::{Input, Ownership};
use crate::domain::sms_segments::MAX_BODY_CHARS;
use crate::engine::ai_sends_finished;
use crate::http::problem::{Code, Problem};

/// Maximum length of names and reasons.
pub(super) const MAX_WORDS: usize = 200;
const MAX_SUMMARY: usize = 2_000;

/// A takeover of a conversation by a person.
#[derive(Debug, Object)]
struct Takeover {
    /// The id of the person in the App Server, at most 200 characters. A key that belongs to a person needs none, and takes no
    /// other.
    user_id: Option<String>,
    /// The reason, at most 200 characters. It appears in the event and in the audit record.
    reason: String,
}

/// The result of a takeover.
#[derive(Debug, Object)]
struct TakenOver {
    /// Whether this request changed the ownership. `false` if a person already owned the conversation.
    ownership_changed: bool,
    /// Whether a message of the AI was already at Twilio and its outcome was still open after 30 seconds. It may still
    /// arrive.
    in_flight: bool,
    /// The ids of the other open conversations with this customer, at other numbers of the business. The takeover does
    /// not change them: the AI still answers there.
    other_conversations: Vec<Uuid>,
    /// The conversation after the takeover.
    conversation: Conversation,
}

/// A message from a person to the customer.
#[derive(Debug, Object)]
struct NewMessage {
    /// The id of the person in the App Server, at most 200 characters. A key that belongs to a person needs none, and takes no
    /// other.
    user_id: Option<String>,
    /// The text, at most 1,600 characters.
    body: String,
}

/// A release of a conversation to the AI.
#[derive(Debug, Object)]
struct Release {
    /// The id of the person in the App Server, at most 200 characters. A key that belongs to a person needs none, and takes no
    /// other.
    user_id: Option<String>,
}

/// The end of a conversation.
#[derive(Debug, Object)]
struct Completion {
    /// The id of the person in the App Server, at most 200 characters. A key that belongs to a person needs none, and takes no
    /// other.
    user_id: Option<String>,
    /// The outcome, such as `booked`: a word chosen by the App Server, at most 200 characters.
    outcome: String,
    /// A short summary for the owner, at most 2,000 characters.
    summary: Option<String>,
}

/// The response to a message that was accepted.
#[derive(ApiResponse)]
enum Sent {
    /// The message was accepted and will be sent. Its `status` shows the progress.
    #[oai(status = 201)]
    Created(Json<Message>),
}

pub(super) struct CommandsApi;

#[OpenApi(tag = "Group::Conversations")]
impl CommandsApi {
    /// Takes over a conversation.
    ///
    /// Once this request has answered, no message of the AI starts in the conversation until it is released. The
    /// request waits up to 30 seconds for a message of the AI that is at Twilio. Taking over again changes nothing.
    #[oai(path = "/conversations/:id/takeover", method = "post", operation_id = "take_over")]
    #[expect(clippy::too_many_arguments, reason = "each is a part of the request")]
    async fn take_over(
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
        request: Body<Takeover>,
    ) -> Result<Response<Json<TakenOver>>, Failure> {
        let before = load_authorized(&key.0, &edge, conversation_id(&id)?).await?;
        let id = before.id;
        let Takeover { user_id, reason } = request.0;
        let mut problems = Problems::default();
        let user_id = key.0.acts_as(&mut problems, user_id);
        problems.text("reason", &reason, MAX_WORDS);
        problems.into_result()?;
        let (input_id, command) = (format!("takeover:{id}:{}", once.0), Input::UserTookOver { user_id, reason });
        let done = carry_out(&edge, &before, &input_id, command, condition.0).await?;
        let in_flight = !ai_sends_finished(&edge.store, id).await?;
        let conversation = reload(&edge, id).await?;
        // The takeover was applied earlier under the same key, and the conversation was released or ended since: the
        // client must not believe that it owns it.
        if done.change.is_none() && conversation.ownership != Ownership::User {
            return Err(
                Problem::new(Code::Conflict, "it was taken over, but it has been released or completed since").into()
            );
        }
        let (business_id, customer) = (&conversation.business_id, &conversation.customer_phone);
        let other_conversations = edge.store.other_conversations(business_id, customer, Some(id)).await?;
        Ok(done.answer(Json(TakenOver {
            // A second takeover may still stop the alerts of an emergency.
            ownership_changed: done.change.is_some() && before.ownership != Ownership::User,
            in_flight,
            other_conversations,
            conversation: conversation.into(),
        })))
    }

    /// Sends a message to the customer as a person.
    ///
    /// If no person owned the conversation, this also takes it over, as `POST /conversations/{id}/takeover` does. If
    /// the customer has opted out of texts, the answer is 409 with the code `OPTED_OUT`.
    #[oai(path = "/conversations/:id/messages", method = "post", operation_id = "send_message")]
    #[expect(clippy::too_many_arguments, reason = "each is a part of the request")]
    async fn send_message(
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
        request: Body<NewMessage>,
    ) -> Result<Response<Sent>, Failure> {
        let before = load_authorized(&key.0, &edge, conversation_id(&id)?).await?;
        let id = before.id;
        let NewMessage { user_id, body } = request.0;
        let mut problems = Problems::default();
        let user_id = key.0.acts_as(&mut problems, user_id);
        problems.text("body", &body, MAX_BODY_CHARS);
        problems.into_result()?;
        let input_id = format!("reply:{id}:{}", once.0);
        let done = carry_out(&edge, &before, &input_id, Input::UserReplied { user_id, body }, condition.0).await?;
        ai_sends_finished(&edge.store, id).await?;
        let message = match done.change.as_ref().and_then(|change| change.messages.first().copied()) {
            Some(message_id) => edge.store.message(message_id).await?,
            // It was applied earlier, by a process that died before it answered; or it was not applied.
            None => edge.store.message_of_input(id, &input_id).await?,
        };
        let message = message.ok_or_else(|| Problem::new(Code::OptedOut, "the customer has opted out of texts"))?;
        Ok(done.answer(Sent::Created(Json(message.into()))))
    }

    /// Gives a conversation back to the AI.
    ///
    /// The AI answers the customer's messages that have not been answered yet. If no person owned the conversation,
    /// nothing changes.
    #[oai(path = "/conversations/:id/release", method = "post", operation_id = "release")]
    #[expect(clippy::too_many_arguments, reason = "each is a part of the request")]
    async fn release(
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
        request: Body<Release>,
    ) -> Result<Response<Json<Conversation>>, Failure> {
        let before = load_authorized(&key.0, &edge, conversation_id(&id)?).await?;
        let id = before.id;
        let mut problems = Problems::default();
        let user_id = key.0.acts_as(&mut problems, request.0.user_id);
        problems.into_result()?;
        let input_id = format!("release:{id}:{}", once.0);
        let done = carry_out(&edge, &before, &input_id, Input::Released { user_id }, condition.0).await?;
        Ok(done.answer(Json(reload(&edge, id).await?.into())))
    }

    /// Completes a conversation.
    ///
    /// An open window is handed over and not answered. A completed conversation accepts no commands; a later text of
    /// the customer opens it again or starts a new one.
    #[oai(path = "/conversations/:id/complete", method = "post", operation_id = "complete")]
    #[expect(clippy::too_many_arguments, reason = "each is a part of the request")]
    async fn complete(
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
        request: Body<Completion>,
    ) -> Result<Response<Json<Conversation>>, Failure> {
        let before = load_authorized(&key.0, &edge, conversation_id(&id)?).await?;
        let id = before.id;
        let Completion { user_id, outcome, summary } = request.0;
        let mut problems = Problems::default();
        let user_id = key.0.acts_as(&mut problems, user_id);
        problems.text("outcome", &outcome, MAX_WORDS);
        if let Some(summary) = &summary {
            problems.text("summary", summary, MAX_SUMMARY);
        }
        problems.into_result()?;
        let (input_id, command) = (format!("complete:{id}:{}", once.0), Input::Completed { user_id, outcome, summary });
        let done = carry_out(&edge, &before, &input_id, command, condition.0).await?;
        Ok(done.answer(Json(reload(&edge, id).await?.into())))
    }
}
