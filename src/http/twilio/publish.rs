//! Publishing a validated webhook: the answer is sent once it is durable. While the queue is long, some are published a second
//! time, to be worked on sooner.

use std::collections::BTreeMap;

use crate::adapters::jetstream::{Outgoing, subjects};
use crate::domain::emergency::{self, OwnPhrases};
use crate::http::Edge;
use crate::http::problem::Problem;
use crate::webhook::{SignedForm, Webhook};

/// Makes the webhook durable under `input_id`.
///
/// The id of the message holds a hash of the body: the same webhook again is dropped by JetStream, and another body under
/// the same id goes through to the inbox, which tells the two apart however far they are.
pub(super) async fn publish(
    edge: &Edge,
    signed: SignedForm,
    input_id: String,
    webhook: Webhook,
) -> Result<(), Problem> {
    edge.intake.admit(signed.kind, || is_emergency(&webhook))?;
    let inbound = signed.inbound(input_id, webhook);
    let message_id = format!("{}:{}", inbound.input_id, inbound.body_hash);
    let outgoing = Outgoing {
        subject: subjects::inbound(inbound.webhook.kind(), &inbound.webhook.key()),
        message_id: Some(message_id),
        headers: BTreeMap::from([("traceparent".to_owned(), signed.trace.header().to_owned())]),
        payload: serde_json::to_vec(&inbound).map_err(|error| Problem::unavailable(&error))?.into(),
    };
    let express = Express::of(edge, &inbound.webhook, &outgoing).await;
    edge.durable.publish(outgoing).await.map_err(|error| Problem::unavailable(&error))?;
    crate::failpoint::hit("after_publish_ack");
    if let Some(express) = express {
        express.send(edge).await;
    }
    Ok(())
}

/// A webhook's copy for the express lane.
struct Express(Outgoing);

impl Express {
    /// The copy, where the queue is long and the webhook is an emergency or within its business's share.
    async fn of(edge: &Edge, webhook: &Webhook, outgoing: &Outgoing) -> Option<Self> {
        if !edge.intake.express_is_open() {
            return None;
        }
        if !is_emergency(webhook) {
            let business = edge.business_cache.by_phone(&webhook.business_phone()?.parse().ok()?).await.ok()??;
            if !edge.intake.within_share(&business.id) {
                return None;
            }
        }
        let subject = subjects::express(webhook.kind(), &webhook.key());
        let message_id = outgoing.message_id.as_ref().map(|id| format!("express:{id}"));
        Some(Self(Outgoing { subject, message_id, ..outgoing.clone() }))
    }

    /// Sends it without waiting for its acknowledgement: the webhook itself is durable.
    async fn send(self, edge: &Edge) {
        if let Err(error) = edge.durable.send(self.0).await {
            tracing::debug!(%error, "it waits in the queue");
        }
    }
}

/// Whether a text tells of an emergency by itself: the phrases of a business and earlier texts are not looked at here.
fn is_emergency(webhook: &Webhook) -> bool {
    match webhook {
        Webhook::Sms { body, .. } => emergency::read(body, None, &OwnPhrases::default()).verdict().is_some(),
        _ => false,
    }
}
