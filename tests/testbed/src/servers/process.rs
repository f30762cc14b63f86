//! One child process that never outlives this process.
//!
//! The kernel kills it when its parent *thread* ends (`PR_SET_PDEATHSIG`, set by `setpriv`, because `unsafe` hooks are
//! forbidden here). So a separate thread starts each child and then waits for it: that thread ends when the child ends,
//! or when this process dies.

use std::{
    fs::{File, OpenOptions},
    io::Read,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context, anyhow};
use tokio::sync::watch;

/// A signal that can be sent to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Requests a clean end.
    Term,
    /// Like Ctrl-C; PostgreSQL's fast shutdown.
    Int,
    /// PostgreSQL's immediate shutdown: every process ends at once, and the next start recovers.
    Quit,
    /// Hang-up.
    Hup,
    /// Cannot be caught; the effect is that of a crash.
    Kill,
    /// Freezes the process: it keeps its connections and answers nothing.
    Stop,
    /// Resumes a frozen process.
    Cont,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Int => "INT",
            Self::Quit => "QUIT",
            Self::Hup => "HUP",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Cont => "CONT",
        }
    }
}

/// Sends `signal` to the process `pid`. The shell's built-in `kill` needs no package and no `unsafe`.
pub fn send(pid: u32, signal: Signal) -> anyhow::Result<()> {
    let line = format!("kill -{} {pid}", signal.name());
    let output = Command::new("sh").args(["-c", &line]).output().context("cannot run sh to send a signal")?;
    if output.status.success() {
        return Ok(());
    }
    Err(anyhow!("{line}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// How a child is started and ended.
pub(crate) struct Spec {
    /// The name used in messages.
    pub name: &'static str,
    /// Path of the program.
    pub program: PathBuf,
    /// Arguments of the program.
    pub args: Vec<String>,
    /// Environment variables in addition to ours.
    pub environment: Vec<(String, String)>,
    /// The file to which its output is appended.
    pub log: PathBuf,
    /// Arguments of `setpriv` that make it run as another user.
    pub privileges: Vec<String>,
    /// Ends it when there is no time for a clean end: on drop, and when this process dies.
    pub last_signal: Signal,
}

/// A running (or ended) child. Dropping it ends it.
pub(crate) struct Process {
    name: &'static str,
    pid: u32,
    log: PathBuf,
    last_signal: Signal,
    exit: watch::Receiver<Option<ExitStatus>>,
}

impl Process {
    /// Starts the child. It may not be ready when this returns, see [`super::ready`].
    pub(crate) fn spawn(spec: Spec) -> anyhow::Result<Self> {
        let (started, start) = mpsc::channel();
        let (exited, exit) = watch::channel(None);
        let Spec { name, log, last_signal, .. } = &spec;
        let (name, log, last_signal) = (*name, log.clone(), *last_signal);
        thread::Builder::new().name(format!("keeps {name}")).spawn(move || {
            let child = command(&spec).and_then(|mut c| c.spawn().with_context(|| format!("cannot start {name}")));
            keep(child, &started, &exited);
        })?;
        let pid = start.recv().with_context(|| format!("the thread that starts {name} ended"))??;
        Ok(Self { name, pid, log, last_signal, exit })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Its exit status, if it has ended.
    pub(crate) fn status(&self) -> Option<ExitStatus> {
        *self.exit.borrow()
    }

    /// Sends a signal; does nothing if the process has ended.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        if self.status().is_some() {
            return Ok(());
        }
        send(self.pid, signal)
            .with_context(|| format!("cannot signal {}", self.name))
            // It may have ended just before its thread published the status.
            .or_else(|error| if is_alive(self.pid) { Err(error) } else { Ok(()) })
    }

    /// Sends `signal` and waits for the end, at most `patience`; then kills it.
    pub(crate) async fn end(&mut self, signal: Signal, patience: Duration) -> anyhow::Result<()> {
        self.signal(signal)?;
        if self.ended(patience).await.is_some() {
            return Ok(());
        }
        self.signal(Signal::Kill)?;
        if self.ended(patience).await.is_some() { Ok(()) } else { Err(anyhow!("{} does not end", self.name)) }
    }

    /// Sends a signal to it and its current children.
    pub(crate) fn signal_with_children(&self, signal: Signal) -> anyhow::Result<()> {
        self.signal(signal)?;
        // A child that has ended in the meantime is no error.
        children(self.pid).into_iter().try_for_each(|child| {
            send(child, signal).or_else(|error| if is_alive(child) { Err(error) } else { Ok(()) })
        })
    }

    /// Kills it together with its children, like the failure of a machine; returns when all of them have ended.
    pub(crate) async fn kill_with_children(&mut self, patience: Duration) -> anyhow::Result<()> {
        if self.status().is_some() {
            return Ok(());
        }
        // Freezes it first: a child that it forks after they were counted would survive (and a backend of PostgreSQL
        // might wait forever for a lock of a dead one, in shared memory that then prevents a start). A frozen process
        // also cannot react to a child's death.
        self.signal(Signal::Stop)?;
        self.until(patience, "freeze", || !is_running(self.pid)).await?;
        let children = children(self.pid);
        let all: Vec<String> = [self.pid].iter().chain(&children).map(u32::to_string).collect();
        // This fails if one has just ended by itself, which is no error.
        Command::new("sh").args(["-c", &format!("kill -KILL {}", all.join(" "))]).output().context("cannot run sh")?;
        self.ended(patience).await.with_context(|| format!("{} does not end", self.name))?;
        self.until(patience, "end with its children", || !children.iter().any(|child| is_alive(*child))).await
    }

    /// Polls until `reached`. On timeout, the error says what the process does not do.
    async fn until(&self, patience: Duration, what: &str, reached: impl Fn() -> bool) -> anyhow::Result<()> {
        let looking = async {
            while !reached() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(patience, looking).await.map_err(|_| anyhow!("{} does not {what}", self.name))
    }

    /// Waits for its end, at most `patience`, and returns its exit status.
    pub(crate) async fn ended(&mut self, patience: Duration) -> Option<ExitStatus> {
        let ended = tokio::time::timeout(patience, self.exit.wait_for(Option::is_some)).await;
        ended.ok().and_then(|status| status.ok().and_then(|status| *status))
    }

    /// The last lines of its log, for an error message.
    pub(crate) fn log_tail(&self) -> String {
        tail(&self.log)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.status().is_some() || self.signal(self.last_signal).is_err() {
            return;
        }
        // Data directories are removed right after this: wait until no process writes to them.
        for step in 0..400 {
            if self.status().is_some() {
                return;
            }
            if step == 200 && self.signal(Signal::Kill).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn command(spec: &Spec) -> anyhow::Result<Command> {
    let log = open_log(&spec.log)?;
    let mut command = Command::new("setpriv");
    // Variables set for us or for the tests are not meant for a program that we start.
    let ours = |name: &str| ["NMC_", "TWILIO_", "DISPATCHBOT_"].iter().any(|of| name.starts_with(of));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(ours)) {
        command.env_remove(name);
    }
    command
        .args(["--pdeathsig", spec.last_signal.name()])
        .args(&spec.privileges)
        .arg("--")
        .arg(&spec.program)
        .args(&spec.args)
        .envs(spec.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // A Ctrl-C in the terminal is for us; we then stop the servers in order.
        .process_group(0);
    Ok(command)
}

fn open_log(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("cannot write the log {}", path.display()))
}

/// Runs in the child's own thread until the child has ended.
fn keep(
    child: anyhow::Result<Child>,
    started: &mpsc::Sender<anyhow::Result<u32>>,
    exited: &watch::Sender<Option<ExitStatus>>,
) {
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return drop(started.send(Err(error))),
    };
    if started.send(Ok(child.id())).is_err() && child.kill().is_err() {
        return;
    }
    if let Ok(status) = child.wait() {
        exited.send_replace(Some(status));
    }
}

/// The child processes of `parent`.
fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|(_, its_parent)| its_parent == parent)).collect()
}

/// The CPU time of a process and of those that it has started, ended ones included; absent if it does not run.
pub(crate) fn cpu_time(pid: u32) -> Option<Duration> {
    // Linux counts in hundredths of a second for programs (USER_HZ), whatever the kernel's own clock does.
    const TICK: Duration = Duration::from_millis(10);
    // User and system time of the process, and of its children that have ended (proc_pid_stat(5), fields 14 to 17).
    let ticks: u32 = stat_fields(pid)?.get(11..15)?.iter().filter_map(|ticks| ticks.parse::<u32>().ok()).sum();
    Some(children(pid).into_iter().filter_map(cpu_time).fold(TICK * ticks, |sum, time| sum + time))
}

/// The highest memory use of a process since its start, in bytes; absent if it does not run.
pub fn peak_memory(pid: u32) -> Option<u64> {
    memory_field(pid, "VmHWM:")
}

/// The resident memory of a process, in bytes; absent if it does not run.
pub(crate) fn memory(pid: u32) -> Option<u64> {
    memory_field(pid, "VmRSS:")
}

/// A field of proc_pid_status(5) that is an amount of memory.
fn memory_field(pid: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let amount = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(amount.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// Whether a process runs; a zombie does not.
fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != "Z" && state != "X")
}

/// Whether a process may still act: it is neither frozen nor ended.
fn is_running(pid: u32) -> bool {
    is_alive(pid) && stat(pid).is_some_and(|(state, _)| state != "T")
}

/// A process's state and its parent.
fn stat(pid: u32) -> Option<(String, u32)> {
    let mut fields = stat_fields(pid)?.into_iter();
    Some((fields.next()?, fields.next()?.parse().ok()?))
}

/// The fields of proc_pid_stat(5) from the third on.
fn stat_fields(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before them is in parentheses and may contain any character.
    Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

fn tail(path: &Path) -> String {
    let mut text = String::new();
    match File::open(path).and_then(|mut file| file.read_to_string(&mut text)) {
        Ok(_) => {}
        Err(error) => return format!("({} cannot be read: {error})", path.display()),
    }
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
