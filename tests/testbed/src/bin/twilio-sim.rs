//! The Twilio simulator as a program, driven over HTTP under `/_sim`.

use std::net::SocketAddr;

use anyhow::Context;
use clap::Parser;
use nmc_testbed::sim::until_signal;
use nmc_testbed::twilio::{TwilioOptions, TwilioSim};

/// A Twilio for development: REST API, status callbacks, and calls and texts on demand.
#[derive(Parser)]
struct Arguments {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:3711")]
    bind: SocketAddr,
    /// Main account's SID; default: TWILIO_ACCOUNT_SID.
    #[arg(long)]
    account_sid: Option<String>,
    /// Main account's token; default: TWILIO_AUTH_TOKEN.
    #[arg(long)]
    auth_token: Option<String>,
    /// Public base URL of the server under test (its NMC_PUBLIC_URL).
    #[arg(long)]
    webhook_url: Option<String>,
    /// Address on which that server really listens, if it differs.
    #[arg(long)]
    webhook_target: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let or_env = |given: Option<String>, name: &str| {
        given.or_else(|| std::env::var(name).ok()).with_context(|| format!("{name} is not set"))
    };
    let sim = TwilioSim::start(TwilioOptions {
        bind: arguments.bind,
        account_sid: or_env(arguments.account_sid, "TWILIO_ACCOUNT_SID")?,
        auth_token: or_env(arguments.auth_token, "TWILIO_AUTH_TOKEN")?,
        webhook_url: arguments.webhook_url,
        webhook_target: arguments.webhook_target,
        ..TwilioOptions::default()
    })
    .await?;
    println!("twilio-sim: {}", sim.base_url());
    until_signal().await?;
    sim.stop().await;
    Ok(())
}
