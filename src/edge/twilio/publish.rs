//! Publishing a validated webhook: the answer is sent once it is durable. While the queue is long, some are published a second
//! time, to be worked on sooner.

use std::collections::BTreeMap;

use super::admission::Admitted;
use super::form::FormError;
use crate::edge::Edge;
use crate::edge::problem::Problem;
use crate::emergency::{self, OwnPhrases};
use crate::inbound::{Inbound, Webhook};
use crate::jetstream::Outgoing;
use crate::subjects;

/// Twilio's ids have 34 characters, its statuses fewer.
const MAX_WORD: usize = 64;

impl Admitted {
    /// Makes the webhook durable under `input_id`.
    ///
    /// The id of the message holds a hash of the body: the same webhook again is dropped by JetStream, and another body under
    /// the same id goes through to the inbox, which tells the two apart however far they are.
    pub(super) async fn publish(self, edge: &Edge, input_id: String, webhook: Webhook) -> Result<(), Problem> {
        edge.intake.admit(self.kind, || is_emergency(&webhook))?;
        let inbound = self.inbound(input_id, webhook);
        let message_id = format!("{}:{}", inbound.input_id, inbound.body_hash);
        let outgoing = Outgoing {
            subject: subjects::inbound(inbound.webhook.kind(), &inbound.webhook.key()),
            message_id: Some(message_id),
            headers: BTreeMap::from([("traceparent".to_owned(), self.trace.header().to_owned())]),
            payload: serde_json::to_vec(&inbound).map_err(|error| Problem::unavailable(&error))?.into(),
        };
        let express = Express::of(edge, &inbound.webhook, &outgoing).await;
        edge.durable.make(outgoing).await.map_err(|error| Problem::unavailable(&error))?;
        crate::failpoint::hit("after_publish_ack");
        if let Some(express) = express {
            express.send(edge).await;
        }
        Ok(())
    }

    /// The webhook as it lies in NMC_INBOUND.
    pub(super) fn inbound(&self, input_id: String, webhook: Webhook) -> Inbound {
        Inbound {
            body_hash: self.form.body_hash(),
            received_at: self.received_at,
            signer: self.signer.clone(),
            params: self.form.iter().map(|(name, value)| (storable(name), storable(value))).collect(),
            input_id,
            webhook,
        }
    }

    /// An id or a status: becomes part of subjects, message ids and keys, so it has to be the plain word that Twilio
    /// writes.
    pub(super) fn word(&self, name: &str) -> Result<String, FormError> {
        let word = self.form.required(name)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if word.len() <= MAX_WORD && word.chars().all(plain) {
            Ok(word.to_owned())
        } else {
            Err(FormError::Malformed { name: name.to_owned() })
        }
    }

    /// The first of several names under which the form has a plain word; the error names the first of them.
    pub(super) fn word_of(&self, names: &[&str]) -> Result<String, FormError> {
        let present = names.iter().find(|name| self.form.required(name).is_ok());
        self.word(present.or(names.first()).copied().unwrap_or_default())
    }

    /// A value of the form as it can be stored.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.form.get(name).map(storable)
    }
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
            let business = edge.directory.by_phone(&webhook.business_phone()?.parse().ok()?).await.ok()??;
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

/// PostgreSQL keeps no NUL in text: it becomes the replacement character, as any other that cannot be shown.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
