//! The seam between the client and the dialects: what a dialect says on the wire, and what every answer must be.
//!
//! A dialect is a module with one [`Wire`]. It knows its format, and nothing of time limits, tries and addresses; the
//! client knows those, and no format.

use reqwest::RequestBuilder;
use serde_json::Value;

use super::error::{AnalyzeError, malformed};
use super::question::Question;
use super::{dispatch_bot_ai, v1};
use crate::config::{Dialect, Secret};
use crate::domain::conversation::Answer;
use crate::domain::invisible::is_blank;

/// The maximum size of an answer. An answer is a few sentences, and what is made of it goes through streams with a
/// limit of one megabyte. A larger answer is not read.
pub(super) const MAX_ANSWER: usize = 256 * 1024;

/// What a dialect says on the wire.
pub(super) struct Wire {
    /// Where questions are posted, below the base URL.
    pub path: &'static str,
    /// Where it says how it is, if it does.
    pub health_path: Option<&'static str>,
    /// Adds the key to a request.
    pub authorize: fn(RequestBuilder, &Secret) -> RequestBuilder,
    /// The body of a question; an error if the business lacks something that the dialect needs.
    pub write: fn(&Question) -> Result<Written, AnalyzeError>,
    /// Reads the body of a successful answer.
    pub read: fn(&[u8]) -> Result<Answer, AnalyzeError>,
}

/// The body of a question, and how much of the business's document does not fit into it.
pub(super) struct Written {
    pub body: Value,
    pub left_out: LeftOut,
}

/// How many entries of the business's lists the dialect cannot say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub job_estimates: usize,
    pub calendar: usize,
}

/// The wire of a dialect.
pub(super) fn of(dialect: Dialect) -> &'static Wire {
    match dialect {
        Dialect::V1 => &v1::WIRE,
        Dialect::DispatchBotAi => &dispatch_bot_ai::WIRE,
    }
}

/// Reads the body of a successful answer of this dialect. An answer that passes contains everything that the
/// conversation's rules need.
///
/// # Errors
/// If it is not an answer of the dialect, or too large.
pub fn read_answer(dialect: Dialect, body: &[u8]) -> Result<Answer, AnalyzeError> {
    if body.len() > MAX_ANSWER {
        return Err(malformed(format!("{} bytes, the limit is {MAX_ANSWER}", body.len())));
    }
    let mut answer = (of(dialect).read)(body)?;
    make_storable(&mut answer);
    if is_blank(&answer.text) {
        return Err(malformed("the message to the customer is blank"));
    }
    if answer.confidence.is_some_and(|confidence| !(0.0..=1.0).contains(&confidence)) {
        return Err(malformed("a confidence is not between 0 and 1"));
    }
    Ok(answer)
}

/// Replaces NUL, which PostgreSQL cannot store: an answer that could not be stored would be lost.
fn make_storable(answer: &mut Answer) {
    let notes = answer.appointment.as_mut().and_then(|appointment| appointment.notes.as_mut());
    let optional = [answer.job_type.as_mut(), answer.outcome.as_mut(), answer.summary.as_mut(), notes];
    for text in optional.into_iter().flatten().chain([&mut answer.text]) {
        if text.contains('\0') {
            *text = text.replace('\0', "\u{fffd}");
        }
    }
}
