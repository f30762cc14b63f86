//! Publishes a validated webhook; it is answered once it is durable. While the queue is long, some are published a
//! second time, to be processed sooner.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use tracing::{Instrument, Span, field::Empty};

use crate::adapters::jetstream::{Outgoing, subjects};
use crate::domain::emergency::{self, OwnPhrases};
use crate::http::Edge;
use crate::http::problem::Problem;
use crate::trace::{self, Trace};
use crate::webhook::{Inbound, SignedForm, Webhook, WebhookKind};

/// Stores the webhook durably under `input_id`.
///
/// The message id contains a hash of the body: JetStream drops a repeated webhook, but a different body under the same
/// id reaches the inbox, which tells them apart at any distance in time.
pub(super) async fn publish(
    edge: &Edge,
    signed: SignedForm,
    input_id: String,
    webhook: Webhook,
) -> Result<(), Problem> {
    let found = OnceLock::new(); // the text is read only if that matters, and then once
    let is_emergency = |webhook: &Webhook| *found.get_or_init(|| is_emergency(webhook));
    // Without the key, the owner's talk with a caller would count as missed.
    let has_precedence = || matches!(webhook, Webhook::Screen { .. }) || is_emergency(&webhook);
    edge.intake.admit(signed.kind, has_precedence)?;
    let inbound = signed.inbound(input_id, webhook);
    let message_id = format!("{}:{}", inbound.input_id, inbound.body_hash);
    let subject = subjects::inbound(inbound.webhook.kind(), &inbound.webhook.key());
    let span = publish_span(inbound.webhook.kind(), &subject);
    let exported = Trace::of_span(&span);
    let trace = exported.as_ref().unwrap_or(&signed.trace);
    let outgoing = Outgoing {
        subject,
        message_id: Some(message_id),
        headers: BTreeMap::from([("traceparent".to_owned(), trace.header().to_owned())]),
        payload: serde_json::to_vec(&inbound).map_err(|error| Problem::unavailable(&error))?.into(),
    };
    let express = Express::of(edge, &inbound, is_emergency, &outgoing).await;
    let published = edge.durable.publish(outgoing).instrument(span.clone()).await;
    if published.is_err() {
        trace::failed(&span, "not_durable");
    }
    published.map_err(|error| Problem::unavailable(&error))?;
    crate::failpoint::hit("after_publish_ack");
    if let Some(express) = express {
        express.send(edge).await;
    }
    Ok(())
}

/// The span of a publish for OpenTelemetry.
fn publish_span(kind: WebhookKind, subject: &str) -> Span {
    tracing::trace_span!(
        target: trace::TARGET,
        "publish",
        otel.name = %format_args!("publish nmc.inbound.{kind}"),
        otel.kind = "producer",
        messaging.system = "nats",
        messaging.operation.name = "publish",
        messaging.operation.type = "send",
        messaging.destination.name = subject,
        messaging.destination.template = %format_args!("nmc.inbound.{kind}"),
        error.type = Empty,
        otel.status_code = Empty,
    )
}

/// A copy of a webhook for the express lane.
struct Express(Outgoing);

impl Express {
    /// Returns the copy if the queue is long and the webhook is an emergency or, while somebody floods the queue, within
    /// its business's share.
    async fn of(
        edge: &Edge,
        inbound: &Inbound,
        is_emergency: impl Fn(&Webhook) -> bool,
        outgoing: &Outgoing,
    ) -> Option<Self> {
        let webhook = &inbound.webhook;
        if !edge.intake.express_is_open() {
            return None;
        }
        if !is_emergency(webhook) {
            let number = webhook.business_phone()?;
            let called = number.parse().ok()?;
            let business = edge.business_cache.of_number(&called, &inbound.signer).await.ok()?;
            edge.intake.arrived(business.as_ref().map_or(number, |business| &business.id));
            if !edge.intake.is_flooded() || !edge.intake.within_share(&business?.id) {
                return None;
            }
        }
        let subject = subjects::express(webhook.kind(), &webhook.key());
        let message_id = outgoing.message_id.as_ref().map(|id| format!("express:{id}"));
        Some(Self(Outgoing { subject, message_id, ..outgoing.clone() }))
    }

    /// Sends the copy without waiting for an acknowledgement: the webhook itself is already durable.
    async fn send(self, edge: &Edge) {
        if let Err(error) = edge.durable.send(self.0).await {
            tracing::debug!(%error, "no copy was sent to the express lane; the webhook waits in NMC_INBOUND");
        }
    }
}

/// Whether a text alone indicates an emergency; the business's phrases and earlier texts are not considered here. What a
/// person answers in a call about one belongs to it.
fn is_emergency(webhook: &Webhook) -> bool {
    if matches!(webhook, Webhook::LadderDigit { .. } | Webhook::LadderStatus { .. }) {
        return true;
    }
    webhook.text().is_some_and(|text| emergency::read(text, None, &OwnPhrases::default()).verdict().is_some())
}
