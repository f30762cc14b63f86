//! nats-server with the project's own `nats.conf`; only the ports and the store's folder differ from production.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;

use super::{
    binaries::{Binaries, workspace_root},
    ports,
    process::{Process, Signal, Spec},
    ready,
};

const STOP_PATIENCE: Duration = Duration::from_secs(15);
const PORT_TRIES: usize = 5;

/// What a nats-server needs to start.
#[derive(Debug, Clone)]
pub struct NatsOptions {
    /// Path of the program.
    pub program: PathBuf,
    /// Folder of the store and the log; created if missing, never removed here.
    pub dir: PathBuf,
    /// The configuration, the project's `nats.conf` unless a test needs another.
    pub config: PathBuf,
    /// If set, the server is a node of a cluster.
    pub member: Option<Member>,
}

/// The additional settings of a node of a cluster.
#[derive(Debug, Clone)]
pub struct Member {
    /// The node's name.
    pub name: String,
    /// The port on which it listens for the other nodes.
    pub port: u16,
    /// The ports of all nodes.
    pub ports: Vec<u16>,
}

impl NatsOptions {
    /// The project's configuration, with data under `dir`.
    pub fn new(binaries: &Binaries, dir: impl Into<PathBuf>) -> Self {
        let program = binaries.nats_server.clone();
        Self { program, dir: dir.into(), config: workspace_root().join("nats.conf"), member: None }
    }
}

/// A running nats-server. Dropping it kills it.
pub struct NatsServer {
    options: NatsOptions,
    port: u16,
    monitor_port: u16,
    process: Process,
    // Dropped after the process: fields are dropped in this order.
    _dir: Option<tempfile::TempDir>,
}

impl NatsServer {
    /// Starts a server; when this returns, it answers its health check.
    pub async fn start(options: NatsOptions) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&options.dir)?;
        let mut tries = 0;
        loop {
            tries += 1;
            let (port, monitor_port) = (ports::free()?, ports::free()?);
            match launch(&options, port, monitor_port).await {
                Ok(process) => {
                    return Ok(Self { options, port, monitor_port, process, _dir: None });
                }
                Err(error) if tries >= PORT_TRIES => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// Like [`start`](Self::start), in a folder that is removed with the server.
    pub(super) async fn start_in(binaries: &Binaries, dir: tempfile::TempDir) -> anyhow::Result<Self> {
        let mut server = Self::start(NatsOptions::new(binaries, dir.path())).await?;
        server._dir = Some(dir);
        Ok(server)
    }

    /// The URL for clients.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The base URL of `/healthz`, `/varz` and `/jsz`.
    pub fn monitor_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitor_port)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its name among the nodes of a cluster.
    pub fn name(&self) -> Option<&str> {
        self.options.member.as_ref().map(|member| member.name.as_str())
    }

    /// The folder of data and log.
    pub fn dir(&self) -> &Path {
        &self.options.dir
    }

    /// Stops it cleanly; `restart` starts it again.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.process.end(Signal::Term, STOP_PATIENCE).await
    }

    /// Kills it, like a crash.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.end(Signal::Kill, STOP_PATIENCE).await
    }

    /// Whether it has ended, for any reason.
    pub fn has_ended(&self) -> bool {
        self.process.status().is_some()
    }

    /// Freezes it ([`Signal::Stop`]) or resumes it ([`Signal::Cont`]).
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        self.process.signal(signal)
    }

    /// Starts it again (stopping it first if it runs), on the same port with the same data.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.stop().await?;
        self.process = launch(&self.options, self.port, self.monitor_port).await?;
        Ok(())
    }
}

impl Member {
    fn arguments(&self) -> Vec<String> {
        let route = |port: &u16| format!("nats-route://127.0.0.1:{port}");
        let routes: Vec<String> = self.ports.iter().map(route).collect();
        let listen = format!("nats://127.0.0.1:{}", self.port);
        let pairs = [
            ["--name", &self.name],
            ["--cluster_name", "nevermisscall"],
            ["--cluster", &listen],
            ["--routes", &routes.join(",")],
        ];
        pairs.concat().into_iter().map(str::to_owned).collect()
    }
}

async fn launch(options: &NatsOptions, port: u16, monitor_port: u16) -> anyhow::Result<Process> {
    let path = |path: &Path| path.display().to_string();
    let process = Process::spawn(Spec {
        name: "nats-server",
        program: options.program.clone(),
        args: [
            ["-c", &path(&options.config)],
            ["-a", "127.0.0.1"],
            ["-p", &port.to_string()],
            ["-m", &monitor_port.to_string()],
            ["-sd", &path(&options.dir)],
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .chain(options.member.iter().flat_map(Member::arguments))
        .collect(),
        environment: Vec::new(),
        log: options.dir.join("nats-server.log"),
        privileges: Vec::new(),
        last_signal: Signal::Kill,
    })?;
    let healthy = async || ready::answers(monitor_port, b"GET /healthz HTTP/1.0\r\n\r\n", b"HTTP/1.0 200").await;
    ready::wait("nats-server", &process, healthy)
        .await
        .with_context(|| format!("nats-server with {}", options.config.display()))?;
    Ok(process)
}
