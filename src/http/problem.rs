//! Errors as HTTP answers: one body for the whole edge, a 404 and a 405 too (docs/contract.md, section 3).
//!
//! What is wrong with a request is named to whoever sent it; what is wrong with us is logged, and told by a request id
//! only.

use poem::http::{StatusCode, header};
use poem::{IntoResponse, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::adapters::outage;
use crate::text_enum;

text_enum! {
    /// The codes of the contract.
    pub enum Code {
        /// The webhook's signature is missing or wrong.
        InvalidSignature = "INVALID_SIGNATURE",
        /// The key is missing or wrong.
        Unauthorized = "UNAUTHORIZED",
        /// There is no such thing.
        NotFound = "NOT_FOUND",
        /// The request says something that it must not.
        ValidationFailed = "VALIDATION_FAILED",
        /// It contradicts what is there.
        Conflict = "CONFLICT",
        /// The customer wants no texts.
        OptedOut = "OPTED_OUT",
        /// Too many requests.
        RateLimited = "RATE_LIMITED",
        /// The body is too large.
        PayloadTooLarge = "PAYLOAD_TOO_LARGE",
        /// The path does not take this method.
        MethodNotAllowed = "METHOD_NOT_ALLOWED",
        /// The path does not take this content type.
        UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE",
        /// A part is missing; try again.
        Unavailable = "UNAVAILABLE",
        /// Our fault.
        Internal = "INTERNAL",
    }
}

impl Code {
    fn status(self) -> StatusCode {
        match self {
            Self::InvalidSignature | Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::ValidationFailed => StatusCode::BAD_REQUEST,
            Self::Conflict | Self::OptedOut => StatusCode::CONFLICT,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// An error on its way to whoever asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    code: Code,
    message: String,
    request_id: Uuid,
    fields: Vec<(String, String)>,
    retry_after_seconds: Option<u64>,
    forbidden: bool,
}

impl Problem {
    /// A problem of this code, in these words.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let request_id = Uuid::now_v7();
        Self {
            code,
            message: message.into(),
            request_id,
            fields: Vec::new(),
            retry_after_seconds: None,
            forbidden: false,
        }
    }

    /// There is no such thing.
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no such {what}"))
    }

    /// These fields are wrong, each with its reason.
    pub fn invalid(fields: impl IntoIterator<Item = (String, String)>) -> Self {
        let fields = fields.into_iter().collect();
        Self { fields, ..Self::new(Code::ValidationFailed, "the request cannot be used as it is") }
    }

    /// A part is missing: told without its name. An outage is logged once ([`crate::health`]), not for each request.
    pub fn unavailable(error: &(dyn std::error::Error + 'static)) -> Self {
        let problem = Self::new(Code::Unavailable, "a part of the service is missing; please try again");
        let request_id = problem.request_id;
        match outage::missing(error) {
            Some(service) => tracing::debug!(%request_id, %service, %error, "a request could not be answered"),
            None => tracing::error!(%request_id, %error, "a request could not be answered"),
        }
        problem
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// In words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Names the answer in our logs.
    pub fn request_id(&self) -> Uuid {
        self.request_id
    }

    /// The fields that are wrong, each with its reason.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(field, reason)| (field.as_str(), reason.as_str()))
    }

    /// Whoever asked should wait so long.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// The key is good, and not for this: 403.
    #[must_use]
    pub fn forbidden(mut self) -> Self {
        self.forbidden = true;
        self
    }

    /// Whether the key is good, and not for this.
    pub fn is_forbidden(&self) -> bool {
        self.forbidden
    }

    /// What is made of an error that poem raised itself: a path or method that there is not, a body that cannot be read.
    pub fn from_poem(error: &poem::Error) -> Self {
        let status = error.status();
        let code = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Code::Unauthorized,
            StatusCode::NOT_FOUND => Code::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Code::PayloadTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType,
            StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
            // A path or body of the wrong shape. An id of the wrong shape is the id of nothing (docs/contract.md, section 3).
            status if status.is_client_error() && error.is::<poem_openapi::error::ParsePathError>() => Code::NotFound,
            status if status.is_client_error() => Code::ValidationFailed,
            _ => Code::Internal,
        };
        if code == Code::Internal {
            let problem = Self::new(code, "something went wrong on our side");
            tracing::error!(request_id = %problem.request_id, %error, "a request failed");
            return problem;
        }
        let message = if error.has_source() || status != StatusCode::NOT_FOUND {
            error.to_string()
        } else {
            "there is nothing here".to_owned()
        };
        Self::new(code, message)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let details: Vec<Value> =
            self.fields().map(|(field, reason)| json!({ "field": field, "reason": reason })).collect();
        let body = json!({ "error": {
            "code": self.code.as_str(),
            "message": self.message,
            "request_id": self.request_id,
            "details": details,
        } });
        let mut response = Response::builder()
            .status(if self.forbidden { StatusCode::FORBIDDEN } else { self.code.status() })
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .header("x-request-id", self.request_id.to_string());
        if self.code == Code::Unauthorized && !self.forbidden {
            response = response.header(header::WWW_AUTHENTICATE, "Bearer");
        }
        if let Some(seconds) = self.retry_after_seconds {
            response = response.header(header::RETRY_AFTER, seconds);
        }
        response.body(body.to_string())
    }
}

impl From<Problem> for poem::Error {
    fn from(problem: Problem) -> Self {
        Self::from_response(problem.into_response())
    }
}
