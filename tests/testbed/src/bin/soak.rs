//! The soak as a program: a moderate load for a long time, with kills, a rolling restart, an upgrade and a backup.
//!
//! Exit status: 0 available, flat, nothing lost or doubled; 1 one of these does not hold; 2 the soak could not be carried
//! out.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use nmc_testbed::chaos::{SoakOptions, soak};
use nmc_testbed::drill::conclude;
use nmc_testbed::servers::workspace_root;

/// Loads the service for a long time, with everything that happens to it meanwhile, and checks the result.
#[derive(Parser)]
struct Arguments {
    /// How long the load lasts.
    #[arg(long, default_value = "20min", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Average number of conversations that begin per second.
    #[arg(long, default_value_t = 2.0)]
    rate: f64,
    /// Average time between two kills.
    #[arg(long, default_value = "15s", value_parser = humantime::parse_duration)]
    every: Duration,
    /// Seed of the load and the kills.
    #[arg(long, default_value_t = 16)]
    seed: u64,
    /// Folder for data and logs; by default a new folder below `.run`.
    #[arg(long)]
    dir: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { duration, rate, every, seed, dir } = Arguments::parse();
    let dir = dir.unwrap_or_else(|| workspace_root().join(format!(".run/soak-{}", std::process::id())));
    let options = SoakOptions { seed, rate, duration, every, dir };
    conclude("soak", &options.dir, soak(&options).await)
}
