//! Events → Redis, many in one call.
//!
//! Each batch is in the order of the stream. But several workers receive events at the same time, and a redelivered
//! event arrives after later ones. Redis therefore checks each event's sequence, and refuses one that is not the next of
//! its conversation or call. Such an event waits while the stream has an earlier one that may not be forwarded yet; if
//! there is none, it is forwarded anyway: what comes before it is deleted, or Redis has lost its record. Nothing
//! is dropped that has not been forwarded.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, field::Empty};
use uuid::Uuid;

use super::{Adapters, EventSink, Handler, Source, WorkerDeps, handler, retry_delay, retry_or_wait};
use crate::adapters::jetstream::subjects;
use crate::adapters::redis::{ForwardError, Forwarded, Order, OutgoingEvent};
use crate::stream::{DeliveryStreamExt, FailureReason, GroupCommit, Metadata, SettleSummary};
use crate::telemetry::{Batch, Metrics, Stage};
use crate::trace::{self, Trace};

/// How many events are processed at once, and the size of the largest batch, which occupies Redis for about 2 ms.
const MAX_CONCURRENCY: usize = 256;
/// Events wait for Redis, however long it is unavailable.
const MAX_DELIVERIES: u64 = u64::MAX;

/// An event that comes too early by so few events is tried again after these pauses: another worker has usually just
/// received those before it. Then it is given back.
const NEAR: RangeInclusive<i64> = 1..=16;
const PAUSES_MS: [u64; 6] = [1, 2, 4, 8, 16, 32];
/// How long an event that was given back waits for those before it. It does not grow from one time to the next.
const WAIT: Duration = Duration::from_millis(200);
/// It waits longer by this for each event that is missing, so that the events of a conversation come again in their
/// order, and all of them can be forwarded then. In the opposite order, it would be one at a time.
const WAIT_FOR_EACH: Duration = Duration::from_millis(5);
/// The maximum number of missing events for which it waits longer.
const MOST_MISSING: u32 = 100;

/// What the forwarder reads of an envelope.
#[derive(Debug, Deserialize)]
struct Event {
    event_id: Uuid,
    sequence: i64,
}

/// Events, in the order of the stream within each batch.
pub fn events<N: Adapters>(
    parts: &WorkerDeps<N>,
    shutdown: CancellationToken,
) -> impl Future<Output = SettleSummary> + Send + use<N> {
    let forwarder = Arc::new(ForwardEvent::new(parts));
    parts
        .jetstream
        .deliveries("NMC_EVENTS", "redis", shutdown.clone())
        .decode::<Event>()
        .keyed(MAX_CONCURRENCY, |event| event.event_id, handler(&forwarder, shutdown))
        .dead_letter(Arc::clone(&parts.dead), MAX_DELIVERIES)
        .settle()
}

/// An event in a batch.
struct Queued {
    /// Its sequence in the stream.
    stream_sequence: u64,
    event: OutgoingEvent,
    /// Its trace, while traces are exported.
    trace: Option<Trace>,
}

/// Forwards an event to Redis, in one batch with others.
struct ForwardEvent<S> {
    batches: GroupCommit<Queued, Result<Forwarded, ForwardError>>,
    source: S,
    metrics: Metrics,
}

impl<S: Source> ForwardEvent<S> {
    fn new<N: Adapters<Source = S>>(parts: &WorkerDeps<N>) -> Self {
        let (sink, metrics) = (Arc::clone(&parts.redis), parts.metrics.clone());
        let batches = GroupCommit::new(MAX_CONCURRENCY, move |batch: Vec<_>| {
            metrics.batch(Batch::Redis, batch.len());
            let sink = Arc::clone(&sink);
            let span = redis_span(&batch);
            async move { forward_batch(&*sink, batch).await }.instrument(span)
        });
        Self { batches, source: parts.jetstream.clone(), metrics: parts.metrics.clone() }
    }

    /// Forwards an event when it is its turn.
    async fn forward(&self, event: &OutgoingEvent, metadata: &Metadata) -> Result<Forwarded, FailureReason> {
        let delivery_count = metadata.delivery_count;
        let forwarded = self.forward_next(event, metadata).await?;
        if !matches!(forwarded, Forwarded::Early { .. }) {
            return Ok(forwarded);
        }
        let earlier_waits = self.source.earlier_event_waits(metadata).await;
        if earlier_waits.map_err(|error| retry_or_wait(delivery_count, error))? {
            return Ok(forwarded);
        }
        self.call(event, Order::Any, metadata).await
    }

