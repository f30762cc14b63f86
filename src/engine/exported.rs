//! The engine's spans for OpenTelemetry.

use tracing::Span;
use tracing::field::Empty;

use super::batch::Work;
use crate::trace;

/// A batch: it belongs to the trace of its first input, and is linked to those of the others.
pub(super) fn batch(batch: &[Work]) -> Span {
    let span = tracing::trace_span!(target: trace::TARGET, parent: None, "engine.batch", nmc.batch.inputs = Empty);
    if !span.is_disabled() {
        let inputs = || batch.iter().filter_map(Work::job);
        span.record("nmc.batch.inputs", inputs().count() as i64);
        trace::shared_by(&span, inputs().map(|job| job.trace()));
    }
    span
}

/// An input that is applied outside of a batch.
pub(super) fn alone() -> Span {
    tracing::trace_span!(target: trace::TARGET, "engine.alone")
}

/// Reading what the inputs of a batch are about.
pub(super) fn load(inputs: usize) -> Span {
    postgres("SELECT", inputs)
}

/// The transaction of a batch.
pub(super) fn commit(decisions: usize) -> Span {
    postgres("COMMIT", decisions)
}

fn postgres(operation: &'static str, inputs: usize) -> Span {
    tracing::trace_span!(
        target: trace::TARGET,
        "postgresql",
        otel.name = %format_args!("{operation} conversations"),
        otel.kind = "client",
        db.system.name = "postgresql",
        db.operation.name = operation,
        db.collection.name = "conversations",
        db.operation.batch.size = (inputs > 1).then_some(inputs as i64),
    )
}

/// Publishing the effects of a decision.
pub(super) fn publish(effects: usize) -> Span {
    if effects == 0 {
        return Span::none();
    }
    tracing::trace_span!(
        target: trace::TARGET,
        "publish",
        otel.name = "publish effects",
        otel.kind = "producer",
        messaging.system = "nats",
        messaging.operation.name = "publish",
        messaging.operation.type = "send",
        messaging.batch.message_count = effects as i64,
        error.type = Empty,
        otel.status_code = Empty,
    )
}
