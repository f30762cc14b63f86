//! The servers of a run: one nats-server, PostgreSQL and Redis, with durable settings.

use std::path::Path;

use sqlx::{Connection, Executor, PgConnection};

use super::cost::Part;
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
    /// The processes of the servers, whose costs are shown; may be empty.
    pub parts: Vec<Part>,
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
        let (nats, redis, mut postgres) = tokio::try_join!(
            NatsServer::start(NatsOptions::new(&binaries, dir.join("nats"))),
            RedisServer::start(RedisOptions::new(&binaries, dir.join("redis"))),
            PostgresServer::start(PostgresOptions::new(&binaries, dir.join("postgres"))),
        )?;
        let database = postgres.create_database(DATABASE, None).await?;
        count_statements(&mut postgres, &database).await?;
        let parts = vec![
            Part { name: "PostgreSQL", pid: postgres.pid() },
            Part { name: "nats-server", pid: nats.pid() },
            Part { name: "Redis", pid: redis.pid() },
        ];
        let addresses = Addresses { database, nats: nats.url(), redis: redis.url(), parts };
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

/// Makes PostgreSQL count the statements, if its packages contain the extension for it.
async fn count_statements(postgres: &mut PostgresServer, database: &str) -> anyhow::Result<()> {
    const EXTENSION: &str = "pg_stat_statements";
    let mut connection = PgConnection::connect(database).await?;
    let available = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM pg_available_extensions WHERE name = $1");
    if available.bind(EXTENSION).fetch_one(&mut connection).await? == 0 {
        return Ok(());
    }
    for sql in
        ["ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'", "CREATE EXTENSION pg_stat_statements"]
    {
        connection.execute(sql).await?;
    }
    connection.close().await?;
    postgres.restart().await
}
