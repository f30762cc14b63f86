//! The condition of the server, for `nevermisscall check`. Read with the user's own role: the service's may not read which
//! migrations were applied.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use sqlx::migrate::Migrator;
use sqlx::{ConnectOptions, Connection};

use super::{Store, StoreError};

/// The migrations of this version. Those of a later version are no fault: after a rollback this version runs on its schema.
pub(super) static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!("./migrations");
    migrations.set_ignore_missing(true);
    migrations
});

/// What the server says of itself.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ServerFacts {
    /// The version as it is shown, such as `15.8 (Debian 15.8-0+deb12u1)`.
    pub version: String,
    /// The same for comparisons, such as 150008.
    pub version_number: i32,
    /// Whether it is a replica, which cannot be written to.
    pub is_replica: bool,
    /// Whether a confirmed commit is on disk.
    pub fsync: bool,
}

/// Which server and database an address leads to.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Identity {
    /// What names the data of the server, also on its replicas.
    pub system: i64,
    /// The database in it.
    pub database: String,
    /// When the server started: another one started at another time.
    pub started_at: DateTime<Utc>,
}

/// The migrations that were applied, compared with those of this version; each by its number.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct AppliedMigrations {
    /// The newest of this version.
    pub newest: i64,
    /// Not applied yet.
    pub missing: Vec<i64>,
    /// Applied, but with another text.
    pub changed: Vec<i64>,
    /// Begun and not finished.
    pub unfinished: Vec<i64>,
    /// Applied by a later version.
    pub later: Vec<i64>,
}

#[derive(sqlx::FromRow)]
struct Applied {
    version: i64,
    success: bool,
    checksum: Vec<u8>,
}

impl Store {
    /// Reads the version of the server and the settings that matter.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable.
    pub async fn server_facts(&self) -> Result<ServerFacts, StoreError> {
        let facts = "SELECT current_setting('server_version') AS version,
                current_setting('server_version_num')::int4 AS version_number,
                pg_is_in_recovery() AS is_replica, current_setting('fsync')::bool AS fsync";
        // Not from the pool, which tries again where a connection is refused, and does not say why.
        let mut connection = self.pool.connect_options().connect().await?;
        let found = sqlx::query_as(facts).fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok(found)
    }

    /// Which server and database this is.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable.
    pub async fn identity(&self) -> Result<Identity, StoreError> {
        let identity = "SELECT (SELECT system_identifier FROM pg_control_system()) AS system, current_database()::text AS database,
                               pg_postmaster_start_time() AS started_at";
        Ok(sqlx::query_as(identity).fetch_one(&self.pool).await?)
    }

    /// Reads the server's clock.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable.
    pub async fn server_time(&self) -> Result<DateTime<Utc>, StoreError> {
        Ok(sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&self.pool).await?)
    }

    /// Compares the migrations that were applied with those of this version.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable, or the user may not read them.
    pub async fn applied_migrations(&self) -> Result<AppliedMigrations, StoreError> {
        let exists = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";
        let exists: bool = sqlx::query_scalar(exists).fetch_one(&self.pool).await?;
        let applied: Vec<Applied> = if exists {
            let applied = "SELECT version, success, checksum FROM _sqlx_migrations ORDER BY version";
            sqlx::query_as(applied).fetch_all(&self.pool).await?
        } else {
            Vec::new()
        };
        Ok(compare(&applied))
    }
}

fn compare(applied: &[Applied]) -> AppliedMigrations {
    let mut found = AppliedMigrations::default();
    for ours in MIGRATIONS.iter() {
        found.newest = found.newest.max(ours.version);
        match applied.iter().find(|applied| applied.version == ours.version) {
            None => found.missing.push(ours.version),
            Some(applied) if !applied.success => found.unfinished.push(ours.version),
            Some(applied) if applied.checksum != *ours.checksum => found.changed.push(ours.version),
            Some(_) => {}
        }
    }
    let known = |applied: &&Applied| MIGRATIONS.iter().any(|ours| ours.version == applied.version);
    found.later = applied.iter().filter(|applied| !known(applied)).map(|applied| applied.version).collect();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Applied> {
        let applied = |ours: &sqlx::migrate::Migration| Applied {
            version: ours.version,
            success: true,
            checksum: ours.checksum.to_vec(),
        };
        MIGRATIONS.iter().map(applied).collect()
    }

    #[test]
    fn what_is_missing_changed_unfinished_or_later_is_found() {
        let newest = MIGRATIONS.iter().map(|ours| ours.version).max().unwrap_or_default();
        assert_eq!(compare(&all()), AppliedMigrations { newest, ..AppliedMigrations::default() });
        let mut applied = all();
        applied[1].success = false;
        applied[2].checksum.push(0);
        applied.push(Applied { version: 9_999, success: true, checksum: Vec::new() });
        let (unfinished, changed) = (applied[1].version, applied[2].version);
        let missing = applied.remove(0).version;
        let expected = AppliedMigrations {
            newest,
            missing: vec![missing],
            changed: vec![changed],
            unfinished: vec![unfinished],
            later: vec![9_999],
        };
        assert_eq!(compare(&applied), expected);
    }
}
