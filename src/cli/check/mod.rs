//! `nevermisscall check`: everything that the service needs, checked from where it runs.
//!
//! PostgreSQL, NATS and Redis are looked at with the probes of `/health` ([`Probes`]), so that the two agree: `ready` is
//! what `/health/ready` of a process would say that started now.

mod clock;
mod finding;
mod services;
mod stores;
mod version;

use std::fmt::Display;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use crate::adapters::dispatchbot::{DispatchBotClient, Endpoint};
use crate::adapters::http_client;
use crate::adapters::jetstream::JetStream;
use crate::adapters::postgres::Store;
use crate::adapters::redis::RedisSink;
use crate::adapters::twilio::{Account, TwilioClient};
use crate::config::Config;
use crate::health::Probes;

use finding::{Finding, Subject};

/// How long closing the connections may take.
const CLOSING: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct CheckCommand {
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    /// Leave out a check, such as `callback_url` before the first edge runs; may be repeated.
    #[arg(long = "skip", value_name = "NAME")]
    skipped: Vec<Subject>,
    /// How long each part may take to answer.
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = humantime::parse_duration)]
    within: Duration,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    /// Whether a process that starts now becomes ready.
    ready: bool,
    version: &'static str,
    checks: Vec<Finding>,
}

pub(super) async fn run(command: &CheckCommand, config: &Config) -> anyhow::Result<ExitCode> {
    let patience = command.within;
    let http = http_client::builder().timeout(patience).build().context("HTTP client")?;
    let nats = stores::connect(&config.nats, patience).await;
    // Without a connection, one that is still being made: the probes only ask whether it is there.
    let jetstream = match &nats {
        Ok(jetstream) => jetstream.clone(),
        Err(_) => JetStream::connect(&config.nats).await.context("NATS_URL")?,
    };
    let store = Store::lazy(config.database_url.expose()).context("DATABASE_URL")?;
    let owner = Store::owner(config.database_url.expose()).context("DATABASE_URL")?;
    let reads = config.database_read_url.as_ref().map(|url| Store::owner(url.expose()));
    let reads = reads.transpose().context("DATABASE_READ_URL")?;
    let redis = Arc::new(RedisSink::lazy(&config.redis).context("REDIS_URL")?);
    // Connections that are still to be made would not be there within the second of a probe.
    let _ = tokio::join!(within(patience, store.ping()), within(patience, redis.ping()));
    let look = Probes::new(jetstream, store.clone(), Arc::clone(&redis)).look().await;

    let twilio = TwilioClient::new(http.clone(), config.twilio.api_url.clone(), patience);
    let account = Account { sid: config.twilio.account_sid.clone(), token: config.twilio.auth_token.clone() };
    let bot = DispatchBotClient::new(http.clone(), Endpoint::from(&config.dispatchbot));
    let ([postgres, fsync], migrations, (nats, streams_answer), redis, clock, account, callback, bot) = tokio::join!(
        stores::postgres(&owner, &look, patience),
        stores::migrations(&owner, patience),
        stores::nats(&nats, &look, config.nats_replicas, config.nats_storage, patience),
        stores::redis(&redis, &look, patience),
        services::clock(&owner, &twilio, patience),
        services::twilio(&twilio, &account, patience),
        services::callback_url(&http, &config.public_url, &config.twilio.auth_token),
        services::dispatchbot(&bot, patience),
    );
    let migrations = if postgres.is_good() {
        migrations
    } else {
        Finding::unchecked(Subject::Migrations, "PostgreSQL cannot be used")
    };
    let recovery = stores::recovery(&owner, &migrations, patience).await;
    let replica = match &reads {
        Some(reads) => Some(stores::replica(reads, &owner, &postgres, patience).await),
        None => None,
    };
    let [sends, answers] = services::noticed(&look);
    let configuration = Finding::good(Subject::Configuration, "complete and valid");
    let checks = [configuration, postgres].into_iter().chain(replica);
    let checks = checks.chain([fsync, migrations, recovery]).chain(nats);
    let checks = checks.chain([redis, clock, account, sends, callback, bot, answers]);
    let left_out = |finding: Finding| {
        let subject = finding.subject();
        if command.skipped.contains(&subject) { Finding::unchecked(subject, "left out") } else { finding }
    };
    let checks: Vec<Finding> = checks.map(left_out).collect();
    let report = Report {
        ok: !checks.iter().any(Finding::is_wrong),
        ready: look.is_complete(streams_answer),
        version: env!("CARGO_PKG_VERSION"),
        checks,
    };
    let reads_closed = async {
        if let Some(reads) = &reads {
            reads.close().await;
        }
    };
    let closed = async { tokio::join!(store.close(), owner.close(), reads_closed) };
    // Nothing is in progress: whatever is left is closed with the process.
    tokio::time::timeout(CLOSING, closed).await.ok();
    report.print(command.json)?;
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Report {
    fn print(&self, as_json: bool) -> anyhow::Result<()> {
        if as_json {
            println!("{}", serde_json::to_string(self)?);
        } else {
            self.checks.iter().for_each(|finding| println!("{finding}"));
        }
        Ok(())
    }
}

/// The result, or the error in words; an error, too, if it takes longer.
async fn within<T, E: Display>(patience: Duration, asked: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match tokio::time::timeout(patience, asked).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_late) => Err(format!("no answer within {}", humantime::format_duration(patience))),
    }
}
