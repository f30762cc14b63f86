//! Paths of the three servers' programs.
//!
//! They come from environment variables (set by `with-servers`) or else from `.run/servers.env`, which
//! `scripts/get-servers` writes.

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
        let file = workspace_root().join(".run/servers.env");
        let known = std::fs::read_to_string(&file).map(|text| parse(&text)).unwrap_or_default();
        let path = |name: &str| -> anyhow::Result<PathBuf> {
            env::var(name)
                .ok()
                .or_else(|| known.get(name).cloned())
                .map(PathBuf::from)
                .ok_or_else(|| anyhow!("{name} is neither in the environment nor in {}", file.display()))
                .context("the servers' programs are not known: run scripts/get-servers (make run and make test do)")
        };
        Ok(Self {
            nats_server: path(NATS_SERVER_BIN)?,
            postgres_dir: path(PG_BIN_DIR)?,
            redis_server: path(REDIS_SERVER_BIN)?,
        })
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
