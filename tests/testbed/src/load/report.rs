//! The result of a run, as a table.

use std::fmt;
use std::time::Duration;

use super::Options;
use super::cast::Cast;
use super::cost::{Cost, Statement, Table};
use super::records::{Measure, Records};
use super::samples::{Samples, Summary};
use super::verdict::Verdict;

/// Beyond this, the load generator itself was too slow for its schedule (p99).
const START_LIMIT: Duration = Duration::from_millis(50);

/// The result of a run.
#[derive(Debug, Clone)]
pub struct Report {
    pub(super) options: Options,
    /// The settings of the service that differ from the defaults and matter.
    pub(super) settings: Vec<(String, String)>,
    /// Conversations of the AI that were prepared.
    pub(super) conversations: usize,
    pub(super) records: Records,
    pub(super) cost: Cost,
    pub(super) statements: Vec<Statement>,
    pub(super) tables: Vec<Table>,
    /// How long it took to open the windows that stayed open.
    pub(super) opened: Option<Duration>,
    verdict: Verdict,
}

impl Report {
    pub(super) fn new(
        options: &Options,
        cast: &Cast,
        settings: Vec<(String, String)>,
        records: Records,
        (cost, statements, tables, opened): (Cost, Vec<Statement>, Vec<Table>, Option<Duration>),
    ) -> Self {
        let (options, conversations) = (options.clone(), cast.prepared().len());
        let verdict = Verdict::of(&records);
        Self { options, settings, conversations, records, cost, statements, tables, opened, verdict }
    }

    /// The bounds, and whether they hold.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    fn write_cost(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_action = |count: i64| count as f64 / self.records.begun.max(1) as f64;
        let each = |time: Duration| time.div_f64(self.records.begun.max(1) as f64);
        writeln!(f, "\nCPU of an action")?;
        for (name, time) in &self.cost.cpu {
            writeln!(f, "{name:<24}{:>18}", short(each(*time)))?;
        }
        writeln!(f, "{:<24}{:>18}", "in all", short(each(self.cost.in_all())))?;
        let postgres = &self.cost.postgres;
        write!(f, "PostgreSQL's work for an action: ")?;
        if let Some(statements) = postgres.statements {
            write!(f, "{:.1} statements, ", per_action(statements))?;
        }
        let (transactions, fsyncs) = (per_action(postgres.transactions), per_action(postgres.fsyncs));
        let wal = per_action(postgres.wal) / 1024.0;
        writeln!(f, "{transactions:.1} transactions, {fsyncs:.1} fsyncs, {wal:.1} KiB of write-ahead log")?;
        if let Some(memory) = self.cost.memory {
            writeln!(f, "memory of the service: at most {} MiB", memory / (1024 * 1024))?;
        }
        writeln!(f)
    }

    /// The measures in the order in which they are shown, each with its name.
    pub(super) fn measures(&self) -> Vec<(&'static str, Samples)> {
        let of = |measure| self.records.of(measure);
        let (missed, text) = (of(Measure::MissedCall), of(Measure::Text));
        vec![
            ("webhook", of(Measure::Webhook)),
            ("SMS", missed.and(&text)),
            ("  missed call → SMS", missed),
            ("  text → SMS", text),
            ("AI analysis", of(Measure::Analysis)),
            ("  window → DispatchBot", of(Measure::Close)),
            ("takeover", of(Measure::Takeover)),
            ("started late", of(Measure::Start)),
        ]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { options, records, .. } = self;
        let mix = options.mix;
        writeln!(
            f,
            "{} users for {:?} (ramp-up {:?}, thought {:?}), calls:texts:takeovers {}:{}:{}, {} businesses, seed {}",
            options.users,
            options.duration,
            options.ramp,
            options.think,
            mix.calls,
            mix.texts,
            mix.takeovers,
            options.businesses,
            options.seed,
        )?;
        let latency = |latency: Option<crate::sim::Latency>| match latency {
            Some(latency) => format!("p50 {:?}, p99 {:?}", latency.p50, latency.p99),
            None => "at once".to_owned(),
        };
        let (twilio, dispatchbot) = (latency(options.twilio), latency(options.dispatchbot));
        writeln!(f, "Twilio answers: {twilio}; DispatchBot: {dispatchbot}")?;
        let settings: Vec<_> = self.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        writeln!(f, "the service has {}, and its defaults\n", settings.join(" "))?;
        if let Some(opened) = self.opened {
            writeln!(f, "{} windows, opened in {}, stayed open\n", options.open_windows, short(opened))?;
        }
        writeln!(f, "{:<24}{:>8}{:>10}{:>10}{:>10}{:>10}", "", "count", "p50", "p95", "p99", "max")?;
        for (name, samples) in self.measures() {
            let Summary { count, p50, p95, p99, max } = samples.summary();
            let [p50, p95, p99, max] = [p50, p95, p99, max].map(short);
            writeln!(f, "{name:<24}{count:>8}{p50:>10}{p95:>10}{p99:>10}{max:>10}")?;
        }
        let errors = records.errors();
        writeln!(f, "\n{} actions, {errors} errors; {} status callbacks", records.begun, records.callbacks)?;
        for (failure, count) in &records.failures {
            writeln!(f, "  {count} × {failure}")?;
        }
        self.write_cost(f)?;
        for bound in &self.verdict.bounds {
            writeln!(f, "{bound}")?;
        }
        if records.of(Measure::Start).summary().p99 > START_LIMIT {
            writeln!(f, "the load generator was late itself: the machine is too slow or too busy for this load")?;
        }
        Ok(())
    }
}

/// A time in few characters: `0.42 ms`, `12.3 ms`, `2.31 s`.
pub(crate) fn short(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1e3;
    if millis < 10.0 {
        format!("{millis:.2} ms")
    } else if millis < 1_000.0 {
        format!("{millis:.1} ms")
    } else {
        format!("{:.2} s", millis / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let short = |micros| short(Duration::from_micros(micros));
        assert_eq!([short(420), short(12_340), short(2_314_000)], ["0.42 ms", "12.3 ms", "2.31 s"]);
    }
}
