//! The failover drill: a primary, a leader and a cache are lost under load, and others take their places.
//!
//! Each is killed while customers call and write; nobody touches the service. The ledger says whether what was
//! acknowledged is there once, and how long nothing was acknowledged or answered.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::sleep;

use super::gather;
use super::ledger::Evidence;
use super::load::Posted;
use super::plan::{Led, Part};
use super::report::{Balance, Verdict};
use super::servers::{Addresses, Redundancy};
use super::stage::{Plan, Stage};
use crate::drill::DrillReport;

/// How long a killed node of NATS stays down, and Redis is missing.
const DOWN: Duration = Duration::from_secs(3);
/// Nothing is acknowledged for at most this long, beyond the time until somebody has noticed.
const LONGEST_WITHOUT_WEBHOOKS: Duration = Duration::from_secs(10);
/// And nothing is answered.
const LONGEST_WITHOUT_ANSWERS: Duration = Duration::from_secs(30);

/// The options of a drill.
#[derive(Debug, Clone)]
pub struct FailoverOptions {
    /// The seed of all random choices.
    pub seed: u64,
    /// Average number of conversations that begin per second.
    pub rate: f64,
    /// Time from a fault to the next.
    pub every: Duration,
    /// Time until the loss of the primary is noticed, and the replica promoted.
    pub noticed: Duration,
    /// Folder for data and logs; kept if the drill fails.
    pub dir: PathBuf,
}

/// The result of a drill.
pub struct FailoverReport {
    losses: Vec<Loss>,
    undisturbed: Gap,
    balance: Balance,
}

/// What the loss of a part meant.
struct Loss {
    what: &'static str,
    gap: Gap,
    /// How long the gap may be.
    allowed: Duration,
    refused: usize,
}

/// The longest times in which nothing succeeded.
#[derive(Debug, Clone, Copy, Default)]
struct Gap {
    webhooks: Duration,
    answers: Duration,
}

/// Carries out the drill.
///
/// # Errors
/// If a part cannot be started, killed or read at all, which proves nothing about the service.
pub async fn fail_over(options: &FailoverOptions) -> anyhow::Result<FailoverReport> {
    let plan = Plan { seed: options.seed, rate: options.rate, falls_back: false };
    let stage = Stage::start(&options.dir, plan, Redundancy { nats: true, postgres: true }).await?;
    let begun = Utc::now();
    let servers = &stage.servers;
    let drilling = async {
        sleep(options.every).await;
        let postgres = Utc::now();
        let database = servers.fail_over(options.noticed).await?;
        sleep(options.every).await;
        let nats = Utc::now();
        servers.kill(Part::Leader(Led::Inbound), DOWN).await?;
        sleep(options.every).await;
        let redis = Utc::now();
        servers.replace_redis(DOWN).await?;
        sleep(options.every).await;
        Ok((database, [postgres, nats, redis, Utc::now()]))
    };
    let (database, [postgres, nats, redis, end]) = stage.under_load(drilling).await?;

    let addresses = Addresses { database, ..stage.servers.addresses().clone() };
    let mut evidence = stage.evidence(&addresses).await?;
    evidence.events = gather::stream(&addresses).await?;
    // It was killed, and is not coming back.
    evidence.ended_by_themselves.retain(|part| part != "PostgreSQL");
    let loss = |what, from, until, noticed| Loss {
        what,
        gap: Gap::between(&evidence, from, until),
        allowed: noticed,
        refused: evidence.posted.iter().filter(|posted| is_refused(posted, from, until)).count(),
    };
    let losses = vec![
        loss("PostgreSQL's primary killed, the replica promoted", postgres, nats, options.noticed),
        loss("the leader of NMC_INBOUND killed, of three nodes", nats, redis, Duration::ZERO),
        loss("Redis killed, replaced by an empty one", redis, end, Duration::ZERO),
    ];
    let report = FailoverReport {
        losses,
        undisturbed: Gap::between(&evidence, begun, postgres),
        balance: Balance::of(&evidence),
    };
    stage.stop(&options.dir, report.held()).await?;
    Ok(report)
}

fn is_refused(posted: &Posted, from: DateTime<Utc>, until: DateTime<Utc>) -> bool {
    posted.sent_at >= from && posted.sent_at < until && !posted.outcome.is_acknowledged()
}

impl Gap {
    fn between(evidence: &Evidence, from: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        let acknowledged = evidence.posted.iter().filter(|posted| posted.outcome.is_acknowledged());
        let answers = evidence.messages.iter().filter(|message| message.in_reply_to_window.is_some());
        let answers: std::collections::HashSet<_> = answers.map(|message| message.id).collect();
        let sent = evidence.accepted.iter().filter(|sms| sms.message.is_some_and(|id| answers.contains(&id)));
        Self {
            webhooks: longest(acknowledged.map(|posted| posted.ended_at), from, until),
            answers: longest(sent.map(|sms| sms.at), from, until),
        }
    }
}

/// The longest time between two of these moments that overlaps the interval. What is before and after counts, too.
fn longest(moments: impl Iterator<Item = DateTime<Utc>>, from: DateTime<Utc>, until: DateTime<Utc>) -> Duration {
    let mut moments: Vec<_> = moments.collect();
    moments.sort_unstable();
    let overlapping = moments.windows(2).filter(|pair| pair[1] > from && pair[0] < until);
    overlapping.filter_map(|pair| (pair[1] - pair[0]).to_std().ok()).max().unwrap_or(Duration::MAX)
}

impl Loss {
    fn held(&self) -> bool {
        self.gap.webhooks <= self.allowed + LONGEST_WITHOUT_WEBHOOKS
            && self.gap.answers <= self.allowed + LONGEST_WITHOUT_ANSWERS
    }
}

impl DrillReport for FailoverReport {
    /// Whether nothing was lost or doubled, and no gap was too long.
    fn held(&self) -> bool {
        self.balance.verdict() == Verdict::Held && self.losses.iter().all(Loss::held)
    }
}

impl fmt::Display for FailoverReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let line = |f: &mut fmt::Formatter<'_>, what: &str, gap: Gap, more: String| {
            let (webhooks, answers) = (seconds(gap.webhooks), seconds(gap.answers));
            writeln!(f, "  {what:<50} {webhooks:>8} {answers:>8}  {more}")
        };
        writeln!(f, "  {:<50} {:>8} {:>8}", "longest time without acknowledged webhooks, answers", "", "")?;
        line(f, "undisturbed", self.undisturbed, String::new())?;
        for loss in &self.losses {
            let refused = format!("{} requests not acknowledged", loss.refused);
            line(f, loss.what, loss.gap, if loss.held() { refused } else { format!("{refused}  TOO LONG") })?;
        }
        let figures = &self.balance.figures;
        writeln!(
            f,
            "  {} texts acknowledged, {} kept; {} SMS accepted; {} conversations",
            figures.texts_acknowledged,
            figures.sent + figures.without_window,
            figures.accepted,
            figures.conversations
        )?;
        self.balance.faults(f)?;
        f.write_str(if self.held() { "nothing lost, nothing doubled" } else { "the drill failed" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_is_found_even_if_it_begins_before_or_ends_after() {
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let moments = [1, 2, 10, 11, 30].map(at);
        let gap = |from, until| longest(moments.into_iter(), at(from), at(until)).as_secs();
        assert_eq!((gap(0, 2), gap(3, 11), gap(3, 12), gap(10, 11)), (1, 8, 19, 1));
        assert_eq!(longest([].into_iter(), at(0), at(9)), Duration::MAX);
    }
}
