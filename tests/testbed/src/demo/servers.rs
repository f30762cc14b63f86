//! The three private servers, started in parallel.

use std::time::Instant;

use anyhow::Context;

use super::place::Place;
use super::screen::{Screen, Tag};
use crate::servers::{Binaries, NatsOptions, NatsServer, PostgresOptions, PostgresServer, RedisOptions, RedisServer};

/// The name of the demo's database.
const DATABASE: &str = "nevermisscall";

/// The three servers, running. Dropping them kills them.
pub(super) struct Servers {
    pub(super) binaries: Binaries,
    nats: NatsServer,
    postgres: PostgresServer,
    redis: RedisServer,
    database_url: String,
}

impl Servers {
    pub(super) async fn start(place: &Place, screen: &Screen) -> anyhow::Result<Self> {
        let binaries = Binaries::find()?;
        screen.announce(Tag::Start, "starting nats-server, PostgreSQL (a new cluster) and Redis");
        let nats = NatsOptions::new(&binaries, place.data("nats"));
        let redis = RedisOptions::new(&binaries, place.data("redis"));
        let postgres = PostgresOptions::new(&binaries, place.data("postgres"));
        // Creating the cluster blocks, so the other two start first. If one fails, those that run are dropped.
        let (nats, redis, postgres) = tokio::try_join!(
            shown(screen, "nats-server", NatsServer::start(nats), NatsServer::url),
            shown(screen, "Redis", RedisServer::start(redis), RedisServer::url),
            shown(screen, "PostgreSQL", PostgresServer::start(postgres), PostgresServer::url),
        )?;
        place.note_postgres(postgres.dir())?;
        let database_url = postgres.create_database(DATABASE, None).await?;
        screen.progress(None);
        Ok(Self { binaries, nats, postgres, redis, database_url })
    }

    /// The value for `NATS_URL`.
    pub(super) fn nats_url(&self) -> String {
        self.nats.url()
    }

    /// The URL of NATS's monitoring.
    pub(super) fn nats_monitor_url(&self) -> String {
        self.nats.monitor_url()
    }

    /// The value for `DATABASE_URL`.
    pub(super) fn database_url(&self) -> &str {
        &self.database_url
    }

    /// The value for `REDIS_URL`.
    pub(super) fn redis_url(&self) -> String {
        self.redis.url()
    }

    /// Stops them, and removes PostgreSQL's data in any location.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        self.nats.stop().await?;
        self.redis.stop().await?;
        self.postgres.destroy().await
    }
}

async fn shown<S>(
    screen: &Screen,
    name: &str,
    starting: impl Future<Output = anyhow::Result<S>>,
    url: fn(&S) -> String,
) -> anyhow::Result<S> {
    let begun = Instant::now();
    let server = starting.await.with_context(|| format!("cannot start {name}"))?;
    let took = format!("{:.1} s", begun.elapsed().as_secs_f64());
    screen.line(Tag::Start, &format!("{name} answers at {}", url(&server)), &took);
    Ok(server)
}
