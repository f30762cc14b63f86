//! The chaos run: the real service and its real servers under load, killed at random with `kill -9`, and a ledger at
//! the end that must balance. `make chaos`, `make chaos-cluster`, and a short run in `make test`; docs/reliability.md
//! says what it proves and what not.
//!
//! # Layout
//!
//! - `plan`: all random choices, from one seed
//! - `servers`: the processes that are killed; `killer`: kills them by the plan
//! - `surroundings`: Twilio with its faults, which is not killed; `load`: customers and people, and their journal
//! - `settle`: waits until all is over; `gather`: collects the evidence; `ledger`: checks it; `report`: the result in
//!   words

mod gather;
mod killer;
mod ledger;
mod load;
mod plan;
mod report;
mod servers;
mod settle;
mod surroundings;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use tokio_util::sync::CancellationToken;

use load::{AppServer, Load};
pub use report::{Report, Verdict};
use servers::{Addresses, Servers, Stores};
use surroundings::Surroundings;

/// The businesses and their numbers.
const BUSINESSES: [(&str, &str); 3] =
    [("joes-plumbing", "+15555551111"), ("anns-pipes", "+15555551112"), ("bobs-boilers", "+15555551113")];

/// Interval of the progress lines.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// The options of a run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The seed of all random choices.
    pub seed: u64,
    /// Number of processes to kill.
    pub kills: usize,
    /// Average time between two kills.
    pub every: Duration,
    /// Average number of conversations that begin per second.
    pub rate: f64,
    /// Three nats-servers whose leaders are killed, instead of one.
    pub clustered: bool,
    /// Folder for data and logs; kept if the ledger does not balance.
    pub dir: PathBuf,
}

/// Carries out a run.
///
/// # Errors
/// If a part cannot be started or read at all, which proves nothing about the service.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    std::fs::create_dir_all(&options.dir)?;
    let stores = Stores::start(&options.dir, options.clustered).await?;
    let edges = stores.addresses().edges.clone();
    let surroundings = Arc::new(Surroundings::start(options.seed, edges.clone()).await?);
    let servers = Arc::new(stores.serve(&surroundings.twilio.base_url()).await?);
    let app_server = AppServer::new(edges.clone())?;
    for (id, business) in servers::businesses() {
        app_server.put_business(id, &business).await?;
    }
    let load = Arc::new(Load::new(options.seed, options.rate, Arc::clone(&surroundings), app_server));
    let begun = Instant::now();
    let (killed, killing) = under_load(options, &servers, &surroundings, &load).await?;
    let took = begun.elapsed();

    servers.ready().await?;
    let addresses: &Addresses = servers.addresses();
    let unsettled = settle::settle(addresses, &surroundings, &AppServer::new(edges)?).await?;
    let mut evidence = gather::gather(addresses, &surroundings, load.journal()).await?;
    evidence.unsettled = unsettled;
    evidence.ended_by_themselves = servers.ended_by_themselves().await;
    let spared = plan::parts(options.clustered).into_iter().filter(|part| !killed.contains_key(part));
    evidence.spared = spared.map(|part| part.to_string()).collect();
    let report = Report {
        seed: options.seed,
        killing,
        took,
        settling: begun.elapsed() - took,
        killed,
        figures: ledger::Figures::of(&evidence),
        breaches: ledger::breaches(&evidence),
        void: ledger::void(&evidence),
        twilio: evidence.twilio,
    };
    let held = report.verdict() == Verdict::Held;
    let servers: Servers = Arc::into_inner(servers).ok_or_else(|| anyhow!("somebody still holds the servers"))?;
    servers.stop(!held).await?;
    if held {
        std::fs::remove_dir_all(&options.dir)?;
    }
    Ok(report)
}

/// Kills by the schedule while the load is running, then lets the conversations that have begun end.
async fn under_load(
    options: &Options,
    servers: &Servers,
    surroundings: &Arc<Surroundings>,
    load: &Arc<Load>,
) -> anyhow::Result<(killer::Killed, Duration)> {
    let schedule = plan::schedule(options.seed, options.kills, options.every, options.clustered);
    let enough = CancellationToken::new();
    let stirring = enough.child_token();
    let stopping = enough.clone();
    let killing = async move {
        let begun = Instant::now();
        let killed = killer::run(servers, schedule).await;
        stopping.cancel();
        killed.map(|killed| (killed, begun.elapsed()))
    };
    let telling = enough.child_token().run_until_cancelled_owned(tell(load));
    let (killed, (), (), _) = tokio::join!(killing, load.run(enough), surroundings.stir(stirring), telling);
    killed
}

/// Prints progress at intervals.
async fn tell(load: &Load) {
    let begun = Instant::now();
    loop {
        tokio::time::sleep(TELL_EVERY).await;
        let (count, posted, asked) = load.journal().read();
        let (seconds, conversations) = (begun.elapsed().as_secs(), count.conversations.wanted);
        println!("{seconds:5} s: {conversations} conversations, {} webhooks, {} commands", posted.len(), asked.len());
    }
}
