//! Prometheus and Alertmanager as private child processes.

use std::{path::PathBuf, time::Duration};

use super::{
    process::{Process, Signal, Spec},
    ready,
};

const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// What either of them needs to start.
#[derive(Debug, Clone)]
pub struct MonitorOptions {
    /// Path of the program.
    pub program: PathBuf,
    /// The configuration file.
    pub config: PathBuf,
    /// Folder of the data and the log; created if missing, never removed here.
    pub dir: PathBuf,
    /// The port on loopback.
    pub port: u16,
}

/// A running Prometheus or Alertmanager. Dropping it kills it.
pub struct Monitor {
    port: u16,
    process: Process,
}

impl Monitor {
    /// Starts Prometheus; when this returns, it is ready.
    pub async fn prometheus(options: &MonitorOptions) -> anyhow::Result<Self> {
        let arguments = [
            format!("--storage.tsdb.path={}", options.dir.join("data").display()),
            // The default is a minute: until then, Alertmanager does not learn of an alert that it has missed.
            "--rules.alert.resend-delay=5s".to_owned(),
            "--enable-feature=exemplar-storage".to_owned(),
        ];
        Self::start("Prometheus", options, arguments.to_vec()).await
    }

    /// Starts Alertmanager; when this returns, it is ready.
    pub async fn alertmanager(options: &MonitorOptions) -> anyhow::Result<Self> {
        let arguments = [
            format!("--storage.path={}", options.dir.join("data").display()),
            // It has no peers.
            "--cluster.listen-address=".to_owned(),
        ];
        Self::start("Alertmanager", options, arguments.to_vec()).await
    }

    async fn start(name: &'static str, options: &MonitorOptions, mut args: Vec<String>) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&options.dir)?;
        let port = options.port;
        args.push(format!("--config.file={}", options.config.display()));
        args.push(format!("--web.listen-address=127.0.0.1:{port}"));
        let process = Process::spawn(Spec {
            name,
            program: options.program.clone(),
            args,
            environment: Vec::new(),
            log: options.dir.join("log"),
            privileges: Vec::new(),
            last_signal: Signal::Kill,
        })?;
        let ready = async || ready::answers(port, b"GET /-/ready HTTP/1.0\r\n\r\n", b"HTTP/1.0 200").await;
        ready::wait(name, &process, ready).await?;
        Ok(Self { port, process })
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Waits until it ends by itself, which it should not; the error has the end of its log.
    pub async fn ended(&mut self) -> anyhow::Error {
        while self.process.ended(Duration::from_secs(3600)).await.is_none() {}
        anyhow::anyhow!("it ended by itself:\n{}", self.process.log_tail())
    }

    /// Stops it cleanly.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.process.end(Signal::Term, STOP_PATIENCE).await
    }
}
