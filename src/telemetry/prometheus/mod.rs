//! The totals since start and the newest readings, and their Prometheus text.
//!
//! Names begin with `nmc_` and end in their unit or in `_total`. Every value of a closed set is present from the start,
//! at zero, so that the first increase is visible. A file for each subject: its metrics, and how they are recorded.

mod answers;
mod businesses;
mod emergencies;
mod processing;
mod registrar;
mod sending;
mod services;
mod stages;
mod text;
mod webhooks;

pub use answers::AnswerTimes;
pub(super) use processing::panicked;
pub use registrar::reference;
pub use services::database_connection_failed;

use registrar::Registrar;

/// All metrics.
#[derive(Debug)]
pub(super) struct Totals {
    registrar: Registrar,
    pub(super) webhooks: webhooks::Webhooks,
    pub(super) stages: stages::Stages,
    pub(super) answers: answers::Answers,
    pub(super) sending: sending::Sending,
    pub(super) emergencies: emergencies::Emergencies,
    pub(super) processing: processing::Processing,
    pub(super) services: services::Services,
    /// Only if they are wanted.
    pub(super) businesses: Option<businesses::Businesses>,
}

impl Totals {
    /// With series of their own for at most this many businesses.
    pub(super) fn new(businesses: usize) -> Self {
        let mut registrar = Registrar::new();
        let r = &mut registrar;
        Self {
            webhooks: webhooks::Webhooks::register(r),
            stages: stages::Stages::register(r),
            answers: answers::Answers::register(r),
            sending: sending::Sending::register(r),
            emergencies: emergencies::Emergencies::register(r),
            processing: processing::Processing::register(r),
            services: services::Services::register(r),
            businesses: (businesses > 0).then(|| businesses::Businesses::register(r, businesses)),
            registrar,
        }
    }

    /// Shows the gauges that only a worker has, from now on.
    pub(super) fn is_worker(&self) {
        self.registrar.is_worker();
    }

    /// In the OpenMetrics format.
    ///
    /// # Errors
    /// If a metric cannot be written, which does not happen with these metrics.
    pub(super) fn openmetrics(&self) -> Result<String, std::fmt::Error> {
        self.registrar.openmetrics()
    }

    /// In Prometheus' own text format, without exemplars.
    ///
    /// # Errors
    /// As [`openmetrics`](Self::openmetrics).
    pub(super) fn text(&self) -> Result<String, std::fmt::Error> {
        self.openmetrics().map(|text| text::from_openmetrics(&text))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::time::Duration;

    use super::super::Metrics;
    use crate::trace::Trace;
    use crate::webhook::WebhookKind;
    use rstest::rstest;

    #[rstest]
    #[case::webhooks("nmc_webhooks_total{kind=\"sms\",status=\"200\"} 1\n")]
    #[case::webhook_time("nmc_webhook_processing_seconds_count{kind=\"sms\"} 1\n")]
    #[case::webhook_bucket(
        "nmc_webhook_processing_seconds_bucket{le=\"0.01\",kind=\"sms\"} 1 # {trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"} 0.007"
    )]
    #[case::unit("# UNIT nmc_ai_call_seconds seconds\n")]
    #[case::dead_letters("nmc_dead_letters_total{reason=\"undecodable\"} 1\n")]
    #[case::a_word_never_seen("nmc_windows_total{event=\"superseded\"} 0\n")]
    #[case::plain_counter("nmc_outbox_swept_total 3\n")]
    #[case::end("# EOF\n")]
    fn the_text_names_prefix_labels_and_units(#[case] line: &str) {
        let metrics = Metrics::new();
        let trace = Trace::from_header(Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        metrics.webhook(WebhookKind::Sms, 200, Duration::from_millis(7), Some(&trace));
        metrics.dead_letter("undecodable");
        metrics.outbox_swept(3);
        let text = metrics.openmetrics().unwrap();
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn what_only_a_worker_knows_is_not_shown_by_an_edge() {
        let metrics = Metrics::new();
        assert!(!metrics.openmetrics().unwrap().contains("nmc_outbox_waiting"));
        metrics.outbox_waiting(2);
        let text = metrics.openmetrics().unwrap();
        assert!(text.contains("nmc_outbox_waiting 2\n") && text.ends_with("# EOF\n"), "{text}");
    }
}
