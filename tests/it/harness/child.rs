//! The program as a child process, as operators run it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};

use nmc_testbed::servers::{Signal, send_signal};
use tokio::process::Command;
use tokio::time::timeout;

use super::servers::Servers;
use super::wait::{PATIENCE, eventually};

const PROGRAM: &str = env!("CARGO_BIN_EXE_nevermisscall");

/// A running `nevermisscall`; killed when dropped.
pub struct Child {
    process: tokio::process::Child,
    address_file: PathBuf,
    log: PathBuf,
}

impl Child {
    /// Starts it; its log and its address are written to files with this name in the test's folder.
    pub fn start(servers: &Servers, name: &str, arguments: &[&str], environment: &[(String, String)]) -> Self {
        Self::spawn(servers, name, command(arguments, environment))
    }

    /// The same with a limit on descriptors.
    pub fn start_with(
        descriptors: u32,
        servers: &Servers,
        name: &str,
        arguments: &[&str],
        environment: &[(String, String)],
    ) -> Self {
        let script = format!("ulimit -n {descriptors} && exec \"$0\" \"$@\"");
        let mut shell = vec!["-c", &script, PROGRAM];
        shell.extend(arguments);
        Self::spawn(servers, name, in_surroundings("sh", &shell, environment))
    }

    fn spawn(servers: &Servers, name: &str, mut command: Command) -> Self {
        let (address_file, log) = (servers.dir().join(name), servers.dir().join(format!("{name}.log")));
        let out = File::create(&log).expect("a log");
        let process = command
            .env("NMC_ADDRESS_FILE", &address_file)
            .stdout(out.try_clone().expect("a log"))
            .stderr(out)
            .spawn()
            .expect("the program");
        Self { process, address_file, log }
    }

    /// Waits until it listens, and returns `host:port`.
    pub async fn address(&mut self) -> String {
        let found = eventually("an address", async || self.address_now()).await;
        found.unwrap_or_else(|| panic!("it ended before it listened:\n{}", self.log()))
    }

    /// The address if it listens; `Some(None)` if it has ended before.
    fn address_now(&mut self) -> Option<Option<String>> {
        let written = std::fs::read_to_string(&self.address_file).unwrap_or_default();
        if !written.trim().is_empty() {
            return Some(Some(written.trim().to_owned()));
        }
        let ended = self.process.try_wait().expect("its state").is_some();
        ended.then_some(None)
    }

    pub fn pid(&self) -> u32 {
        self.process.id().expect("running")
    }

    pub fn signal(&self, signal: Signal) {
        send_signal(self.pid(), signal).expect("a signal");
    }

    /// Waits for its end, without a time limit.
    pub async fn wait(&mut self) -> ExitStatus {
        self.process.wait().await.expect("its end")
    }

    /// Waits for its end; fails after a time limit.
    pub async fn end(&mut self) -> ExitStatus {
        match timeout(PATIENCE, self.process.wait()).await {
            Ok(status) => status.expect("its end"),
            Err(_) => panic!("still running after {PATIENCE:?}:\n{}", self.log()),
        }
    }

    pub fn log(&self) -> String {
        read(&self.log)
    }
}

/// Runs a command of the program and waits for its end.
pub async fn run(arguments: &[&str], environment: &[(String, String)]) -> Output {
    let running = command(arguments, environment).stdout(Stdio::piped()).stderr(Stdio::piped()).output();
    timeout(PATIENCE, running).await.expect("an end").expect("the program")
}

fn command(arguments: &[&str], environment: &[(String, String)]) -> Command {
    in_surroundings(PROGRAM, arguments, environment)
}

fn in_surroundings(program: &str, arguments: &[&str], environment: &[(String, String)]) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| is_setting(name)) {
        command.env_remove(name);
    }
    let pairs = environment.iter().map(|(name, value)| (name, value));
    command.args(arguments).envs(pairs).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Whether this environment variable would change the service's settings.
fn is_setting(name: &str) -> bool {
    ["NMC_", "OTEL_", "RUST_", "SENTRY_", "TWILIO_", "DISPATCHBOT_", "DATABASE_", "NATS_URL", "REDIS_URL"]
        .iter()
        .any(|of| name.starts_with(of))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
