//! What the drill asks of Prometheus over HTTP.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::alert::Alert;
use crate::sim::http_client;

const ONE_REQUEST: Duration = Duration::from_secs(20);
const BETWEEN: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(30);

/// A client of Prometheus.
pub(super) struct PrometheusApi {
    url: String,
    http: reqwest::Client,
    begun: SystemTime,
}

#[derive(Deserialize)]
struct Answer<T> {
    status: String,
    data: Option<T>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Alerts {
    alerts: Vec<Active>,
}

#[derive(Deserialize)]
struct Active {
    state: String,
    #[serde(flatten)]
    alert: Alert,
}

#[derive(Deserialize)]
struct Series {
    result: Vec<OneSeries>,
}

#[derive(Deserialize)]
struct OneSeries {
    values: Vec<(f64, String)>,
}

impl PrometheusApi {
    pub(super) fn new(url: String) -> anyhow::Result<Self> {
        Ok(Self { url, http: http_client(ONE_REQUEST)?, begun: SystemTime::now() })
    }

    /// Waits until this many targets are up.
    pub(super) async fn scrapes(&self, targets: usize) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let answer: Value = self.get("query", &[("query", "sum(up)")]).await?;
            let up = answer["result"][0]["value"][1].as_str().and_then(|up| up.parse::<usize>().ok());
            if up == Some(targets) {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                bail!("Prometheus does not reach all {targets} processes: {answer}");
            }
            sleep(BETWEEN).await;
        }
    }

    /// Waits until no alert fires.
    pub(super) async fn nothing_fires(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let firing = self.firing().await?;
            if firing.is_empty() {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                bail!("alerts fire from the start: {firing:?}");
            }
            sleep(BETWEEN).await;
        }
    }

    /// The keys of the alerts that fire now.
    pub(super) async fn firing(&self) -> anyhow::Result<BTreeSet<String>> {
        let all: Alerts = self.get("alerts", &[]).await?;
        Ok(all.alerts.into_iter().filter(|one| one.state == "firing").map(|one| one.alert.key()).collect())
    }

    /// Whether a query has had any value (other than NaN) at any time of the run.
    pub(super) async fn has_data(&self, query: &str) -> anyhow::Result<bool> {
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64().to_string();
        let (start, end) = (seconds(self.begun), seconds(SystemTime::now()));
        let parameters = [("query", query), ("start", &start), ("end", &end), ("step", "1")];
        let found: Series = self.get("query_range", &parameters).await.with_context(|| query.to_owned())?;
        Ok(found.result.iter().flat_map(|one| &one.values).any(|(_, value)| value != "NaN"))
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, what: &str, parameters: &[(&str, &str)]) -> anyhow::Result<T> {
        let url = url::Url::parse_with_params(&format!("{}/api/v1/{what}", self.url), parameters)?;
        let answer: Answer<T> = self.http.get(url).send().await?.json().await?;
        match answer.data {
            Some(data) if answer.status == "success" => Ok(data),
            _ => bail!("Prometheus: {}", answer.error.unwrap_or_default()),
        }
    }
}
