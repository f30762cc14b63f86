//! `Idempotency-Key`: a request that changes something may be repeated, changes nothing more, and gets the same
//! response.
//!
//! The response is stored for a day, per API key. If the process died before it answered, the repeated request is
//! applied under the same input id, and the inbox prevents that anything is done twice.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use poem::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use poem::{Body, Endpoint, IntoResponse, Request, Response};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::adapters::postgres;
use crate::http::problem::{Code, Problem};
use crate::http::{Edge, connections};
use crate::secrets::hash_api_key;

use super::if_match;
use super::rate_limit_headers::Quota;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const MAX_KEY: usize = 255;
/// Larger bodies are refused.
const MAX_BODY: usize = 1024 * 1024;

/// Identifies what a request does; the same for a repeated request with an idempotency key.
#[derive(Debug, Clone)]
pub(super) struct Once(String);

impl std::fmt::Display for Once {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Calls the endpoint once per idempotency key, and returns the stored response for a repeated request.
pub(super) async fn answered<E: Endpoint>(endpoint: Arc<E>, mut request: Request) -> poem::Result<Response> {
    let given = request.headers().get(IDEMPOTENCY_KEY).filter(|_| takes_a_key(&request)).cloned();
    let (edge, token) = (request.data::<Edge>().cloned(), bearer(&request));
    // A request without a bearer token is refused later, when its key is checked.
    let (Some(given), Some(edge), Some(token)) = (given, edge, token) else {
        request.extensions_mut().insert(Once(Uuid::now_v7().to_string()));
        return endpoint.call(request).await.map(IntoResponse::into_response);
    };
    // Nothing is read or written for an invalid API key.
    if edge.keys.scope(&hash_api_key(&token)).await?.is_none() {
        request.extensions_mut().insert(Once(Uuid::now_v7().to_string()));
        return endpoint.call(request).await.map(IntoResponse::into_response);
    }
    connections::has_shown_itself(&request);
    // The condition is not part of what the key stands for: a request with a better one must not get this answer again.
    if is_command(&request) {
        if_match::condition(&request)?;
    }
    let key = scoped(&token, &given)?;
    let body = request.take_body().into_bytes_limit(MAX_BODY).await?;
    let fingerprint = fingerprint(&request, &body);
    match edge.store.begin_once(&key, &fingerprint).await.map_err(|error| Problem::unavailable(&error))? {
        postgres::Once::First => {}
        postgres::Once::UnderWay => {
            let message = "the first request with this Idempotency-Key is still in progress; try again later";
            return Err(Problem::new(Code::Conflict, message).retry_after(1).into());
        }
        postgres::Once::Other => {
            let message = "this Idempotency-Key was used for a different request; choose a new one";
            return Err(Problem::new(Code::Conflict, message).into());
        }
        postgres::Once::Answered { status, body } => {
            // The API key may have been revoked meanwhile.
            edge.keys.admit(&token, request.extensions().get::<Quota>()).await?;
            return Ok(replayed(status, body));
        }
    }
    request.set_body(body);
    request.extensions_mut().insert(Once(HEXLOWER.encode(&key)));
    let mut response = match endpoint.call(request).await {
        Ok(answer) => answer.into_response(),
        Err(error) => crate::http::answer(error),
    };
    let status = response.status();
    let answer = response.take_body().into_string().await?;
    let kept = if is_final(status) {
        edge.store.finish_once(&key, status.as_u16(), &answer).await
    } else {
        edge.store.forget_once(&key).await
    };
    if let Err(error) = kept {
        tracing::warn!(%error, "a response could not be stored for its Idempotency-Key");
    }
    response.set_body(answer);
    Ok(response)
}

/// Whether the request changes something; any other request is answered as if it had no idempotency key.
fn takes_a_key(request: &Request) -> bool {
    match (request.method(), &segments(request)[..]) {
        (&Method::PUT | &Method::DELETE, ["businesses", _]) | (&Method::DELETE, ["customers", _]) => true,
        (&Method::POST, ["conversations", ..]) => is_command(request),
        (&Method::POST, ["opt-outs"]) | (&Method::DELETE, ["opt-outs", _]) => true,
        (&Method::POST, ["dead-letters", "replay"] | ["dead-letters", _, "replay"]) => true,
        _ => false,
    }
}

/// The parts of the path.
fn segments(request: &Request) -> Vec<&str> {
    request.uri().path().trim_matches('/').split('/').collect()
}

/// Whether it is a person's command in a conversation, which may have a condition.
fn is_command(request: &Request) -> bool {
    const COMMANDS: [&str; 5] = ["takeover", "messages", "release", "complete", "false-alarm"];
    request.method() == Method::POST
        && matches!(&segments(request)[..], ["conversations", _, command] if COMMANDS.contains(command))
}

/// Whether a repeated request would get the same response: not if it was refused for its key or rate, failed with a server
/// error, or was about a state that has changed.
fn is_final(status: StatusCode) -> bool {
    !status.is_server_error()
        && !matches!(
            status,
            StatusCode::UNAUTHORIZED
                | StatusCode::FORBIDDEN
                | StatusCode::TOO_MANY_REQUESTS
                | StatusCode::PRECONDITION_FAILED
        )
}

fn bearer(request: &Request) -> Option<String> {
    let value = request.header(header::AUTHORIZATION)?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// Hashes the idempotency key together with the API key, so that each API key has its own.
fn scoped(token: &str, given: &HeaderValue) -> Result<[u8; 32], Problem> {
    let usable = given.to_str().ok().filter(|key| !key.trim().is_empty() && key.len() <= MAX_KEY);
    let Some(given) = usable else {
        let reason = format!("must be 1 to {MAX_KEY} visible ASCII characters");
        return Err(Problem::invalid([("Idempotency-Key".to_owned(), reason)]));
    };
    let mut hash = Sha256::new();
    hash.update(hash_api_key(token));
    hash.update(given);
    Ok(hash.finalize().into())
}

fn fingerprint(request: &Request, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(format!("{} {}\n", request.method(), request.original_uri()));
    hash.update(body);
    hash.finalize().into()
}

fn replayed(status: u16, body: String) -> Response {
    let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap_or(StatusCode::OK));
    if !body.is_empty() {
        response = response.content_type("application/json; charset=utf-8");
    }
    response.header(REPLAYED, "true").body(Body::from_string(body))
}
