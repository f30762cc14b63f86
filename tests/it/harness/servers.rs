//! Servers and simulators of one test. They stop when it ends.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nevermisscall::internals::{Config, Settings, Store};
use nmc_testbed::dispatchbot::{DispatchBotOptions, DispatchBotSim};
use nmc_testbed::servers::{NatsServer, RedisServer, Shared, TestDatabase, schema_key};
pub use nmc_testbed::settings::{API_KEY, PUBLIC_URL};
use nmc_testbed::settings::{Surroundings, hurried, owned};
use nmc_testbed::twilio::{TwilioOptions, TwilioSim};
use sqlx::{Connection, PgConnection};

use super::contract::PublishedEvents;

/// A PostgreSQL database, NATS and Redis, and simulators of Twilio and DispatchBot.
pub struct Servers {
    /// The events of the service, each held to the AsyncAPI document.
    pub published: PublishedEvents,
    pub database: TestDatabase,
    pub nats: NatsServer,
    pub redis: RedisServer,
    pub twilio: TwilioSim,
    pub dispatchbot: DispatchBotSim,
    dir: PathBuf,
    _dir: Box<dyn Any + Send + Sync>,
}

impl Servers {
    /// Starts them all, with a migrated database.
    pub async fn start(twilio: TwilioOptions) -> Self {
        let shared = Shared::from_env().unwrap_or_else(|error| panic!("{error:#}"));
        let schema = schema_key().expect("the migrations");
        let (database, nats, redis) = tokio::join!(shared.database(&schema, migrate), shared.nats(), shared.redis());
        let dir = shared.dir().expect("a folder");
        let nats = nats.expect("a nats-server");
        Self {
            published: PublishedEvents::of(&nats.url()).await,
            database: database.expect("a database"),
            nats,
            redis: redis.expect("a Redis"),
            twilio: TwilioSim::start(twilio).await.expect("a Twilio"),
            dispatchbot: DispatchBotSim::start(DispatchBotOptions::default()).await.expect("a DispatchBot"),
            dir: dir.path().to_owned(),
            _dir: Box::new(dir),
        }
    }

    /// A folder that is deleted at the end.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The service's settings, with short windows; `changes` override them.
    pub fn settings(&self, changes: &[(String, String)]) -> Vec<(String, String)> {
        let surroundings = Surroundings {
            database: self.database.url().to_owned(),
            nats: self.nats.url(),
            redis: self.redis.url(),
            twilio: self.twilio.base_url(),
            dispatchbot: self.dispatchbot.base_url(),
        };
        let more = owned([("NMC_BIND", "127.0.0.1:0"), ("NMC_RECONCILE_AFTER", "1s")]);
        let all = [surroundings.settings(), hurried(), more, changes.to_vec()].concat();
        // Each once, with its last value: a file may not have one twice.
        all.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect()
    }

    /// The same as a [`Config`], for a service in this process.
    pub fn config(&self, changes: &[(String, String)]) -> Config {
        let settings = Settings::read(None, self.settings(changes)).expect("settings");
        Config::from_settings(&settings).unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn database_url(&self) -> &str {
        self.database.url()
    }

    /// A connection to the test's database.
    pub async fn sql(&self) -> PgConnection {
        PgConnection::connect(self.database.url()).await.expect("a connection to PostgreSQL")
    }
}

async fn migrate(url: String) -> anyhow::Result<()> {
    let store = Store::owner(&url)?;
    store.migrate().await?;
    // A template can only be copied while nobody is connected to it.
    store.close().await;
    Ok(())
}
