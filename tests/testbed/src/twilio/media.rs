//! Attachments, stored and served as Twilio does: the API requires the credentials and redirects to the content
//! network, which must not receive them.
//!
//! The content network is the same server under another name: `localhost` if the API was called as `127.0.0.1`.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use poem::http::{StatusCode, header};
use poem::web::{Data, Path};
use poem::{Body, Request, Response, handler};
use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::check::{authorize, credentials};
use super::error::ApiError;
use super::faults::Endpoint;
use super::header_text;
use super::sid::new_media_sid;
use super::state::State;
use crate::sim::lock;

/// Chunk size of a body that is sent in pieces.
const PIECE: usize = 64 * 1024;

/// An attachment. The JSON of `POST /_sim/sms` has it under `media`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Media {
    /// Its MIME type; any value is allowed.
    pub content_type: String,
    /// Its bytes; in JSON as base64.
    #[serde(default, deserialize_with = "from_base64")]
    pub body: Vec<u8>,
    /// Whether it is sent in chunks, without a Content-Length.
    #[serde(default)]
    pub chunked: bool,
    /// Whether the transfer breaks off after these bytes, half of the announced length.
    #[serde(default)]
    pub torn: bool,
    /// The URL to which the API redirects, instead of the content network.
    #[serde(default)]
    pub led_to: Option<String>,
}

impl Media {
    /// An attachment without special behavior.
    pub fn new(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { content_type: content_type.to_owned(), body: body.into(), ..Self::default() }
    }
}

/// A request for an attachment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MediaRequest {
    /// The host name and port by which the server was called.
    pub host: String,
    /// The path.
    pub path: String,
    /// The account of the credentials in the request, valid or not; `None` if there was no `Authorization` header.
    pub account_sid: Option<String>,
}

impl MediaRequest {
    pub(super) fn of(request: &Request) -> Self {
        let authorization = header_text(request, header::AUTHORIZATION);
        Self {
            host: header_text(request, header::HOST).unwrap_or_default(),
            path: request.uri().path().to_owned(),
            account_sid: authorization.map(|value| credentials(&value).map_or(String::new(), |(user, _)| user)),
        }
    }
}

/// Stores an attachment of a message and returns its URL.
pub(super) fn keep(state: &State, account_sid: &str, message_sid: &str, media: Media) -> String {
    let sid = new_media_sid();
    lock(&state.media).insert(sid.clone(), media);
    let base = state.base_url.get().map_or("", String::as_str);
    format!("{base}/2010-04-01/Accounts/{account_sid}/Messages/{message_sid}/Media/{sid}")
}

/// `GET …/Messages/{Sid}/Media/{Sid}`.
#[handler]
pub(super) async fn lead(
    request: &Request,
    Path((account, _, sid)): Path<(String, String, String)>,
    Data(state): Data<&Arc<State>>,
) -> Result<Response, ApiError> {
    let asked = MediaRequest::of(request);
    state.media_requests.push(asked.clone());
    authorize(state, &account, header_text(request, header::AUTHORIZATION).as_deref())?;
    if let Some(refusal) = state.take_refusal(Endpoint::Media, "") {
        return Err(refusal.into());
    }
    redirect(state, &asked, &sid)
}

/// Leads to an attachment on the content network.
pub(super) fn redirect(state: &State, asked: &MediaRequest, sid: &str) -> Result<Response, ApiError> {
    let media = lock(&state.media).get(sid).cloned().ok_or_else(|| ApiError::not_found(&asked.path))?;
    let location = media.led_to.unwrap_or_else(|| format!("http://{}/_cdn/{sid}", other_name(&asked.host)));
    Ok(Response::builder().status(StatusCode::TEMPORARY_REDIRECT).header(header::LOCATION, location).finish())
}

/// `GET /_cdn/{Sid}`: needs no credentials, only the link.
#[handler]
pub(super) async fn give(
    request: &Request,
    Path(sid): Path<String>,
    Data(state): Data<&Arc<State>>,
) -> Result<Response, ApiError> {
    let asked = MediaRequest::of(request);
    state.media_requests.push(asked.clone());
    let media = lock(&state.media).get(&sid).cloned().ok_or_else(|| ApiError::not_found(&asked.path))?;
    let mut response = Response::builder().content_type(&media.content_type);
    if media.torn {
        response = response.header(header::CONTENT_LENGTH, 2 * media.body.len());
    }
    let body = if media.chunked || media.torn {
        let pieces: Vec<_> = media.body.chunks(PIECE).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
        Body::from_bytes_stream(futures::stream::iter(pieces))
    } else {
        Body::from(media.body)
    };
    Ok(response.body(body))
}

fn other_name(host: &str) -> String {
    match host.split_once(':') {
        Some(("127.0.0.1", port)) => format!("localhost:{port}"),
        Some(("localhost", port)) => format!("127.0.0.1:{port}"),
        _ => host.to_owned(),
    }
}

fn from_base64<'de, D: Deserializer<'de>>(text: D) -> Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(text)?).map_err(D::Error::custom)
}
