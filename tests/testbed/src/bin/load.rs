//! The load test as a program: the document's own load against the service beside this program, on private servers.
//!
//! Exit status: 0 all bounds hold; 1 one does not; 2 the run could not be carried out.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Parser;
use nmc_testbed::load::{Mix, Options, Report, Servers, enough_businesses, run};
use nmc_testbed::servers::workspace_root;
use nmc_testbed::sim::{Latency, until_signal};

/// Virtual users call, text and take over; four bounds on latency and errors must hold.
///
/// An option that is given again replaces the one before: `make load-short` gives some by itself.
#[derive(Parser)]
#[command(args_override_self = true)]
struct Arguments {
    /// Number of virtual users.
    #[arg(long, default_value_t = 50)]
    users: usize,
    /// Average time between two actions of a user.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "1s")]
    think: Duration,
    /// Actions per second of all users together, instead of --think.
    #[arg(long, conflicts_with = "think")]
    rate: Option<f64>,
    /// Weights of missed calls, texts and takeovers.
    #[arg(long, default_value = "40,50,10")]
    mix: Mix,
    /// The time in which actions begin.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "5m")]
    duration: Duration,
    /// The time in which one user after another begins; by default a fifth of the duration.
    #[arg(long, value_parser = humantime::parse_duration)]
    ramp: Option<Duration>,
    /// Number of businesses; by default 200, or as many as the send rate of their numbers demands.
    #[arg(long)]
    businesses: Option<usize>,
    /// The service's NMC_WINDOW_QUIET.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "1s")]
    quiet: Duration,
    /// Windows that are open during the run, of customers who wait for a person.
    #[arg(long, default_value_t = 0)]
    open_windows: usize,
    /// Conversations that have ended before the run.
    #[arg(long, default_value_t = 0)]
    ended_conversations: usize,
    /// Processes that handle inputs: the service, and further workers beside it.
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// The service's NMC_BATCH, instead of its default.
    #[arg(long)]
    batch: Option<usize>,
    /// Seed of the schedule.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long Twilio takes to answer: p50 and p99, in milliseconds.
    #[arg(long, value_parser = latency, default_value = "120,600")]
    twilio: Latency,
    /// How long DispatchBot takes to answer: p50 and p99, in milliseconds.
    #[arg(long, value_parser = latency, default_value = "700,1800")]
    dispatchbot: Latency,
    /// Twilio and DispatchBot answer at once.
    #[arg(long, conflicts_with_all = ["twilio", "dispatchbot"])]
    fast: bool,
    /// Folder for the results: summary.json, latency.svg and the service's log; by default `.run/load`.
    #[arg(long)]
    out: Option<PathBuf>,
}

impl Arguments {
    fn options(&self, dir: PathBuf) -> anyhow::Result<Options> {
        let think = match self.rate {
            Some(rate) => {
                let seconds = Duration::try_from_secs_f64(self.users as f64 / rate);
                seconds.with_context(|| format!("--rate {rate} is not possible"))?
            }
            None => self.think,
        };
        Ok(Options {
            users: self.users,
            think,
            mix: self.mix,
            duration: self.duration,
            ramp: self.ramp.unwrap_or(self.duration / 5),
            businesses: self.businesses.unwrap_or_else(|| enough_businesses(self.users, think, self.mix)),
            quiet: self.quiet,
            open_windows: self.open_windows,
            ended_conversations: self.ended_conversations,
            workers: self.workers,
            batch: self.batch,
            seed: self.seed,
            twilio: (!self.fast).then_some(self.twilio),
            dispatchbot: (!self.fast).then_some(self.dispatchbot),
            service: std::env::current_exe()?.with_file_name("nevermisscall"),
            dir,
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let out = arguments.out.clone().unwrap_or_else(|| workspace_root().join(".run/load"));
    let dir = workspace_root().join(format!(".run/load-{}", std::process::id()));
    let report = match carry_out(&arguments, &dir).await {
        Ok(report) => report,
        Err(error) => {
            eprintln!("load: {error:#}");
            if dir.is_dir() {
                eprintln!("logs: {}", dir.display());
            }
            return ExitCode::from(2);
        }
    };
    println!("\n{report}");
    if let Err(error) = finish(&report, &dir, &out) {
        eprintln!("load: {error:#}");
        return ExitCode::from(2);
    }
    ExitCode::from(report.verdict().exit_status())
}

/// Starts the servers, runs the load, and stops them, also at Ctrl-C.
async fn carry_out(arguments: &Arguments, dir: &Path) -> anyhow::Result<Report> {
    let options = arguments.options(dir.to_owned())?;
    options.check()?;
    ensure!(options.service.is_file(), "{} is not there; `make load` builds it", options.service.display());
    println!("load: {}", options.service.display());
    std::fs::create_dir_all(dir)?;
    let servers = Servers::start(dir).await?;
    let report = tokio::select! {
        report = run(&options, servers.addresses()) => report,
        signal = until_signal() => match signal {
            Ok(()) => Err(anyhow::anyhow!("interrupted")),
            Err(error) => Err(error),
        },
    };
    servers.stop().await?;
    report
}

/// Writes the results and the service's log, and removes the data of the run.
fn finish(report: &Report, dir: &Path, out: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(out)?;
    let (summary, picture) = (out.join("summary.json"), out.join("latency.svg"));
    let write = |path: &Path, text: String| {
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    write(&summary, format!("{:#}\n", report.to_json()))?;
    write(&picture, report.to_svg())?;
    let log = out.join("service.log");
    std::fs::copy(dir.join("serve.log"), &log).with_context(|| format!("cannot write {}", log.display()))?;
    println!("results: {}, {}; log: {}", summary.display(), picture.display(), log.display());
    Ok(std::fs::remove_dir_all(dir)?)
}

/// Reads `p50,p99` in milliseconds.
fn latency(text: &str) -> anyhow::Result<Latency> {
    let Some((p50, p99)) = text.split_once(',') else { bail!("two numbers are expected, such as 120,600") };
    let millis = |number: &str| anyhow::Ok(Duration::from_millis(number.trim().parse::<u32>()?.into()));
    Ok(Latency { p50: millis(p50)?, p99: millis(p99)? })
}
