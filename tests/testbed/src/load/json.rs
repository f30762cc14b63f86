//! The result of a run as JSON, for other programs.

use std::time::Duration;

use serde_json::{Value, json};

use super::cost::{Cost, Statement};
use super::records::Failure;
use super::samples::{Samples, Summary};
use super::{Bound, Report, Unit};
use crate::sim::Latency;

impl Report {
    /// The options, the settings, the percentiles, the errors and the bounds. Times are in milliseconds.
    pub fn to_json(&self) -> Value {
        let options = &self.options;
        let settings: serde_json::Map<String, Value> =
            self.settings.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let measures: serde_json::Map<String, Value> =
            self.measures().into_iter().map(|(name, samples)| (name.trim().to_owned(), measure(&samples))).collect();
        let failures: serde_json::Map<String, Value> =
            self.records.failures.iter().map(|(failure, count)| (Failure::to_string(failure), json!(count))).collect();
        json!({
            "options": {
                "users": options.users,
                "think_ms": millis(options.think),
                "mix": [options.mix.calls, options.mix.texts, options.mix.takeovers],
                "duration_ms": millis(options.duration),
                "ramp_ms": millis(options.ramp),
                "businesses": options.businesses,
                "open_windows": options.open_windows,
                "ended_conversations": options.ended_conversations,
                "workers": options.workers,
                "seed": options.seed,
                "twilio": latency(options.twilio),
                "dispatchbot": latency(options.dispatchbot),
            },
            "settings": settings,
            "conversations_prepared": self.conversations,
            "actions": self.records.begun,
            "status_callbacks": self.records.callbacks,
            "measures": measures,
            "windows_opened_in_ms": self.opened.map(millis),
            "cost": self.cost(),
            "errors": self.records.errors(),
            "error_rate": self.records.error_rate(),
            "failures": failures,
            "bounds": self.verdict().bounds.iter().map(bound).collect::<Vec<_>>(),
            "holds": self.verdict().broken().is_empty(),
        })
    }

    fn cost(&self) -> Value {
        let Cost { cpu, postgres, memory } = &self.cost;
        let cpu: serde_json::Map<String, Value> =
            cpu.iter().map(|(name, time)| ((*name).to_owned(), json!(millis(*time)))).collect();
        let statement =
            |Statement { calls, time, text }: &Statement| json!({ "calls": calls, "ms": millis(*time), "text": text });
        json!({
            "cpu_ms": cpu,
            "memory_bytes": memory,
            "postgres": {
                "statements": postgres.statements,
                "transactions": postgres.transactions,
                "fsyncs": postgres.fsyncs,
                "wal_bytes": postgres.wal,
                "tables": self.tables,
                "most_expensive": self.statements.iter().map(statement).collect::<Vec<_>>(),
            },
        })
    }
}

fn measure(samples: &Samples) -> Value {
    let Summary { count, p50, p95, p99, max } = samples.summary();
    json!({
        "count": count, "p50_ms": millis(p50), "p95_ms": millis(p95), "p99_ms": millis(p99), "max_ms": millis(max),
    })
}

fn bound(bound: &Bound) -> Value {
    let unit = match bound.unit {
        Unit::Milliseconds => "ms",
        Unit::Percent => "percent",
    };
    json!({
        "name": bound.name, "limit": bound.limit, "measured": bound.measured, "unit": unit, "holds": bound.holds(),
    })
}

fn latency(latency: Option<Latency>) -> Value {
    latency.map_or(Value::Null, |latency| json!({ "p50_ms": millis(latency.p50), "p99_ms": millis(latency.p99) }))
}

/// Milliseconds, to the microsecond.
fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e3
}
