//! The document's four bounds, and whether they hold.

use std::fmt;
use std::time::Duration;

use super::records::{Measure, Records};
use super::samples::Summary;

/// The unit of a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Milliseconds,
    /// Percent.
    Percent,
}

/// A bound, and what was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// What is bounded.
    pub name: &'static str,
    /// What is measured must be less than this.
    pub limit: f64,
    /// What was measured; absent if nothing was.
    pub measured: Option<f64>,
    /// The unit of both.
    pub unit: Unit,
}

impl Bound {
    /// Whether it holds. A bound on something that the mix does not contain holds.
    pub fn holds(&self) -> bool {
        self.measured.is_none_or(|measured| measured < self.limit)
    }

    fn p95(name: &'static str, limit: Duration, summary: &Summary) -> Self {
        let millis = |time: Duration| time.as_micros() as f64 / 1e3;
        let measured = (summary.count > 0).then(|| millis(summary.p95));
        Self { name, limit: millis(limit), measured, unit: Unit::Milliseconds }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.unit == Unit::Percent { "%" } else { "ms" };
        match self.measured {
            None => write!(f, "{}: not measured", self.name),
            Some(measured) => {
                let result = if self.holds() { "holds" } else { "BROKEN" };
                let digits = if self.unit == Unit::Percent { 2 } else { 0 };
                write!(f, "{} {measured:.digits$} {unit} < {} {unit}: {result}", self.name, self.limit)
            }
        }
    }
}

/// The bounds of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// All of them.
    pub bounds: Vec<Bound>,
}

impl Verdict {
    pub(super) fn of(records: &Records) -> Self {
        let sms = records.of(Measure::MissedCall).and(&records.of(Measure::Text));
        let errors =
            Bound { name: "errors", limit: 1.0, measured: Some(records.error_rate() * 100.0), unit: Unit::Percent };
        let bounds = vec![
            Bound::p95("webhook p95", Duration::from_millis(500), &records.of(Measure::Webhook).summary()),
            Bound::p95("SMS p95", Duration::from_secs(3), &sms.summary()),
            Bound::p95("AI analysis p95", Duration::from_secs(2), &records.of(Measure::Analysis).summary()),
            errors,
        ];
        Self { bounds }
    }

    /// The bounds that do not hold.
    pub fn broken(&self) -> Vec<&Bound> {
        self.bounds.iter().filter(|bound| !bound.holds()).collect()
    }

    /// The exit status of a run: 0 if all bounds hold, 1 otherwise.
    pub fn exit_status(&self) -> u8 {
        u8::from(!self.broken().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::super::records::Failure;
    use super::*;

    /// Records of 100 actions with these latencies in milliseconds, all the same.
    fn records(webhook: u64, sms: u64, analysis: u64, failed: usize) -> Records {
        let mut records = Records { begun: 100, ..Records::default() };
        for (measure, millis) in [
            (Measure::Webhook, webhook),
            (Measure::MissedCall, sms),
            (Measure::Text, sms),
            (Measure::Analysis, analysis),
        ] {
            records.push(measure, Duration::ZERO, Duration::from_millis(millis));
        }
        (0..failed).for_each(|action| records.fail(action, Failure::NoSms));
        records
    }

    fn broken(records: &Records) -> Vec<&'static str> {
        Verdict::of(records).broken().iter().map(|bound| bound.name).collect()
    }

    #[test]
    fn a_run_within_all_bounds_has_status_0() {
        let verdict = Verdict::of(&records(499, 2_990, 1_990, 0));
        assert_eq!(verdict.exit_status(), 0, "{verdict:?}");
    }

    #[test]
    fn each_bound_is_named_when_it_is_broken() {
        for (records, name) in [
            (records(501, 100, 100, 0), "webhook p95"),
            (records(1, 3_010, 100, 0), "SMS p95"),
            (records(1, 100, 2_010, 0), "AI analysis p95"),
            (records(1, 100, 100, 1), "errors"),
        ] {
            assert_eq!(broken(&records), [name]);
            assert_eq!(Verdict::of(&records).exit_status(), 1);
        }
    }

    #[test]
    fn the_bound_on_sms_is_on_missed_calls_and_texts_together() {
        let mut records = records(1, 100, 100, 0);
        (0..18).for_each(|_| records.push(Measure::MissedCall, Duration::ZERO, Duration::from_millis(100)));
        records.push(Measure::Text, Duration::ZERO, Duration::from_secs(9));
        assert_eq!(broken(&records), [""; 0]);
        records.push(Measure::Text, Duration::ZERO, Duration::from_secs(9));
        assert_eq!(broken(&records), ["SMS p95"]);
    }

    #[test]
    fn what_the_mix_does_not_contain_breaks_no_bound() {
        let records = Records { begun: 1, ..Records::default() };
        assert_eq!(broken(&records), [""; 0]);
        assert_eq!(Verdict::of(&records).bounds[2].to_string(), "AI analysis p95: not measured");
    }

    #[test]
    fn a_bound_is_printed_with_what_was_measured() {
        let verdict = Verdict::of(&records(12, 100, 2_500, 3));
        let lines: Vec<_> = verdict.bounds.iter().map(ToString::to_string).collect();
        assert_eq!(lines[0], "webhook p95 12 ms < 500 ms: holds");
        assert!(lines[2].ends_with("ms < 2000 ms: BROKEN"), "{}", lines[2]);
        assert_eq!(lines[3], "errors 3.00 % < 1 %: BROKEN");
    }
}
