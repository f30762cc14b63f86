//! PostgreSQL as a private cluster; if we are root, it runs as another user.
//!
//! Loopback is open to every user of the machine, so it listens on a Unix socket only, in a folder that nobody but its
//! user and root may enter; whoever gets there is the superuser. A password would take a second message from the
//! client: while a test that has ended does not send it, PostgreSQL cannot drop any database.

use std::{
    fs::Permissions,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use sqlx::{Connection, PgConnection};
use url::form_urlencoded;

use super::{
    binaries::Binaries,
    database,
    process::{Process, Signal, Spec},
    ready, replica,
    user::User,
};

const STOP_PATIENCE: Duration = Duration::from_secs(20);
/// The usual port; each server has a folder of its own for its socket, so it need not differ.
const PORT: u16 = 5432;
const RECOVERY_PATIENCE: Duration = Duration::from_secs(15);

/// What a PostgreSQL needs to start.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// The folder with `initdb` and `postgres`.
    pub bin_dir: PathBuf,
    /// Folder of the cluster and its log; created if missing. If PostgreSQL's user cannot reach it, the data is in the
    /// folder for temporary files instead, see [`PostgresServer::dir`].
    pub dir: PathBuf,
    /// Part of the socket's name; also the TCP port, if `settings` let it listen on one.
    pub port: u16,
    /// Further settings of the server, such as `listen_addresses=127.0.0.1`.
    pub settings: Vec<String>,
    /// For tests: data does not survive a power cut (`fsync=off`), but survives a killed process.
    pub fast: bool,
}

impl PostgresOptions {
    /// Durable, with data under `dir`.
    pub fn new(binaries: &Binaries, dir: impl Into<PathBuf>) -> Self {
        Self { bin_dir: binaries.postgres_dir.clone(), dir: dir.into(), port: PORT, settings: Vec::new(), fast: false }
    }

    /// The same options, made fast for tests.
    pub fn fast(self) -> Self {
        Self { fast: true, ..self }
    }
}

/// A running PostgreSQL. Dropping it stops it at once; the next start on the same data recovers.
pub struct PostgresServer {
    options: PostgresOptions,
    user: User,
    dir: PathBuf,
    process: Process,
    // Dropped after the process: fields are dropped in this order.
    sockets: tempfile::TempDir,
    _dir: Option<tempfile::TempDir>,
}

impl PostgresServer {
    /// Creates the cluster if it does not exist, and starts it; when this returns, it accepts connections.
    pub async fn start(options: PostgresOptions) -> anyhow::Result<Self> {
        let user = User::find()?;
        let dir = user.own_dir(&options.dir)?;
        if !dir.join("data/PG_VERSION").exists() {
            initdb(&options, &user, &dir)?;
        }
        // Not below `dir`: the path of a socket has at most 107 bytes.
        let owner_only = Permissions::from_mode(0o700);
        let sockets = tempfile::Builder::new().prefix("nmc-postgres-").permissions(owner_only).tempdir();
        let sockets = sockets.context("cannot make a folder among the temporary files")?;
        user.give(sockets.path())?;
        let process = launch(&options, &user, &dir, sockets.path()).await?;
        Ok(Self { options, user, dir, process, sockets, _dir: None })
    }

