//! The comparison as a program: the service, a bare handler, express + BullMQ and Restate, measured in turn.
//!
//! Exit status: 0 all that can be measured here was measured; 1 a measurement failed; 2 the run could not be carried
//! out.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::Parser;
use nmc_testbed::compare::{Options, Results, run};
use nmc_testbed::servers::workspace_root;
use nmc_testbed::sim::until_signal;

/// Measures the service beside other ways to build it.
#[derive(Parser)]
struct Arguments {
    /// How often each measurement is repeated; medians count.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Number of webhooks of a measurement at the edge.
    #[arg(long, default_value_t = 20_000)]
    requests: usize,
    /// Number of texts of a burst.
    #[arg(long, default_value_t = 10_000)]
    texts: usize,
    /// Number of customers who write them.
    #[arg(long, default_value_t = 1_000)]
    customers: usize,
    /// The service's program; by default the one beside this program.
    #[arg(long, value_name = "PATH")]
    service: Option<PathBuf>,
}

impl Arguments {
    fn options(&self, dir: &Path) -> anyhow::Result<Options> {
        let beside_us = |file: &str| anyhow::Ok(std::env::current_exe()?.with_file_name(file));
        let service = self.service.clone().map_or_else(|| beside_us("nevermisscall"), Ok)?;
        ensure!(service.is_file(), "{} is not there; `make compare` builds it", service.display());
        Ok(Options {
            rounds: self.rounds,
            requests: self.requests,
            texts: self.texts,
            customers: self.customers,
            service,
            bare_handler: beside_us("bare-handler")?,
            dir: dir.to_owned(),
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let dir = workspace_root().join(format!(".run/compare-{}", std::process::id()));
    let results = match carry_out(&Arguments::parse(), &dir).await {
        Ok(results) => results,
        Err(error) => {
            eprintln!("compare: {error:#}\nlogs: {}", dir.display());
            return ExitCode::from(2);
        }
    };
    println!("\n{results}");
    if !results.failures().is_empty() {
        eprintln!("compare: some measurements failed; logs: {}", dir.display());
        return ExitCode::FAILURE;
    }
    if let Err(error) = std::fs::remove_dir_all(&dir) {
        eprintln!("compare: cannot remove {}: {error}", dir.display());
    }
    ExitCode::SUCCESS
}

/// Carries out the run; everything that it started ends with it, also at Ctrl-C.
async fn carry_out(arguments: &Arguments, dir: &Path) -> anyhow::Result<Results> {
    let options = arguments.options(dir)?;
    println!("compare: {}", options.service.display());
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    tokio::select! {
        results = run(&options) => results,
        signal = until_signal() => match signal {
            Ok(()) => bail!("interrupted"),
            Err(error) => Err(error),
        },
    }
}
