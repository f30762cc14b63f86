//! Errors as the OpenAPI document has them: the same body for every status.

use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object};
use uuid::Uuid;

use crate::edge::problem::{Code, Problem};

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
    /// One of the codes of the contract.
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
    /// The key may only read: `UNAUTHORIZED`.
    #[oai(status = 403)]
    #[expect(dead_code, reason = "answered where keys are looked at, told here for the OpenAPI document")]
    Forbidden(Json<ErrorBody>),
    /// There is no such thing: `NOT_FOUND`.
    #[oai(status = 404)]
    NotFound(Json<ErrorBody>),
    /// It contradicts what is there: `CONFLICT`.
    #[oai(status = 409)]
    Conflict(Json<ErrorBody>),
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

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let code = problem.code();
        let body = Json(ErrorBody {
            error: ErrorDetail {
                code: code.to_string(),
                message: problem.message().to_owned(),
                request_id: problem.request_id(),
                details: problem
                    .fields()
                    .map(|(field, reason)| FieldError { field: field.to_owned(), reason: reason.to_owned() })
                    .collect(),
            },
        });
        match code {
            Code::ValidationFailed | Code::PayloadTooLarge | Code::MethodNotAllowed | Code::UnsupportedMediaType => {
                Self::Invalid(body)
            }
            Code::InvalidSignature | Code::Unauthorized => Self::Unauthorized(body),
            Code::NotFound => Self::NotFound(body),
            Code::Conflict | Code::OptedOut => Self::Conflict(body),
            Code::RateLimited => Self::RateLimited(body),
            Code::Internal => Self::Internal(body),
            Code::Unavailable => Self::Unavailable(body),
        }
    }
}

impl From<crate::store::StoreError> for Failure {
    fn from(error: crate::store::StoreError) -> Self {
        match error {
            crate::store::StoreError::Conflict(what) => Problem::new(Code::Conflict, what).into(),
            error if error.is_unstorable_text() => {
                Problem::invalid([("request".to_owned(), "must not contain NUL".to_owned())]).into()
            }
            error => Problem::unavailable(&error).into(),
        }
    }
}
