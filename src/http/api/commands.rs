//! What a person does with a conversation: take it over, write in it, give it back, end it.
//!
//! Commands go through the same engine as every other input. From the moment that one of the first two has answered, no
//! message of the AI goes out in the conversation: it commits first, and then waits until what was already claimed has
//! settled, for half a minute at the most; `in_flight` names the exception (docs/design.md, Fence and claim).

use poem::web::Data;
use poem_openapi::param::{Header, Path};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};
use uuid::Uuid;

use super::auth::Writer;
use super::body::Body;
use super::conversations::{Conversation, Message, conversation_id, load_authorized};
use super::failure::Failure;
use super::idempotency::Once;
use super::validation::Problems;
use super::{EdgeData, Group};
use crate::domain::conversation::{self, Input, Ownership, Status};
use crate::engine::{Applied, Change, settled};
use crate::http::Edge;
use crate::http::problem::{Code, Problem};

/// Twilio refuses longer bodies (21617).
const MAX_BODY: usize = 1_600;
/// Longer names and reasons are refused.
pub(super) const MAX_WORDS: usize = 200;
const MAX_SUMMARY: usize = 2_000;

/// Who takes over, and why.
#[derive(Debug, Object)]
struct Takeover {
    /// Who, as the App Server names them.
    user_id: String,
    /// Why, for the event and the record.
    reason: String,
}

/// What became of a takeover.
#[derive(Debug, Object)]
struct TakenOver {
    /// Whether it was this call that changed the ownership.
    ownership_changed: bool,
    /// Whether a message of the AI was at Twilio and has not settled in time: it may still arrive.
    in_flight: bool,
    /// The conversation as it stands.
    conversation: Conversation,
}

/// A message of a person.
#[derive(Debug, Object)]
struct NewMessage {
    /// Who writes, as the App Server names them.
    user_id: String,
    /// The text, 1,600 characters at the most.
    body: String,
}

/// Who gives the conversation back.
#[derive(Debug, Object)]
struct Release {
    /// Who, as the App Server names them.
    user_id: String,
}

/// Who ends the conversation, and how.
#[derive(Debug, Object)]
struct Completion {
    /// Who, as the App Server names them.
    user_id: String,
    /// How it ended, in a word of the App Server's.
    outcome: String,
    /// In short.
    summary: Option<String>,
}

/// It is on its way.
#[derive(ApiResponse)]
enum Sent {
    /// The message, on its way.
    #[oai(status = 201)]
    Created(Json<Message>),
}

pub(super) struct CommandsApi;

#[OpenApi(tag = "Group::Conversations")]
impl CommandsApi {
    /// Takes a conversation over: from the answer on, the AI is silent in it until it is released. Taking over twice
    /// changes nothing.
    #[oai(path = "/conversations/:id/takeover", method = "post", operation_id = "take_over")]
    async fn take_over(
        &self,
        edge: EdgeData<'_>,
        once: Data<&Once>,
        key: Writer,
        /// The same request again, with the same key, changes nothing more and gets the same answer, for a day.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        /// The conversation's id.
        id: Path<String>,
        request: Body<Takeover>,
    ) -> Result<Json<TakenOver>, Failure> {
        let before = load_authorized(&key.0, &edge, conversation_id(&id)?).await?;
        let id = before.id;
        let Takeover { user_id, reason } = request.0;
        let mut problems = Problems::default();
        problems.text("user_id", &user_id, MAX_WORDS);
        problems.text("reason", &reason, MAX_WORDS);
        problems.into_result()?;
        let change =
            carry_out(&edge, &before, &format!("takeover:{id}:{}", once.0), Input::UserTookOver { user_id, reason })
                .await?;
        let in_flight = !settled(&edge.store, id).await?;
        let conversation = reload(&edge, id).await?;
        // Carried out before, under this very key, and given back or ended since: nobody may think that it is theirs.
        if change.is_none() && conversation.ownership != Ownership::User {
            return Err(
                Problem::new(Code::Conflict, "it was taken over, and has been given back or ended since").into()
            );
        }
        Ok(Json(TakenOver { ownership_changed: change.is_some(), in_flight, conversation: conversation.into() }))
    }

