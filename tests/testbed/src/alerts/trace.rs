//! One text through the edge and the worker, as the OpenTelemetry Collector receives its trace.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::time::{Instant, sleep};

use super::OUR_NUMBER;
use super::load::new_customer;
use super::stage::Stage;
use crate::servers::{CollectedSpan, OtelCollector};
use crate::twilio::new_message_sid;

const PATIENCE: Duration = Duration::from_secs(30);
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
/// The `traceparent` of the text's webhook: so its trace is known.
const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
/// The spans that the trace must have, from the webhook to the event in Redis, with their kinds.
const SPANS: [(&str, &str); 15] = [
    ("POST /webhooks/twilio/sms", "Server"),
    ("publish nmc.inbound.sms", "Producer"),
    ("process nmc.inbound.sms", "Consumer"),
    ("engine.batch", "Internal"),
    ("SELECT conversations", "Client"),
    ("COMMIT conversations", "Client"),
    ("publish effects", "Producer"),
    ("process nmc.event.message.received", "Consumer"),
    ("process nmc.window.due", "Consumer"),
    ("process nmc.task.analyze", "Consumer"),
    ("POST /v1/conversations/analyze", "Client"),
    ("process nmc.task.send_sms", "Consumer"),
    ("POST /2010-04-01/Accounts/{sid}/Messages.json", "Client"),
    ("process nmc.event.message.sent", "Consumer"),
    ("EVALSHA", "Client"),
];

/// What the collector received of the text.
#[derive(Debug)]
pub(super) enum Traced {
    /// There is no collector to ask.
    NoCollector,
    /// The number of spans of its trace.
    Whole(usize),
    /// What is missing or wrong.
    Broken(Vec<String>),
}

/// Sends a text while nobody else does, and waits for its trace.
pub(super) async fn one_text(stage: &Stage) -> anyhow::Result<Traced> {
    let Some(collector) = &stage.collector else { return Ok(Traced::NoCollector) };
    let webhook = stage.twilio.webhook_client(None)?.with_header("traceparent", format!("00-{TRACE_ID}-{CALLER}-01"));
    let answer = webhook.sms(&new_message_sid(), &new_customer(), OUR_NUMBER, "My sink is blocked").await?;
    ensure!(answer.status == 200, "the text was answered {}", answer.status);
    let begun = Instant::now();
    loop {
        let spans = of_the_text(collector)?;
        let faults = faults(&spans);
        if faults.is_empty() {
            return Ok(Traced::Whole(spans.len()));
        }
        if begun.elapsed() > PATIENCE {
            return Ok(Traced::Broken(faults));
        }
        sleep(BETWEEN_LOOKS).await;
    }
}

fn of_the_text(collector: &OtelCollector) -> anyhow::Result<Vec<CollectedSpan>> {
    let spans = collector.spans().context("the collector")?;
    Ok(spans.into_iter().filter(|span| span.trace_id == TRACE_ID).collect())
}

/// What is missing, and spans whose parent is not in the trace.
fn faults(spans: &[CollectedSpan]) -> Vec<String> {
    let names: BTreeSet<(&str, &str)> = spans.iter().map(|span| (span.name.as_str(), span.kind.as_str())).collect();
    let missing = SPANS.iter().filter(|span| !names.contains(span));
    let ids: BTreeSet<&str> = spans.iter().map(|span| span.span_id.as_str()).chain([CALLER]).collect();
    let orphans = spans.iter().filter(|span| !ids.contains(span.parent_id.as_str()));
    missing
        .map(|(name, kind)| format!("no span {name} ({kind})"))
        .chain(orphans.map(|span| format!("the parent of {} is not in the trace", span.name)))
        .collect()
}

impl Traced {
    pub(super) fn held(&self) -> bool {
        !matches!(self, Self::Broken(_))
    }
}

impl fmt::Display for Traced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCollector => write!(
                f,
                "no OpenTelemetry Collector to send traces to: scripts/get-tools collector builds it where Go is installed"
            ),
            Self::Whole(spans) => {
                write!(f, "ok one text is one trace in the OpenTelemetry Collector, of {spans} spans")
            }
            Self::Broken(faults) => write!(f, "NO the trace of one text: {}", faults.join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(name: &str, kind: &str, span_id: &str, parent_id: &str) -> CollectedSpan {
        let [trace_id, span_id, parent_id, name, kind] = [TRACE_ID, span_id, parent_id, name, kind].map(str::to_owned);
        CollectedSpan { trace_id, span_id, parent_id, name, kind }
    }

    #[test]
    fn a_trace_lacks_what_is_missing_and_spans_without_their_parent() {
        let mut spans: Vec<_> = SPANS.iter().map(|(name, kind)| span(name, kind, name, CALLER)).collect();
        assert_eq!(faults(&spans), [] as [String; 0]);
        spans[3].parent_id = "elsewhere".to_owned();
        assert_eq!(faults(&spans), ["the parent of engine.batch is not in the trace"]);
        spans[3].parent_id.clear();
        spans.pop();
        assert_eq!(faults(&spans).len(), 2, "a second root, and EVALSHA is missing");
    }
}
