//! One of our own programs as a child process that can be killed and started again, and the wait until the service is
//! ready.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::time::{Instant, sleep};

use crate::servers::{Process, Signal, Spec};
use crate::sim::http_client;

const PATIENCE: Duration = Duration::from_secs(60);
const READY_PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
const ONE_LOOK: Duration = Duration::from_secs(5);

/// A program with its arguments and settings. It runs from the start; dropping it kills it.
pub(crate) struct Program {
    name: String,
    path: PathBuf,
    arguments: Vec<String>,
    settings: Vec<(String, String)>,
    log: PathBuf,
    process: Process,
}

impl Program {
    /// Starts the program at this path; its log is in `dir`.
    pub(crate) fn new(
        dir: &Path,
        name: &str,
        path: &Path,
        arguments: &[&str],
        settings: &[(String, String)],
    ) -> anyhow::Result<Self> {
        ensure!(path.is_file(), "{} is not there: `cargo build --workspace --bins` builds it", path.display());
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let log = dir.join(format!("{name}.log"));
        let process = start(path, &arguments, settings, &log)?;
        Ok(Self { name: name.to_owned(), path: path.to_owned(), arguments, settings: settings.to_vec(), log, process })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Whether it has ended, for any reason.
    pub(crate) fn has_ended(&self) -> bool {
        self.process.status().is_some()
    }

    /// The last lines of its log, for an error message.
    pub(crate) fn log_tail(&self) -> String {
        self.process.log_tail()
    }

    /// Kills it, like a crash.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.end(Signal::Kill, PATIENCE).await
    }

    /// Asks it to end, and waits for that; kills it if it takes too long.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        self.process.end(Signal::Term, PATIENCE).await
    }

    /// Starts it again.
    pub(crate) fn restart(&mut self) -> anyhow::Result<()> {
        self.process = start(&self.path, &self.arguments, &self.settings, &self.log)?;
        Ok(())
    }

    /// Starts it again, as the program at this path.
    pub(crate) fn restart_as(&mut self, path: &Path) -> anyhow::Result<()> {
        self.path = path.to_owned();
        self.restart()
    }

    /// Waits for its end, and fails if it was not successful.
    pub(crate) async fn finish(mut self) -> anyhow::Result<()> {
        let status = self.process.ended(PATIENCE).await;
        let good = status.is_some_and(|status| status.success());
        ensure!(good, "{} failed:\n{}", self.name, self.process.log_tail());
        Ok(())
    }
}

/// The path of a program of ours in the folder of this program.
pub(crate) fn beside_us(file: &str) -> anyhow::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(file))
}

/// Waits until the service at this URL reports that it is ready.
pub(crate) async fn ready(url: &str) -> anyhow::Result<()> {
    answers(&format!("{url}/health/ready")).await.context("the service is not ready")
}

/// Waits until a GET of this URL is answered 2xx.
pub(crate) async fn answers(url: &str) -> anyhow::Result<()> {
    let http = http_client(ONE_LOOK)?;
    let begun = Instant::now();
    loop {
        let answer = http.get(url).send().await;
        if answer.as_ref().is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        if begun.elapsed() > READY_PATIENCE {
            let last = answer.map_or_else(|error| error.to_string(), |answer| answer.status().to_string());
            bail!("after {READY_PATIENCE:?}, GET {url} gives {last}");
        }
        sleep(BETWEEN_LOOKS).await;
    }
}

fn start(path: &Path, arguments: &[String], settings: &[(String, String)], log: &Path) -> anyhow::Result<Process> {
    Process::spawn(Spec {
        name: "a program of ours",
        program: path.to_owned(),
        args: arguments.to_vec(),
        environment: settings.to_vec(),
        log: log.to_owned(),
        privileges: Vec::new(),
        last_signal: Signal::Kill,
    })
}
