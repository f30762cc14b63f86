//! Emergencies, and the people who must take them over.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::registrar::{About, Registrar, words};
use crate::domain::conversation::Detector;
use crate::domain::emergency;
use crate::telemetry::Metrics;
use crate::telemetry::labelled::Labelled;

#[derive(Debug)]
pub(in crate::telemetry) struct Emergencies {
    pub(in crate::telemetry) verdicts: Labelled,
    pub(in crate::telemetry) disagreements: Labelled,
    pub(in crate::telemetry) false_alarms: Counter,
    unacknowledged: Gauge,
}

impl Emergencies {
    pub(super) fn register(r: &mut Registrar) -> Self {
        let unacknowledged = About::new(
            "emergencies_unacknowledged",
            "Conversations with an emergency that is between 5 minutes and 24 hours old, in which no person has done \
             anything since: no takeover, no message, no end, no false alarm",
        );
        Self {
            verdicts: r.labelled(
                "emergency_verdicts",
                "Texts detected as emergencies by their words",
                &["rule"],
                emergency::rules(),
            ),
            disagreements: r.labelled(
                "emergency_disagreements",
                "Emergencies detected by the words alone or by DispatchBot alone",
                &["seen_by"],
                words(Detector::ALL, Detector::as_str),
            ),
            false_alarms: r.count("emergency_false_alarms", "Emergencies marked as false alarms by a person"),
            unacknowledged: r.gauge_of_workers(unacknowledged, Gauge::default()),
        }
    }
}

impl Metrics {
    /// A word rule classified a text as an emergency; counted for the strongest rule.
    pub fn emergency_verdict(&self, rule: &str) {
        let known = emergency::rules().find(|known| *known == rule);
        self.inner.totals.emergencies.verdicts.inc(known.unwrap_or("other"));
    }

    /// Only one of the two detectors, `words` and `dispatchbot`, found an emergency.
    pub fn emergency_disagreement(&self, seen_by: Detector) {
        self.inner.totals.emergencies.disagreements.inc(seen_by.as_str());
    }

    /// A person marked an emergency as a false alarm.
    pub fn emergency_false_alarm(&self) {
        self.inner.totals.emergencies.false_alarms.inc();
    }

    /// Sets how many emergencies no person has reacted to.
    pub fn emergencies_unacknowledged(&self, count: i64) {
        self.inner.totals.is_worker();
        self.inner.totals.emergencies.unacknowledged.set(count);
    }
}
