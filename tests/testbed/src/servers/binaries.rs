//! Paths of the servers' programs.
//!
//! They come from environment variables (set by `with-servers`) or else from `.run/servers.env` and
//! `.run/monitoring.env`, which `scripts/get-servers` writes.

use std::{
    collections::HashMap,
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};

use super::shared::{NATS_SERVER_BIN, PG_BIN_DIR, REDIS_SERVER_BIN};

/// The programs' paths.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The program `nats-server`, 2.14 or later.
    pub nats_server: PathBuf,
    /// The folder with `initdb`, `postgres` and `psql`.
    pub postgres_dir: PathBuf,
    /// The program `redis-server`.
    pub redis_server: PathBuf,
}

impl Binaries {
    /// Finds all three; the error names the missing one and the command that installs it.
    pub fn find() -> anyhow::Result<Self> {
        let known = Known::read(".run/servers.env");
        let path = |name: &str| {
            known
                .path(name)
                .context("the servers' programs are not known: run scripts/get-servers (make run and make test do)")
        };
        Ok(Self {
            nats_server: path(NATS_SERVER_BIN)?,
            postgres_dir: path(PG_BIN_DIR)?,
            redis_server: path(REDIS_SERVER_BIN)?,
        })
    }
}

/// The paths of the programs that watch the service.
#[derive(Debug, Clone)]
pub struct MonitoringBinaries {
    /// The program `prometheus`.
    pub prometheus: PathBuf,
    /// The program `alertmanager`; Debian calls it `prometheus-alertmanager`.
    pub alertmanager: PathBuf,
}

impl MonitoringBinaries {
    /// Finds both; the error names the missing one and the command that installs it.
    pub fn find() -> anyhow::Result<Self> {
        let known = Known::read(".run/monitoring.env");
        let path = |name: &str| known.path(name).context("not installed yet: run scripts/get-servers monitoring");
        Ok(Self { prometheus: path("PROMETHEUS_BIN")?, alertmanager: path("ALERTMANAGER_BIN")? })
    }
}

/// The paths that `scripts/get-servers` wrote to a file.
struct Known {
    file: PathBuf,
    paths: HashMap<String, String>,
}

impl Known {
    fn read(name: &str) -> Self {
        let file = workspace_root().join(name);
        let paths = std::fs::read_to_string(&file).map(|text| parse(&text)).unwrap_or_default();
        Self { file, paths }
    }

    /// The environment wins.
    fn path(&self, name: &str) -> anyhow::Result<PathBuf> {
        let found = env::var(name).ok().or_else(|| self.paths.get(name).cloned());
        found
            .map(PathBuf::from)
            .ok_or_else(|| anyhow!("{name} is neither in the environment nor in {}", self.file.display()))
    }
}

/// The root folder of the project, which contains `nats.conf` and `.run`.
pub fn workspace_root() -> PathBuf {
    let built_at = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = built_at.ancestors().nth(2).unwrap_or(built_at).to_path_buf();
    if root.join("nats.conf").is_file() { root } else { PathBuf::from(".") }
}

fn parse(text: &str) -> HashMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().trim_matches('\'').to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_and_plain_values_are_read_and_comments_are_not() {
        let known = parse("# a comment\nPG_BIN_DIR='/usr/lib/a b'\nREDIS_SERVER_BIN=/usr/bin/redis-server\n");
        assert_eq!(known["PG_BIN_DIR"], "/usr/lib/a b");
        assert_eq!(known["REDIS_SERVER_BIN"], "/usr/bin/redis-server");
        assert_eq!(known.len(), 2);
    }
}
