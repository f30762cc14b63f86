//! Redis as a private child process.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    binaries::Binaries,
    ports,
    process::{Process, Signal, Spec},
    ready,
};

const STOP_PATIENCE: Duration = Duration::from_secs(10);
const PORT_TRIES: usize = 5;

/// What a Redis needs to start.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// The program.
    pub program: PathBuf,
    /// Holds the log, and the data of a durable one; made if missing, never removed here.
    pub dir: PathBuf,
    /// Keeps its data over a restart (an append-only file); a test's Redis usually need not.
    pub durable: bool,
}

impl RedisOptions {
    /// A Redis that forgets at its end.
    pub fn new(binaries: &Binaries, dir: impl Into<PathBuf>) -> Self {
        Self { program: binaries.redis_server.clone(), dir: dir.into(), durable: false }
    }
}

/// A running Redis. Dropping it kills it.
pub struct RedisServer {
    options: RedisOptions,
    port: u16,
    process: Process,
    // Outlives the process: fields are dropped in this order.
    _dir: Option<tempfile::TempDir>,
}

impl RedisServer {
    /// Starts a server; it answers PING when this returns.
    pub async fn start(options: RedisOptions) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&options.dir)?;
        let mut tries = 0;
        loop {
            tries += 1;
            let port = ports::free()?;
            match launch(&options, port).await {
                Ok(process) => {
                    return Ok(Self { options, port, process, _dir: None });
                }
                Err(error) if tries >= PORT_TRIES => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// As [`start`](Self::start), in a folder that goes when the server does.
    pub(super) async fn start_in(binaries: &Binaries, dir: tempfile::TempDir) -> anyhow::Result<Self> {
        let mut server = Self::start(RedisOptions::new(binaries, dir.path())).await?;
        server._dir = Some(dir);
        Ok(server)
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The process, for whoever wants to look.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Where the log is.
    pub fn dir(&self) -> &Path {
        &self.options.dir
    }

    /// Ends it cleanly; `restart` brings it back.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.process.end(Signal::Term, STOP_PATIENCE).await
    }

    /// Kills it as a crash would.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.end(Signal::Kill, STOP_PATIENCE).await
    }

    /// Whether it has ended, by us or by itself.
    pub fn has_ended(&self) -> bool {
        self.process.status().is_some()
    }

    /// Freezes it ([`Signal::Stop`]) or lets it go on ([`Signal::Cont`]).
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        self.process.signal(signal)
    }

    /// Starts it again (stopping it first if it runs), on the same port; with its data if it is durable.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.stop().await?;
        self.process = launch(&self.options, self.port).await?;
        Ok(())
    }
}

async fn launch(options: &RedisOptions, port: u16) -> anyhow::Result<Process> {
    let process = Process::spawn(Spec {
        name: "redis-server",
        program: options.program.clone(),
        args: [
            ["--port", &port.to_string()],
            ["--bind", "127.0.0.1"],
            ["--dir", &options.dir.display().to_string()],
            ["--save", ""],
            ["--appendonly", if options.durable { "yes" } else { "no" }],
            // What was answered is in the file: by default up to two seconds of it may not even have been written.
            ["--appendfsync", "always"],
            ["--daemonize", "no"],
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect(),
        environment: Vec::new(),
        log: options.dir.join("redis-server.log"),
        privileges: Vec::new(),
        last_signal: Signal::Kill,
    })?;
    ready::wait("redis-server", &process, async || ready::answers(port, b"PING\r\n", b"+PONG").await).await?;
    Ok(process)
}
