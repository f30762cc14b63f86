//! What every answer tells browsers and caches: to keep nothing, to guess nothing, and to show nothing in a frame.

use poem::Response;
use poem::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

/// For answers that are no pages.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// For pages of our own: `/docs` has its script and its styles within it.
const OWN_PAGE: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
     font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Sets the headers that an answer does not have yet.
pub(super) fn set(mut answer: Response) -> Response {
    let is_page = answer.headers().get(CONTENT_TYPE).is_some_and(|of| of.as_bytes().starts_with(b"text/html"));
    let headers: [(HeaderName, HeaderValue); 5] = [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (CONTENT_SECURITY_POLICY, if is_page { OWN_PAGE } else { NOTHING }),
    ];
    for (name, value) in headers {
        answer.headers_mut().entry(name).or_insert(value);
    }
    answer
}
