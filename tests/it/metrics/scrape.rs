//! One scrape in the OpenMetrics format.

use crate::harness::{Rest, eventually};

pub struct Scrape(String);

impl Scrape {
    pub async fn of(rest: &Rest) -> Self {
        let answer = rest.get_as("/metrics", "application/openmetrics-text").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        Self(answer.body.as_str().expect("text").to_owned())
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    /// The value of a series, written with its labels in their order.
    pub fn find(&self, series: &str) -> Option<f64> {
        let line = self.0.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
        line[series.len()..].trim_start().split(' ').next()?.parse().ok()
    }

    pub fn value(&self, series: &str) -> f64 {
        self.find(series).unwrap_or_else(|| panic!("no {series} in\n{}", self.0))
    }

    /// The traces of a histogram's exemplars.
    pub fn exemplars(&self, histogram: &str) -> Vec<String> {
        let buckets = format!("{histogram}_bucket{{");
        let of_histogram = self.0.lines().filter(|line| line.starts_with(&buckets));
        let trace = |line: &str| Some(line.split_once(" # {trace_id=\"")?.1.split_once('"')?.0.to_owned());
        of_histogram.filter_map(trace).collect()
    }
}

/// Waits until a series has a value.
pub async fn wait_for_value(rest: &Rest, series: &str, wanted: impl Fn(f64) -> bool) {
    eventually(series, async || Scrape::of(rest).await.find(series).filter(|value| wanted(*value))).await;
}
