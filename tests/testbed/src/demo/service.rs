//! `nevermisscall` as a child process: migrates the database, applies the streams, serves, and becomes ready.
//!
//! Guarantees: it never outlives this process (`setpriv --pdeathsig`; started from the main thread, which lives as long
//! as the process). If it ends by itself, that is an error that contains the end of its log.

use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail};
use tokio::process::{Child, Command};

use super::screen::{Screen, Tag};
use super::settings::Wiring;
use super::text::last_lines;
use crate::program::{beside_us, ready};
use crate::servers::{Signal, send_signal};

const DRAIN_PATIENCE: Duration = Duration::from_secs(20);
const TAIL: usize = 20;

/// The running service. Dropping it kills it.
pub(super) struct Service {
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Prepares database and streams, starts the service, and returns when it is ready.
    pub(super) async fn start(wiring: &Wiring, log: PathBuf, screen: &Screen) -> anyhow::Result<Self> {
        prepare(wiring, &log, screen, &["migrate"]).await?;
        prepare(wiring, &log, screen, &["streams", "apply"]).await?;
        let begun = Instant::now();
        screen.progress(Some("nevermisscall serve: waiting until it is ready"));
        let child = command(wiring, &log, &["serve"])?.spawn().context("cannot start the service")?;
        let mut service = Self { child, log };
        service.unless_ended(ready(&wiring.public_url())).await??;
        screen.progress(None);
        let took = format!("{:.1} s", begun.elapsed().as_secs_f64());
        screen.line(Tag::Start, &format!("nevermisscall serve is ready at {}", wiring.public_url()), &took);
        Ok(service)
    }

    /// Runs `part` to its end; fails as soon as the service ends by itself.
    pub(super) async fn unless_ended<T>(&mut self, part: impl Future<Output = T>) -> anyhow::Result<T> {
        tokio::select! {
            ended = part => Ok(ended),
            status = self.child.wait() => {
                let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                bail!("the service ended by itself ({status}){}", tail(&self.log))
            }
        }
    }

    /// Whether it still runs, as far as is known.
    pub(super) fn runs(&self) -> bool {
        self.child.id().is_some()
    }

    /// Asks it to drain, waits for its end, and kills it if that takes too long.
    pub(super) async fn stop(mut self) -> anyhow::Result<ExitStatus> {
        if let Some(pid) = self.child.id() {
            send_signal(pid, Signal::Term)?;
        }
        match tokio::time::timeout(DRAIN_PATIENCE, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => {
                self.child.kill().await?;
                Err(anyhow!("the service did not drain in {DRAIN_PATIENCE:?} and was killed"))
            }
        }
    }
}

/// Runs one command of the service to its end.
async fn prepare(wiring: &Wiring, log: &Path, screen: &Screen, arguments: &[&str]) -> anyhow::Result<()> {
    let begun = Instant::now();
    let shown = format!("nevermisscall {}", arguments.join(" "));
    screen.progress(Some(&shown));
    let status = command(wiring, log, arguments)?.status().await.with_context(|| format!("cannot run {shown}"))?;
    screen.progress(None);
    if !status.success() {
        bail!("{shown} failed ({status}){}", tail(log));
    }
    screen.line(Tag::Start, &shown, &format!("{:.1} s", begun.elapsed().as_secs_f64()));
    Ok(())
}

fn command(wiring: &Wiring, log: &Path, arguments: &[&str]) -> anyhow::Result<Command> {
    let log = OpenOptions::new().append(true).create(true).open(log)?;
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program()?).args(arguments);
    wiring.apply(&mut command);
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0) // a Ctrl-C in the terminal is for us; we then stop it in order
        .kill_on_drop(true);
    Ok(command)
}

/// The path of the service's program, in the folder of this program.
fn program() -> anyhow::Result<PathBuf> {
    let path = beside_us("nevermisscall")?;
    if !path.is_file() {
        bail!("{} is not there: `cargo build --workspace --bins` builds it, and `make run` does", path.display());
    }
    Ok(path)
}

fn tail(log: &Path) -> String {
    let text = File::open(log).and_then(std::io::read_to_string).unwrap_or_default();
    let lines = last_lines(&text, TAIL);
    if lines.is_empty() {
        return format!("; {} is empty", log.display());
    }
    format!("; the end of {}:\n{lines}", log.display())
}
