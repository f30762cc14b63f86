//! Errors as described in the OpenAPI document: the same body for every status.

use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object};
use uuid::Uuid;

use crate::http::problem::{Code, Problem};
use crate::store::StoreError;

/// An error in a field of the request.
#[derive(Debug, Object)]
pub(super) struct FieldError {
    /// The name of the field.
    field: String,
    /// Why the field is invalid.
    reason: String,
}

/// The details of an error.
#[derive(Debug, Object)]
pub(super) struct ErrorDetail {
    /// The code for programs: `UNAUTHORIZED`, `NOT_FOUND`, `VALIDATION_FAILED`, `CONFLICT`, `OPTED_OUT`,
    /// `PRECONDITION_FAILED`, `RATE_LIMITED`, `PAYLOAD_TOO_LARGE`, `METHOD_NOT_ALLOWED`, `UNSUPPORTED_MEDIA_TYPE`, `UNAVAILABLE` or
    /// `INTERNAL`.
    code: String,
    /// A message for people.
    message: String,
    /// The id of this response in the service's logs, the same as in the header `X-Request-Id`. Quote it in support
    /// requests.
    request_id: Uuid,
    /// All fields of the request that are invalid. Empty if the error is not about fields.
    details: Vec<FieldError>,
}

/// The body of every error.
#[derive(Debug, Object)]
pub(super) struct ErrorBody {
    /// The error.
    error: ErrorDetail,
}

/// An error response.
#[derive(Debug, ApiResponse)]
pub(super) enum Failure {
    /// The request is invalid: `VALIDATION_FAILED`. `details` names every invalid field.
    #[oai(status = 400)]
    Invalid(Json<ErrorBody>),
    /// The API key is missing, unknown or revoked: `UNAUTHORIZED`.
    #[oai(status = 401)]
    Unauthorized(Json<ErrorBody>),
    /// The API key is read-only, or lacks the scope `numbers` that this request requires: `UNAUTHORIZED`.
    #[oai(status = 403)]
    Forbidden(Json<ErrorBody>),
    /// The resource does not exist, or belongs to a business that the API key is not for: `NOT_FOUND`. A malformed id
    /// gets this error, too.
    #[oai(status = 404)]
    NotFound(Json<ErrorBody>),
    /// The request conflicts with the current state: `CONFLICT`. Or the customer has opted out of texts: `OPTED_OUT`.
    #[oai(status = 409)]
    Conflict(Json<ErrorBody>),
    /// The conversation has changed since the person saw it, and nothing was done: `PRECONDITION_FAILED`. `details` names what
    /// is new (`ownership`, `message`), and `ETag` is that of now: read the conversation and its messages again.
    #[oai(status = 412)]
    PreconditionFailed(
        Json<ErrorBody>,
        /// The ETag of the conversation as it is now.
        #[oai(header = "ETag")]
        String,
    ),
    /// The body is larger than 1 MiB: `PAYLOAD_TOO_LARGE`.
    #[oai(status = 413)]
    TooLarge(Json<ErrorBody>),
    /// The body is not `application/json`: `UNSUPPORTED_MEDIA_TYPE`.
    #[oai(status = 415)]
    UnsupportedMediaType(Json<ErrorBody>),
    /// The API key has exceeded its rate limit or its number of event streams, or too many requests with unknown keys
    /// came from this address: `RATE_LIMITED`. Try again after the time in `Retry-After`.
    #[oai(status = 429)]
    RateLimited(Json<ErrorBody>),
    /// An internal error: `INTERNAL`.
    #[oai(status = 500)]
    Internal(Json<ErrorBody>),
    /// A service that the request depends on is unavailable: `UNAVAILABLE`. Try again after the time in `Retry-After`.
    #[oai(status = 503)]
    Unavailable(Json<ErrorBody>),
}

/// Converts a problem to the common body.
pub(super) fn body(problem: &Problem) -> Json<ErrorBody> {
    let told = |(field, reason): (&str, &str)| FieldError { field: field.to_owned(), reason: reason.to_owned() };
    Json(ErrorBody {
        error: ErrorDetail {
            code: problem.code().to_string(),
            message: problem.message().to_owned(),
            request_id: problem.request_id(),
            details: problem.fields().map(told).collect(),
        },
    })
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let body = body(&problem);
        match problem.code() {
            // A method that a path does not support is refused before an operation is found.
            Code::ValidationFailed | Code::MethodNotAllowed => Self::Invalid(body),
            Code::PayloadTooLarge => Self::TooLarge(body),
            Code::UnsupportedMediaType => Self::UnsupportedMediaType(body),
            Code::Unauthorized if problem.is_forbidden() => Self::Forbidden(body),
            Code::InvalidSignature | Code::Unauthorized => Self::Unauthorized(body),
            Code::NotFound => Self::NotFound(body),
            Code::Conflict | Code::OptedOut => Self::Conflict(body),
            Code::PreconditionFailed => Self::PreconditionFailed(body, problem.newest().unwrap_or_default().to_owned()),
            Code::RateLimited => Self::RateLimited(body),
            Code::Internal => Self::Internal(body),
            Code::Unavailable => Self::Unavailable(body),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(what) => Problem::new(Code::Conflict, what).into(),
            StoreError::Forbidden(why) => Problem::new(Code::Unauthorized, why).forbidden().into(),
            StoreError::Invalid { field, reason } => Problem::invalid([(field.to_owned(), reason)]).into(),
            StoreError::Unstorable(_) => {
                Problem::invalid([("request".to_owned(), "must not contain the character NUL".to_owned())]).into()
            }
            error => Problem::unavailable(&error).into(),
        }
    }
}
