//! Alerts: `make observe`, which lets one watch `make run`, and the drill, which plants faults and expects their alerts.
//!
//! The drill (`make drill-alerts`) runs the real service, Prometheus and Alertmanager with the configuration in `deploy/`,
//! whose durations are [`SCALE`] times shorter (`config`): the expressions are those of production. Each fault must fire
//! its alert, which must reach the receiver and resolve once the fault is repaired; before the first fault nothing may
//! fire. Then every query of the dashboards and of the runbook must have found data. Before all that, one text goes through
//! the service, and an OpenTelemetry Collector with the configuration in `deploy/` must receive its trace.
//!
//! # Layout
//!
//! - `config`: `deploy/` for this machine · `receiver`: the pager · `observe`: `make observe`
//! - `stage`: all parts of the drill · `load`: customers · `faults`: what is broken and repaired, and the expected alerts
//! - `drill`: waits for alerts · `prometheus`, `alert`: what is read · `queries`: dashboards and runbook · `trace`: of one
//!   text · `report`

mod alert;
mod config;
mod drill;
mod faults;
mod load;
mod observe;
mod prometheus;
mod queries;
mod receiver;
mod report;
mod stage;
mod trace;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use tokio_util::sync::CancellationToken;

use drill::Drill;
pub use observe::observe;
pub use report::Report;
use stage::Stage;

/// Durations of rules and routes are this many times shorter in the drill: a minute is two seconds.
const SCALE: u64 = 30;
/// The number that customers text.
const OUR_NUMBER: &str = "+15555551111";
/// How long the service works undisturbed before the first fault: longer than most alerts take to fire.
const UNDISTURBED: Duration = Duration::from_secs(8);

/// Carries out the drill, with data and logs below `dir`.
///
/// # Errors
/// If a part cannot be started or broken, which proves nothing about the alerts.
pub async fn drill(dir: &Path) -> anyhow::Result<Report> {
    std::fs::create_dir_all(dir)?;
    let begun = Instant::now();
    let stage = Arc::new(Stage::start(dir).await?);
    println!("{:5.1} s  everything runs; durations are {SCALE} times shorter", begun.elapsed().as_secs_f64());
    let drill = Arc::new(Drill::new(Arc::clone(&stage), begun));
    let traced = trace::one_text(&stage).await?;
    println!("{:5.1} s  {traced}", begun.elapsed().as_secs_f64());
    let enough = CancellationToken::new();
    let customers = tokio::spawn(load::run(Arc::clone(&stage), enough.clone()));
    let watching = tokio::spawn(Arc::clone(&drill).watch(enough.clone()));
    tokio::time::sleep(UNDISTURBED).await;
    let undisturbed = drill.fired();
    let rows = faults::all(&drill).await?;
    let left = drill.firing();
    let answers = queries::ask(&stage).await?;
    enough.cancel();
    customers.await.context("the customers")?;
    watching.await.context("the watch")??;
    let report = Report { rows, undisturbed, left, fired: drill.fired(), answers, traced, took: begun.elapsed() };
    drop(drill);
    let stage = Arc::into_inner(stage).ok_or_else(|| anyhow!("somebody still holds the stage"))?;
    stage.stop().await?;
    Ok(report)
}
