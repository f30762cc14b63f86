//! The failover drill as a program: PostgreSQL's primary, NATS's leader and Redis are lost under load, and others take
//! their places.
//!
//! Exit status: 0 nothing was lost or doubled; 1 something was, or a gap was too long; 2 the drill could not be carried
//! out.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use nmc_testbed::chaos::{FailoverOptions, fail_over};
use nmc_testbed::drill::conclude;
use nmc_testbed::servers::workspace_root;

/// Loses PostgreSQL's primary, NATS's leader and Redis under load, and checks the result.
#[derive(Parser)]
struct Arguments {
    /// Average number of conversations that begin per second.
    #[arg(long, default_value_t = 3.0)]
    rate: f64,
    /// Time from a fault to the next.
    #[arg(long, default_value = "15s", value_parser = humantime::parse_duration)]
    every: Duration,
    /// Time until the loss of PostgreSQL's primary is noticed and the replica promoted.
    #[arg(long, default_value = "2s", value_parser = humantime::parse_duration)]
    noticed: Duration,
    /// Seed of the load.
    #[arg(long, default_value_t = 16)]
    seed: u64,
    /// Folder for data and logs; by default a new folder below `.run`.
    #[arg(long)]
    dir: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { rate, every, noticed, seed, dir } = Arguments::parse();
    let dir = dir.unwrap_or_else(|| workspace_root().join(format!(".run/failover-{}", std::process::id())));
    let options = FailoverOptions { seed, rate, every, noticed, dir };
    conclude("failover-drill", &options.dir, fail_over(&options).await)
}
