//! The streams, the outbox and the engine.

use std::sync::LazyLock;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::registrar::{About, By, Registrar, words};
use crate::domain::day_limits::Limit;
use crate::telemetry::Metrics;
use crate::telemetry::labelled::Labelled;
use crate::telemetry::labels::{CacheLookup, EventStep};

/// Of the process: the hook for panics has no handle to the metrics.
static PANICS: LazyLock<Counter> = LazyLock::new(Counter::default);

/// A task panicked.
pub(in crate::telemetry) fn panicked() {
    PANICS.inc();
}

#[derive(Debug)]
pub(in crate::telemetry) struct Processing {
    pub(in crate::telemetry) dead_letters: Labelled,
    pub(in crate::telemetry) events: Labelled,
    pub(in crate::telemetry) cache: Labelled,
    pub(in crate::telemetry) inbox_duplicates: Counter,
    pub(in crate::telemetry) outbox_swept: Counter,
    pub(in crate::telemetry) timers_rearmed: Counter,
    pub(in crate::telemetry) cas_conflicts: Counter,
    stopped_by_limit: Labelled,
    consumer_lag: By<Gauge>,
    consumer_unacknowledged: By<Gauge>,
    dead_letters_waiting: Gauge,
    outbox_waiting: Gauge,
}

impl Processing {
    pub(super) fn register(r: &mut Registrar) -> Self {
        let lag = About::new("consumer_lag", "Messages of a consumer that are not delivered yet");
        let unacknowledged =
            About::new("consumer_unacknowledged", "Messages of a consumer that are delivered and not acknowledged yet");
        let letters = About::new("dead_letters_waiting", "Dead letters in NMC_DEAD that have not been put back");
        let outbox = About::new("outbox_waiting", "Committed effects that are not published yet; at most 100,000");
        r.counter(About::new("panics", "Panics of this process, each of which is a bug"), PANICS.clone());
        Self {
            dead_letters: r.labelled(
                "dead_letters",
                "Messages stored as dead letters",
                &["reason"],
                std::iter::empty(),
            ),
            events: r.labelled(
                "events",
                "Events published and forwarded",
                &["step"],
                words(EventStep::ALL, EventStep::as_str),
            ),
            cache: r.labelled(
                "cache_lookups",
                "Lookups in the conversation cache",
                &["result"],
                words(CacheLookup::ALL, CacheLookup::as_str),
            ),
            inbox_duplicates: r.count("inbox_duplicates", "Duplicate inputs found in the inbox"),
            outbox_swept: r.count("outbox_swept", "Effects published by the sweeper"),
            timers_rearmed: r.count("timers_rearmed", "Window timers rearmed by the sweeper"),
            cas_conflicts: r.count("cas_conflicts", "Decisions repeated after a version conflict"),
            stopped_by_limit: r.labelled(
                "stopped_by_limit",
                "Texts, answers and alerts that a limit of the day stopped",
                &["limit"],
                words(Limit::ALL, Limit::as_str),
            ),
            consumer_lag: r.gauge_of_workers(lag.by(&["consumer"]), Family::default()),
            consumer_unacknowledged: r.gauge_of_workers(unacknowledged.by(&["consumer"]), Family::default()),
            dead_letters_waiting: r.gauge_of_workers(letters, Gauge::default()),
            outbox_waiting: r.gauge_of_workers(outbox, Gauge::default()),
        }
    }
}

impl Metrics {
    /// Something was not done, because a business had used up a limit of the day.
    pub fn stopped_by_limit(&self, limit: Limit) {
        self.inner.totals.processing.stopped_by_limit.inc(limit.as_str());
    }

    /// An input became a dead letter. The reason must be a fixed word, because each becomes a time series.
    pub fn dead_letter(&self, reason: &'static str) {
        self.inner.totals.processing.dead_letters.inc(reason);
    }

    /// An input arrived that had been processed before.
    pub fn inbox_duplicate(&self) {
        self.inner.totals.processing.inbox_duplicates.inc();
    }

    /// An event was published to JetStream.
    pub fn event_published(&self) {
        self.inner.totals.processing.events.inc(EventStep::Published.as_str());
    }

    /// An event was forwarded to Redis.
    pub fn event_forwarded(&self) {
        self.inner.totals.processing.events.inc(EventStep::Forwarded.as_str());
    }

    /// The sweeper published this many effects left in the outbox.
    pub fn outbox_swept(&self, count: u64) {
        self.inner.totals.processing.outbox_swept.inc_by(count);
    }

    /// The sweeper armed this many window timers again.
    pub fn timers_rearmed(&self, count: u64) {
        self.inner.totals.processing.timers_rearmed.inc_by(count);
    }

    /// A decision was repeated, because another transaction had changed the row.
    pub fn cas_conflict(&self) {
        self.inner.totals.processing.cas_conflicts.inc();
    }

    /// A look-up in the conversation cache.
    pub fn cache(&self, hit: bool) {
        let lookup = if hit { CacheLookup::Hit } else { CacheLookup::Miss };
        self.inner.totals.processing.cache.inc(lookup.as_str());
    }

    /// Sets how many messages of a consumer are not delivered, and not acknowledged. The name must be a fixed word.
    pub fn consumer(&self, consumer: &'static str, lag: u64, unacknowledged: u64) {
        self.inner.totals.is_worker();
        let processing = &self.inner.totals.processing;
        let set = |gauge: &By<Gauge>, count| {
            gauge.get_or_create(&[("consumer", consumer)]).set(i64::try_from(count).unwrap_or(i64::MAX))
        };
        set(&processing.consumer_lag, lag);
        set(&processing.consumer_unacknowledged, unacknowledged);
    }

    /// Sets how many dead letters have not been put back.
    pub fn dead_letters_waiting(&self, count: i64) {
        self.inner.totals.is_worker();
        self.inner.totals.processing.dead_letters_waiting.set(count);
    }

    /// Sets how many effects wait in the outbox.
    pub fn outbox_waiting(&self, count: i64) {
        self.inner.totals.is_worker();
        self.inner.totals.processing.outbox_waiting.set(count);
    }
}