    /// Writes to the customer as a person, which takes over where nobody had yet.
    #[oai(path = "/conversations/:id/messages", method = "post", operation_id = "send_message")]
    async fn send_message(
        &self,
        edge: EdgeData<'_>,
        once: Data<&Once>,
        key: Writer,
        /// The same request again, with the same key, changes nothing more and gets the same answer, for a day.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        /// The conversation's id.
        id: Path<String>,
        request: Body<NewMessage>,
    ) -> Result<Sent, Failure> {
        let before = load_authorized(&key.0, &edge, conversation_id(&id)?).await?;
        let id = before.id;
        let NewMessage { user_id, body } = request.0;
        let mut problems = Problems::default();
        problems.text("user_id", &user_id, MAX_WORDS);
        problems.text("body", &body, MAX_BODY);
        problems.into_result()?;
        let input_id = format!("reply:{id}:{}", once.0);
        let change = carry_out(&edge, &before, &input_id, Input::UserReplied { user_id, body }).await?;
        settled(&edge.store, id).await?;
        let message = match change.and_then(|change| change.messages.first().copied()) {
            Some(message_id) => edge.store.message(message_id).await?,
            // It was carried out before, by a process that died before it had answered; or it was not.
            None => edge.store.message_of_input(id, &input_id).await?,
        };
        let message = message.ok_or_else(|| Problem::new(Code::OptedOut, "the customer has opted out of texts"))?;
        Ok(Sent::Created(Json(message.into())))
    }

    /// Gives a conversation back to the AI, which answers what has not been answered.
    #[oai(path = "/conversations/:id/release", method = "post", operation_id = "release")]
    async fn release(
        &self,
        edge: EdgeData<'_>,
        once: Data<&Once>,
        key: Writer,
        /// The same request again, with the same key, changes nothing more and gets the same answer, for a day.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        /// The conversation's id.
        id: Path<String>,
        request: Body<Release>,
    ) -> Result<Json<Conversation>, Failure> {
        let before = load_authorized(&key.0, &edge, conversation_id(&id)?).await?;
        let id = before.id;
        let mut problems = Problems::default();
        problems.text("user_id", &request.0.user_id, MAX_WORDS);
        problems.into_result()?;
        carry_out(&edge, &before, &format!("release:{id}:{}", once.0), Input::Released { user_id: request.0.user_id })
            .await?;
        Ok(Json(reload(&edge, id).await?.into()))
    }

    /// Ends a conversation.
    #[oai(path = "/conversations/:id/complete", method = "post", operation_id = "complete")]
    async fn complete(
        &self,
        edge: EdgeData<'_>,
        once: Data<&Once>,
        key: Writer,
        /// The same request again, with the same key, changes nothing more and gets the same answer, for a day.
        #[oai(name = "Idempotency-Key")]
        _idempotency_key: Header<Option<String>>,
        /// The conversation's id.
        id: Path<String>,
        request: Body<Completion>,
    ) -> Result<Json<Conversation>, Failure> {
        let before = load_authorized(&key.0, &edge, conversation_id(&id)?).await?;
        let id = before.id;
        let Completion { user_id, outcome, summary } = request.0;
        let mut problems = Problems::default();
        problems.text("user_id", &user_id, MAX_WORDS);
        problems.text("outcome", &outcome, MAX_WORDS);
        if let Some(summary) = &summary {
            problems.text("summary", summary, MAX_SUMMARY);
        }
        problems.into_result()?;
        carry_out(&edge, &before, &format!("complete:{id}:{}", once.0), Input::Completed { user_id, outcome, summary })
            .await?;
        Ok(Json(reload(&edge, id).await?.into()))
    }
}

/// Carries a command out; `None` where it changed nothing. A conversation that is over takes none.
async fn carry_out(
    edge: &Edge,
    before: &conversation::Conversation,
    input_id: &str,
    command: Input,
) -> Result<Option<Change>, Failure> {
    let id = before.id;
    if before.status == Status::Completed {
        return Err(over());
    }
    if !edge.store.has_number(&before.business_id, &before.business_phone).await? {
        return Err(conflict("the business does not have the number of this conversation any more"));
    }
    if matches!(command, Input::UserReplied { .. } | Input::Released { .. }) && before.own_account.is_some() {
        let account = edge.accounts.of(&before.business_id).await.map_err(|error| Problem::unavailable(&error))?;
        if edge.accounts.is_main(&account.sid) {
            return Err(conflict(
                "the customer was reached under a Twilio account that the business does not bring any more",
            ));
        }
    }
    match edge.engine.command(id, input_id, command).await {
        Ok(Applied::Now(change)) => Ok(Some(*change)),
        // It may have been ended while the command was under way. What it was decided on counts: by now a customer's text may
        // have opened it again, and nobody has taken it over.
        Ok(Applied::Nothing { status: Some(Status::Completed) }) => Err(over()),
        Ok(Applied::Before { .. }) if reload(edge, id).await?.status == Status::Completed => Err(over()),
        Ok(_) => Ok(None),
        Err(error) => Err(Problem::unavailable(&error).into()),
    }
}

fn over() -> Failure {
    conflict("the conversation is completed")
}

fn conflict(why: &str) -> Failure {
    Problem::new(Code::Conflict, why).into()
}

pub(super) async fn reload(edge: &Edge, id: Uuid) -> Result<conversation::Conversation, Failure> {
    Ok(edge.store.conversation(id).await?.ok_or_else(|| Problem::not_found("conversation"))?)
}
