//! `nevermisscall recover`: after a restore of the database, keeps what happened since, as Twilio's lists have it.

use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;

use crate::adapters::http_client;
use crate::adapters::jetstream::JetStream;
use crate::adapters::jetstream::definitions::{self, Mode};
use crate::adapters::postgres::{Recovery, Store};
use crate::adapters::twilio::TwilioClient;
use crate::app::{TWILIO_TIMEOUT, policy};
use crate::businesses::{Accounts, BusinessCache, BusinessSnapshot};
use crate::config::Config;
use crate::domain::emergency;
use crate::engine::{Engine, Outbox};
use crate::lifecycle::recovery::{Fate, Found, Gap, Plan, Recoverer};
use crate::secrets::TokenCipher;
use crate::telemetry::Metrics;

#[derive(Debug, Args)]
pub(super) struct RecoverCommand {
    /// The last commit that the restored database has, such as 2026-01-05T14:00:00Z. scripts/restore has noted it in the
    /// database; an earlier time reads more, and changes nothing twice.
    #[arg(long, value_name = "TIME")]
    since: Option<DateTime<Utc>>,
    /// Leave out what Twilio got later; the default is now.
    #[arg(long, value_name = "TIME")]
    until: Option<DateTime<Utc>>,
    /// Do it. Without this, only the plan is shown.
    #[arg(long)]
    apply: bool,
    /// Do not ask about this Twilio account of a business, because its token is not valid any more. May be repeated.
    #[arg(long = "without-account", value_name = "SID")]
    without: Vec<String>,
}

pub(super) async fn run(config: &Config, command: RecoverCommand) -> anyhow::Result<ExitCode> {
    let store = Store::recovering(config.database_url.expose())?;
    let newest = store.newest_recovery().await?;
    let waits = newest.clone().filter(|recovery| recovery.ended_at.is_none());
    let since = since(command.since, waits.as_ref())?;
    if let Some(Recovery { ended_at: Some(ended_at), restored_at, .. }) = newest
        && since <= restored_at
    {
        println!("recovered already, at {}: nothing to do", time(ended_at));
        return Ok(ExitCode::SUCCESS);
    }
    let now = Utc::now();
    let gap = Gap { since, until: command.until.unwrap_or(now) };
    ensure!(gap.since <= gap.until && gap.until <= now, "--until must be between --since and now");
    let jetstream = JetStream::connect(&config.nats).await.context("NATS_URL")?;
    let recoverer = recoverer(config, &store, &jetstream, command.without)?;
    println!("gap: {} to {}", time(gap.since), time(gap.until));
    if !command.apply {
        let restored_at = waits.map_or(now, |recovery| recovery.restored_at);
        show(&recoverer.plan(gap, restored_at).await?);
        println!("nothing is changed: --apply does it");
        return Ok(ExitCode::SUCCESS);
    }
    // From here on, the database refuses all other work until the end.
    let recovery = match waits {
        Some(recovery) => recovery,
        None => store.make_recovery(gap.since).await?,
    };
    definitions::reconcile(&jetstream, config.nats_replicas, Mode::CreateMissing).await?;
    show(&recoverer.apply(&recovery, gap).await?);
    jetstream.flush().await;
    println!("recovered: workers go on");
    Ok(ExitCode::SUCCESS)
}

fn since(asked: Option<DateTime<Utc>>, waits: Option<&Recovery>) -> anyhow::Result<DateTime<Utc>> {
    match (asked, waits) {
        (Some(since), Some(recovery)) if since > recovery.since => {
            bail!("--since is later than {}, the last commit of the restored database", time(recovery.since))
        }
        (Some(since), _) => Ok(since),
        (None, Some(recovery)) => Ok(recovery.since),
        (None, None) => {
            bail!("the database waits for no recovery; if it was restored without scripts/restore, --since is needed")
        }
    }
}

fn recoverer(config: &Config, store: &Store, jetstream: &JetStream, without: Vec<String>) -> anyhow::Result<Recoverer> {
    let rules = emergency::load().context("the emergency rules could not be loaded")?;
    let (metrics, snapshot) = (Metrics::new(), BusinessSnapshot::default());
    let cipher = TokenCipher::of_keys(config.token_key.as_ref(), config.token_key_other.as_ref());
    let accounts = Accounts::new(store.clone(), snapshot.clone(), config.twilio.clone(), cipher);
    let outbox = Outbox::new(store.clone(), jetstream.publisher(), metrics.clone());
    let cache = BusinessCache::new(store.clone(), snapshot);
    let http = http_client::build().context("HTTP client")?;
    Ok(Recoverer {
        engine: Engine::new(store.clone(), outbox, cache, policy(config), metrics),
        accounts,
        twilio: TwilioClient::new(http, config.twilio.api_url.clone(), TWILIO_TIMEOUT),
        reconcile_after: config.reconcile_after,
        without,
        rules,
    })
}

/// Prints a plan, without texts and whole numbers.
fn show(plan: &Plan) {
    for found in &plan.found {
        let at = time(found.at());
        match found {
            Found::Text { business, text } => {
                let (sid, from) = (&text.sms.twilio_sid, text.sms.customer.masked());
                let emergency = if text.sms.reading.verdict().is_some() { ", an emergency" } else { "" };
                println!("{at}  text in   {sid}  {from} to {}{emergency}: kept, for a person", business.id);
            }
            Found::Sent { business, sms } => {
                let (sid, to) = (&sms.twilio_sid, sms.customer.masked());
                println!("{at}  text out  {sid}  {} to {to}: kept, for a person", business.id);
            }
            Found::Call { business, call } => {
                let status = call.leg.leg_status.as_deref().unwrap_or_default();
                println!("{at}  call      {}  to {}, {status}: kept", call.leg.call_sid, business.id);
            }
        }
    }
    for (message, fate) in &plan.pending {
        let fate = match fate {
            Fate::WasSent { twilio_sid } => format!("was sent as {twilio_sid}"),
            Fate::IsSent => "is not at Twilio, and is sent".to_owned(),
            Fate::IsHeldBack => "is not at Twilio, and is held back".to_owned(),
            Fate::Unknown => "may have been sent".to_owned(),
        };
        println!("{}  waited    {}  {}: {fate}", time(message.created_at), message.id, message.kind);
    }
    let of = |is: fn(&Found) -> bool| plan.found.iter().filter(|found| is(found)).count();
    println!(
        "texts in: {}, texts out: {}, calls: {}; reports on messages: {}; messages that waited: {}; conversations with \
         something under way, for a person: {}; not of customers: {}, of unknown numbers: {}; calls that are not over: {}",
        of(|found| matches!(found, Found::Text { .. })),
        of(|found| matches!(found, Found::Sent { .. })),
        of(|found| matches!(found, Found::Call { .. })),
        plan.reported.len(),
        plan.pending.len(),
        plan.doubtful.len(),
        plan.left_out.own_side,
        plan.left_out.unknown_numbers,
        plan.left_out.under_way,
    );
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
