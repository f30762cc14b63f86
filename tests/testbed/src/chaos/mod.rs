//! The chaos run: the real service and its real servers under load, killed at random with `kill -9`, and a ledger at
//! the end that must balance. `make chaos`, `make chaos-cluster`, and a short run in `make test`; docs/reliability.md
//! says what it proves and what not.
//!
//! # Layout
//!
//! - `plan`: all random choices, from one seed
//! - `stage`: everything of a run, started and stopped
//! - `servers`: the processes that are killed; `killer`: kills them by the plan
//! - `surroundings`: Twilio with its faults, which is not killed; `load`: customers and people, and their journal
//! - `failover`: the failover drill, and `soak`: the soak, on the same servers, load and ledger
//! - `settle`: waits until all is over; `gather`: collects the evidence; `ledger`: checks it; `report`: the result in
//!   words

mod failover;
mod gather;
mod killer;
mod ledger;
mod load;
mod plan;
mod report;
mod servers;
mod settle;
mod soak;
mod stage;
mod surroundings;

use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use failover::{FailoverOptions, FailoverReport, fail_over};
use report::Balance;
pub use report::{Report, Verdict};
use servers::Redundancy;
pub use soak::{SoakOptions, SoakReport, soak};
use stage::{Plan, Stage};

/// The businesses and their numbers.
const BUSINESSES: [(&str, &str); 3] =
    [("joes-plumbing", "+15555551111"), ("anns-pipes", "+15555551112"), ("bobs-boilers", "+15555551113")];

/// The options of a run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The seed of all random choices.
    pub seed: u64,
    /// Number of processes to kill.
    pub kills: usize,
    /// Average time between two kills.
    pub every: Duration,
    /// Average number of conversations that begin per second.
    pub rate: f64,
    /// Three nats-servers whose leaders are killed, instead of one.
    pub clustered: bool,
    /// Folder for data and logs; kept if the ledger does not balance.
    pub dir: PathBuf,
}

/// Carries out a run.
///
/// # Errors
/// If a part cannot be started or read at all, which proves nothing about the service.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    let redundancy = Redundancy { nats: options.clustered, postgres: false };
    let load = Plan { seed: options.seed, rate: options.rate, falls_back: false };
    let stage = Stage::start(&options.dir, load, redundancy).await?;
    let schedule = plan::schedule(options.seed, options.kills, options.every, options.clustered);
    let begun = Instant::now();
    let killing = async {
        let killed = killer::run(&stage.servers, schedule).await?;
        Ok((killed, begun.elapsed()))
    };
    let (killed, killing) = stage.under_load(killing).await?;
    let took = begun.elapsed();

    let mut evidence = stage.evidence(stage.servers.addresses()).await?;
    let spared = plan::parts(options.clustered).into_iter().filter(|part| !killed.contains_key(part));
    evidence.spared = spared.map(|part| part.to_string()).collect();
    let report = Report {
        seed: options.seed,
        killing,
        took,
        settling: begun.elapsed() - took,
        killed,
        balance: Balance::of(&evidence),
        twilio: evidence.twilio,
    };
    stage.stop(&options.dir, report.verdict() == Verdict::Held).await?;
    Ok(report)
}