    /// Like [`start`](Self::start), durable, in a temporary folder that is removed with the server; any user can reach
    /// it.
    pub(super) async fn start_temporary(binaries: &Binaries) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir().context("cannot make a folder among the temporary files")?;
        let mut server = Self::start(PostgresOptions::new(binaries, dir.path())).await?;
        server._dir = Some(dir);
        Ok(server)
    }

    /// Starts a streaming replica with this name, a copy of this server with data under `dir`; when this returns, it
    /// streams. With `is_synchronous`, a commit here is confirmed once the replica has it, too.
    pub async fn start_replica(&self, dir: &Path, name: &str, is_synchronous: bool) -> anyhow::Result<Self> {
        let options = PostgresOptions { dir: dir.to_owned(), ..self.options.clone() };
        let own = self.user.own_dir(&options.dir)?;
        replica::copy(&options.bin_dir, &self.user, self.sockets.path(), &own, name)?;
        let replica = Self::start(options).await?;
        if is_synchronous {
            replica::synchronise_with(&self.url(), name).await?;
        }
        replica::streaming(&self.url(), name).await?;
        Ok(replica)
    }

    /// Like [`start_replica`](Self::start_replica), in a temporary folder that is removed with the server.
    pub async fn start_temporary_replica(&self, name: &str, is_synchronous: bool) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir().context("cannot make a folder among the temporary files")?;
        let mut replica = self.start_replica(dir.path(), name, is_synchronous).await?;
        replica._dir = Some(dir);
        Ok(replica)
    }

    /// Makes a replica the primary; when this returns, it accepts writes.
    pub async fn promote(&self) -> anyhow::Result<()> {
        replica::promote(&self.url()).await
    }

    /// The URL of the database `name` on whichever of these servers accepts writes.
    pub fn failover_url(servers: &[&Self], name: &str) -> String {
        let sockets: Vec<&[u8]> = servers.iter().map(|server| server.sockets.path().as_os_str().as_bytes()).collect();
        let hosts: String = form_urlencoded::byte_serialize(&sockets.join(&b","[..])).collect();
        format!(
            "postgres://postgres@localhost:{PORT}/{name}?host={hosts}&sslmode=disable&target_session_attrs=read-write"
        )
    }

    /// The URL of the maintenance database, as superuser.
    pub fn url(&self) -> String {
        url(self.sockets.path(), self.options.port)
    }

    /// The URL of the database `name` on this server.
    pub fn database_url(&self, name: &str) -> anyhow::Result<String> {
        database::url_of(&self.url(), name)
    }

    /// Creates a database, as a copy of `template` if given, and returns its URL.
    pub async fn create_database(&self, name: &str, template: Option<&str>) -> anyhow::Result<String> {
        database::create_database(&self.url(), name, template).await
    }

    /// Removes a database and ends its connections.
    pub async fn drop_database(&self, name: &str) -> anyhow::Result<()> {
        database::drop_database(&self.url(), name).await
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The folder in which the data really is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Stops it cleanly and ends its connections; `restart` starts it again.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.process.end(Signal::Int, STOP_PATIENCE).await
    }

    /// Kills it together with its backends, like a crash.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill_with_children(STOP_PATIENCE).await
    }

    /// Whether it has ended, for any reason.
    pub fn has_ended(&self) -> bool {
        self.process.status().is_some()
    }

    /// Freezes it ([`Signal::Stop`]) or resumes it ([`Signal::Cont`]), backends included. While frozen, it neither
    /// answers nor refuses.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        self.process.signal_with_children(signal)
    }

    /// Starts it again (stopping it first if it runs), at the same socket with the same data.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.stop().await?;
        let begun = Instant::now();
        loop {
            // After a kill, the old backends hold shared memory until they notice it; until then a start fails.
            match launch(&self.options, &self.user, &self.dir, self.sockets.path()).await {
                Ok(process) => self.process = process,
                Err(error) if begun.elapsed() > RECOVERY_PATIENCE => return Err(error),
                Err(_) => continue,
            }
            return Ok(());
        }
    }

    /// Copies its data as a backup does, and removes the copy; returns its size in bytes.
    pub async fn base_backup_size(&self) -> anyhow::Result<u64> {
        let dir = self.dir.join("backup");
        let (bin_dir, user, sockets) =
            (self.options.bin_dir.clone(), self.user.clone(), self.sockets.path().to_owned());
        std::fs::create_dir_all(&dir)?;
        user.give(&dir)?;
        let copied = {
            let dir = dir.clone();
            tokio::task::spawn_blocking(move || replica::copy(&bin_dir, &user, &sockets, &dir, "backup")).await?
        };
        let size = copied.and_then(|()| replica::size(&dir));
        std::fs::remove_dir_all(&dir)?;
        size
    }

    /// Stops it and removes its data.
    pub async fn destroy(mut self) -> anyhow::Result<()> {
        self.process.end(Signal::Quit, STOP_PATIENCE).await?;
        std::fs::remove_dir_all(&self.dir).with_context(|| format!("cannot remove {}", self.dir.display()))
    }
}

fn url(sockets: &Path, port: u16) -> String {
    let folder: String = form_urlencoded::byte_serialize(sockets.as_os_str().as_bytes()).collect();
    format!("postgres://postgres@localhost:{port}/postgres?host={folder}&sslmode=disable")
}

fn initdb(options: &PostgresOptions, user: &User, dir: &Path) -> anyhow::Result<()> {
    let data = dir.join("data");
    if data.exists() {
        // Left by an interrupted initdb; initdb refuses a folder that is not empty.
        std::fs::remove_dir_all(&data)?;
    }
    let mut command = Command::new("setpriv");
    command.args(user.privileges()).arg("--").arg(options.bin_dir.join("initdb"));
    command
        .args(["-U", "postgres", "-E", "UTF8", "--locale=C", "--auth-local=trust", "--auth-host=reject", "-D"])
        .arg(&data);
    if options.fast {
        command.arg("--no-sync");
    }
    let output = command.current_dir(dir).stdin(Stdio::null()).output().context("cannot run initdb")?;
    if !output.status.success() {
        bail!("initdb failed ({}):\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

async fn launch(options: &PostgresOptions, user: &User, dir: &Path, sockets: &Path) -> anyhow::Result<Process> {
    let process = Process::spawn(Spec {
        name: "PostgreSQL",
        program: options.bin_dir.join("postgres"),
        args: arguments(dir, sockets, options),
        environment: Vec::new(),
        log: dir.join("postgres.log"),
        privileges: user.privileges(),
        last_signal: Signal::Quit,
    })?;
    let url = url(sockets, options.port);
    ready::wait("PostgreSQL", &process, async || match PgConnection::connect(&url).await {
        Ok(connection) => connection.close().await.is_ok(),
        Err(_) => false,
    })
    .await?;
    Ok(process)
}

fn arguments(dir: &Path, sockets: &Path, options: &PostgresOptions) -> Vec<String> {
    let mut settings = vec![
        format!("port={}", options.port),
        "listen_addresses=".to_owned(),
        format!("unix_socket_directories={}", sockets.display()),
        "max_connections=400".to_owned(),
        "shared_buffers=128MB".to_owned(),
        // In the data folder, so that it is removed with the folder even after a kill.
        "dynamic_shared_memory_type=mmap".to_owned(),
        // The service relies on this: an answered commit is on disk.
        "synchronous_commit=on".to_owned(),
        "log_min_messages=warning".to_owned(),
    ];
    if options.fast {
        settings.extend(["fsync=off", "full_page_writes=off", "autovacuum=off"].map(str::to_owned));
    }
    settings.extend(options.settings.iter().cloned());
    let data = ["-D".to_owned(), dir.join("data").display().to_string()];
    data.into_iter().chain(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting])).collect()
}
