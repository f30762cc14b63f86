//! Carries out one rollout, and compares what came of it with what must.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::control::Notification;
use super::load::{Load, Sent};
use super::release::{Release, What};
use super::report::Row;
use super::stage::{MAX_P95, Stage};
use crate::servers::workspace_root;

/// How long the script's notification may take after its end.
const NOTIFIED_WITHIN: Duration = Duration::from_secs(5);
/// The load is spread over the edges by turns, so a share is met on average only.
const SPREAD: usize = 3;

pub(super) struct Drill {
    pub(super) stage: Arc<Stage>,
    pub(super) load: Arc<Load>,
    pub(super) rolled_out: PathBuf,
}

/// What the script did.
struct Ended {
    status: i32,
    notification: Notification,
    sent: Vec<Sent>,
    took: Duration,
}

impl Drill {
    /// Rolls a release out.
    pub(super) async fn roll_out(&self, release: Release) -> anyhow::Result<Row> {
        println!("\n▸ a release: {}", release.name());
        let (old, new) = self.stage.live().await?;
        self.stage.prepare(new, release, &self.rolled_out).await?;
        let release_path = self.rolled_out.display().to_string();
        let ended = self.script(&["start", &release_path], release, new).await?;
        let mut wrong = Vec::new();
        let Notification { event, step, reason } = &ended.notification;
        let end = match release.end() {
            None => {
                if (ended.status, event.as_str()) != (0, "rollout.succeeded") {
                    wrong.push(format!("it was rolled back in step {step}: {reason}"));
                }
                wrong.extend(self.differs(new, old, true).await?);
                "in place".to_owned()
            }
            Some((steps, words)) => {
                if (ended.status, event.as_str()) != (1, "rollout.rolled_back") || !steps.contains(&step.as_str()) {
                    wrong
                        .push(format!("status {}, {event} in step {step}, not rolled back in {steps:?}", ended.status));
                }
                if !words.iter().any(|word| reason.contains(word)) {
                    wrong.push(format!("another reason than {words:?}"));
                }
                wrong.extend(self.differs(old, new, false).await?);
                format!("rolled back at {step}: {reason}")
            }
        };
        Ok(row(release.name(), end, &ended, share(release, step), wrong))
    }

    /// Gives the webhooks back to the colour that is kept.
    pub(super) async fn give_back(&self) -> anyhow::Result<Row> {
        println!("\n▸ back to the version before");
        let (new, old) = self.stage.live().await?;
        let ended = self.script(&["rollback"], Release::Good, new).await?;
        let mut wrong = self.differs(old, new, false).await?;
        if (ended.status, ended.notification.event.as_str()) != (0, "rollout.rolled_back") {
            wrong.push(format!("status {}, {}", ended.status, ended.notification.event));
        }
        Ok(row("back", format!("{old} works again"), &ended, 0, wrong))
    }

    /// Runs the script; plants the release's fault when its moment comes.
    async fn script(&self, arguments: &[&str], release: Release, new: &str) -> anyhow::Result<Ended> {
        let notifications = &self.stage.control.processes.notifications;
        let before = notifications.shared().len();
        let begun = Instant::now();
        let mut script = Command::new(workspace_root().join("scripts/rollout"))
            .arg("--settings")
            .arg(self.stage.dir.join("rollout.conf"))
            .args(arguments)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("scripts/rollout")?;
        let mut lines = BufReader::new(script.stdout.take().context("its output")?).lines();
        while let Some(line) = lines.next_line().await? {
            println!("  {line}");
            match release.fault() {
                Some(fault) if line.contains(fault.when) => self.plant(fault.what, new)?,
                _ => {}
            }
        }
        let status = script.wait().await?.code().context("it was killed")?;
        ensure!(matches!(status, 0 | 1 | 3), "the script has not begun: status {status}");
        let took = begun.elapsed();
        let sent = self.load.between(begun, Instant::now());
        let notified = notifications.wait_for(|all| all.len() > before, NOTIFIED_WITHIN).await?;
        let notification = notified.last().cloned().context("a notification")?;
        Ok(Ended { status, notification, sent, took })
    }

    fn plant(&self, what: What, new: &str) -> anyhow::Result<()> {
        println!("  the fault is planted");
        let links = self.stage.links(new)?;
        match what {
            What::CutDatabase => links.database.cut(),
            What::CutBoth => {
                links.database.cut();
                links.nats.cut();
            }
            What::Delay(delay) => links.nats.delay(delay),
        }
        Ok(())
    }

    /// What differs from a state in which this colour gets everything, and the other one nothing.
    async fn differs(&self, live: &str, other: &str, is_kept: bool) -> anyhow::Result<Vec<String>> {
        let mut wrong = Vec::new();
        let processes = &self.stage.control.processes;
        for (colour, role, runs) in
            [(live, "edge", true), (live, "worker", true), (other, "edge", is_kept), (other, "worker", false)]
        {
            if processes.is_running(colour, role).await != runs {
                wrong.push(format!("the {role} of {colour} {}", if runs { "does not run" } else { "still runs" }));
            }
        }
        let said = self.stage.status().await?;
        for expected in [format!("live: {live}"), format!("{live}: weight 100"), format!("{other}: weight 0")] {
            if !said.contains(&expected) {
                wrong.push(format!("not {expected}, but {said}"));
            }
        }
        Ok(wrong)
    }
}

/// The most, in percent, that may have gone to a release that reached this step.
fn share(release: Release, step: &str) -> usize {
    if release == Release::Good { 0 } else { step.strip_suffix(" %").and_then(|share| share.parse().ok()).unwrap_or(0) }
}

fn row(release: &'static str, end: String, ended: &Ended, share: usize, mut wrong: Vec<String>) -> Row {
    let failed: Vec<&Sent> = ended.sent.iter().filter(|sent| !sent.is_accepted()).collect();
    let slow = ended.sent.iter().filter(|sent| sent.is_accepted() && sent.took > MAX_P95).count();
    let webhooks = ended.sent.len();
    let most = if share == 0 { 0 } else { webhooks * share / 100 + SPREAD };
    if failed.len() > most {
        let statuses: Vec<_> = failed.iter().map(|sent| sent.status).collect();
        wrong.push(format!("{} webhooks failed, {most} were allowed: {statuses:?}", failed.len()));
    }
    if slow > most {
        wrong.push(format!("{slow} webhooks took longer than {MAX_P95:?}, {most} were allowed"));
    }
    Row { release, end, took: ended.took, webhooks, failed: failed.len(), slow, wrong }
}
