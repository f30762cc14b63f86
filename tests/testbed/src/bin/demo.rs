//! `demo [--once]`: the whole journey from a missed call to an appointment, visibly, on real servers.
//!
//! What `make run` runs; see `nmc_testbed::demo`.

use std::process::ExitCode;

use clap::Parser;
use nmc_testbed::demo;

/// Plays a missed call's journey on private servers, then stays up for you to be the customer.
#[derive(Parser)]
struct Arguments {
    /// Ends after the journey; the exit status says whether all of it came.
    #[arg(long)]
    once: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { once } = Arguments::parse();
    demo::run(once).await
}
