//! Twilio's webhooks: validated, made durable, answered (docs/contract.md, section 2).

mod call;
mod call_status;
mod message_status;
mod publish;
pub mod signature;
mod signers;
mod sms;
pub mod twiml;
mod verify;

use std::time::Instant;

use poem::http::StatusCode;
use poem::web::Data;
use poem::{Body, EndpointExt, IntoResponse, Request, Response, Route, handler, post};

pub(super) use self::signers::Signers;
use self::verify::{Refusal, admit};
use super::Edge;
use crate::config::PublicUrl;
use crate::telemetry::WebhookKind;
use crate::webhook::{SignedForm, message_status as message_status_form};

/// Adds the routes of the webhooks.
pub fn routes(route: Route, edge: &Edge) -> Route {
    route
        .at("/webhooks/twilio/call", post(incoming_call).data(edge.clone()))
        .at("/webhooks/twilio/call/status/:call_sid", post(dial_ended).data(edge.clone()))
        .at("/webhooks/twilio/sms", post(incoming_sms).data(edge.clone()))
        .at("/webhooks/twilio/message-status", post(message_reported).data(edge.clone()))
}

/// The path of the public URL, which a proxy in front may strip.
pub fn path_prefix(public_url: &PublicUrl) -> String {
    url::Url::parse(public_url.as_str())
        .map_or_else(|_| String::new(), |url| url.path().trim_end_matches('/').to_owned())
}

/// The response to a webhook.
enum Answer {
    /// `text/xml`.
    Twiml(String),
    /// 204.
    NoContent,
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self {
            Self::Twiml(xml) => Response::builder().content_type("text/xml; charset=utf-8").body(xml),
            Self::NoContent => StatusCode::NO_CONTENT.into_response(),
        }
    }
}

#[handler]
async fn incoming_call(request: &Request, body: Body, edge: Data<&Edge>) -> Response {
    timed(&edge, WebhookKind::Call, request, body, async |signed| call::ringing(&edge, signed).await).await
}

#[handler]
async fn dial_ended(request: &Request, body: Body, edge: Data<&Edge>) -> Response {
    let call_sid = request.raw_path_param("call_sid").unwrap_or_default().to_owned();
    let ended = async |signed| call_status::ended(&edge, signed, &call_sid).await;
    timed(&edge, WebhookKind::CallStatus, request, body, ended).await
}

#[handler]
async fn incoming_sms(request: &Request, body: Body, edge: Data<&Edge>) -> Response {
    timed(&edge, WebhookKind::Sms, request, body, async |signed| sms::received(&edge, signed).await).await
}

#[handler]
async fn message_reported(request: &Request, body: Body, edge: Data<&Edge>) -> Response {
    let message_id = request.uri().query().and_then(message_status_form::id_in);
    let reported = async |signed| message_status::reported(&edge, signed, message_id).await;
    timed(&edge, WebhookKind::MessageStatus, request, body, reported).await
}

/// Checks and handles a webhook, and records the duration.
async fn timed(
    edge: &Edge,
    kind: WebhookKind,
    request: &Request,
    body: Body,
    handle: impl AsyncFnOnce(SignedForm) -> Result<Answer, Refusal>,
) -> Response {
    let began = Instant::now();
    let answer = match admit(edge, kind, request, body).await {
        // A request without a valid signature takes no place.
        Err(Refusal::Problem(problem)) => Err(problem),
        signed => match (edge.intake.place(kind), signed) {
            (Err(problem), _) => Err(problem),
            (Ok(_place), signed) => {
                // Boxed, so that the future of a connection whose signature is still being checked stays small.
                let handled = match signed {
                    Ok(signed) => Box::pin(handle(signed)).await,
                    Err(refusal) => Err(refusal),
                };
                match handled {
                    Ok(answer) => Ok(answer),
                    Err(refusal) => refusal.answer(edge).await,
                }
            }
        },
    };
    let response = answer.map_or_else(IntoResponse::into_response, IntoResponse::into_response);
    edge.metrics.webhook(kind, response.status().as_u16(), began.elapsed());
    response
}
