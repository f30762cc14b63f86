//! The resources that all tests of a run share: one PostgreSQL cluster, the programs of the other servers, one folder.
//!
//! They come from the environment that the program `with-servers` sets up. If a server is missing, the test fails; it
//! is never skipped.

use std::{env, path::PathBuf};

use anyhow::{Context, anyhow};

use super::{
    binaries::Binaries,
    database::{TestDatabase, template_database},
    nats::NatsServer,
    postgres::PostgresServer,
    redis::RedisServer,
};

/// Name of the variable with the superuser's URL of the run's PostgreSQL.
pub const POSTGRES_URL: &str = "NMC_TEST_POSTGRES_URL";
/// Name of the variable with the folder that is removed at the end of the run.
pub const TEST_DIR: &str = "NMC_TEST_DIR";
/// Name of the variable with the path of the program `nats-server`.
pub const NATS_SERVER_BIN: &str = "NATS_SERVER_BIN";
/// Name of the variable with the path of the program `redis-server`.
pub const REDIS_SERVER_BIN: &str = "REDIS_SERVER_BIN";
/// Name of the variable with the folder of PostgreSQL's programs.
pub const PG_BIN_DIR: &str = "PG_BIN_DIR";

/// The run's shared servers, as a test sees them.
#[derive(Debug, Clone)]
pub struct Shared {
    admin_url: String,
    binaries: Binaries,
    dir: PathBuf,
}

impl Shared {
    /// Reads the environment; the error names the command that sets it up.
    pub fn from_env() -> anyhow::Result<Self> {
        let admin_url = env::var(POSTGRES_URL)
            .map_err(|_| anyhow!("{POSTGRES_URL} is not set: tests run by `make test`, which starts the servers"))?;
        let dir = env::var_os(TEST_DIR).map_or_else(env::temp_dir, PathBuf::from);
        Ok(Self { admin_url, binaries: Binaries::find()?, dir })
    }

    /// The superuser's URL of the shared cluster.
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    /// The paths of the servers' programs.
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// An empty folder that is removed when the handle is dropped, at the latest at the end of the run.
    pub fn dir(&self) -> anyhow::Result<tempfile::TempDir> {
        let dir = tempfile::Builder::new().prefix("t").tempdir_in(&self.dir);
        dir.with_context(|| format!("cannot make a folder in {}", self.dir.display()))
    }

    /// A private database, copied from the template for `key`; see [`template_database`].
    pub async fn database<M>(&self, key: &str, migrate: M) -> anyhow::Result<TestDatabase>
    where
        M: AsyncFnOnce(String) -> anyhow::Result<()>,
    {
        let template = template_database(&self.admin_url, key, migrate).await?;
        TestDatabase::create(&self.admin_url, Some(&template)).await
    }

    /// A private, empty database.
    pub async fn empty_database(&self) -> anyhow::Result<TestDatabase> {
        TestDatabase::create(&self.admin_url, None).await
    }

    /// A private PostgreSQL whose data survives a power cut, unlike the shared one, which may be in fast mode. Takes
    /// seconds to start.
    pub async fn durable_postgres(&self) -> anyhow::Result<PostgresServer> {
        PostgresServer::start_temporary(&self.binaries).await
    }

    /// A private nats-server with an empty store.
    pub async fn nats(&self) -> anyhow::Result<NatsServer> {
        NatsServer::start_in(&self.binaries, self.dir()?).await
    }

    /// A private, empty Redis.
    pub async fn redis(&self) -> anyhow::Result<RedisServer> {
        RedisServer::start_in(&self.binaries, self.dir()?).await
    }
}
