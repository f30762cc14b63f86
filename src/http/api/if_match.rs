//! `If-Match` and `ETag`: a command is carried out only if the person has seen the newest state of the conversation
//! ([`Seen`] has what that is).

use poem::http::header::{ETAG, IF_MATCH};
use poem::{FromRequest, Request, RequestBody};
use poem_openapi::payload::Response;

use super::failure::Failure;
use crate::domain::conversation::{Conversation, IfMatch, Newer, Seen};
use crate::http::problem::{Code, Problem};

/// The condition of a request, if it has one.
pub(super) struct Condition(pub(super) Option<IfMatch>);

impl<'a> FromRequest<'a> for Condition {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        Ok(Self(condition(request)?))
    }
}

/// The condition of a request, if it has one.
///
/// # Errors
/// If it is malformed: a 400.
pub(super) fn condition(request: &Request) -> Result<Option<IfMatch>, Problem> {
    let lines: Vec<&[u8]> = request.headers().get_all(IF_MATCH).iter().map(|value| value.as_bytes()).collect();
    if lines.is_empty() {
        return Ok(None);
    }
    // Several lines are one list. A tag may have any byte beyond ASCII; none of ours has.
    let value = String::from_utf8_lossy(&lines.join(&b","[..])).into_owned();
    let condition = IfMatch::parse(&value);
    condition.map(Some).map_err(|reason| Problem::invalid([("If-Match".to_owned(), reason.to_owned())]))
}

/// An answer with the ETag of a state of the conversation.
pub(super) fn tagged<T>(answer: T, seen: Option<Seen>) -> Response<T> {
    let response = Response::new(answer);
    match seen {
        Some(seen) => response.header(ETAG, seen.etag()),
        None => response,
    }
}

/// Fails with 412 if the conversation is not in a state that the person has seen.
pub(super) fn check(condition: Option<&IfMatch>, conversation: &Conversation) -> Result<(), Failure> {
    match condition {
        Some(condition) if !condition.holds(conversation) => Err(newer(condition, Seen::of(conversation))),
        _ => Ok(()),
    }
}

/// The error for a condition that does not hold: what has changed, and the ETag of now.
pub(super) fn newer(condition: &IfMatch, now: Seen) -> Failure {
    let changed = now.changed_since(condition);
    let reasons: Vec<&str> = match &changed[..] {
        [] => vec!["is not the ETag of this conversation's newest state"],
        changed => changed.iter().map(|newer| reason(*newer)).collect(),
    };
    let fields = reasons.into_iter().map(|reason| ("If-Match".to_owned(), reason.to_owned()));
    let message = "the conversation has changed since you saw it, and nothing was done; `details` names what is new";
    Problem::new(Code::PreconditionFailed, message).about(fields).etag(now.etag()).into()
}

fn reason(newer: Newer) -> &'static str {
    match newer {
        Newer::Ownership => {
            "ownership: since then the conversation was taken over, answered by a person, released, completed or reopened, \
             or the AI took it"
        }
        Newer::Message => "message: the customer has written since then",
    }
}
