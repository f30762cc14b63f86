//! Transactions in PostgreSQL's write-ahead log.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;

use nevermisscall::internals::Store;
use nmc_testbed::servers::{PostgresServer, Shared};
use nmc_testbed::syscalls::Footprint;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::answered::Operation;

/// PostgreSQL's default page size, and the size of a page header in the log.
const PAGE: usize = 8192;
const PAGE_HEADER: usize = 24;

/// A query for the transaction that wrote the row with a marker. These rows are not written again.
pub type Row = &'static str;
pub const BUSINESS_ROW: Row = "SELECT xmin::text::bigint FROM businesses WHERE id = $1";
pub const AUDIT_ROW: Row = "SELECT xmin::text::bigint FROM audit WHERE actor_id = $1";
pub const WAITING_WEBHOOK: Row =
    "SELECT xmin::text::bigint FROM waiting_webhooks WHERE position(convert_to($1, 'UTF8') IN payload) > 0";

/// A separate PostgreSQL server: the one that tests share runs with `fsync=off`.
pub struct Durable {
    pub postgres: PostgresServer,
    /// The service's database, migrated.
    pub database_url: String,
    pg_waldump: PathBuf,
}

impl Durable {
    pub async fn start() -> Self {
        let shared = Shared::from_env().unwrap();
        let postgres = shared.durable_postgres().await.unwrap();
        let database_url = postgres.create_database("power_cut", None).await.unwrap();
        let store = Store::owner(&database_url).unwrap();
        store.migrate().await.unwrap();
        store.close().await;
        let pg_waldump = shared.binaries().postgres_dir.join("pg_waldump");
        Self { postgres, database_url, pg_waldump }
    }

    /// A session in the maintenance database.
    pub async fn admin(&self) -> PgConnection {
        PgConnection::connect(&self.postgres.url()).await.unwrap()
    }

    /// A session in the service's database, with that database's defaults.
    pub async fn session(&self) -> PgConnection {
        PgConnection::connect(&self.database_url).await.unwrap()
    }

    /// Starts a new file of the log, so that what follows fits into it.
    pub async fn turn_the_page(&self) {
        let sql = "CREATE TABLE before (); SELECT pg_switch_wal(); CREATE TABLE after ()";
        for sql in sql.split("; ") {
            sqlx::query(AssertSqlSafe(sql)).execute(&mut self.admin().await).await.unwrap();
        }
    }

    /// The end of the log, after all of it is on disk.
    pub async fn end_of_log(&self) -> Position {
        let mut admin = self.admin().await;
        // A commit syncs everything written before it.
        sqlx::query("CREATE TEMPORARY TABLE now ()").execute(&mut admin).await.unwrap();
        let lsn: String =
            sqlx::query_scalar("SELECT pg_current_wal_flush_lsn()::text").fetch_one(&mut admin).await.unwrap();
        self.position(&lsn).await
    }

    /// The operations that wrote these rows, with their part of the log since then. Rows that do not exist are left
    /// out.
    pub async fn operations(&self, since: &Position, rows: Vec<(Row, String)>) -> Vec<Operation> {
        let mut session = self.session().await;
        let mut written: Vec<(i64, String)> = Vec::new();
        for (row, marker) in rows {
            let transaction = sqlx::query_scalar(row).bind(&marker).fetch_optional(&mut session).await.unwrap();
            written.extend(transaction.map(|transaction| (transaction, marker)));
        }
        // Read after the rows, so that the log has the commit of each.
        let commits = self.commits(since).await;
        let operation = |(transaction, marker): (i64, String)| {
            let footprint = commits.get(&transaction).unwrap_or_else(|| panic!("no commit of {transaction}, {marker}"));
            Operation { footprint: footprint.clone(), marker }
        };
        written.into_iter().map(operation).collect()
    }

    /// The log from `since` to the end of each commit, by transaction: a commit survives a power cut if all of that is
    /// on disk.
    async fn commits(&self, since: &Position) -> HashMap<i64, Footprint> {
        let until = self.end_of_log().await;
        let log = self.postgres.dir().join("data/pg_wal").canonicalize().unwrap();
        let mut pg_waldump = Command::new(&self.pg_waldump);
        pg_waldump.args(["--rmgr=Transaction", "--start", &since.lsn, "--end", &until.lsn, "--path"]).arg(&log);
        let output = pg_waldump.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut commits = HashMap::new();
        for line in String::from_utf8(output.stdout).unwrap().lines().filter(|line| line.contains(" desc: COMMIT ")) {
            let begin = self.position(word_after(line, ", lsn: ")).await;
            assert_eq!(begin.file, since.file, "the log has gone on to another file");
            let length = word_after(line, "rec/tot): ").split('/').nth(1).unwrap().trim().parse().unwrap();
            let (file, offset) = (log.join(&since.file), since.offset);
            let bytes = std::fs::read(&file).unwrap()[offset..end_of_record(begin.offset, length)].to_vec();
            let footprint = Footprint { file, offset: offset as u64, bytes };
            commits.insert(word_after(line, ", tx: ").parse().unwrap(), footprint);
        }
        commits
    }

    async fn position(&self, lsn: &str) -> Position {
        let sql = "SELECT file_name, file_offset FROM pg_walfile_name_offset($1::text::pg_lsn)";
        let (file, offset): (String, i32) =
            sqlx::query_as(sql).bind(lsn).fetch_one(&mut self.admin().await).await.unwrap();
        Position { lsn: lsn.to_owned(), file, offset: offset as usize }
    }
}

/// A place in the log.
pub struct Position {
    lsn: String,
    file: String,
    offset: usize,
}

/// A record that does not fit continues after the header of the next page.
fn end_of_record(begin: usize, length: usize) -> usize {
    let room = PAGE - begin % PAGE;
    if length <= room { begin + length } else { end_of_record(begin + room + PAGE_HEADER, length - room) }
}

/// `pg_waldump` pads its columns.
fn word_after<'a>(line: &'a str, before: &str) -> &'a str {
    let (_, after) = line.split_once(before).unwrap_or_else(|| panic!("no {before:?} in {line:?}"));
    after.trim_start().split(',').next().unwrap_or_default()
}

#[test]
fn a_record_that_does_not_fit_goes_on_after_the_next_header() {
    assert_eq!(end_of_record(100, 34), 134);
    assert_eq!(end_of_record(PAGE - 34, 34), PAGE);
    assert_eq!(end_of_record(PAGE - 8, 34), PAGE + PAGE_HEADER + 26);
}
