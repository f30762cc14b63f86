//! The parts of the drill: the service as an edge and a worker on private servers, both simulators, and what watches them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::config::Place;
use super::prometheus::PrometheusApi;
use super::receiver::Receiver;
use super::{OUR_NUMBER, SCALE};
use crate::dispatchbot::{DispatchBotOptions, DispatchBotSim};
use crate::program::{Program, answers, beside_us, ready};
use crate::servers::{
    Binaries, Monitor, MonitorOptions, MonitoringBinaries, NatsOptions, NatsServer, OtelCollector, PostgresOptions,
    PostgresServer, RedisOptions, RedisServer, free_port, workspace_root,
};
use crate::settings::{API_KEY, PUBLIC_URL, Surroundings, brief_log, hurried, owned};
use crate::sim::http_client;
use crate::twilio::{TwilioOptions, TwilioSim};

const ONE_REQUEST: Duration = Duration::from_secs(40);
/// The most that JetStream may store here, so that it can be filled.
const STORAGE: &str = "64MB";

/// All parts. Dropping it kills them.
pub(super) struct Stage {
    pub(super) nats: Mutex<NatsServer>,
    pub(super) postgres: Mutex<PostgresServer>,
    pub(super) redis: Mutex<RedisServer>,
    pub(super) workers: Mutex<Vec<Program>>,
    edge: Mutex<Program>,
    pub(super) twilio: TwilioSim,
    pub(super) dispatchbot: DispatchBotSim,
    pub(super) receiver: Receiver,
    pub(super) prometheus: PrometheusApi,
    pub(super) collector: Option<OtelCollector>,
    pub(super) nats_url: String,
    nats_monitor_url: String,
    pub(super) database_url: String,
    edge_url: String,
    alertmanager: Monitor,
    monitor: Monitor,
    http: reqwest::Client,
    dir: PathBuf,
    settings: Vec<(String, String)>,
    /// The ports for metrics: of the edge, and of both workers.
    ops: [String; 3],
}

impl Stage {
    /// Starts everything below `dir`; when this returns, Prometheus has scraped the edge and the worker.
    pub(super) async fn start(dir: &Path) -> anyhow::Result<Self> {
        let (binaries, monitoring) = (Binaries::find()?, MonitoringBinaries::find()?);
        let nats = NatsOptions { config: small_storage(dir)?, ..NatsOptions::new(&binaries, dir.join("nats")) };
        let redis = RedisOptions { durable: true, ..RedisOptions::new(&binaries, dir.join("redis")) };
        let postgres = PostgresOptions::new(&binaries, dir.join("postgres"));
        let (nats, redis, postgres) =
            tokio::try_join!(NatsServer::start(nats), RedisServer::start(redis), PostgresServer::start(postgres))?;
        let database_url = postgres.create_database("nevermisscall", None).await?;
        let twilio = TwilioSim::start(TwilioOptions::default()).await?;
        let dispatchbot = DispatchBotSim::start(DispatchBotOptions::default()).await?;
        let receiver = Receiver::start().await?;

        let collector = match OtelCollector::program() {
            Some(program) => Some(OtelCollector::start(program, &dir.join("otelcol")).await?),
            None => None,
        };
        let mut settings = settings(Surroundings {
            database: database_url.clone(),
            nats: nats.url(),
            redis: redis.url(),
            twilio: twilio.base_url(),
            dispatchbot: dispatchbot.base_url(),
        });
        if let Some(collector) = &collector {
            let exported =
                [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url().as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "200")]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()));
            settings.extend(exported);
        }
        let service = |name: &str, role: &str, more: &[(&str, &str)]| service(dir, name, role, &settings, more);
        service("migrate", "migrate", &[])?.finish().await?;
        let address = || anyhow::Ok(format!("127.0.0.1:{}", free_port()?));
        let (bind, ops) = (address()?, [address()?, address()?, address()?]);
        let edge = service("edge", "edge", &[("NMC_BIND", &bind), ("NMC_OPS_BIND", &ops[0])])?;
        let worker = service("worker", "worker", &[("NMC_OPS_BIND", &ops[1])])?;
        let edge_url = format!("http://{bind}");
        twilio.set_webhook_url(PUBLIC_URL, Some(&edge_url));
        ready(&edge_url).await?;
        answers(&format!("http://{}/health/ready", ops[1])).await.context("the worker is not ready")?;

        list_targets(dir, &ops[0], &ops[1..2])?;
        let (alertmanager, monitor) = watch(&monitoring, dir, &receiver).await?;
        let prometheus = PrometheusApi::new(monitor.url())?;
        prometheus.scrapes(2).await?;
        // Prometheus knows its targets only after seconds of its own, in which service_down may fire here.
        prometheus.nothing_fires().await?;
        let stage = Self {
            nats_url: nats.url(),
            nats_monitor_url: nats.monitor_url(),
            nats: Mutex::new(nats),
            postgres: Mutex::new(postgres),
            redis: Mutex::new(redis),
            workers: Mutex::new(vec![worker]),
            edge: Mutex::new(edge),
            twilio,
            dispatchbot,
            receiver,
            prometheus,
            database_url,
            edge_url,
            alertmanager,
            monitor,
            http: http_client(ONE_REQUEST)?,
            collector,
            dir: dir.to_owned(),
            settings,
            ops,
        };
        stage.put_business("joes-plumbing", OUR_NUMBER).await?;
        Ok(stage)
    }

    /// Starts a second worker, with this failpoint; Prometheus watches it from then on.
    pub(super) fn second_worker(&self, failpoint: Option<&str>) -> anyhow::Result<Program> {
        let mut more = vec![("NMC_OPS_BIND", self.ops[2].as_str())];
        more.extend(failpoint.map(|failpoint| ("NMC_FAILPOINT", failpoint)));
        let worker = service(&self.dir, "worker-2", "worker", &self.settings, &more)?;
        list_targets(&self.dir, &self.ops[0], &self.ops[1..])?;
        Ok(worker)
    }

    /// Creates a business with this number.
    pub(super) async fn put_business(&self, id: &str, number: &str) -> anyhow::Result<()> {
        let business = json!({
            "name": "Joe's Plumbing", "user_id": "user-joe", "phone_numbers": [number], "forward_to": "+15555552222",
            "timezone": "America/New_York", "trade": "plumbing",
            "job_estimates": [{ "job_type": "drain_cleaning", "min": 120, "max": 250 }],
            "emergency_contacts": ["+15555553333"],
        });
        self.ask(reqwest::Method::PUT, &format!("/businesses/{id}"), Some(business)).await.map(drop)
    }

    /// A request to the REST API; an answer other than 2xx is an error.
    pub(super) async fn ask(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let mut request = self.http.request(method, format!("{}{path}", self.edge_url)).bearer_auth(API_KEY);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{path}: {status} {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// Which part of JetStream's storage is used, as nats-server itself reports it.
    pub(super) async fn storage_ratio(&self) -> anyhow::Result<f64> {
        let jsz: Value = self.http.get(format!("{}/jsz", self.nats_monitor_url)).send().await?.json().await?;
        let bytes = |field: &Value| field.as_f64().context("/jsz has no such field");
        Ok(bytes(&jsz["storage"])? / bytes(&jsz["config"]["max_storage"])?)
    }

    /// Which alerts Alertmanager holds back, and because of which; JSON of its API.
    pub(super) async fn held_back(&self) -> anyhow::Result<Vec<super::alert::Alert>> {
        let url = format!("{}/api/v2/alerts?active=false&inhibited=true", self.alertmanager.url());
        Ok(self.http.get(url).send().await?.error_for_status()?.json().await?)
    }

    /// Stops what writes, and removes PostgreSQL's data in any location.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        self.monitor.stop().await?;
        self.alertmanager.stop().await?;
        self.edge.into_inner().kill().await?;
        for mut worker in self.workers.into_inner() {
            worker.kill().await?;
        }
        self.postgres.into_inner().destroy().await
    }
}

