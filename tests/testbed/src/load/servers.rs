//! The servers of a run: one nats-server, PostgreSQL and Redis, with durable settings.

use std::path::Path;

use crate::servers::{Binaries, NatsOptions, NatsServer, PostgresOptions, PostgresServer, RedisOptions, RedisServer};

const DATABASE: &str = "load";

/// The addresses of the servers that the service uses.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// The database's URL; it may be empty or migrated.
    pub database: String,
    /// NATS's URL.
    pub nats: String,
    /// Redis's URL.
    pub redis: String,
}

/// Running servers. Dropping them kills them.
pub struct Servers {
    nats: NatsServer,
    postgres: PostgresServer,
    redis: RedisServer,
    addresses: Addresses,
}

impl Servers {
    /// Starts them with their data under `dir`.
    pub async fn start(dir: &Path) -> anyhow::Result<Self> {
        let binaries = Binaries::find()?;
        let (nats, redis, postgres) = tokio::try_join!(
            NatsServer::start(NatsOptions::new(&binaries, dir.join("nats"))),
            RedisServer::start(RedisOptions::new(&binaries, dir.join("redis"))),
            PostgresServer::start(PostgresOptions::new(&binaries, dir.join("postgres"))),
        )?;
        let database = postgres.create_database(DATABASE, None).await?;
        let addresses = Addresses { database, nats: nats.url(), redis: redis.url() };
        Ok(Self { nats, postgres, redis, addresses })
    }

    /// Their addresses.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Stops them, and removes PostgreSQL's data in any location.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.nats.stop().await?;
        self.redis.stop().await?;
        self.postgres.destroy().await
    }
}
