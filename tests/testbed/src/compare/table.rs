//! The results as tables. A ratio compares a figure with that of the reference: the bare handler at the edge, Restate
//! in the burst.

use std::fmt;

use super::candidate::{Candidate, Fsync};
use super::results::Results;
use crate::load::short;

const ALL: [Candidate; 4] = [Candidate::Ours, Candidate::Bare, Candidate::Express, Candidate::Restate];

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fsync in [Fsync::Always, Fsync::Default] {
            self.edges(f, fsync)?;
        }
        self.bursts(f)?;
        writeln!(f, "\nWhat each guarantees:")?;
        for candidate in ALL {
            writeln!(f, "- {candidate} {}", candidate.guarantee())?;
        }
        for what in self.missing.iter().chain(self.failures()) {
            writeln!(f, "{what}")?;
        }
        Ok(())
    }
}

impl Results {
    fn edges(&self, f: &mut fmt::Formatter<'_>, fsync: Fsync) -> fmt::Result {
        let title = format!("edge, {fsync}");
        writeln!(f, "{title:<42}{:>12}{:>8}{:>12}{:>8}", "webhooks/s", "× bare", "p99", "× bare")?;
        let reference = self.median_edge(Candidate::Bare, fsync);
        for candidate in ALL {
            let Some(edge) = self.median_edge(candidate, fsync) else {
                writeln!(f, "{candidate:<42}{:>12}", "-")?;
                continue;
            };
            let rate = ratio(edge.rate, reference.map(|bare| bare.rate));
            let p99 = ratio(edge.p99.as_secs_f64(), reference.map(|bare| bare.p99.as_secs_f64()));
            writeln!(f, "{candidate:<42}{:>12.0}{rate:>8}{:>12}{p99:>8}", edge.rate, short(edge.p99))?;
        }
        writeln!(f)
    }

    fn bursts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<42}{:>12}{:>12}{:>10}{:>10}", "burst", "accepted/s", "settled", "× Restate", "windows")?;
        let reference = self.median_burst(Candidate::Restate);
        for candidate in ALL {
            let Some(burst) = self.median_burst(candidate) else {
                writeln!(f, "{candidate:<42}{:>12}", "-")?;
                continue;
            };
            let settled = ratio(burst.settled.as_secs_f64(), reference.map(|peer| peer.settled.as_secs_f64()));
            let (after, windows) = (short(burst.settled), burst.windows);
            writeln!(f, "{candidate:<42}{:>12.0}{after:>12}{settled:>10}{windows:>10}", burst.rate)?;
        }
        Ok(())
    }
}

/// How many times the reference a figure is; `-` without a reference.
fn ratio(figure: f64, reference: Option<f64>) -> String {
    match reference {
        Some(reference) if reference > 0.0 => format!("{:.2}", figure / reference),
        _ => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use anyhow::anyhow;

    use super::super::results::{Burst, Edge};
    use super::*;

    fn lines(results: &Results) -> Vec<String> {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        results.to_string().lines().map(words).collect()
    }

    #[test]
    fn figures_are_compared_with_the_bare_handler_and_with_restate() {
        let mut results = Results::default();
        let edge = |rate, millis| Ok(Edge { rate, p99: Duration::from_millis(millis) });
        results.edge(Candidate::Ours, Fsync::Always, edge(6_000.0, 20));
        results.edge(Candidate::Bare, Fsync::Always, edge(3_000.0, 25));
        let burst = |secs, windows| Ok(Burst { rate: 1_000.0, settled: Duration::from_secs(secs), windows });
        results.burst(Candidate::Ours, burst(21, 1_010));
        results.burst(Candidate::Restate, burst(14, 1_000));
        let lines = lines(&results);
        for line in [
            "NeverMissCall 6000 2.00 20.0 ms 0.80",
            "bare handler 3000 1.00 25.0 ms 1.00",
            "NeverMissCall 1000 21.00 s 1.50 1010",
            "Restate 1000 14.00 s 1.00 1000",
            "express + BullMQ -",
        ] {
            assert!(lines.iter().any(|found| found == line), "{line} in {lines:#?}");
        }
    }

    #[test]
    fn what_could_not_be_measured_is_said_and_no_ratio_is_made_up() {
        let mut results = Results::default();
        results.missing(&anyhow!("npm is not in PATH"));
        results.burst(Candidate::Ours, Ok(Burst { rate: 999.6, settled: Duration::from_secs(15), windows: 7 }));
        let lines = lines(&results);
        assert!(lines.contains(&"NeverMissCall 1000 15.00 s - 7".to_owned()), "{lines:#?}");
        let missing = "not measured: express + BullMQ and Restate: npm is not in PATH";
        assert_eq!(lines.last().map(String::as_str), Some(missing));
    }

    #[test]
    fn there_is_no_ratio_to_nothing() {
        assert_eq!([ratio(1.0, Some(0.0)), ratio(1.0, None), ratio(1.0, Some(3.0))], ["-", "-", "0.33"]);
    }
}
