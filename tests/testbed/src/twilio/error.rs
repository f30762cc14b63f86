//! Twilio's error answers: `{code, message, more_info, status}`.

use poem::http::{StatusCode, header};
use poem::{IntoResponse, Response};
use serde_json::json;

/// An error of the REST API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// Twilio's error code.
    pub code: u32,
    /// The error text.
    pub message: String,
    /// `Retry-After`, in seconds.
    pub retry_after_seconds: Option<u64>,
}

impl ApiError {
    /// An error 400 with this Twilio error code.
    pub fn bad_request(code: u32, message: impl Into<String>) -> Self {
        Self { status: 400, code, message: message.into(), retry_after_seconds: None }
    }

    /// Wrong or missing credentials.
    pub fn unauthorized() -> Self {
        Self { status: 401, code: 20003, message: "Authenticate".to_owned(), retry_after_seconds: None }
    }

    /// No such resource.
    pub fn not_found(uri: &str) -> Self {
        let message = format!("The requested resource {uri} was not found");
        Self { status: 404, code: 20404, message, retry_after_seconds: None }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({
            "code": self.code,
            "message": self.message,
            "more_info": format!("https://www.twilio.com/docs/errors/{}", self.code),
            "status": self.status,
        });
        let mut response = Response::builder()
            .status(StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
            .content_type("application/json; charset=utf-8");
        if self.status == 401 {
            response = response.header(header::WWW_AUTHENTICATE, r#"Basic realm="Twilio API""#);
        }
        if let Some(seconds) = self.retry_after_seconds {
            response = response.header(header::RETRY_AFTER, seconds);
        }
        response.body(body.to_string())
    }
}

impl From<ApiError> for poem::Error {
    fn from(error: ApiError) -> Self {
        Self::from_response(error.into_response())
    }
}
