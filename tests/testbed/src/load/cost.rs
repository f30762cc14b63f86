//! What a run costs: the CPU time of each program, and PostgreSQL's work.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{Connection, PgConnection, Row};

use crate::servers::{cpu_time, peak_memory};

/// A program whose CPU time is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is called in the summary; processes of the same name count together.
    pub name: &'static str,
    /// Its process; the processes that it has started count as well.
    pub pid: u32,
}

/// Reads the costs so far.
pub(super) struct Meter {
    parts: Vec<Part>,
    database: PgConnection,
    statements: bool,
}

/// The costs of something, or those until a moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Cost {
    /// The CPU time of each program.
    pub(super) cpu: Vec<(&'static str, Duration)>,
    pub(super) postgres: PostgresWork,
    /// The highest memory use of the first program since its start, in bytes.
    pub(super) memory: Option<u64>,
}

/// What PostgreSQL did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PostgresWork {
    /// Statements; absent if the extension `pg_stat_statements` is not there.
    pub(super) statements: Option<i64>,
    pub(super) transactions: i64,
    /// How often the write-ahead log was fsynced.
    pub(super) fsyncs: i64,
    /// Bytes written to the write-ahead log.
    pub(super) wal: i64,
}

/// A statement of PostgreSQL, with what it took in all.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Statement {
    pub(super) calls: i64,
    pub(super) time: Duration,
    pub(super) text: String,
}

/// A table with its indexes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Table {
    pub(super) name: String,
    /// Rows, and dead ones that are not vacuumed yet, as PostgreSQL's statistics have them.
    pub(super) rows: i64,
    pub(super) dead: i64,
    pub(super) bytes: i64,
}

impl Meter {
    /// The first of `parts` is the service.
    pub(super) async fn new(parts: Vec<Part>, database: &str) -> anyhow::Result<Self> {
        let mut database = PgConnection::connect(database).await?;
        let extension = "SELECT count(*) FROM pg_extension WHERE extname = 'pg_stat_statements'";
        let statements = sqlx::query_scalar::<_, i64>(extension).fetch_one(&mut database).await? == 1;
        Ok(Self { parts, database, statements })
    }

    pub(super) async fn read(&mut self) -> anyhow::Result<Cost> {
        let mut cpu: Vec<(&'static str, Duration)> = Vec::new();
        for Part { name, pid } in &self.parts {
            let time = cpu_time(*pid).with_context(|| format!("the CPU time of {name} cannot be read"))?;
            match cpu.iter_mut().find(|(other, _)| other == name) {
                Some((_, sum)) => *sum += time,
                None => cpu.push((name, time)),
            }
        }
        let memory = self.parts.first().and_then(|part| peak_memory(part.pid));
        Ok(Cost { cpu, postgres: self.postgres_work().await?, memory })
    }

    async fn postgres_work(&mut self) -> anyhow::Result<PostgresWork> {
        let sql = "SELECT (SELECT sum(xact_commit + xact_rollback)::bigint FROM pg_stat_database) AS transactions,
                          (SELECT wal_sync FROM pg_stat_wal) AS fsyncs,
                          (pg_current_wal_lsn() - '0/0')::bigint AS wal";
        let row = sqlx::query(sql).fetch_one(&mut self.database).await?;
        let statements = match self.statements {
            true => {
                let sql = "SELECT sum(calls)::bigint FROM pg_stat_statements";
                Some(sqlx::query_scalar(sql).fetch_one(&mut self.database).await?)
            }
            false => None,
        };
        Ok(PostgresWork {
            statements,
            transactions: row.try_get("transactions")?,
            fsyncs: row.try_get("fsyncs")?,
            wal: row.try_get("wal")?,
        })
    }

    /// The statements that took most time since the last reset.
    pub(super) async fn statements(&mut self) -> anyhow::Result<Vec<Statement>> {
        if !self.statements {
            return Ok(Vec::new());
        }
        let sql = "SELECT calls, total_exec_time, query FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT 40";
        let rows = sqlx::query(sql).fetch_all(&mut self.database).await?;
        let statement = |row: &PgRow| {
            let time = Duration::from_secs_f64(row.try_get::<f64, _>(1)? / 1e3);
            Ok(Statement { calls: row.try_get(0)?, time, text: row.try_get(2)? })
        };
        rows.iter().map(statement).collect()
    }

    /// The tables, the largest first.
    pub(super) async fn tables(&mut self) -> anyhow::Result<Vec<Table>> {
        let sql = "SELECT relname::text, n_live_tup, n_dead_tup, pg_total_relation_size(relid)
                   FROM pg_stat_user_tables ORDER BY 4 DESC";
        let rows = sqlx::query(sql).fetch_all(&mut self.database).await?;
        let table = |row: &PgRow| {
            let (name, rows, dead, bytes) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
            Ok(Table { name, rows, dead, bytes })
        };
        rows.iter().map(table).collect()
    }

    /// Forgets the statements so far.
    pub(super) async fn reset(&mut self) -> anyhow::Result<()> {
        if self.statements {
            sqlx::query("SELECT pg_stat_statements_reset()").execute(&mut self.database).await?;
        }
        Ok(())
    }
}

impl Cost {
    /// The cost from `earlier` until this one; the peak of memory stays.
    pub(super) fn since(&self, earlier: &Self) -> anyhow::Result<Self> {
        ensure!(self.cpu.len() == earlier.cpu.len(), "costs of other programs");
        let cpu = self.cpu.iter().zip(&earlier.cpu);
        let (now, then) = (&self.postgres, &earlier.postgres);
        Ok(Self {
            cpu: cpu.map(|((name, now), (_, then))| (*name, now.saturating_sub(*then))).collect(),
            postgres: PostgresWork {
                statements: now.statements.zip(then.statements).map(|(now, then)| now - then),
                transactions: now.transactions - then.transactions,
                fsyncs: now.fsyncs - then.fsyncs,
                wal: now.wal - then.wal,
            },
            memory: self.memory,
        })
    }

    /// The CPU time of all programs.
    pub(super) fn in_all(&self) -> Duration {
        self.cpu.iter().map(|(_, time)| *time).sum()
    }
}
