//! The restore drill: under load, PostgreSQL, JetStream and Redis are destroyed, and restored on empty servers from the
//! encrypted backup and the archived log, by the scripts that an operator runs; `make drill-restore`.
//!
//! Customers keep calling and texting while nothing answers. In the end each of them has an answer, or a person, and nobody
//! got an SMS twice. It prints how much was lost (RPO) and how long it took (RTO).

mod load;
mod parts;
mod report;
mod verdict;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::Utc;
use tokio::time::{Instant, sleep};

use load::Load;
use parts::{Place, Running};
pub use report::Report;

/// How the drill is carried out.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// How many conversations the database has before the load begins.
    pub conversations: u32,
    /// How long the load runs before the disaster, and again while the backup is made.
    pub load: Duration,
    /// `archive_timeout` of PostgreSQL: after this time, what was written is archived.
    pub archive_timeout: Duration,
    /// The bound on what is lost.
    pub rpo: Duration,
    /// The bound on how long it takes.
    pub rto: Duration,
}

/// How long customers write to nobody.
const NOBODY_ANSWERS: Duration = Duration::from_secs(3);

/// Carries out the drill below `dir`, which PostgreSQL's user must be able to reach.
///
/// # Errors
/// If it cannot be carried out.
pub async fn drill(dir: &Path, options: &RestoreOptions) -> anyhow::Result<Report> {
    let place = Place::prepare(dir).await?;
    let mut running = Running::start(&place, options).await?;
    let twilio = Arc::clone(&place.twilio);
    println!("drill: {} conversations, then a customer every {:?}", options.conversations, load::EVERY);
    let load = Load::start(twilio);
    sleep(options.load).await;
    let began = Instant::now();
    place.script("backup", &["base"]).await.context("the backup")?;
    let backup = began.elapsed();
    sleep(options.load).await;

    println!("drill: everything is destroyed");
    let destroyed_at = Utc::now();
    let began = Instant::now();
    running.destroy().await?;
    sleep(NOBODY_ANSWERS).await;
    load.stop().await;

    let data = place.restored_data()?;
    place.script("restore", &[&data.display().to_string()]).await.context("the restore")?;
    let restored = began.elapsed();
    let mut running = Running::beside_restored(&place).await?;
    place.script("restore", &["--streams"]).await.context("the restore of the streams")?;
    let before = verdict::before_recovery(&running, &place).await?;
    let recovered = running.recover(&place).await.context("the recovery")?;
    print!("{recovered}");
    running.start_service(&place).await?;
    load::one_is_answered(&place.twilio).await?;
    let took = began.elapsed();

    let verdict = verdict::after(&running, &place).await?;
    running.destroy().await?;
    let lost = (destroyed_at - before.last_commit).to_std().unwrap_or_default();
    Ok(Report {
        conversations: options.conversations,
        backup,
        backup_bytes: place.backup_bytes()?,
        lost,
        restored,
        took,
        before,
        verdict,
        rpo: options.rpo,
        rto: options.rto,
    })
}
