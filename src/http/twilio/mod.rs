//! Twilio's webhooks: validated, made durable, answered (docs/contract.md, section 2).

mod call;
mod ladder;
mod probe;
mod publish;
mod screen;
pub mod signature;
mod signers;
pub mod twiml;
mod verify;

use std::time::Instant;

use poem::http::StatusCode;
use poem::web::Data;
use poem::{Body, EndpointExt, IntoResponse, Request, Response, Route, get, handler, post};
use tracing::{Instrument, Span};

use self::publish::publish;
pub(super) use self::signers::Signers;
use self::verify::{Refusal, admit};
use super::Edge;
use super::exported::{log_answer, log_span, record_status, server_span};
use crate::config::PublicUrl;
use crate::telemetry::Stage;
use crate::trace::{self, Trace};
use crate::webhook::{SignedForm, Webhook, WebhookKind};

/// Adds a route for each kind of webhook.
pub fn routes(route: Route, edge: &Edge) -> Route {
    let route = route.at(probe::path(), get(probe::read).data(edge.clone()));
    let route = route.at(ladder::PATH, post(ladder::document).data(edge.clone()));
    WebhookKind::ALL
        .iter()
        .fold(route, |route, kind| route.at(kind.path(), post(receive).data(edge.clone()).data(*kind)))
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

/// Checks and handles a webhook, and records the duration.
#[handler]
async fn receive(request: &Request, body: Body, edge: Data<&Edge>, kind: Data<&WebhookKind>) -> Response {
    let (edge, kind) = (edge.0, *kind.0);
    let began = Instant::now();
    let span = server_span("POST", Some(kind.path()), Some(request.uri().path()));
    // Until the signature is verified.
    let (mut log, mut trace_of_webhook) = (Span::none(), None);
    let admitted = admit(edge, kind, request, body).await;
    let is_probe = admitted.as_ref().is_ok_and(probe::is_one);
    let answer = match admitted {
        // A request without a valid signature takes no place.
        Err(Refusal::Problem(problem)) => Err(problem),
        signed => match (edge.intake.place(kind), signed) {
            (Err(problem), _) => Err(problem),
            (Ok(_place), signed) => {
                // Boxed, so that the future of a connection whose signature is still being checked stays small.
                let handled = match signed {
                    Ok(signed) => {
                        // Only now: whoever cannot sign does not choose a trace.
                        trace::continue_from(&span, request.header("traceparent"));
                        let trace = Trace::of_span(&span).unwrap_or_else(|| signed.trace.clone());
                        log = log_span(&trace);
                        trace_of_webhook = Some(trace.clone());
                        let signed = SignedForm { trace, ..signed };
                        Box::pin(handle(edge, signed).instrument(log.clone()).instrument(span.clone())).await
                    }
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
    record_status(&span, response.status());
    log.in_scope(|| log_answer("POST", Some(kind.path()), response.status(), began));
    let elapsed = began.elapsed();
    if !is_probe {
        edge.metrics.webhook(kind, response.status().as_u16(), elapsed, trace_of_webhook.as_ref());
    }
    if !is_probe && response.status().is_success() {
        edge.metrics.stage(Stage::Webhook, elapsed, trace_of_webhook.as_ref());
    }
    response
}

/// Publishes a webhook and answers it. Only calls need more than an empty answer.
async fn handle(edge: &Edge, signed: SignedForm) -> Result<Answer, Refusal> {
    let kind = signed.kind;
    match kind {
        WebhookKind::Call => return call::ringing(edge, signed).await,
        WebhookKind::CallStatus => return call::dialled(edge, signed).await,
        WebhookKind::Screen => return screen::answered(edge, signed).await,
        WebhookKind::LadderDigit => return ladder::pressed(edge, signed).await,
        WebhookKind::Sms | WebhookKind::MessageStatus | WebhookKind::LadderStatus | WebhookKind::Conversation => {}
    }
    let (input_id, webhook) = Webhook::read(&signed).map_err(|error| Refusal::unusable(&signed, &error))?;
    publish(edge, signed, input_id, webhook).await?;
    Ok(match kind {
        WebhookKind::MessageStatus | WebhookKind::LadderStatus | WebhookKind::Conversation => Answer::NoContent,
        _ => Answer::Twiml(twiml::empty()),
    })
}
