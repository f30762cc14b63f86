//! The chaos run as a program: kills the service and its servers at random under load, and checks the result.
//!
//! Exit status: 0 nothing was lost or doubled; 1 something was; 2 the run could not be carried out; 3 the run is void,
//! because it proves nothing.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use nmc_testbed::chaos::{Options, Verdict, run};
use nmc_testbed::servers::workspace_root;

/// Kills the service and its servers at random, and checks the result.
#[derive(Parser)]
struct Arguments {
    /// Number of processes to kill.
    #[arg(long, default_value_t = 1_000)]
    kills: usize,
    /// Average time between two kills, in milliseconds.
    #[arg(long, default_value_t = 2_000)]
    every_ms: u64,
    /// Average number of conversations that begin per second.
    #[arg(long, default_value_t = 1.5)]
    rate: f64,
    /// Seed of an earlier run, to repeat its plan; `random` draws a new one.
    #[arg(long, default_value = "random")]
    seed: String,
    /// Three nats-servers whose leaders are killed, instead of one.
    #[arg(long)]
    cluster: bool,
    /// Folder for data and logs; by default a new folder below `.run`.
    #[arg(long)]
    dir: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = match arguments.seed.as_str() {
        "random" => rand::random::<u32>().into(),
        seed => match seed.parse() {
            Ok(seed) => seed,
            Err(error) => return failed(&anyhow::anyhow!("--seed {seed}: {error}")),
        },
    };
    let dir = arguments.dir.unwrap_or_else(|| workspace_root().join(format!(".run/chaos-{}", std::process::id())));
    println!("chaos: {} kills, one every {} ms, seed {seed}", arguments.kills, arguments.every_ms);
    let options = Options {
        seed,
        kills: arguments.kills,
        every: Duration::from_millis(arguments.every_ms),
        rate: arguments.rate,
        clustered: arguments.cluster,
        dir,
    };
    let report = match run(&options).await {
        Ok(report) => report,
        Err(error) => return failed(&error),
    };
    println!("{report}");
    let status = match report.verdict() {
        Verdict::Held => return ExitCode::SUCCESS,
        Verdict::Broken => 1,
        Verdict::Void => 3,
    };
    println!("data and logs: {}", options.dir.display());
    ExitCode::from(status)
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("chaos: {error:#}");
    ExitCode::from(2)
}
