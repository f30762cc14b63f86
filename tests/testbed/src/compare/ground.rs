//! What candidates are started on: a PostgreSQL for the run, and new servers and a new folder for each start.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::candidate::{Candidate, Fsync};
use super::npm::Peers;
use super::running::Running;
use super::{Options, bare, express, ours, restate};
use crate::servers::{Binaries, NatsOptions, NatsServer, PostgresOptions, PostgresServer, RedisOptions, RedisServer};

/// The line of `nats.conf` that makes it fsync before it acknowledges.
const ALWAYS: &str = "sync_interval: always";

/// What a candidate is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Only to accept webhooks.
    Edge(Fsync),
    /// To answer texts, too.
    Burst,
}

impl Purpose {
    pub(super) fn fsync(self) -> Fsync {
        match self {
            Self::Edge(fsync) => fsync,
            Self::Burst => Fsync::Always,
        }
    }
}

/// What candidates are started on.
pub(super) struct Ground {
    pub(super) options: Options,
    pub(super) postgres: PostgresServer,
    peers: Option<Peers>,
    binaries: Binaries,
    starts: usize,
}

impl Ground {
    pub(super) async fn start(options: &Options, peers: Option<Peers>) -> anyhow::Result<Self> {
        let binaries = Binaries::find()?;
        let postgres = PostgresServer::start(PostgresOptions::new(&binaries, options.dir.join("postgres"))).await?;
        Ok(Self { options: options.clone(), postgres, peers, binaries, starts: 0 })
    }

    /// Starts a candidate without any data; when this returns, it accepts texts.
    pub(super) async fn candidate(&mut self, candidate: Candidate, purpose: Purpose) -> anyhow::Result<Running> {
        self.starts += 1;
        let dir = self.options.dir.join(format!("start-{}", self.starts));
        std::fs::create_dir_all(&dir)?;
        match candidate {
            Candidate::Ours => ours::start(self, &dir, purpose).await,
            Candidate::Bare => bare::start(self, &dir, purpose).await,
            Candidate::Express => express::start(self, &dir, purpose).await,
            Candidate::Restate => restate::start(self, &dir).await,
        }
    }

    /// A name that no start before had.
    pub(super) fn new_database(&self) -> String {
        format!("compare_{}", self.starts)
    }

    pub(super) fn peers(&self) -> anyhow::Result<&Peers> {
        self.peers.as_ref().context("npm has not installed it")
    }

    pub(super) async fn nats(&self, dir: &Path, fsync: Fsync) -> anyhow::Result<NatsServer> {
        let mut options = NatsOptions::new(&self.binaries, dir.join("nats"));
        if fsync == Fsync::Default {
            options.config = with_default_sync(&options.config, dir)?;
        }
        NatsServer::start(options).await
    }

    pub(super) async fn redis(&self, dir: &Path, fsync: Fsync) -> anyhow::Result<RedisServer> {
        let appendfsync = match fsync {
            Fsync::Always => "always",
            Fsync::Default => "everysec",
        };
        let options = RedisOptions::new(&self.binaries, dir.join("redis"));
        RedisServer::start(RedisOptions { durable: true, appendfsync, ..options }).await
    }

    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.postgres.destroy().await
    }
}

/// A copy of the configuration in `dir` that leaves it to nats-server when it fsyncs.
fn with_default_sync(config: &Path, dir: &Path) -> anyhow::Result<PathBuf> {
    let text = std::fs::read_to_string(config)?;
    ensure!(text.contains(ALWAYS), "{} does not have `{ALWAYS}`", config.display());
    let copy = dir.join("nats.conf");
    std::fs::write(&copy, text.replace(ALWAYS, ""))?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::workspace_root;

    #[test]
    fn the_default_sync_is_that_of_nats_server() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let copy = with_default_sync(&workspace_root().join("nats.conf"), dir.path())?;
        let text = std::fs::read_to_string(copy)?;
        let settings = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        assert!(settings.clone().all(|line| !line.contains("sync_interval")));
        assert!(settings.clone().any(|line| line.contains("max_file_store")));
        Ok(())
    }
}
