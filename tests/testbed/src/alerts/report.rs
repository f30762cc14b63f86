//! The result of the drill.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::drill::Told;
use super::queries::Answers;
use super::trace::Traced;
use crate::drill::DrillReport;

/// An alert that looks at a window longer than the run: it must fire, and still fires when the run ends. (That of
/// `burn_rate=1` waits for longer than the run: only deploy/prometheus/slo_test.yml tries it.)
const OUTLASTS_THE_RUN: &str = "error_budget_burn critical burn_rate=6";

/// What became of a fault's alert.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) fault: &'static str,
    /// Name, severity and own labels.
    pub(super) alert: &'static str,
    /// After this time from the fault.
    pub(super) fired: Option<Duration>,
    pub(super) told: Option<Told>,
    /// After this time from the repair.
    pub(super) resolved: Option<Duration>,
    /// Those who were told of it have been told of its end.
    pub(super) told_resolved: bool,
}

impl Row {
    fn held(&self) -> bool {
        let (_, severity) = self.alert.split_once(' ').unwrap_or_default();
        let right = match &self.told {
            Some(Told::By(receiver)) => (receiver == "page") == severity.starts_with("critical"),
            Some(Told::HeldBack) => true,
            None => false,
        };
        self.fired.is_some() && right && self.resolved.is_some() && self.told_resolved
    }
}

/// The result of the drill, for display.
pub struct Report {
    pub(super) rows: Vec<Row>,
    /// What fired before the first fault.
    pub(super) undisturbed: BTreeSet<String>,
    /// What still fires at the end.
    pub(super) left: BTreeSet<String>,
    /// What fired at any time.
    pub(super) fired: BTreeSet<String>,
    pub(super) answers: Answers,
    pub(super) traced: Traced,
    pub(super) took: Duration,
}

impl DrillReport for Report {
    fn held(&self) -> bool {
        self.rows.iter().all(Row::held)
            && self.undisturbed.is_empty()
            && self.left().next().is_none()
            && self.fired.contains(OUTLASTS_THE_RUN)
            && self.answers.missing.is_empty()
            && self.traced.held()
    }
}

impl Report {
    fn left(&self) -> impl Iterator<Item = &String> {
        self.left.iter().filter(|alert| *alert != OUTLASTS_THE_RUN)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n   {:<46} {:<48} {:>7}  {:<9} {:>8}", "fault", "alert", "fires", "told", "resolved")?;
        for row in &self.rows {
            let seconds =
                |time: Option<Duration>| time.map_or("never".to_owned(), |t| format!("{:.1} s", t.as_secs_f64()));
            let told = match &row.told {
                Some(Told::By(receiver)) => receiver,
                Some(Told::HeldBack) => "held back",
                None => "nobody",
            };
            let mark = if row.held() { "ok" } else { "NO" };
            let (fired, resolved) = (seconds(row.fired), seconds(row.resolved));
            writeln!(f, "{mark} {:<46} {:<48} {fired:>7}  {told:<9} {resolved:>8}", row.fault, row.alert)?;
        }
        let expected: BTreeSet<&str> = self.rows.iter().map(|row| row.alert).collect();
        let also: Vec<&str> = self.fired.iter().map(String::as_str).filter(|key| !expected.contains(key)).collect();
        if !also.is_empty() {
            writeln!(f, "also fired: {}", also.join(", "))?;
        }
        for alert in &self.undisturbed {
            writeln!(f, "NO {alert} fired before the first fault")?;
        }
        for alert in self.left() {
            writeln!(f, "NO {alert} still fires at the end")?;
        }
        if !self.fired.contains(OUTLASTS_THE_RUN) {
            writeln!(f, "NO {OUTLASTS_THE_RUN} has not fired")?;
        }
        for missing in &self.answers.missing {
            writeln!(f, "NO {missing}")?;
        }
        writeln!(f, "{}", self.traced)?;
        let data = self.answers.asked - self.answers.missing.len();
        write!(f, "{data} of {} queries of dashboards and runbook are answered; ", self.answers.asked)?;
        write!(f, "{:.0} s in all", self.took.as_secs_f64())
    }
}
