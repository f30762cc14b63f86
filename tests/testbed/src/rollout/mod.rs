//! The drill of rollouts: `scripts/rollout` replaces the running service under load, behind a real HAProxy. A good release
//! goes through without a webhook lost; bad ones are rolled back by themselves. `make drill-rollout`, `make drill-upgrade`.
//!
//! # Layout
//!
//! - `release`: the releases, good and bad, and what must become of each
//! - `stage`: servers, simulators, HAProxy, and the settings of both colours; `control`: starts and stops processes for the
//!   script, as systemd does in production; `link`: what a bad release has between itself and its servers
//! - `load`: customers who write all the time; `drill`: carries out one rollout; `report`: what came of it

mod control;
mod drill;
mod link;
mod load;
mod release;
mod report;
mod stage;

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use release::Release;
pub use report::{Report, Row};

use drill::Drill;
use load::Load;
use stage::Stage;

/// The options of a drill.
#[derive(Debug, Clone)]
pub struct Options {
    /// The releases, one after the other.
    pub releases: Vec<Release>,
    /// The binary that runs first.
    pub running: PathBuf,
    /// The binary that is rolled out.
    pub rolled_out: PathBuf,
    /// Afterwards, the webhooks are given back to the colour that is kept.
    pub and_back: bool,
    /// Customers who write per second.
    pub rate: f64,
    /// How long each step is watched, in seconds.
    pub hold: u32,
    /// Folder for data and logs.
    pub dir: PathBuf,
}

/// Carries out the drill.
///
/// # Errors
/// If it could not be carried out, which proves nothing about the service.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    let stage = Arc::new(Stage::start(options).await?);
    let load = Arc::new(Load::default());
    let enough = CancellationToken::new();
    let customers = tokio::spawn(load::run(Arc::clone(&load), Arc::clone(&stage), options.rate, enough.clone()));
    let drill = Drill { stage: Arc::clone(&stage), load: Arc::clone(&load), rolled_out: options.rolled_out.clone() };
    let rows = async {
        let mut rows = Vec::new();
        for release in &options.releases {
            rows.push(drill.roll_out(*release).await?);
        }
        if options.and_back {
            rows.push(drill.give_back().await?);
        }
        anyhow::Ok(rows)
    };
    let rows = rows.await;
    enough.cancel();
    customers.await?;
    let rows = rows?;
    let unanswered = load.unanswered(&stage.twilio).await;
    stage.stop().await?;
    Ok(Report { rows, webhooks: load.count(), unanswered })
}
