//! Runs `strace` on running processes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use tokio::process::{Child, Command};

use super::trace::Trace;
use crate::servers::{Signal, send_signal};

/// The traced calls: writes, syncs and socket calls. `read`, with which Go reads from sockets, adds no information.
const CALLS: &str = "trace=recvfrom,recvmsg,write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,fsync,fdatasync";
/// Longer data would be shortened, which [`Trace::parse`] rejects. No message of nats-server and no write of WAL is
/// longer.
const MOST_BYTES: &str = "4194304";
const OUTPUT: &str = "strace.out";
const LOG: &str = "strace.log";
/// Timeout for `strace` to attach to every thread, and to detach again.
const PATIENCE: Duration = Duration::from_secs(5);
const BETWEEN: Duration = Duration::from_millis(5);
/// `strace` can miss a thread that starts while it attaches; then it attaches again.
const TRIES: u32 = 5;

/// A running `strace`. Dropping it ends it; the traced processes continue.
pub struct Tracer {
    strace: Child,
    output: PathBuf,
}

impl Tracer {
    /// Follows these processes, their threads and their children, including later ones. Once this returns, none of
    /// their calls is missed. The trace is written under `dir`.
    ///
    /// # Errors
    /// If `strace` is not installed, or following other processes is not permitted.
    pub async fn attach(pids: &[u32], dir: &Path) -> anyhow::Result<Self> {
        for _ in 0..TRIES {
            if let Some(tracer) = Self::try_attach(pids, dir).await? {
                return Ok(tracer);
            }
        }
        let log = fs::read_to_string(dir.join(LOG)).unwrap_or_default();
        bail!("strace did not reach every thread of {pids:?}, {TRIES} times; at last:\n{}", log.trim())
    }

    /// Returns `None` if a thread was missed.
    async fn try_attach(pids: &[u32], dir: &Path) -> anyhow::Result<Option<Self>> {
        let (output, log) = (dir.join(OUTPUT), dir.join(LOG));
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-xx", "-s", MOST_BYTES, "-e", CALLS, "-e", "signal=none", "-o"]).arg(&output);
        for pid in pids.iter().flat_map(|pid| with_children(*pid)) {
            command.arg("-p").arg(pid.to_string());
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?).kill_on_drop(true);
        let strace = command.spawn().context("cannot start strace: scripts/get-servers installs it")?;
        let mut tracer = Self { strace, output };
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if tracer.strace.try_wait()?.is_some() {
                return Err(refused(&fs::read_to_string(&log)?));
            }
            if pids.iter().all(|pid| tracer.follows(*pid)) {
                return Ok(Some(tracer));
            }
            tokio::time::sleep(BETWEEN).await;
        }
        tracer.end().await?;
        Ok(None)
    }

    /// Whether every thread of the process and of its children is followed; false if the process has ended.
    fn follows(&self, pid: u32) -> bool {
        let ours = |thread: Option<u32>| thread == self.strace.id();
        !threads(pid).is_empty() && with_children(pid).into_iter().flat_map(threads).all(ours)
    }

    /// Detaches from the processes, and parses what they did.
    ///
    /// # Errors
    /// If `strace` does not end, or its output is not understood.
    pub async fn stop(mut self) -> anyhow::Result<Trace> {
        self.end().await?;
        let text = fs::read_to_string(&self.output).context("strace has written nothing")?;
        Trace::parse(&text).with_context(|| self.output.display().to_string())
    }

    async fn end(&mut self) -> anyhow::Result<()> {
        let pid = self.strace.id().context("strace has ended by itself")?;
        // `strace` finishes its lines and detaches.
        send_signal(pid, Signal::Term)?;
        tokio::time::timeout(PATIENCE, self.strace.wait()).await.context("strace does not end")??;
        Ok(())
    }
}

fn refused(log: &str) -> anyhow::Error {
    anyhow!(
        "strace ended at once:\n{}\nFollowing other processes (ptrace) must be permitted: run as root, or with \
         `sysctl kernel.yama.ptrace_scope=0`; in a container with `--cap-add=SYS_PTRACE`",
        log.trim()
    )
}

/// The process and all its descendants, without those that have ended.
fn with_children(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let parents: Vec<_> =
        processes().filter_map(|pid| Some((pid, field(&format!("/proc/{pid}/status"), "PPid")?))).collect();
    let mut looked_at = 0;
    while let Some(parent) = found.get(looked_at).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        looked_at += 1;
    }
    found
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The tracer of each of the process's threads.
fn threads(pid: u32) -> Vec<Option<u32>> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    // The file of a thread that has ended in the meantime no longer exists.
    let readable = entries.filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok());
    readable.map(|status| value(&status, "TracerPid")).collect()
}

fn field(path: &str, name: &str) -> Option<u32> {
    value(&fs::read_to_string(path).ok()?, name)
}

fn value(status: &str, name: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_a_running_process_writes_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let mut cat = Command::new("cat");
        cat.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut cat = cat.spawn().unwrap();
        let tracer = Tracer::attach(&[cat.id().unwrap()], dir.path()).await.unwrap();
        cat.stdin.as_mut().unwrap().write_all(b"hello").await.unwrap();
        let mut back = [0; 5];
        cat.stdout.as_mut().unwrap().read_exact(&mut back).await.unwrap();
        let trace = tracer.stop().await.unwrap();
        let written: Vec<_> = trace.calls().iter().map(|call| (call.name.as_str(), call.data.as_slice())).collect();
        assert_eq!(written, [("write", &b"hello"[..])]);
        assert!(cat.try_wait().unwrap().is_none(), "it runs on");
    }

    #[tokio::test]
    async fn a_process_that_may_not_be_followed_is_an_error_that_says_what_helps() {
        let dir = tempfile::tempdir().unwrap();
        // There is no such process; `strace` ends in the same way if ptrace is refused.
        let error = Tracer::attach(&[u32::MAX >> 1], dir.path()).await.err().unwrap();
        assert!(error.to_string().contains("kernel.yama.ptrace_scope"), "{error:#}");
    }
}
