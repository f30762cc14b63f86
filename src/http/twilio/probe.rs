//! `GET /webhooks/twilio/probe/{id}`: whether a probe was processed. It is signed like a webhook, by the main account, so
//! that a probe needs no other secret and no other public path.

use poem::web::{Data, Path};
use poem::{IntoResponse, Request, Response, handler};

use super::verify::check_signature;
use crate::http::Edge;
use crate::http::problem::{Code, Problem};
use crate::webhook::probe::{NOT_PROCESSED, PATH, is_to_probe};
use crate::webhook::{SignedForm, WebhookKind};

/// The path, as a route.
pub(super) fn path() -> String {
    format!("{PATH}:probe_id")
}

/// Whether a webhook is a probe, which no figure counts.
pub(super) fn is_one(signed: &SignedForm) -> bool {
    signed.kind == WebhookKind::Sms && signed.form.get("To").is_some_and(|to| is_to_probe(to, &signed.signer))
}

/// The event of the probe, or 404 as long as there is none.
#[handler]
pub(super) async fn read(request: &Request, probe_id: Path<String>, edge: Data<&Edge>) -> Response {
    let event = async {
        check_signature(edge.0, request).await?;
        edge.with_lookup_timeout(edge.jetstream.probed(&probe_id.0))
            .await?
            .ok_or_else(|| Problem::new(Code::NotFound, NOT_PROCESSED))
    };
    match event.await {
        Ok(event) => Response::builder().content_type("application/json; charset=utf-8").body(event),
        Err(problem) => problem.into_response(),
    }
}
