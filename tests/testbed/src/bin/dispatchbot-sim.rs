//! The DispatchBot simulator as a program, driven over HTTP under `/_sim`.

use std::net::SocketAddr;

use anyhow::Context;
use clap::Parser;
use nmc_testbed::dispatchbot::{DispatchBotOptions, DispatchBotSim};
use nmc_testbed::sim::until_signal;

/// A DispatchBot for development: plausible answers, and faults on demand.
#[derive(Parser)]
struct Arguments {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:3712")]
    bind: SocketAddr,
    /// The API key that callers must send; default: DISPATCHBOT_API_KEY.
    #[arg(long)]
    api_key: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let api_key = arguments.api_key.or_else(|| std::env::var("DISPATCHBOT_API_KEY").ok());
    let api_key = api_key.context("DISPATCHBOT_API_KEY is not set")?;
    let sim = DispatchBotSim::start(DispatchBotOptions { bind: arguments.bind, api_key }).await?;
    println!("dispatchbot-sim: {}", sim.base_url());
    until_signal().await?;
    sim.stop().await;
    Ok(())
}
