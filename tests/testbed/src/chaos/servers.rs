//! All parts that can be killed: edges, workers, nats-server (one, or a cluster of three), PostgreSQL, Redis and
//! DispatchBot, each a child process with a fixed address.
//!
//! A part that ends without having been killed is reported: nothing else may end it.

mod settings;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use async_nats::jetstream::{self, stream::Stream};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::sleep;

use super::plan::{Led, Part};
use crate::program::{Program, beside_us, ready};
use crate::servers::{
    Binaries, NatsCluster, NatsOptions, NatsServer, PostgresOptions, PostgresServer, RedisOptions, RedisServer,
    free_port, meta_leader, stream_leader,
};
use crate::sim::lock;
pub(super) use settings::businesses;

const DATABASE: &str = "chaos";
/// Number of edges, and also of workers.
const EACH: usize = 2;
const BETWEEN: Duration = Duration::from_millis(50);
/// How long a cluster may be without a leader.
const ELECTION: Duration = Duration::from_secs(60);

/// All parts, each behind a lock that is held from a kill until the part is back.
pub(super) struct Servers {
    edges: Vec<Mutex<Program>>,
    workers: Vec<Mutex<Program>>,
    nats: Vec<Mutex<NatsServer>>,
    postgres: Mutex<PostgresServer>,
    replica: Option<PostgresServer>,
    redis: Mutex<RedisServer>,
    dispatchbot: Mutex<Program>,
    addresses: Addresses,
    ended: std::sync::Mutex<Vec<String>>,
}

/// The addresses of all parts; they do not change during a run.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    /// The edges' URLs.
    pub edges: Vec<String>,
    /// The database's URL.
    pub database: String,
    /// Its URL as the service has it: with the replica, if there is one.
    pub service_database: String,
    /// NATS's URL, or several.
    pub nats: String,
    /// The URLs of its nodes' monitors.
    pub monitors: Vec<String>,
    /// Redis's URL.
    pub redis: String,
}

/// The databases and brokers, before the service is started.
pub(super) struct Stores {
    dir: PathBuf,
    nats: Vec<NatsServer>,
    postgres: PostgresServer,
    replica: Option<PostgresServer>,
    redis: RedisServer,
    addresses: Addresses,
    edge_ports: Vec<u16>,
}

/// What is there more than once.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Redundancy {
    /// Three nats-servers instead of one.
    pub nats: bool,
    /// A synchronous replica of PostgreSQL.
    pub postgres: bool,
}

impl Stores {
    /// Starts them with their data under `dir`.
    pub(super) async fn start(dir: &Path, redundancy: Redundancy) -> anyhow::Result<Self> {
        let binaries = Binaries::find()?;
        let redis = RedisOptions { durable: true, ..RedisOptions::new(&binaries, dir.join("redis")) };
        let postgres = PostgresOptions::new(&binaries, dir.join("postgres"));
        let nats = async {
            if redundancy.nats {
                return Ok(NatsCluster::start(&binaries, &dir.join("nats")).await?.into_nodes());
            }
            Ok(vec![NatsServer::start(NatsOptions::new(&binaries, dir.join("nats"))).await?])
        };
        let (nats, redis, postgres) =
            tokio::try_join!(nats, RedisServer::start(redis), PostgresServer::start(postgres))?;
        let database = postgres.create_database(DATABASE, None).await?;
        let replica = match redundancy.postgres {
            true => Some(postgres.start_replica(&dir.join("replica"), "replica", true).await?),
            false => None,
        };
        let both = |replica| PostgresServer::failover_url(&[&postgres, replica], DATABASE);
        let service_database = replica.as_ref().map_or_else(|| database.clone(), both);
        let edge_ports = (0..EACH).map(|_| free_port()).collect::<anyhow::Result<Vec<u16>>>()?;
        let addresses = Addresses {
            edges: edge_ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect(),
            database,
            service_database,
            nats: nats.iter().map(NatsServer::url).collect::<Vec<_>>().join(","),
            monitors: nats.iter().map(NatsServer::monitor_url).collect(),
            redis: redis.url(),
        };
        Ok(Self { dir: dir.to_owned(), nats, postgres, replica, redis, addresses, edge_ports })
    }

    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Migrates, and starts the service and DispatchBot; when this returns, the service is ready.
    pub(super) async fn serve(self, twilio_url: &str) -> anyhow::Result<Servers> {
        let bot_port = free_port()?;
        let bind = format!("127.0.0.1:{bot_port}");
        let simulator = beside_us("dispatchbot-sim")?;
        let bot = Program::new(&self.dir, "dispatchbot", &simulator, &["--bind", &bind], &settings::of_dispatchbot())?;
        let program = beside_us("nevermisscall")?;
        let settings =
            settings::of_the_service(&self.addresses, self.nats.len(), twilio_url, &format!("http://{bind}"));
        let service = |name: &str, role: &str, more: &[(&str, String)]| {
            let more = more.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
            let settings: Vec<_> = settings.iter().cloned().chain(more).collect();
            Program::new(&self.dir, name, &program, &[role], &settings)
        };
        service("migrate", "migrate", &[])?.finish().await?;
        let (mut edges, mut workers) = (Vec::new(), Vec::new());
        for (number, port) in self.edge_ports.iter().enumerate() {
            let bind = ("NMC_BIND", format!("127.0.0.1:{port}"));
            edges.push(Mutex::new(service(&format!("edge-{number}"), "edge", &[bind])?));
            workers.push(Mutex::new(service(&format!("worker-{number}"), "worker", &[])?));
        }
        let servers = Servers {
            edges,
            workers,
            nats: self.nats.into_iter().map(Mutex::new).collect(),
            postgres: Mutex::new(self.postgres),
            replica: self.replica,
            redis: Mutex::new(self.redis),
            dispatchbot: Mutex::new(bot),
            addresses: self.addresses,
            ended: std::sync::Mutex::default(),
        };
        servers.ready().await?;
        servers.is_replicated().await?;
        Ok(servers)
    }
}

