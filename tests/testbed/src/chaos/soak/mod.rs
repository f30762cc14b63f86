//! The soak: a moderate load for a long time, with everything that happens to a service meanwhile.
//!
//! In the first half edges, workers and servers are killed, the service is restarted in a rolling way, and upgraded to
//! another copy of its program. In the second half edges and workers are left alone, so that what they use can be
//! compared: servers are killed on, and a backup is made. At the end memory, descriptors, backlog and the size of what is
//! kept must be flat ([`flat`]), and enough webhooks acknowledged.
//!
//! A webhook counts as served if Twilio got an answer 2xx, at the first request or at its fallback URL, which is the other
//! edge.

mod flat;
mod process;
mod samples;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use tokio::time::{sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use self::flat::Trend;
use self::samples::Sampler;
use super::load::{Both, Outcome};
use super::plan::{self, Part};
use super::report::{Balance, Verdict};
use super::servers::{Redundancy, Servers};
use super::stage::{Plan, Stage};
use crate::drill::DrillReport;

/// Time without a kill, around everything else that happens.
const CALM: Duration = Duration::from_secs(5);
/// The part of the run for which new processes warm up before what they use is compared.
const WARM_UP: f64 = 0.1;
/// What the document promises.
const AVAILABILITY: f64 = 0.999;

/// The options of a soak.
#[derive(Debug, Clone)]
pub struct SoakOptions {
    /// The seed of all random choices.
    pub seed: u64,
    /// Average number of conversations that begin per second.
    pub rate: f64,
    /// How long the load lasts.
    pub duration: Duration,
    /// Average time between two kills.
    pub every: Duration,
    /// Folder for data and logs; kept if the soak fails.
    pub dir: PathBuf,
}

/// The result of a soak.
pub struct SoakReport {
    duration: Duration,
    kills: usize,
    events: Vec<(Duration, String)>,
    served: Both,
    unserved: Vec<(DateTime<Utc>, Vec<Outcome>)>,
    trends: Vec<Trend>,
    balance: Balance,
}

/// Carries out the soak.
///
/// # Errors
/// If a part cannot be started or read at all, which proves nothing about the service.
pub async fn soak(options: &SoakOptions) -> anyhow::Result<SoakReport> {
    let plan = Plan { seed: options.seed, rate: options.rate, falls_back: true };
    let stage = Stage::start(&options.dir, plan, Redundancy::default()).await?;
    let next = next_version(&options.dir)?;
    let sampler = Sampler::new(stage.servers.addresses().clone());
    let enough = CancellationToken::new();
    let during = async {
        let happened = happen(options, &stage.servers, &next).await;
        enough.cancel();
        happened
    };
    let sampled = sampler.run(&stage.servers, options.duration, &enough);
    let (happened, samples) = stage.under_load(async { tokio::try_join!(during, sampled) }).await?;
    let evidence = stage.evidence(stage.servers.addresses()).await?;
    let report = SoakReport {
        duration: options.duration,
        kills: happened.kills,
        events: happened.events,
        served: stage.load.journal().availability(),
        unserved: stage.load.journal().unserved(),
        trends: samples.trends(happened.compared_from),
        balance: Balance::of(&evidence),
    };
    stage.stop(&options.dir, report.held()).await?;
    Ok(report)
}

/// The program of the next version: the same one in another place.
fn next_version(dir: &Path) -> anyhow::Result<PathBuf> {
    let next = dir.canonicalize()?.join("nevermisscall-next");
    std::fs::copy(crate::program::beside_us("nevermisscall")?, &next).context("cannot copy the program")?;
    Ok(next)
}

/// What has happened, and when.
#[derive(Default)]
struct Happened {
    kills: usize,
    events: Vec<(Duration, String)>,
    /// From when on edges and workers are left alone.
    compared_from: Duration,
}

impl Happened {
    fn note(&mut self, begun: Instant, what: String) {
        println!("{:5} s: {what}", begun.elapsed().as_secs());
        self.events.push((begun.elapsed(), what));
    }
}

async fn happen(options: &SoakOptions, servers: &Servers, next: &Path) -> anyhow::Result<Happened> {
    let begun = Instant::now();
    let at = |part: f64| begun + options.duration.mul_f64(part);
    let mut happened = Happened::default();
    happened.kills += kills(options, servers, at(0.25), |_| true).await?;
    let (_, took) = timed(servers.roll(None)).await?;
    happened.note(begun, format!("rolling restart, {} s", took.as_secs()));
    happened.kills += kills(options, servers, at(0.4), |_| true).await?;
    let (_, took) = timed(servers.roll(Some(next))).await?;
    happened.note(begun, format!("upgrade, {} s", took.as_secs()));
    // Caches and connections of new processes fill. However late they came, what is compared is as long.
    let half = Instant::now().max(at(0.5));
    let at = |part: f64| half + options.duration.mul_f64(part);
    happened.compared_from = at(WARM_UP).duration_since(begun);
    let is_server = |part: Part| !matches!(part, Part::Edge(_) | Part::Worker(_));
    happened.kills += kills(options, servers, at(0.25), is_server).await?;
    let (bytes, took) = timed(servers.back_up()).await?;
    happened.note(begun, format!("backup of {} MB, {} s", bytes >> 20, took.as_secs()));
    happened.kills += kills(options, servers, at(0.45), is_server).await?;
    sleep_until(at(0.5).into()).await;
    Ok(happened)
}

async fn timed<T>(doing: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<(T, Duration)> {
    let begun = Instant::now();
    Ok((doing.await?, begun.elapsed()))
}

/// Kills one part after another until then; two that are down at once would be another promise than 99.9 %.
async fn kills(
    options: &SoakOptions,
    servers: &Servers,
    until: Instant,
    may: impl Fn(Part) -> bool,
) -> anyhow::Result<usize> {
    let left = until.saturating_duration_since(Instant::now());
    // More than are needed: those that may not be killed are left out.
    let most = 10 + 10 * usize::try_from(left.as_millis() / options.every.as_millis().max(1))?;
    let seed = options.seed ^ u64::try_from(left.as_millis())?;
    let mut count = 0;
    for kill in plan::schedule(seed, most, options.every, false) {
        let Some((part, down)) = kill.victims.into_iter().find(|(part, _)| may(*part)) else { continue };
        if Instant::now() + kill.after + CALM > until {
            break;
        }
        sleep(kill.after).await;
        servers.kill(part, down).await?;
        servers.ready().await?;
        count += 1;
    }
    Ok(count)
}

impl DrillReport for SoakReport {
    /// Whether nothing was lost or doubled, everything was flat, and the service was available.
    fn held(&self) -> bool {
        self.balance.verdict() == Verdict::Held
            && self.trends.iter().all(Trend::is_flat)
            && self.availability() >= AVAILABILITY
    }
}

impl SoakReport {
    #[expect(clippy::cast_precision_loss, reason = "a ratio need not be exact")]
    fn availability(&self) -> f64 {
        self.served.done as f64 / self.served.wanted.max(1) as f64
    }
}

impl fmt::Display for SoakReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "soak of {} s: {} kills", self.duration.as_secs(), self.kills)?;
        for (at, what) in &self.events {
            writeln!(f, "  {:5} s  {what}", at.as_secs())?;
        }
        writeln!(
            f,
            "  availability {:.3} %: {} of {} webhooks acknowledged, at the first request or at the fallback URL",
            self.availability() * 100.0,
            self.served.done,
            self.served.wanted
        )?;
        for (at, outcomes) in self.unserved.iter().take(10) {
            writeln!(f, "    {} not acknowledged: {outcomes:?}", at.format("%H:%M:%S"))?;
        }
        for trend in &self.trends {
            writeln!(f, "  {trend}")?;
        }
        let figures = &self.balance.figures;
        writeln!(
            f,
            "  {} conversations, {} texts acknowledged, {} SMS accepted",
            figures.conversations, figures.texts_acknowledged, figures.accepted
        )?;
        self.balance.faults(f)?;
        f.write_str(if self.held() { "available, flat, nothing lost, nothing doubled" } else { "the soak failed" })
    }
}
