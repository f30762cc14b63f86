//! PostgreSQL as a private cluster, as another user where we are root.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use sqlx::{Connection, PgConnection};

use super::{
    binaries::Binaries,
    database, ports,
    process::{Process, Signal, Spec},
    ready,
    user::User,
};

const STOP_PATIENCE: Duration = Duration::from_secs(20);
const PORT_TRIES: usize = 5;
const RECOVERY_PATIENCE: Duration = Duration::from_secs(15);

/// What a PostgreSQL needs to start.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// The folder with `initdb` and `postgres`.
    pub bin_dir: PathBuf,
    /// Holds the cluster and its log; made if missing. Where its user cannot reach this, the data goes among the
    /// temporary files, see [`PostgresServer::dir`].
    pub dir: PathBuf,
    /// Gives up on surviving a power cut (`fsync=off`), for tests. A killed process loses nothing even so.
    pub fast: bool,
}

impl PostgresOptions {
    /// A durable one with data under `dir`.
    pub fn new(binaries: &Binaries, dir: impl Into<PathBuf>) -> Self {
        Self { bin_dir: binaries.postgres_dir.clone(), dir: dir.into(), fast: false }
    }

    /// The same, made fast for tests.
    pub fn fast(self) -> Self {
        Self { fast: true, ..self }
    }
}

/// A running PostgreSQL. Dropping it ends it at once; the next start on the same data recovers.
pub struct PostgresServer {
    options: PostgresOptions,
    user: User,
    dir: PathBuf,
    port: u16,
    process: Process,
    // Outlives the process: fields are dropped in this order.
    _dir: Option<tempfile::TempDir>,
}

impl PostgresServer {
    /// Makes the cluster if it is not there, and starts it; it takes connections when this returns.
    pub async fn start(options: PostgresOptions) -> anyhow::Result<Self> {
        let user = User::find()?;
        let dir = user.own_dir(&options.dir)?;
        if !dir.join("data/PG_VERSION").exists() {
            initdb(&options, &user, &dir)?;
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let port = ports::free()?;
            match launch(&options, &user, &dir, port).await {
                Ok(process) => {
                    return Ok(Self { options, user, dir, port, process, _dir: None });
                }
                Err(error) if tries >= PORT_TRIES => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// As [`start`](Self::start), durable, in a folder that goes when the server does: among the temporary files, where any
    /// user reaches it.
    pub(super) async fn start_temporary(binaries: &Binaries) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir().context("cannot make a folder among the temporary files")?;
        let mut server = Self::start(PostgresOptions::new(binaries, dir.path())).await?;
        server._dir = Some(dir);
        Ok(server)
    }

    /// The maintenance database, as superuser.
    pub fn url(&self) -> String {
        url(self.port)
    }

    /// The same server's database `name`.
    pub fn database_url(&self, name: &str) -> anyhow::Result<String> {
        database::url_of(&self.url(), name)
    }

    /// Makes a database, a copy of `template` if one is named, and answers its URL.
    pub async fn create_database(&self, name: &str, template: Option<&str>) -> anyhow::Result<String> {
        database::create_database(&self.url(), name, template).await
    }

    /// Removes a database, ending its connections.
    pub async fn drop_database(&self, name: &str) -> anyhow::Result<()> {
        database::drop_database(&self.url(), name).await
    }

    /// The process, for whoever wants to look.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Where the data really is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Ends it cleanly, its connections too; `restart` brings it back.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.process.end(Signal::Int, STOP_PATIENCE).await
    }

    /// Kills it as a crash would, its backends with it.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill_with_children(STOP_PATIENCE).await
    }

    /// Whether it has ended, by us or by itself.
    pub fn has_ended(&self) -> bool {
        self.process.status().is_some()
    }

    /// Freezes it ([`Signal::Stop`]) or lets it go on ([`Signal::Cont`]), its backends too: nothing is answered or refused.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        self.process.signal_with_children(signal)
    }

    /// Starts it again (stopping it first if it runs), on the same port with the same data.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.stop().await?;
        let begun = Instant::now();
        loop {
            // After a kill the old backends hold shared memory until they have noticed: that refuses a start.
            match launch(&self.options, &self.user, &self.dir, self.port).await {
                Ok(process) => self.process = process,
                Err(error) if begun.elapsed() > RECOVERY_PATIENCE => return Err(error),
                Err(_) => continue,
            }
            return Ok(());
        }
    }

    /// Ends it and removes its data.
    pub async fn destroy(mut self) -> anyhow::Result<()> {
        self.process.end(Signal::Quit, STOP_PATIENCE).await?;
        std::fs::remove_dir_all(&self.dir).with_context(|| format!("cannot remove {}", self.dir.display()))
    }
}

fn url(port: u16) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable")
}

fn initdb(options: &PostgresOptions, user: &User, dir: &Path) -> anyhow::Result<()> {
    let data = dir.join("data");
    if data.exists() {
        // What an interrupted initdb left; initdb itself refuses a folder that is not empty.
        std::fs::remove_dir_all(&data)?;
    }
    let mut command = Command::new("setpriv");
    command.args(user.privileges()).arg("--").arg(options.bin_dir.join("initdb"));
    command.args(["-U", "postgres", "-E", "UTF8", "--locale=C", "-A", "trust", "-D"]).arg(&data);
    if options.fast {
        command.arg("--no-sync");
    }
    let output = command.current_dir(dir).stdin(Stdio::null()).output().context("cannot run initdb")?;
    if !output.status.success() {
        bail!("initdb failed ({}):\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

async fn launch(options: &PostgresOptions, user: &User, dir: &Path, port: u16) -> anyhow::Result<Process> {
    let process = Process::spawn(Spec {
        name: "PostgreSQL",
        program: options.bin_dir.join("postgres"),
        args: arguments(dir, port, options.fast),
        environment: Vec::new(),
        log: dir.join("postgres.log"),
        privileges: user.privileges(),
        last_signal: Signal::Quit,
    })?;
    let url = url(port);
    ready::wait("PostgreSQL", &process, async || match PgConnection::connect(&url).await {
        Ok(connection) => connection.close().await.is_ok(),
        Err(_) => false,
    })
    .await?;
    Ok(process)
}

fn arguments(dir: &Path, port: u16, fast: bool) -> Vec<String> {
    let mut settings = vec![
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        "unix_socket_directories=".to_owned(),
        "max_connections=400".to_owned(),
        "shared_buffers=128MB".to_owned(),
        // In the data folder, so that it goes with it even after a kill.
        "dynamic_shared_memory_type=mmap".to_owned(),
        // What the service relies on: a commit that was answered is on disk.
        "synchronous_commit=on".to_owned(),
        "log_min_messages=warning".to_owned(),
    ];
    if fast {
        settings.extend(["fsync=off", "full_page_writes=off", "autovacuum=off"].map(str::to_owned));
    }
    let data = ["-D".to_owned(), dir.join("data").display().to_string()];
    data.into_iter().chain(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting])).collect()
}