impl Servers {
    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Kills a part, waits, and starts it again. If the part is still restarting, it waits for that first.
    pub(super) async fn kill(&self, part: Part, down: Duration) -> anyhow::Result<()> {
        match part {
            Part::Edge(number) => self.kill_program(&self.edges[number % EACH], down).await,
            Part::Worker(number) => self.kill_program(&self.workers[number % EACH], down).await,
            Part::DispatchBot => self.kill_program(&self.dispatchbot, down).await,
            Part::Nats => self.kill_node(self.nats[0].lock().await, down).await,
            Part::Leader(led) => self.kill_leader(led, down).await,
            Part::Postgres => {
                let mut postgres = self.postgres.lock().await;
                self.note_if(postgres.has_ended(), "PostgreSQL");
                postgres.kill().await?;
                sleep(down).await;
                postgres.restart().await
            }
            Part::Redis => {
                let mut redis = self.redis.lock().await;
                self.note_if(redis.has_ended(), "Redis");
                redis.kill().await?;
                sleep(down).await;
                redis.restart().await
            }
        }
    }

    /// Kills the primary and, when somebody has noticed, promotes the replica. Returns the new primary's URL.
    pub(super) async fn fail_over(&self, noticed: Duration) -> anyhow::Result<String> {
        let replica = self.replica.as_ref().context("there is no replica")?;
        self.postgres.lock().await.kill().await?;
        sleep(noticed).await;
        replica.promote().await?;
        replica.database_url(DATABASE)
    }

    /// Kills Redis, and starts an empty one at its address.
    pub(super) async fn replace_redis(&self, down: Duration) -> anyhow::Result<()> {
        let mut redis = self.redis.lock().await;
        redis.kill().await?;
        sleep(down).await;
        redis.forget().await
    }

    /// Restarts edges and workers one after another, each as it is asked to end; with the program at this path, if one is
    /// given. Each edge is ready before the next is asked.
    pub(super) async fn roll(&self, path: Option<&Path>) -> anyhow::Result<()> {
        for program in self.edges.iter().chain(&self.workers) {
            let mut program = program.lock().await;
            program.stop().await?;
            match path {
                Some(path) => program.restart_as(path)?,
                None => program.restart()?,
            }
            self.ready().await?;
        }
        Ok(())
    }

    /// The processes, by name.
    pub(super) async fn pids(&self) -> Vec<(String, u32)> {
        let mut pids = Vec::new();
        for program in self.edges.iter().chain(&self.workers) {
            let program = program.lock().await;
            pids.push((program.name().to_owned(), program.pid()));
        }
        pids
    }

