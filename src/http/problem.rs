//! Errors as HTTP responses: one body for the whole edge, including 404 and 405 (docs/contract.md, section 3).
//!
//! The response says what is wrong with the request. Internal errors are logged; the response has only their request
//! id.

use poem::http::{StatusCode, header};
use poem::{IntoResponse, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::adapters::outage;
use crate::text_enum;

text_enum! {
    /// Error codes of the REST API (docs/contract.md, section 3).
    pub enum Code {
        /// The webhook's signature is missing or wrong.
        InvalidSignature = "INVALID_SIGNATURE",
        /// The API key is missing or wrong, or its scope does not allow the request.
        Unauthorized = "UNAUTHORIZED",
        /// The resource does not exist.
        NotFound = "NOT_FOUND",
        /// The request is invalid.
        ValidationFailed = "VALIDATION_FAILED",
        /// The request conflicts with the current state.
        Conflict = "CONFLICT",
        /// The conversation has changed since the person saw it.
        PreconditionFailed = "PRECONDITION_FAILED",
        /// The customer has opted out of texts.
        OptedOut = "OPTED_OUT",
        RateLimited = "RATE_LIMITED",
        PayloadTooLarge = "PAYLOAD_TOO_LARGE",
        /// The path does not support this method.
        MethodNotAllowed = "METHOD_NOT_ALLOWED",
        /// The path does not support this content type.
        UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE",
        /// A service that we depend on is unavailable; the client may retry.
        Unavailable = "UNAVAILABLE",
        /// An internal error.
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
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// An error response.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    code: Code,
    message: String,
    request_id: Uuid,
    fields: Vec<(String, String)>,
    retry_after_seconds: Option<u64>,
    forbidden: bool,
    etag: Option<String>,
}

impl Problem {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let request_id = Uuid::now_v7();
        Self {
            code,
            message: message.into(),
            request_id,
            fields: Vec::new(),
            retry_after_seconds: None,
            forbidden: false,
            etag: None,
        }
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no such {what}"))
    }

    /// The fields that are invalid, each with its reason.
    pub fn invalid(fields: impl IntoIterator<Item = (String, String)>) -> Self {
        let fields = fields.into_iter().collect();
        Self { fields, ..Self::new(Code::ValidationFailed, "the request is invalid; `details` names each field") }
    }

    /// A service is unavailable. The response does not name it. An outage is logged once ([`crate::health`]), not for
    /// each request.
    pub fn unavailable(error: &(dyn std::error::Error + 'static)) -> Self {
        let problem = Self::new(Code::Unavailable, "a service that this request needs is unavailable; try again later");
        let request_id = problem.request_id;
        match outage::missing(error) {
            Some(service) => tracing::debug!(%request_id, %service, %error, "a request failed in an outage"),
            None => tracing::error!(%request_id, %error, "a request failed"),
        }
        problem
    }

    pub fn code(&self) -> Code {
        self.code
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    /// Identifies the response in our logs.
    pub fn request_id(&self) -> Uuid {
        self.request_id
    }

    /// The fields that are invalid, each with its reason.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(field, reason)| (field.as_str(), reason.as_str()))
    }

    /// Adds `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// The key is valid, but its scope does not allow this: 403.
    #[must_use]
    pub fn forbidden(mut self) -> Self {
        self.forbidden = true;
        self
    }

    /// Adds parts of the request, each with what is wrong with it.
    #[must_use]
    pub fn about(mut self, fields: impl IntoIterator<Item = (String, String)>) -> Self {
        self.fields.extend(fields);
        self
    }

    /// Adds the header `ETag`: the state of what the request is about.
    #[must_use]
    pub fn etag(mut self, etag: String) -> Self {
        self.etag = Some(etag);
        self
    }

    /// The state of what the request is about.
    pub fn newest(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// Whether the key is valid, but its scope does not allow this.
    pub fn is_forbidden(&self) -> bool {
        self.forbidden
    }

    /// Converts an error that poem raised itself, such as an unknown path or method, or a body that cannot be read.
    pub fn from_poem(error: &poem::Error) -> Self {
        let status = error.status();
        let code = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Code::Unauthorized,
            StatusCode::NOT_FOUND => Code::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Code::PayloadTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType,
            StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
            // A malformed path or body. A malformed id counts as the id of nothing (docs/contract.md, section 3).
            status if status.is_client_error() && error.is::<poem_openapi::error::ParsePathError>() => Code::NotFound,
            status if status.is_client_error() => Code::ValidationFailed,
            _ => Code::Internal,
        };
        if code == Code::Internal {
            let problem = Self::new(code, "internal error; quote request_id to support");
            tracing::error!(request_id = %problem.request_id, %error, "a request failed");
            return problem;
        }
        let message = if error.has_source() || status != StatusCode::NOT_FOUND {
            error.to_string()
        } else {
            "there is no such path".to_owned()
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
        if let Some(etag) = self.etag {
            response = response.header(header::ETAG, etag);
        }
        response.body(body.to_string())
    }
}

impl From<Problem> for poem::Error {
    fn from(problem: Problem) -> Self {
        Self::from_response(problem.into_response())
    }
}
