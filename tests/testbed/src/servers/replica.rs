//! Streaming replicas of a private PostgreSQL.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::user::User;

const PATIENCE: Duration = Duration::from_secs(30);
const BETWEEN: Duration = Duration::from_millis(20);

/// Copies the running server with these sockets into `dir`, so that a server that starts there is its replica.
pub(super) fn copy(bin_dir: &Path, user: &User, sockets: &Path, dir: &Path, name: &str) -> anyhow::Result<()> {
    ensure!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()), "not a plain name: {name:?}");
    let primary = format!("host={} user=postgres application_name={name}", sockets.display());
    let mut command = Command::new("setpriv");
    command.args(user.privileges()).arg("--").arg(bin_dir.join("pg_basebackup"));
    command.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--dbname", &primary, "--pgdata"]);
    let output = command.arg(dir.join("data")).current_dir(dir).stdin(Stdio::null()).output();
    let output = output.context("cannot run pg_basebackup")?;
    if !output.status.success() {
        bail!("pg_basebackup failed ({}):\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// From now on, the primary confirms a commit once the replica has it. Set after the copy: the replica must not wait for
/// itself when it is promoted.
pub(super) async fn synchronise_with(primary: &str, name: &str) -> anyhow::Result<()> {
    let mut sql = PgConnection::connect(primary).await?;
    let set = format!("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 ({name})'");
    sqlx::query(AssertSqlSafe(set)).execute(&mut sql).await?;
    sqlx::query("SELECT pg_reload_conf()").execute(&mut sql).await?;
    Ok(sql.close().await?)
}

/// Waits until the replica streams from the primary.
pub(super) async fn streaming(primary: &str, name: &str) -> anyhow::Result<()> {
    let mut sql = PgConnection::connect(primary).await?;
    let begun = Instant::now();
    loop {
        let streams = "SELECT count(*) FROM pg_stat_replication WHERE application_name = $1 AND state = 'streaming'";
        let count: i64 = sqlx::query_scalar(streams).bind(name).fetch_one(&mut sql).await?;
        if count == 1 {
            return Ok(sql.close().await?);
        }
        ensure!(begun.elapsed() < PATIENCE, "the replica {name} does not stream");
        tokio::time::sleep(BETWEEN).await;
    }
}

/// Ends the recovery of a replica.
pub(super) async fn promote(replica: &str) -> anyhow::Result<()> {
    let mut sql = PgConnection::connect(replica).await?;
    let promoted: bool = sqlx::query_scalar("SELECT pg_promote(true, 60)").fetch_one(&mut sql).await?;
    ensure!(promoted, "the replica was not promoted");
    Ok(sql.close().await?)
}

/// The bytes of all files below a folder.
pub(super) fn size(dir: &Path) -> anyhow::Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        sum += if meta.is_dir() { size(&entry.path())? } else { meta.len() };
    }
    Ok(sum)
}
