//! The events of probes: the edge reads them, and workers erase them with the probes' webhooks.

use async_nats::jetstream::stream::DirectGetErrorKind;
use bytes::Bytes;
use serde_json::{Value, json};

use super::{JetStream, JetStreamError, subjects};
use crate::webhook::{WebhookKind, probe};

/// NMC_EVENTS cannot be read at the moment.
#[derive(Debug, thiserror::Error)]
#[error("NMC_EVENTS cannot be read: {0}")]
pub struct ProbeError(String);

/// The last sequences of NMC_INBOUND and NMC_EVENTS when probes were erased the last time.
#[derive(Debug, Default)]
pub struct ProbeMarks([Option<u64>; 2]);

impl JetStream {
    /// The event of a probe, if the probe was processed.
    ///
    /// # Errors
    /// If JetStream is unreachable.
    pub async fn probed(&self, probe_id: &str) -> Result<Option<Bytes>, ProbeError> {
        let stream = self.context.get_stream_no_info("NMC_EVENTS").await.map_err(|e| ProbeError(e.to_string()))?;
        match stream.direct_get_last_for_subject(subjects::probed(probe_id)).await {
            Ok(event) => Ok(Some(event.payload)),
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
            Err(error) => Err(ProbeError(error.to_string())),
        }
    }

    /// Erases the webhooks and events of the probes that were stored before the last call.
    ///
    /// # Errors
    /// If JetStream is unreachable.
    pub async fn erase_probes(&self, marks: &mut ProbeMarks) -> Result<(), JetStreamError> {
        let webhooks = subjects::inbound(WebhookKind::Sms, &probe::key());
        let of_probes = [("NMC_INBOUND", webhooks.as_str()), ("NMC_EVENTS", subjects::ALL_PROBED)];
        for ((stream, subject), mark) in of_probes.into_iter().zip(&mut marks.0) {
            if let Some(last) = *mark {
                // A purge removes the messages before this sequence, and not the one with it.
                let purge = json!({ "filter": subject, "seq": last + 1 });
                self.api(&format!("STREAM.PURGE.{stream}"), &purge).await?;
            }
            let info = self.api(&format!("STREAM.INFO.{stream}"), &json!({})).await?;
            *mark = info.pointer("/state/last_seq").and_then(Value::as_u64);
        }
        Ok(())
    }
}
