//! Registers metrics, and knows what each of them means: docs/metrics.md is made from that.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

use super::Totals;
use crate::telemetry::labelled::Labelled;
use crate::trace::Trace;

const PREFIX: &str = "nmc";
/// How many businesses have series while the reference is made; any number above zero.
const SOME_BUSINESSES: usize = 1;

/// Metrics by the value of one label.
pub(super) type By<M, C = fn() -> M> = Family<[(&'static str, &'static str); 1], M, C>;
/// A histogram whose buckets each name the trace of their newest observation.
pub(super) type Traced = HistogramWithExemplars<[(&'static str, String); 1]>;

/// The upper bounds of a histogram's buckets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds(pub(super) &'static [f64]);

impl MetricConstructor<Histogram> for Bounds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

impl MetricConstructor<Traced> for Bounds {
    fn new_metric(&self) -> Traced {
        Traced::new(self.0.iter().copied())
    }
}

/// Records an observation, and the trace that it belongs to.
pub(super) fn observe(histogram: &Traced, seconds: f64, trace: Option<&Trace>) {
    let id = trace.map(Trace::trace_id);
    histogram.observe(seconds, id.map(|id| [("trace_id", id.to_owned())]), Some(SystemTime::now()));
}

/// The words of an enum.
pub(super) fn words<T: Copy + 'static>(
    all: &'static [T],
    word: fn(T) -> &'static str,
) -> impl Iterator<Item = &'static str> {
    all.iter().copied().map(word)
}

/// What a metric is.
#[derive(Debug)]
pub(super) struct About {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) unit: Option<&'static str>,
    pub(super) labels: &'static [&'static str],
}

impl About {
    pub(super) fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, unit: None, labels: &[] }
    }

    pub(super) fn seconds(name: &'static str, help: &'static str) -> Self {
        Self { unit: Some("seconds"), ..Self::new(name, help) }
    }

    pub(super) fn by(self, labels: &'static [&'static str]) -> Self {
        Self { labels, ..self }
    }
}

/// Metrics with their descriptions.
#[derive(Debug)]
pub(super) struct Registrar {
    everywhere: Registry,
    /// What only a worker reads. An edge would show zeros that mean nothing.
    of_workers: Registry,
    is_worker: AtomicBool,
    reference: Vec<Row>,
}

/// A line of the reference.
#[derive(Debug)]
struct Row {
    about: About,
    kind: &'static str,
    is_of_workers: bool,
}

impl Registrar {
    pub(super) fn new() -> Self {
        Self {
            everywhere: Registry::with_prefix(PREFIX),
            of_workers: Registry::with_prefix(PREFIX),
            is_worker: AtomicBool::new(false),
            reference: Vec::new(),
        }
    }

    pub(super) fn is_worker(&self) {
        self.is_worker.store(true, Ordering::Relaxed);
    }

    /// A counter, or a family of counters.
    pub(super) fn counter<M: Metric + Clone>(&mut self, about: About, metric: M) -> M {
        self.add(about, "counter", false, metric)
    }

    /// A counter without labels.
    pub(super) fn count(&mut self, name: &'static str, help: &'static str) -> Counter {
        self.counter(About::new(name, help), Counter::default())
    }

    /// A counter for each of these words.
    pub(super) fn labelled(
        &mut self,
        name: &'static str,
        help: &'static str,
        label: &'static [&'static str; 1],
        words: impl Iterator<Item = &'static str>,
    ) -> Labelled {
        let counter = Labelled::new(label[0], words);
        self.counter(About::new(name, help).by(label), counter.family());
        counter
    }

    /// A gauge, or a family of gauges.
    pub(super) fn gauge<M: Metric + Clone>(&mut self, about: About, metric: M) -> M {
        self.add(about, "gauge", false, metric)
    }

    /// A gauge without labels.
    pub(super) fn level(&mut self, name: &'static str, help: &'static str) -> Gauge {
        self.gauge(About::new(name, help), Gauge::default())
    }

    /// A gauge that only a worker reads, or a family of them.
    pub(super) fn gauge_of_workers<M: Metric + Clone>(&mut self, about: About, metric: M) -> M {
        self.add(about, "gauge", true, metric)
    }

    /// A histogram, or a family of histograms.
    pub(super) fn histogram<M: Metric + Clone>(&mut self, about: About, metric: M) -> M {
        self.add(about, "histogram", false, metric)
    }

    fn add<M: Metric + Clone>(&mut self, about: About, kind: &'static str, is_of_workers: bool, metric: M) -> M {
        let registry = if is_of_workers { &mut self.of_workers } else { &mut self.everywhere };
        match about.unit {
            Some(unit) => {
                registry.register_with_unit(about.name, about.help, Unit::Other(unit.to_owned()), metric.clone());
            }
            None => registry.register(about.name, about.help, metric.clone()),
        }
        self.reference.push(Row { about, kind, is_of_workers });
        metric
    }

    pub(super) fn openmetrics(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.everywhere)?;
        if self.is_worker.load(Ordering::Relaxed) {
            encode_registry(&mut text, &self.of_workers)?;
        }
        encode_eof(&mut text)?;
        Ok(text)
    }
}

impl Row {
    /// The name of its series, without the suffixes of a histogram.
    fn name(&self) -> String {
        let unit = self.about.unit.map(|unit| format!("_{unit}")).unwrap_or_default();
        let total = if self.kind == "counter" { "_total" } else { "" };
        format!("{PREFIX}_{}{unit}{total}", self.about.name)
    }

    fn line(&self) -> String {
        let labels: Vec<_> = self.about.labels.iter().map(|label| format!("`{label}`")).collect();
        let worker = if self.is_of_workers { " Read by workers." } else { "" };
        format!(
            "| `{}` | {} | {} | {} | {}.{worker} |\n",
            self.name(),
            self.kind,
            self.about.unit.unwrap_or_default(),
            labels.join(", "),
            self.about.help
        )
    }
}

/// The text of docs/metrics.md.
pub fn reference() -> String {
    let totals = Totals::new(SOME_BUSINESSES);
    let mut rows: Vec<&Row> = totals.registrar.reference.iter().collect();
    rows.sort_by_key(|row| row.name());
    let mut text = String::from(HEAD);
    for row in rows {
        // Writing to a string does not fail.
        let _ = text.write_str(&row.line());
    }
    text
}

const HEAD: &str = "\
# Metrics

Made from the code by `make metrics-doc`; do not edit. How to scrape them: [observability.md](observability.md#health-and-metrics).

Counters and histograms count from the start of their process: add them up over all processes. What workers read is about
the whole service, every five seconds, and each worker shows the same: take the maximum. A gauge whose reading fails keeps
its last value. In OpenMetrics, the buckets of `nmc_webhook_processing_seconds`, `nmc_ai_call_seconds`,
`nmc_stage_seconds` and `nmc_answer_seconds` have exemplars with the `trace_id` of their newest observation. The series by
`business` exist only with `NMC_BUSINESS_METRICS`.

| name | type | unit | labels | meaning |
|---|---|---|---|---|
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_in_the_docs_is_that_of_the_code() {
        let kept = include_str!("../../../docs/metrics.md");
        assert!(kept == reference(), "run make metrics-doc");
    }

    #[test]
    fn each_metric_is_registered_once_and_says_what_it_means() {
        let totals = Totals::new(SOME_BUSINESSES);
        let mut names: Vec<String> = totals.registrar.reference.iter().map(Row::name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        for row in &totals.registrar.reference {
            assert!(row.about.help.len() > 10 && !row.about.help.ends_with('.'), "{row:?}");
        }
    }
}
