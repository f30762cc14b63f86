//! The drill of rollouts as a program: `scripts/rollout` under load, with good and bad releases.
//!
//! Exit status: 0 everything was as it must be; 1 something was not; 2 the drill could not be carried out.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use nmc_testbed::drill::conclude;
use nmc_testbed::rollout::{Options, Release, Report, run};
use nmc_testbed::servers::workspace_root;
use nmc_testbed::sim::until_signal;

/// Rolls releases out under load; by default a good one and one that answers 503.
#[derive(Parser)]
struct Arguments {
    /// Every bad release.
    #[arg(long)]
    all: bool,
    /// Only these releases, in this order.
    #[arg(long, value_delimiter = ',', conflicts_with = "all")]
    releases: Vec<Release>,
    /// The binary of the version before: it is replaced by this one, both work together on the new schema, and the webhooks
    /// are given back to it.
    #[arg(long, value_name = "BINARY", conflicts_with_all = ["all", "releases"])]
    upgrade_from: Option<PathBuf>,
    /// Customers who write per second.
    #[arg(long, default_value_t = 10.0)]
    rate: f64,
    /// How long each step is watched, in seconds.
    #[arg(long, default_value_t = 3)]
    hold: u32,
}

impl Arguments {
    fn options(&self, dir: PathBuf) -> anyhow::Result<Options> {
        let service = std::env::current_exe()?.with_file_name("nevermisscall");
        let releases = match (self.all, self.releases.is_empty(), &self.upgrade_from) {
            (true, ..) => Release::ALL.to_vec(),
            (_, false, _) => self.releases.clone(),
            (.., Some(_)) => vec![Release::Good],
            _ => vec![Release::Good, Release::Errors],
        };
        Ok(Options {
            releases,
            running: self.upgrade_from.clone().unwrap_or_else(|| service.clone()),
            rolled_out: service,
            and_back: self.upgrade_from.is_some(),
            rate: self.rate,
            hold: self.hold,
            dir,
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let dir = workspace_root().join(format!(".run/rollout-{}", std::process::id()));
    conclude("rollout-drill", &dir, carry_out(&dir).await)
}

async fn carry_out(dir: &Path) -> anyhow::Result<Report> {
    let options = Arguments::parse().options(dir.to_owned())?;
    tokio::select! {
        report = run(&options) => report,
        signal = until_signal() => { signal?; anyhow::bail!("interrupted") }
    }
}
