//! The load test: virtual users call, text and take over at times that are fixed beforehand, against the real service
//! and real servers, and four bounds must hold. `make load`, `make load-short`; docs/performance.md says what it
//! measures and how to read it.
//!
//! # Layout
//!
//! - `options`: what a run is told · `schedule`: when each user does what, from one seed · `cast`: with which customer
//!   of which business
//! - `servers`, `settings`, `stage`: what is started, and how · `prepare`: businesses, and conversations of the AI
//! - `windows`: those that stay open meanwhile
//! - `player`: carries the schedule out · `app_server`: the requests of a person's app
//! - `book`: which SMS are `awaited` · `records`: what was measured, and what failed · `samples`: latencies and their
//!   percentiles
//! - `cost`: CPU time and PostgreSQL's work
//! - `progress`: lines while it runs · `verdict`: the bounds · `report`, `json`, `picture` (drawn by `svg`): the result

mod app_server;
mod awaited;
mod book;
mod cast;
mod cost;
mod history;
mod json;
mod options;
mod picture;
mod player;
mod prepare;
mod progress;
mod records;
mod report;
mod samples;
mod schedule;
mod servers;
mod settings;
mod stage;
mod svg;
mod verdict;
mod windows;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{bail, ensure};

pub(crate) use app_server::AppServer;
use cast::Cast;
pub(crate) use cast::number_of;
pub use cost::Part;
pub use options::{Mix, Options, enough_businesses};
use player::Player;
pub(crate) use prepare::put_businesses;
pub use records::Measure;
pub use report::Report;
pub(crate) use report::short;
pub(crate) use samples::Summary;
pub use servers::{Addresses, Servers};
pub(crate) use settings::of_the_place;
use stage::Stage;
pub use verdict::{Bound, Unit, Verdict};

/// How long after the last action an SMS is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Carries out a run against these servers.
///
/// # Errors
/// If the service cannot be started or prepared, or ends by itself.
pub async fn run(options: &Options, addresses: &Addresses) -> anyhow::Result<Report> {
    options.check()?;
    let cast = Cast::new(options, &schedule::schedule(options));
    ensure!(!cast.actions.is_empty(), "in {:?} nobody does anything", options.duration);
    std::fs::create_dir_all(&options.dir)?;
    let mut stage = Stage::start(options, addresses).await?;
    let report = on_stage(options, &cast, &mut stage).await;
    if let Some(ended) = stage.service.iter().find(|program| program.has_ended()) {
        bail!("the service ended by itself:\n{}", ended.log_tail());
    }
    stage.stop().await?;
    report
}

async fn on_stage(options: &Options, cast: &Cast, stage: &mut Stage) -> anyhow::Result<Report> {
    println!("preparing {} businesses and {} conversations of the AI", options.businesses, cast.prepared().len());
    let conversations = prepare::prepare(options, cast, stage).await?;
    if options.ended_conversations > 0 {
        println!("writing {} conversations that have ended", options.ended_conversations);
        history::write(options, stage).await?;
    }
    let mut opened = None;
    if options.open_windows > 0 {
        stage.keep_windows_open(options).await?;
        println!("opening {} windows", options.open_windows);
        opened = Some(windows::open(options, stage).await?);
    }
    stage.slow_down(options);
    let mut meter = stage.meter().await?;
    meter.reset().await?;
    let before = meter.read().await?;
    println!("{} actions in {:?}", cast.actions.len(), options.duration);
    let book = &stage.book;
    let player = Arc::new(Player::new(stage, conversations));
    book.begin();
    let telling = progress::tell(options, book);
    tokio::select! {
        () = player.play(&cast.actions) => {}
        never = telling => match never {},
    }
    book.settle(PATIENCE).await;
    book.give_up();
    let cost = meter.read().await?.since(&before)?;
    let (statements, tables) = (meter.statements().await?, meter.tables().await?);
    Ok(Report::new(options, cast, stage.settings.clone(), book.read(), (cost, statements, tables, opened)))
}
