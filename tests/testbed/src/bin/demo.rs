//! `demo [--once] [--dialect NAME]`: the whole journey from a missed call to an appointment, visible in the terminal, on real servers.
//!
//! `make run` runs it; see `nmc_testbed::demo`.

use std::process::ExitCode;

use clap::Parser;
use nmc_testbed::demo;

/// Plays a missed call's journey on private servers, then keeps running so that you can be the customer.
#[derive(Parser)]
struct Arguments {
    /// Ends after the journey; the exit status says whether everything happened as expected.
    #[arg(long)]
    once: bool,
    /// The dialect in which DispatchBot is asked.
    #[arg(long, default_value = "v1", value_parser = ["v1", "dispatch-bot-ai"])]
    dialect: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { once, dialect } = Arguments::parse();
    demo::run(&demo::Options { once, dialect }).await
}
