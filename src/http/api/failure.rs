//! Errors as the OpenAPI document has them: the same body for every status.

use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object};
use uuid::Uuid;

use crate::http::problem::{Code, Problem};

/// What is wrong with a field.
#[derive(Debug, Object)]
pub(super) struct FieldError {
    /// The field.
    field: String,
    /// What is wrong with it.
    reason: String,
}

/// What went wrong.
#[derive(Debug, Object)]
pub(super) struct ErrorDetail {
    /// `UNAUTHORIZED`, `NOT_FOUND`, `VALIDATION_FAILED`, `CONFLICT`, `OPTED_OUT`, `RATE_LIMITED`, `PAYLOAD_TOO_LARGE`,
    /// `METHOD_NOT_ALLOWED`, `UNSUPPORTED_MEDIA_TYPE`, `UNAVAILABLE` or `INTERNAL`.
    code: String,
    /// In words.
    message: String,
    /// Names this answer in our logs.
    request_id: Uuid,
    /// The fields that are wrong, all of them.
    details: Vec<FieldError>,
}

/// The body of every error.
#[derive(Debug, Object)]
pub(super) struct ErrorBody {
    /// What went wrong.
    error: ErrorDetail,
}

/// An answer that is not what was asked for.
#[derive(Debug, ApiResponse)]
pub(super) enum Failure {
    /// The request says something that it must not: `VALIDATION_FAILED`.
    #[oai(status = 400)]
    Invalid(Json<ErrorBody>),
    /// The key is missing, unknown or revoked: `UNAUTHORIZED`.
    #[oai(status = 401)]
    Unauthorized(Json<ErrorBody>),
    /// The key may only read, or has not the scope `numbers` that this takes: `UNAUTHORIZED`.
    #[oai(status = 403)]
    Forbidden(Json<ErrorBody>),
    /// There is no such thing: `NOT_FOUND`.
    #[oai(status = 404)]
    NotFound(Json<ErrorBody>),
    /// It contradicts what is there: `CONFLICT`. Or the customer wants no texts: `OPTED_OUT`.
    #[oai(status = 409)]
    Conflict(Json<ErrorBody>),
    /// The body is larger than 1 MiB: `PAYLOAD_TOO_LARGE`.
    #[oai(status = 413)]
    TooLarge(Json<ErrorBody>),
    /// The body is not `application/json`: `UNSUPPORTED_MEDIA_TYPE`.
    #[oai(status = 415)]
    UnsupportedMediaType(Json<ErrorBody>),
    /// More requests than the key may make in a minute: `RATE_LIMITED`.
    #[oai(status = 429)]
    RateLimited(Json<ErrorBody>),
    /// Our fault: `INTERNAL`.
    #[oai(status = 500)]
    Internal(Json<ErrorBody>),
    /// A part is missing: `UNAVAILABLE`.
    #[oai(status = 503)]
    Unavailable(Json<ErrorBody>),
}

/// A problem in the common shape.
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
            // A method is refused before an operation is found.
            Code::ValidationFailed | Code::MethodNotAllowed => Self::Invalid(body),
            Code::PayloadTooLarge => Self::TooLarge(body),
            Code::UnsupportedMediaType => Self::UnsupportedMediaType(body),
            Code::Unauthorized if problem.is_forbidden() => Self::Forbidden(body),
            Code::InvalidSignature | Code::Unauthorized => Self::Unauthorized(body),
            Code::NotFound => Self::NotFound(body),
            Code::Conflict | Code::OptedOut => Self::Conflict(body),
            Code::RateLimited => Self::RateLimited(body),
            Code::Internal => Self::Internal(body),
            Code::Unavailable => Self::Unavailable(body),
        }
    }
}

impl From<crate::adapters::postgres::StoreError> for Failure {
    fn from(error: crate::adapters::postgres::StoreError) -> Self {
        match error {
            crate::adapters::postgres::StoreError::Conflict(what) => Problem::new(Code::Conflict, what).into(),
            crate::adapters::postgres::StoreError::Forbidden(why) => {
                Problem::new(Code::Unauthorized, why).forbidden().into()
            }
            crate::adapters::postgres::StoreError::Invalid { field, reason } => {
                Problem::invalid([(field.to_owned(), reason)]).into()
            }
            error if error.is_unstorable_text() => {
                Problem::invalid([("request".to_owned(), "must not contain NUL".to_owned())]).into()
            }
            error => Problem::unavailable(&error).into(),
        }
    }
}
