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
/// How long a connection and an answer may take. The client's default of half a second is too short on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to Redis that has patience with a busy machine.
///
/// # Errors
/// If Redis cannot be reached.
pub async fn connect_redis(client: &redis::Client) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
    let config =
        redis::AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENCE)).set_response_timeout(Some(PATIENCE));
    client.get_multiplexed_async_connection_with_config(&config).await
}

/// What a Redis needs to start.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// Path of the program.
    pub program: PathBuf,
    /// Folder of the log, and of the data if durable; created if missing, never removed here.
    pub dir: PathBuf,
    /// Keeps its data over a restart (an append-only file); a test's Redis usually does not need this.
    pub durable: bool,
    /// A configuration file, whose settings those below override.
    pub config: Option<PathBuf>,
    /// When the append-only file is fsynced: `always`, before a write is acknowledged, or `everysec`.
    pub appendfsync: &'static str,
}

impl RedisOptions {
    /// A Redis that loses its data when it stops.
    pub fn new(binaries: &Binaries, dir: impl Into<PathBuf>) -> Self {
        Self {
            program: binaries.redis_server.clone(),
            dir: dir.into(),
            durable: false,
            config: None,
            appendfsync: "always",
        }
    }
}

/// A running Redis. Dropping it kills it.
pub struct RedisServer {
    options: RedisOptions,
    port: u16,
    process: Process,
    // Dropped after the process: fields are dropped in this order.
    _dir: Option<tempfile::TempDir>,
}

impl RedisServer {
    /// Starts a server; when this returns, it answers PING.
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

    /// Like [`start`](Self::start), in a folder that is removed with the server.
    pub(super) async fn start_in(binaries: &Binaries, dir: tempfile::TempDir) -> anyhow::Result<Self> {
        let mut server = Self::start(RedisOptions::new(binaries, dir.path())).await?;
        server._dir = Some(dir);
        Ok(server)
    }

    /// The URL for clients.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The folder of the log.
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

    /// Starts it again (stopping it first if it runs), on the same port; if it is durable, with its data.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.stop().await?;
        self.process = launch(&self.options, self.port).await?;
        Ok(())
    }

    /// Starts again, on the same port and without its data: another server took its place.
    pub async fn forget(&mut self) -> anyhow::Result<()> {
        self.stop().await?;
        let data = self.options.dir.join("appendonlydir");
        if data.exists() {
            std::fs::remove_dir_all(data)?;
        }
        self.restart().await
    }
}

async fn launch(options: &RedisOptions, port: u16) -> anyhow::Result<Process> {
    let process = Process::spawn(Spec {
        name: "redis-server",
        program: options.program.clone(),
        args: options
            .config
            .iter()
            .map(|config| config.display().to_string())
            .chain(
                [
                    ["--port", &port.to_string()],
                    ["--bind", "127.0.0.1"],
                    ["--dir", &options.dir.display().to_string()],
                    ["--save", ""],
                    ["--appendonly", if options.durable { "yes" } else { "no" }],
                    // By default, up to two seconds of acknowledged writes may be missing from the file.
                    ["--appendfsync", options.appendfsync],
                    ["--daemonize", "no"],
                ]
                .concat()
                .into_iter()
                .map(str::to_owned),
            )
            .collect(),
        environment: Vec::new(),
        log: options.dir.join("redis-server.log"),
        privileges: Vec::new(),
        last_signal: Signal::Kill,
    })?;
    // Who has users of its own refuses a stranger.
    let answers = async || {
        ready::answers(port, b"PING\r\n", b"+PONG").await || ready::answers(port, b"PING\r\n", b"-NOAUTH").await
    };
    ready::wait("redis-server", &process, answers).await?;
    Ok(process)
}