    /// A copy of the database's files, as `pg_basebackup` makes it; removed again. Returns its size in bytes.
    pub(super) async fn back_up(&self) -> anyhow::Result<u64> {
        self.postgres.lock().await.base_backup_size().await
    }

    /// The parts that ended without having been killed.
    pub(super) async fn ended_by_themselves(&self) -> Vec<String> {
        for program in self.edges.iter().chain(&self.workers).chain([&self.dispatchbot]) {
            let program = program.lock().await;
            self.note_if(program.has_ended(), program.name());
        }
        for node in &self.nats {
            self.note_if(node.lock().await.has_ended(), "nats-server");
        }
        self.note_if(self.postgres.lock().await.has_ended(), "PostgreSQL");
        self.note_if(self.redis.lock().await.has_ended(), "Redis");
        lock(&self.ended).clone()
    }

    /// Stops everything; unless `keep`, it removes PostgreSQL's data in any location.
    pub(super) async fn stop(self, keep: bool) -> anyhow::Result<()> {
        drop((self.edges, self.workers, self.dispatchbot));
        let mut postgres = self.postgres.into_inner();
        if keep {
            return postgres.stop().await;
        }
        if let Some(replica) = self.replica {
            replica.destroy().await?;
        }
        postgres.destroy().await
    }

    /// Waits until both edges report that they are ready.
    pub(super) async fn ready(&self) -> anyhow::Result<()> {
        for edge in &self.addresses.edges {
            ready(edge).await?;
        }
        Ok(())
    }

    /// Checks that all streams are on all nodes; otherwise a cluster would prove nothing.
    async fn is_replicated(&self) -> anyhow::Result<()> {
        for name in ["NMC_INBOUND", "NMC_WINDOWS", "NMC_TASKS", "NMC_EVENTS", "NMC_DEAD"] {
            let replicas = self.stream(name).await?.get_info().await?.config.num_replicas;
            ensure!(replicas == self.nats.len(), "{name} is kept on {replicas} of {} nodes", self.nats.len());
        }
        Ok(())
    }

    async fn inbound(&self) -> anyhow::Result<Stream> {
        self.stream("NMC_INBOUND").await
    }

    async fn stream(&self, name: &str) -> anyhow::Result<Stream> {
        let servers: Vec<&str> = self.addresses.nats.split(',').collect();
        Ok(jetstream::new(async_nats::connect(servers).await?).get_stream(name).await?)
    }

    async fn kill_program(&self, program: &Mutex<Program>, down: Duration) -> anyhow::Result<()> {
        let mut program = program.lock().await;
        self.note_if(program.has_ended(), program.name());
        program.kill().await?;
        sleep(down).await;
        program.restart()
    }

    async fn kill_node(&self, mut node: MutexGuard<'_, NatsServer>, down: Duration) -> anyhow::Result<()> {
        self.note_if(node.has_ended(), "nats-server");
        node.kill().await?;
        sleep(down).await;
        node.restart().await
    }

    /// Locks all nodes in the meantime, so that two are never down together: one node is no cluster.
    async fn kill_leader(&self, led: Led, down: Duration) -> anyhow::Result<()> {
        let mut nodes = Vec::new();
        for node in &self.nats {
            nodes.push(node.lock().await);
        }
        let leader = tokio::time::timeout(ELECTION, async {
            loop {
                if let Ok(leader) = self.leader(led).await {
                    return leader;
                }
                sleep(BETWEEN).await;
            }
        });
        let leader = leader.await.with_context(|| format!("there is no {}", Part::Leader(led)))?;
        match nodes.into_iter().find(|node| node.name() == Some(&leader)) {
            Some(node) => self.kill_node(node, down).await,
            None => bail!("{leader} leads, and is not one of ours"),
        }
    }

    async fn leader(&self, led: Led) -> anyhow::Result<String> {
        match led {
            Led::Meta => meta_leader(self.addresses.monitors.first().context("no node")?).await,
            Led::Inbound => stream_leader(&self.inbound().await?).await,
        }
    }

    fn note_if(&self, ended: bool, name: &str) {
        let noted = &mut *lock(&self.ended);
        if ended && !noted.iter().any(|known| known == name) {
            noted.push(name.to_owned());
        }
    }
}
