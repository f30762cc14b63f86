//! One of our own programs as a child process that can be killed and started again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;

use crate::servers::{Process, Signal, Spec};

const PATIENCE: Duration = Duration::from_secs(60);

/// A program with its arguments and settings. It runs from the start; dropping it kills it.
pub(super) struct Program {
    name: String,
    path: PathBuf,
    arguments: Vec<String>,
    settings: Vec<(String, String)>,
    log: PathBuf,
    process: Process,
}

impl Program {
    /// Starts the program of this file name, in the folder of our own program; its log is in `dir`.
    pub(super) fn new(
        dir: &Path,
        name: &str,
        file: &str,
        arguments: &[&str],
        settings: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let path = std::env::current_exe()?.with_file_name(file);
        ensure!(path.is_file(), "{} is not there: `cargo build --workspace --bins` builds it", path.display());
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let log = dir.join(format!("{name}.log"));
        let process = start(&path, &arguments, settings, &log)?;
        Ok(Self { name: name.to_owned(), path, arguments, settings: settings.to_vec(), log, process })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it has ended, for any reason.
    pub(super) fn has_ended(&self) -> bool {
        self.process.status().is_some()
    }

    /// Kills it, like a crash.
    pub(super) async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.end(Signal::Kill, PATIENCE).await
    }

    /// Starts it again.
    pub(super) fn restart(&mut self) -> anyhow::Result<()> {
        self.process = start(&self.path, &self.arguments, &self.settings, &self.log)?;
        Ok(())
    }

    /// Waits for its end, and fails if it was not successful.
    pub(super) async fn finish(mut self) -> anyhow::Result<()> {
        let status = self.process.ended(PATIENCE).await;
        let good = status.is_some_and(|status| status.success());
        ensure!(good, "{} failed:\n{}", self.name, self.process.log_tail());
        Ok(())
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
