//! `with-servers [--fast] -- COMMAND…`: runs a command beside a private PostgreSQL, as the tests need it.
//!
//! The command finds the servers in its environment, see `nmc_testbed::servers::Shared`; each test starts its own
//! nats-server and Redis. Signals are forwarded to the command. When it ends, the cluster and all data are removed. The
//! exit status is the command's.

use std::{
    fs,
    io::IsTerminal,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitCode, ExitStatus},
};

use anyhow::Context;
use clap::Parser;
use nmc_testbed::servers::{
    Binaries, MemoryDir, NATS_SERVER_BIN, PG_BIN_DIR, POSTGRES_URL, PostgresOptions, PostgresServer, REDIS_SERVER_BIN,
    Signal, TEST_DIR, send_signal, workspace_root,
};
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};

/// Runs a command beside a private PostgreSQL.
#[derive(Parser)]
struct Arguments {
    /// Faster, with the data in memory if there is room: it does not survive a power cut.
    #[arg(long)]
    fast: bool,
    /// The command and its arguments.
    #[arg(required = true, trailing_var_arg = true)]
    command: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(status) => ExitCode::from(code(status)),
        Err(error) => {
            eprintln!("with-servers: {error:#}");
            ExitCode::from(125)
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitStatus> {
    let binaries = Binaries::find()?;
    let dir = run_dir()?;
    // Kept until PostgreSQL has ended.
    let memory = arguments.fast.then(MemoryDir::make).flatten();
    let data = memory.as_ref().map_or(dir.as_path(), MemoryDir::path).join("postgres");
    let options = PostgresOptions::new(&binaries, data);
    let options = if arguments.fast { options.fast() } else { options };
    let postgres = PostgresServer::start(options).await?;

    let status = beside(&arguments.command, &binaries, &postgres, &dir).await;

    postgres.destroy().await?;
    fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    status
}

async fn beside(
    command: &[String],
    binaries: &Binaries,
    postgres: &PostgresServer,
    dir: &Path,
) -> anyhow::Result<ExitStatus> {
    let (program, arguments) = command.split_first().context("no command")?;
    let child = Command::new(program)
        .args(arguments)
        .env(POSTGRES_URL, postgres.url())
        .env(TEST_DIR, dir)
        .env(NATS_SERVER_BIN, &binaries.nats_server)
        .env(REDIS_SERVER_BIN, &binaries.redis_server)
        .env(PG_BIN_DIR, &binaries.postgres_dir)
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    forwarding_signals(child).await
}

/// Waits for the command and forwards signals to it.
async fn forwarding_signals(mut child: Child) -> anyhow::Result<ExitStatus> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    // A terminal sends Ctrl-C to the command itself, and a test runner would treat a second one differently.
    let by_terminal = std::io::stdin().is_terminal();
    loop {
        let (forward, wanted) = tokio::select! {
            status = child.wait() => return Ok(status?),
            _ = interrupt.recv() => (Signal::Int, !by_terminal),
            _ = terminate.recv() => (Signal::Term, true),
            _ = hang_up.recv() => (Signal::Hup, !by_terminal),
        };
        if let (Some(pid), true) = (child.id(), wanted) {
            send_signal(pid, forward)?;
        }
    }
}

/// Creates a folder for this run, and removes the folders of earlier runs that were killed before they could clean up.
fn run_dir() -> anyhow::Result<PathBuf> {
    let parent = workspace_root().join(".run");
    fs::create_dir_all(&parent)?;
    let parent = parent.canonicalize()?;
    for entry in fs::read_dir(&parent)?.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix("test-"));
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // Another run may be removing it at the same time.
            fs::remove_dir_all(entry.path()).ok();
        }
    }
    let dir = parent.join(format!("test-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// The exit code as a shell reports it: 128 plus the signal's number if the command was killed.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