/// Starts a process of the service.
fn service(
    dir: &Path,
    name: &str,
    role: &str,
    settings: &[(String, String)],
    more: &[(&str, &str)],
) -> anyhow::Result<Program> {
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let settings: Vec<_> = settings.iter().cloned().chain(more).collect();
    Program::new(dir, name, &beside_us("nevermisscall")?, &[role], &settings)
}

/// Tells Prometheus which processes there are.
fn list_targets(dir: &Path, edge: &str, workers: &[String]) -> anyhow::Result<()> {
    let targets = json!([
        { "targets": [edge], "labels": { "role": "edge" } },
        { "targets": workers, "labels": { "role": "worker" } },
    ]);
    // Renamed, so that Prometheus never reads half a list.
    let new = dir.join("targets.new");
    std::fs::write(&new, targets.to_string())?;
    Ok(std::fs::rename(new, dir.join("targets.json"))?)
}

async fn watch(binaries: &MonitoringBinaries, dir: &Path, receiver: &Receiver) -> anyhow::Result<(Monitor, Monitor)> {
    let (alertmanager_port, prometheus_port) = (free_port()?, free_port()?);
    let place = Place {
        scale: SCALE,
        alertmanager: &format!("127.0.0.1:{alertmanager_port}"),
        receiver: &receiver.address(),
        targets: &dir.join("targets.json").display().to_string(),
    };
    place.write_prometheus(dir)?;
    place.write_alertmanager(dir)?;
    let alertmanager = Monitor::alertmanager(&MonitorOptions {
        program: binaries.alertmanager.clone(),
        config: dir.join("alertmanager.yml"),
        dir: dir.join("alertmanager"),
        port: alertmanager_port,
    })
    .await?;
    let prometheus = Monitor::prometheus(&MonitorOptions {
        program: binaries.prometheus.clone(),
        config: dir.join("prometheus.yml"),
        dir: dir.join("prometheus"),
        port: prometheus_port,
    })
    .await?;
    Ok((alertmanager, prometheus))
}

/// The project's nats.conf with little storage.
fn small_storage(dir: &Path) -> anyhow::Result<PathBuf> {
    let config = std::fs::read_to_string(workspace_root().join("nats.conf"))?;
    let small = config.replace("max_file_store: 20GB", &format!("max_file_store: {STORAGE}"));
    ensure!(small != config, "nats.conf has another max_file_store than this drill expects");
    let path = dir.join("nats.conf");
    std::fs::write(&path, small)?;
    Ok(path)
}

/// The service's settings. Windows are short, so that answers come at once.
fn settings(surroundings: Surroundings) -> Vec<(String, String)> {
    let more = [("NMC_ALERT_EVERY", "3s"), ("NMC_BUSINESS_METRICS", "10"), ("NMC_NATS_STORAGE", STORAGE)];
    [surroundings.settings(), hurried(), brief_log(), owned(more)].concat()
}