    /// Forwards an event if it is the next of its scope, or becomes it very soon.
    async fn forward_next(&self, event: &OutgoingEvent, metadata: &Metadata) -> Result<Forwarded, FailureReason> {
        for pause in PAUSES_MS {
            match self.call(event, Order::Next, metadata).await? {
                Forwarded::Early { missing } if NEAR.contains(&missing) => {
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
                forwarded => return Ok(forwarded),
            }
        }
        self.call(event, Order::Next, metadata).await
    }

    async fn call(&self, event: &OutgoingEvent, order: Order, metadata: &Metadata) -> Result<Forwarded, FailureReason> {
        let event = OutgoingEvent { order, ..event.clone() };
        let queued = Queued { stream_sequence: metadata.stream_sequence, event, trace: Trace::current() };
        match self.batches.call(queued).await {
            Some(Ok(forwarded)) => Ok(forwarded),
            Some(Err(error)) => Err(retry_or_wait(metadata.delivery_count, error)),
            None => Err(FailureReason::retry(retry_delay(metadata.delivery_count), "no result from Redis")),
        }
    }
}

/// The span of a batch for OpenTelemetry.
fn redis_span(batch: &[Queued]) -> Span {
    let span = tracing::trace_span!(
        target: trace::TARGET,
        parent: None,
        "redis",
        otel.name = "EVALSHA",
        otel.kind = "client",
        db.system.name = "redis",
        db.operation.name = "EVALSHA",
        db.operation.batch.size = (batch.len() > 1).then_some(batch.len() as i64),
        error.type = Empty,
        otel.status_code = Empty,
    );
    trace::shared_by(&span, batch.iter().filter_map(|queued| queued.trace.as_ref()));
    span
}

/// Forwards a batch in the order of the stream; returns the results in the order of the batch.
async fn forward_batch(sink: &impl EventSink, batch: Vec<Queued>) -> Vec<Result<Forwarded, ForwardError>> {
    let mut batch: Vec<_> = batch.into_iter().enumerate().collect();
    batch.sort_by_key(|(_, queued)| queued.stream_sequence);
    let (places, events): (Vec<_>, Vec<_>) = batch.into_iter().map(|(place, queued)| (place, queued.event)).unzip();
    let results: Vec<_> = match sink.forward(&events).await {
        Ok(results) => results.into_iter().map(Ok).collect(),
        Err(error) => {
            trace::failed(&Span::current(), "redis");
            vec![Err(error); events.len()]
        }
    };
    if results.len() != places.len() {
        return Vec::new(); // no event gets the result of another
    }
    let mut results: Vec<_> = places.into_iter().zip(results).collect();
    results.sort_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, result)| result).collect()
}

impl<S: Source> Handler<Event> for ForwardEvent<S> {
    async fn run(&self, event: Event, metadata: Arc<Metadata>) -> Result<(), FailureReason> {
        if subjects::is_probed(&metadata.subject) {
            return Ok(());
        }
        let began = Instant::now();
        match self.forward(&event.outgoing(&metadata), &metadata).await? {
            Forwarded::Now => {
                let trace = metadata.traceparent().map(|header| Trace::from_header(Some(header)));
                self.metrics.stage(Stage::Redis, began.elapsed(), trace.as_ref());
                self.metrics.event_forwarded();
                Ok(())
            }
            Forwarded::Before => Ok(()),
            Forwarded::Early { missing } => {
                let missing = u32::try_from(missing).unwrap_or_default().min(MOST_MISSING);
                Err(FailureReason::wait(WAIT + WAIT_FOR_EACH * missing, "the events before it are forwarded"))
            }
            Forwarded::Refused(error) => Err(FailureReason::retry(retry_delay(metadata.delivery_count), error)),
        }
    }
}

impl Event {
    fn outgoing(self, metadata: &Metadata) -> OutgoingEvent {
        let ce_subject = metadata.headers.get("ce-subject").map(String::as_str);
        let scope = subjects::event_scope(ce_subject, &metadata.subject).to_owned();
        let (event_id, sequence, envelope) = (self.event_id, self.sequence, metadata.payload.clone());
        OutgoingEvent { event_id, scope, sequence, order: Order::Next, envelope }
    }
}
