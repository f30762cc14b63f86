//! Carries out a person's command in a conversation.

use poem_openapi::payload::Response;
use uuid::Uuid;

use super::failure::Failure;
use super::if_match::{check, newer, tagged};
use crate::domain::conversation::{Conversation, IfMatch, Input, Seen, Status};
use crate::engine::{Applied, Change, EngineError};
use crate::http::Edge;
use crate::http::problem::{Code, Problem};

/// A command that was carried out.
pub(super) struct CarriedOut {
    /// What it changed; `None` if nothing, or if it was carried out before.
    pub(super) change: Option<Change>,
    /// The state that it made or met. `None` if it was carried out before: what came since, the person has not seen.
    seen: Option<Seen>,
}

impl CarriedOut {
    /// The answer, with the ETag of the state that the command made.
    pub(super) fn answer<T>(&self, answer: T) -> Response<T> {
        tagged(answer, self.seen)
    }
}

/// Applies a command. A completed conversation accepts none, nor does one of a number that the business no longer has.
pub(super) async fn carry_out(
    edge: &Edge,
    before: &Conversation,
    input_id: &str,
    command: Input,
    if_match: Option<IfMatch>,
) -> Result<CarriedOut, Failure> {
    if before.status == Status::Completed {
        check(if_match.as_ref(), before)?;
        return Err(over());
    }
    if !edge.store.has_number(&before.business_id, &before.business_phone).await? {
        return Err(conflict("the business no longer has the number of this conversation"));
    }
    if matches!(command, Input::UserReplied { .. } | Input::Released { .. }) && before.own_account.is_some() {
        let account = edge.accounts.of(&before.business_id).await.map_err(|error| Problem::unavailable(&error))?;
        if edge.accounts.is_main(&account.sid) {
            return Err(conflict("the conversation used a Twilio account that the business no longer has"));
        }
    }
    apply(edge, before, input_id, command, if_match).await
}

/// Applies a command in whatever state the conversation is.
pub(super) async fn apply(
    edge: &Edge,
    before: &Conversation,
    input_id: &str,
    command: Input,
    if_match: Option<IfMatch>,
) -> Result<CarriedOut, Failure> {
    let is_for_open = !matches!(command, Input::FalseAlarm { .. });
    match edge.engine.command_if(before.id, input_id, command, if_match.clone()).await {
        Ok(Applied::Now(change)) => {
            Ok(CarriedOut { seen: Some(Seen::of(&change.conversation)), change: Some(*change) })
        }
        // The conversation may have ended while the command was in progress. The status that the decision was based on
        // counts: by now a text of the customer may have opened it again, and nobody has taken it over.
        Ok(Applied::Nothing { status: Some(Status::Completed) }) if is_for_open => Err(over()),
        Ok(Applied::Before { .. }) if is_for_open && reload(edge, before.id).await?.status == Status::Completed => {
            Err(over())
        }
        // Nothing has changed, so the state of before is at most too old.
        Ok(Applied::Nothing { .. }) => Ok(CarriedOut { change: None, seen: Some(Seen::of(before)) }),
        Ok(Applied::Before { .. }) => Ok(CarriedOut { change: None, seen: None }),
        Err(EngineError::Newer(now)) => Err(newer(if_match.as_ref().unwrap_or(&IfMatch::Any), now)),
        Err(error) => Err(Problem::unavailable(&error).into()),
    }
}

fn over() -> Failure {
    conflict("the conversation is completed")
}

fn conflict(why: &str) -> Failure {
    Problem::new(Code::Conflict, why).into()
}

/// The conversation as it is now.
pub(super) async fn reload(edge: &Edge, id: Uuid) -> Result<Conversation, Failure> {
    Ok(edge.store.conversation(id).await?.ok_or_else(|| Problem::not_found("conversation"))?)
}
