//! Databases in a running PostgreSQL: one for each test, copied from a template that is migrated once.

use std::fs::{self, DirEntry};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::thread;

use anyhow::{Context, ensure};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use url::Url;

use super::binaries::workspace_root;

/// Creates the database `name`, as a copy of `template` if given, and returns its URL.
pub async fn create_database(admin_url: &str, name: &str, template: Option<&str>) -> anyhow::Result<String> {
    let mut sql = format!("CREATE DATABASE {}", quoted(name)?);
    if let Some(template) = template {
        sql.push_str(&format!(" TEMPLATE {}", quoted(template)?));
    }
    run(admin_url, sql).await.with_context(|| format!("cannot create the database {name}"))?;
    url_of(admin_url, name)
}

/// Removes the database `name` if it exists, and ends its connections.
pub async fn drop_database(admin_url: &str, name: &str) -> anyhow::Result<()> {
    let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(name)?);
    run(admin_url, sql).await.with_context(|| format!("cannot drop the database {name}"))
}

/// The name of the template database for `key`. The first caller creates it and calls `migrate` once with its URL; all
/// others wait. A template whose `migrate` failed or was interrupted is created again.
///
/// `key` identifies the content, for example a hash of the migrations: lower-case letters, digits and `_`.
pub async fn template_database<M>(admin_url: &str, key: &str, migrate: M) -> anyhow::Result<String>
where
    M: AsyncFnOnce(String) -> anyhow::Result<()>,
{
    let name = format!("nmc_template_{key}");
    let mut admin = connect(admin_url).await?;
    if !is_complete(&mut admin, &name).await? {
        // Held until this connection ends, when this function returns.
        sqlx::query("SELECT pg_advisory_lock(hashtextextended($1, 0))").bind(&name).execute(&mut admin).await?;
        if !is_complete(&mut admin, &name).await? {
            drop_database(admin_url, &name).await?;
            migrate(create_database(admin_url, &name, None).await?).await?;
            let sql = format!("ALTER DATABASE {} IS_TEMPLATE true ALLOW_CONNECTIONS false", quoted(&name)?);
            sqlx::query(AssertSqlSafe(sql)).execute(&mut admin).await?;
        }
    }
    admin.close().await?;
    Ok(name)
}

/// A key of the service's schema for [`template_database`]: a database with other migrations is never reused.
pub fn schema_key() -> anyhow::Result<String> {
    let folder = workspace_root().join("migrations");
    let read = |entry: std::io::Result<DirEntry>| fs::read(entry?.path());
    let mut files: Vec<Vec<u8>> = fs::read_dir(&folder)
        .and_then(|entries| entries.map(read).collect())
        .with_context(|| format!("cannot read the migrations in {}", folder.display()))?;
    files.sort();
    let mut hash = DefaultHasher::new();
    files.hash(&mut hash);
    Ok(format!("schema_{:016x}", hash.finish()))
}

/// A database that is removed when its handle is dropped.
#[derive(Debug)]
pub struct TestDatabase {
    admin_url: String,
    name: String,
    url: String,
}

impl TestDatabase {
    /// Ends all connections and refuses new ones: to its users, the server is unreachable.
    pub async fn take_away(&self) -> anyhow::Result<()> {
        let name = quoted(&self.name)?;
        run(&self.admin_url, format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await?;
        let mut admin = connect(&self.admin_url).await?;
        let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
        sqlx::query(ended).bind(&self.name).execute(&mut admin).await?;
        Ok(admin.close().await?)
    }

    /// Allows connections again.
    pub async fn give_back(&self) -> anyhow::Result<()> {
        run(&self.admin_url, format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", quoted(&self.name)?)).await
    }

    /// Creates a database with a unique name, as a copy of `template` if given.
    pub async fn create(admin_url: &str, template: Option<&str>) -> anyhow::Result<Self> {
        let name = format!("nmc_test_{}", uuid::Uuid::new_v4().simple());
        let url = create_database(admin_url, &name, template).await?;
        Ok(Self { admin_url: admin_url.to_owned(), name, url })
    }

    /// The URL to connect to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name in the cluster.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (admin_url, name) = (self.admin_url.clone(), self.name.clone());
        // A separate runtime in a separate thread, because the test's runtime may already be shutting down. A database
        // that cannot be dropped is removed at the end of the run, together with the whole cluster.
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(drop_database(&admin_url, &name))
        });
        if let Ok(Err(error)) = dropping.join() {
            eprintln!("{error:#}");
        }
    }
}

/// The URL of another database of the same server.
pub(super) fn url_of(admin_url: &str, name: &str) -> anyhow::Result<String> {
    let mut url = Url::parse(admin_url).context("the URL of the shared PostgreSQL is not one")?;
    url.set_path(name);
    Ok(url.into())
}

async fn connect(url: &str) -> anyhow::Result<PgConnection> {
    PgConnection::connect(url).await.with_context(|| format!("cannot connect to PostgreSQL at {url}"))
}

async fn run(admin_url: &str, sql: String) -> anyhow::Result<()> {
    let mut admin = connect(admin_url).await?;
    sqlx::query(AssertSqlSafe(sql)).execute(&mut admin).await?;
    Ok(admin.close().await?)
}

async fn is_complete(admin: &mut PgConnection, name: &str) -> anyhow::Result<bool> {
    let sql = "SELECT count(*) FROM pg_database WHERE datname = $1 AND datistemplate";
    let found: i64 = sqlx::query_scalar(sql).bind(name).fetch_one(admin).await?;
    Ok(found == 1)
}

fn quoted(name: &str) -> anyhow::Result<String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let fits = !name.is_empty() && name.len() <= 63 && name.chars().all(plain);
    ensure!(fits, "not a plain database name: {name:?}");
    Ok(format!("\"{name}\""))
}
