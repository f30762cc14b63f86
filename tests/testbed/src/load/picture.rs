//! The picture of a run: the latencies over time, with their bounds.

use std::time::Duration;

use super::Report;
use super::records::Measure;
use super::samples::{Samples, Summary};
use super::svg::{Chart, Line, Scale, draw};

/// About this many points in a line.
const POINTS: u32 = 60;

impl Report {
    /// An SVG document.
    pub fn to_svg(&self) -> String {
        let options = &self.options;
        let width = Duration::from_secs_f64((options.duration.as_secs_f64() / f64::from(POINTS)).ceil());
        let of = |measure| self.records.of(measure);
        let latencies = [
            ("webhook", of(Measure::Webhook), Some(500.0)),
            ("missed call → SMS", of(Measure::MissedCall), Some(3_000.0)),
            ("text → SMS, quiet period included", of(Measure::Text), Some(3_000.0)),
            ("AI analysis, from the end of the quiet period", of(Measure::Analysis), Some(2_000.0)),
            ("takeover", of(Measure::Takeover), None),
        ];
        let latencies = latencies.map(|(name, samples, bound)| {
            let bound_text =
                bound.map_or_else(String::new, |bound| format!("; the p95 of the run must be below {bound}"));
            latency_chart(format!("{name} (ms{bound_text})"), &samples, width, bound)
        });
        let rate = rate_chart(&of(Measure::Start), width);
        let charts: Vec<_> = latencies.into_iter().chain([rate]).collect();
        let title = format!("{} users, each with an action every {:?} on average", options.users, options.think);
        draw(&title, options.duration.as_secs_f64(), &charts)
    }
}

fn latency_chart(title: String, samples: &Samples, width: Duration, bound: Option<f64>) -> Chart {
    let summaries = samples.over_time(width);
    let line = |name, of: fn(&Summary) -> Duration| {
        let point = |(at, summary): &(Duration, Summary)| (at.as_secs_f64(), of(summary).as_secs_f64() * 1e3);
        Line { name, points: summaries.iter().map(point).collect() }
    };
    let lines = vec![
        line("p50", |summary| summary.p50),
        line("p95", |summary| summary.p95),
        line("max", |summary| summary.max),
    ];
    Chart { title, lines, bound, scale: Scale::Logarithmic }
}

fn rate_chart(started: &Samples, width: Duration) -> Chart {
    let per_second = |summary: &Summary| summary.count as f64 / width.as_secs_f64();
    let points = started.over_time(width).iter().map(|(at, summary)| (at.as_secs_f64(), per_second(summary))).collect();
    let lines = vec![Line { name: "actions", points }];
    Chart { title: "actions per second".to_owned(), lines, bound: None, scale: Scale::Linear }
}
