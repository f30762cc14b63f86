//! The stages between a webhook and the event about it, and the batches in which they work.

use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use super::registrar::{About, Bounds, By, Registrar, Traced, observe, words};
use crate::telemetry::Metrics;
use crate::telemetry::labels::{Batch, Stage};
use crate::trace::Trace;

/// In seconds: from a statement to a request that times out.
const STAGE_BOUNDS: Bounds =
    Bounds(&[0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]);
/// No batch is larger than 256.
const BATCH_BOUNDS: Bounds = Bounds(&[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0]);

#[derive(Debug)]
pub(in crate::telemetry) struct Stages {
    time: By<Traced, Bounds>,
    batch: By<Histogram, Bounds>,
}

impl Stages {
    pub(super) fn register(r: &mut Registrar) -> Self {
        let time = About::seconds(
            "stage",
            "Time in a stage: `webhook` (a webhook at the edge, until it is stored and answered), `decide` (reading and \
             deciding for a batch of inputs), `commit` (its transaction), `publish` (the effects of an input), `analyze` \
             (a closed window, from reading it to applying the answer), `claim` (a message, before it is sent), `twilio` \
             (the request that sends it), `redis` (an event, until it is forwarded)",
        );
        let batch = About::new(
            "batch_inputs",
            "Size of the batches: `engine` (inputs in a transaction), `edge` (webhooks published together), `redis` \
             (events forwarded together)",
        );
        let stages = Self {
            time: r.histogram(time.by(&["stage"]), Family::new_with_constructor(STAGE_BOUNDS)),
            batch: r.histogram(batch.by(&["batch"]), Family::new_with_constructor(BATCH_BOUNDS)),
        };
        words(Stage::ALL, Stage::as_str).for_each(|stage| drop(stages.time.get_or_create(&[("stage", stage)])));
        words(Batch::ALL, Batch::as_str).for_each(|batch| drop(stages.batch.get_or_create(&[("batch", batch)])));
        stages
    }
}

impl Metrics {
    /// Something was in a stage for this long.
    pub fn stage(&self, stage: Stage, elapsed: Duration, trace: Option<&Trace>) {
        let time = self.inner.totals.stages.time.get_or_create(&[("stage", stage.as_str())]);
        observe(&time, elapsed.as_secs_f64(), trace);
    }

    /// A batch with this many inputs is processed.
    pub fn batch(&self, batch: Batch, inputs: usize) {
        #[expect(clippy::cast_precision_loss, reason = "a batch is small")]
        self.inner.totals.stages.batch.get_or_create(&[("batch", batch.as_str())]).observe(inputs as f64);
    }
}
