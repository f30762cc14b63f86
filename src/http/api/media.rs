//! `/conversations/…/media/…`: attachments, fetched from Twilio for the App Server, which has no credentials there.

use futures::TryStreamExt;
use poem::Body;
use poem::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use poem_openapi::param::Path;
use poem_openapi::payload::{Binary, Response};
use poem_openapi::{ApiResponse, OpenApi};
use uuid::Uuid;

use super::auth::Reader;
use super::conversations::{conversation_id, load_authorized};
use super::failure::Failure;
use super::{EdgeData, Group};
use crate::adapters::twilio::{FetchedMedia, MediaError};
use crate::http::problem::{Code, Problem};

/// The response with an attachment.
#[derive(ApiResponse)]
enum MediaAnswer {
    /// The bytes of the attachment, with its `Content-Type` and `Content-Length`. A shorter body is incomplete.
    /// `Content-Disposition: attachment` and `X-Content-Type-Options: nosniff` make browsers save it instead of showing
    /// it.
    #[oai(status = 200, content_type = "*/*")]
    Media(Binary<Body>),
}

pub(super) struct MediaApi;

#[OpenApi(tag = "Group::Conversations")]
impl MediaApi {
    /// Returns an attachment of a message, fetched from Twilio.
    ///
    /// Pictures, audio, videos, and the documents that Twilio supports, up to 16 MiB. The answer is 404 if there is no
    /// such attachment, if Twilio no longer has it, or if its host, content type or size is not allowed; the error's
    /// `message` says which. It is 503 if Twilio does not provide it within 10 seconds; try again later.
    #[oai(path = "/conversations/:id/messages/:message_id/media/:n", method = "get", operation_id = "get_media")]
    async fn get_media(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// The conversation's id.
        id: Path<String>,
        /// The message's id.
        message_id: Path<String>,
        /// The index of the attachment in the message's `media`, starting at 0.
        n: Path<u32>,
    ) -> Result<Response<MediaAnswer>, Failure> {
        let conversation = load_authorized(&key.0, &edge, conversation_id(&id)?).await?;
        let message_id: Uuid = message_id.parse().map_err(|_| Problem::not_found("message"))?;
        let message = edge.store.message(message_id).await?;
        let message = message.filter(|m| m.conversation_id == conversation.id && !m.kind.is_to_own_side());
        let message = message.ok_or_else(|| Problem::not_found("message"))?;
        let media = message.media.get(n.0 as usize).ok_or_else(|| Problem::not_found("media"))?;
        if media.is_foreign {
            return Err(problem(message_id, MediaError::Foreign).into());
        }
        let account =
            edge.accounts.of(&conversation.business_id).await.map_err(|error| Problem::unavailable(&error))?;
        // The token of one account is not valid for another.
        if conversation.own_account.is_some() && edge.accounts.is_main(&account.sid) {
            return Err(Problem::not_found("media: it is in a Twilio account that the business no longer has").into());
        }
        let fetched = edge.media.fetch(&account, &media.url, &media.content_type).await;
        Ok(answer(fetched.map_err(|error| problem(message_id, error))?, message_id))
    }
}

fn answer(media: FetchedMedia, message_id: Uuid) -> Response<MediaAnswer> {
    let (content_type, length) = (media.content_type().to_owned(), media.length());
    let bytes = media.into_bytes().map_err(move |error| {
        tracing::warn!(%message_id, %error, "the download of an attachment was interrupted");
        std::io::Error::other(error)
    });
    Response::new(MediaAnswer::Media(Binary(Body::from_bytes_stream(bytes))))
        .header(CONTENT_TYPE, content_type)
        // Without it, an incomplete body would seem complete: the server ends a chunked body in any case.
        .header(CONTENT_LENGTH, length)
        .header(CONTENT_DISPOSITION, "attachment")
}

/// The error response. 503 only if a retry may succeed.
fn problem(message_id: Uuid, error: MediaError) -> Problem {
    match error {
        MediaError::Away(_) => {
            let problem =
                Problem::new(Code::Unavailable, "Twilio does not provide the media at the moment; try again later");
            tracing::warn!(request_id = %problem.request_id(), %message_id, %error, "an attachment cannot be fetched");
            problem
        }
        refused => Problem::new(Code::NotFound, format!("there is no such media: {refused}")),
    }
}
