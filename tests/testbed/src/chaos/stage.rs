//! Everything that takes part in a run: started, put under load, read afterwards, and stopped.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use tokio_util::sync::CancellationToken;

use super::gather;
use super::ledger::Evidence;
use super::load::{AppServer, Load};
use super::servers::{self, Addresses, Redundancy, Servers, Stores};
use super::settle;
use super::surroundings::Surroundings;

/// Interval of the progress lines.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// The load of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// The seed of all random choices.
    pub seed: u64,
    /// Average number of conversations that begin per second.
    pub rate: f64,
    /// Whether Twilio has a fallback URL, at another edge, for requests that fail.
    pub falls_back: bool,
}

/// All parts of a run.
pub(super) struct Stage {
    pub(super) servers: Arc<Servers>,
    pub(super) load: Arc<Load>,
    surroundings: Arc<Surroundings>,
    edges: Vec<String>,
}

impl Stage {
    /// Starts everything below `dir`; when this returns, the service is ready.
    pub(super) async fn start(dir: &Path, plan: Plan, redundancy: Redundancy) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let stores = Stores::start(dir, redundancy).await?;
        let edges = stores.addresses().edges.clone();
        let surroundings = Arc::new(Surroundings::start(plan.seed, edges.clone()).await?);
        let servers = Arc::new(stores.serve(&surroundings.twilio.base_url()).await?);
        let app_server = AppServer::new(edges.clone())?;
        for (id, business) in servers::businesses() {
            app_server.put_business(id, &business).await?;
        }
        let load = Arc::new(Load::new(plan, Arc::clone(&surroundings), app_server));
        Ok(Self { servers, load, surroundings, edges })
    }

    /// Does something while the load is running, then lets the conversations that have begun end.
    pub(super) async fn under_load<T>(&self, doing: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let enough = CancellationToken::new();
        let stirring = enough.child_token();
        let telling = enough.child_token().run_until_cancelled_owned(tell(&self.load));
        let stopping = enough.clone();
        let doing = async move {
            let done = doing.await;
            stopping.cancel();
            done
        };
        let (done, (), (), _) = tokio::join!(doing, self.load.run(enough), self.surroundings.stir(stirring), telling);
        done
    }

    /// Waits until nothing is under way, and collects what the sources say; the database is at these addresses.
    pub(super) async fn evidence(&self, addresses: &Addresses) -> anyhow::Result<Evidence> {
        self.servers.ready().await?;
        let app_server = AppServer::new(self.edges.clone())?;
        let unsettled = settle::settle(addresses, &self.surroundings, &app_server).await?;
        let mut evidence = gather::gather(addresses, &self.surroundings, self.load.journal()).await?;
        evidence.unsettled = unsettled;
        evidence.ended_by_themselves = self.servers.ended_by_themselves().await;
        Ok(evidence)
    }

    /// Stops everything. If all held, nothing is kept.
    pub(super) async fn stop(self, dir: &Path, held: bool) -> anyhow::Result<()> {
        let servers = Arc::into_inner(self.servers).ok_or_else(|| anyhow!("somebody still holds the servers"))?;
        servers.stop(!held).await?;
        if held {
            std::fs::remove_dir_all(dir)?;
        }
        Ok(())
    }
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
