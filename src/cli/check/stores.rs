//! PostgreSQL, NATS with its streams, and Redis.

use std::time::Duration;

use super::finding::{Finding, Subject};
use super::version::is_at_least;
use super::within;
use crate::adapters::jetstream::definitions::{self, Finding as Difference, Mode};
use crate::adapters::jetstream::{JetStream, JetStreamError};
use crate::adapters::postgres::{AppliedMigrations, Recovery, ServerFacts, Store};
use crate::adapters::redis::RedisSink;
use crate::config::NatsConfig;
use crate::health::{Look, State};
use crate::outage::Service;

/// The least versions (docs/operations.md, Servers).
const POSTGRES: (i32, &str) = (150_000, "15");
const NATS: (u32, u32) = (2, 14);
const REDIS: (u32, u32) = (7, 0);
/// Above this, the alert `jetstream_storage` fires.
const FULL: f64 = 0.8;
/// How many numbers of migrations are named.
const NAMED: usize = 5;

/// PostgreSQL itself, and whether it keeps what it has confirmed.
pub(super) async fn postgres(store: &Store, look: &Look, patience: Duration) -> [Finding; 2] {
    let subject = Subject::Postgres;
    let facts = within(patience, store.server_facts()).await;
    let fsync = match &facts {
        Err(_) => Finding::unchecked(Subject::Fsync, "PostgreSQL does not answer"),
        Ok(ServerFacts { fsync: true, .. }) => Finding::good(Subject::Fsync, "confirmed commits are on disk"),
        Ok(_) => {
            let advice = "set fsync = on in postgresql.conf";
            Finding::wrong(Subject::Fsync, "it is off: what was confirmed may be lost in a power cut", advice)
        }
    };
    let server = match facts {
        // What readiness says is what counts.
        Ok(_) if look.state(Service::Postgres) != State::Healthy => {
            let said = look.said(Service::Postgres).unwrap_or_default().to_owned();
            Finding::wrong(subject, said, "the service cannot use it; see PostgreSQL's log")
        }
        Ok(facts) => judged(&facts),
        Err(error) => {
            Finding::wrong(subject, error, "start PostgreSQL, or correct DATABASE_URL (address, user, password, TLS)")
        }
    };
    [server, fsync]
}

fn judged(facts: &ServerFacts) -> Finding {
    let (subject, version) = (Subject::Postgres, &facts.version);
    match facts {
        ServerFacts { version_number, .. } if *version_number < POSTGRES.0 => {
            Finding::wrong(subject, format!("{version} is too old"), format!("upgrade to {} or later", POSTGRES.1))
        }
        ServerFacts { is_replica: true, .. } => {
            let advice = "let DATABASE_URL lead to the primary";
            Finding::wrong(subject, format!("{version} is a replica, which cannot be written to"), advice)
        }
        _ => Finding::good(subject, format!("{version}, a primary")),
    }
}

/// The replica for REST's reads. `postgres` is the finding about the primary: without it, nobody knows whose replica it is.
/// How far it is behind is no fault: the primary answers then.
pub(super) async fn replica(replica: &Store, primary: &Store, postgres: &Finding, patience: Duration) -> Finding {
    let subject = Subject::Replica;
    let facts = match within(patience, replica.server_facts()).await {
        Ok(facts) => facts,
        Err(error) => {
            let advice = "start the replica, or correct DATABASE_READ_URL (address, user, password, TLS)";
            return Finding::wrong(subject, error, advice);
        }
    };
    if !postgres.is_good() {
        return Finding::unchecked(subject, format!("{} answers, but PostgreSQL cannot be used", facts.version));
    }
    let (ours, theirs) = match tokio::join!(within(patience, primary.identity()), within(patience, replica.identity()))
    {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (Err(error), _) | (_, Err(error)) => return Finding::unchecked(subject, error),
    };
    let advice = "let DATABASE_READ_URL lead to a replica of DATABASE_URL's server, and to the same database";
    if (theirs.system, &theirs.database) != (ours.system, &ours.database) {
        return Finding::wrong(subject, format!("{} has another database", facts.version), advice);
    }
    if !facts.is_replica && theirs.started_at != ours.started_at {
        return Finding::wrong(subject, format!("{} is no replica, nor the primary", facts.version), advice);
    }
    let applied = match within(patience, replica.applied_migrations()).await {
        Ok(applied) => applied,
        Err(error) => {
            let advice = "the user of DATABASE_READ_URL must be able to read _sqlx_migrations";
            return Finding::wrong(subject, error, advice);
        }
    };
    // On the primary it is wrong in any case, and found there.
    let of_primary = within(patience, primary.applied_migrations()).await.unwrap_or_default();
    let behind: Vec<i64> =
        applied.missing.iter().copied().filter(|number| !of_primary.missing.contains(number)).collect();
    if !behind.is_empty() {
        let advice = "find out why it does not keep up (pg_stat_replication on the primary)";
        return Finding::wrong(subject, format!("{} is not there yet", numbers(&behind)), advice);
    }
    let kind = if facts.is_replica { "a replica" } else { "no replica, but the primary itself" };
    Finding::good(subject, format!("{}, {kind}", facts.version))
}

fn numbers(of: &[i64]) -> String {
    let named: Vec<String> = of.iter().take(NAMED).map(|number| format!("{number:04}")).collect();
    if of.len() > NAMED { format!("{} and {} more", named.join(", "), of.len() - NAMED) } else { named.join(", ") }
}

pub(super) async fn migrations(store: &Store, patience: Duration) -> Finding {
    let subject = Subject::Migrations;
    let applied = match within(patience, store.applied_migrations()).await {
        Ok(applied) => applied,
        Err(error) => {
            return Finding::wrong(subject, error, "the user of DATABASE_URL must be able to read _sqlx_migrations");
        }
    };
    let AppliedMigrations { newest, missing, changed, unfinished, later } = &applied;
    if !unfinished.is_empty() {
        let advice = "find out from PostgreSQL's log why it failed, repair it by hand, and run `nevermisscall migrate`";
        return Finding::wrong(subject, format!("{} was begun and not finished", numbers(unfinished)), advice);
    }
    if !changed.is_empty() {
        let advice = "this version was built from other migrations than the ones applied; use a release";
        return Finding::wrong(subject, format!("{} differs from what was applied", numbers(changed)), advice);
    }
    if !missing.is_empty() {
        return Finding::wrong(subject, format!("{} is not applied", numbers(missing)), "run `nevermisscall migrate`");
    }
    let newer = if later.is_empty() { String::new() } else { format!(", and {} of a later version", numbers(later)) };
    Finding::good(subject, format!("applied up to {newest:04}{newer}"))
}

/// Whether work may go on after a restore. `migrations` is the finding about them: an older schema has no such table.
pub(super) async fn recovery(store: &Store, migrations: &Finding, patience: Duration) -> Finding {
    let subject = Subject::Recovery;
    if !migrations.is_good() {
        return Finding::unchecked(subject, "the migrations are not as they should be");
    }
    match within(patience, store.newest_recovery()).await {
        Ok(Some(Recovery { ended_at: None, since, .. })) => Finding::wrong(
            subject,
            format!("the database was restored as of {}, and refuses all work", since.format("%Y-%m-%dT%H:%M:%SZ")),
            "run `nevermisscall recover`, and with --apply when its plan is right",
        ),
        Ok(_) => Finding::good(subject, "no restore waits for its recovery"),
        Err(error) => {
            Finding::wrong(subject, error, "the user of DATABASE_URL must be able to read the table recovery")
        }
    }
}

/// NATS itself, its streams and its room; the last two need the first. Also, whether JetStream says what streams it has: a
/// process creates at its start what is missing.
pub(super) async fn nats(
    connected: &Result<JetStream, String>,
    look: &Look,
    replicas: u8,
    storage: u64,
    patience: Duration,
) -> ([Finding; 3], bool) {
    let jetstream = match connected {
        Ok(jetstream) if look.state(Service::Nats) == State::Healthy => jetstream,
        Ok(_) => return (without_nats("the connection broke".to_owned()), false),
        Err(error) => return (without_nats(error.clone()), false),
    };
    let version = jetstream.server_version();
    let used = within(patience, jetstream.storage()).await;
    let nats = match &used {
        _ if !is_at_least(&version, NATS.0, NATS.1) => {
            let advice = format!("upgrade nats-server to {}.{} or later", NATS.0, NATS.1);
            Finding::wrong(Subject::Nats, format!("{version} is too old"), advice)
        }
        Ok(_) => Finding::good(Subject::Nats, format!("{version} with JetStream")),
        Err(error) => {
            let advice = "start nats-server with nats.conf, and give the user access to JetStream";
            Finding::wrong(Subject::Nats, format!("{version}, but JetStream does not answer: {error}"), advice)
        }
    };
    let room = match used {
        Ok((used, limit)) => room(used, limit.unwrap_or(storage)),
        Err(_) => Finding::unchecked(Subject::Storage, "JetStream does not answer"),
    };
    let differences = within(patience, definitions::reconcile(jetstream, replicas, Mode::Check)).await;
    let answers = differences.is_ok();
    ([nats, streams(differences), room], answers)
}

fn without_nats(error: String) -> [Finding; 3] {
    let advice = "start nats-server, or correct NATS_URL (addresses, user, password, TLS)";
    [
        Finding::wrong(Subject::Nats, error, advice),
        Finding::unchecked(Subject::Streams, "NATS does not answer"),
        Finding::unchecked(Subject::Storage, "NATS does not answer"),
    ]
}

fn streams(differences: Result<Vec<Difference>, String>) -> Finding {
    let subject = Subject::Streams;
    match differences {
        Err(error) => Finding::wrong(subject, error, "see the log of nats-server"),
        Ok(found) => {
            let wrong: Vec<String> =
                found.iter().filter(|one| !matches!(one, Difference::Same { .. })).map(ToString::to_string).collect();
            if wrong.is_empty() {
                return Finding::good(subject, format!("{} streams and consumers as defined", found.len()));
            }
            Finding::wrong(subject, wrong.join(", "), "run `nevermisscall streams apply`")
        }
    }
}

fn room(used: u64, limit: u64) -> Finding {
    #[allow(clippy::cast_precision_loss, reason = "a ratio")]
    let ratio = used as f64 / limit.max(1) as f64;
    let text = format!("{:.1} % of {:.1} GB is used", ratio * 100.0, limit as f64 / f64::from(1 << 30));
    if ratio > FULL {
        let advice = "give JetStream more room (max_file_store and NMC_NATS_STORAGE, or the account's limit), or find out what waits";
        Finding::wrong(Subject::Storage, text, advice)
    } else {
        Finding::good(Subject::Storage, text)
    }
}

pub(super) async fn redis(redis: &RedisSink, look: &Look, patience: Duration) -> Finding {
    let subject = Subject::Redis;
    match within(patience, redis.server_version()).await {
        Ok(_) if look.state(Service::Redis) != State::Healthy => {
            Finding::wrong(subject, "it does not answer PING within a second", "see the log of Redis")
        }
        Ok(None) => Finding::good(subject, "it answers; our user may not read its version (INFO)"),
        Ok(Some(version)) if is_at_least(&version, REDIS.0, REDIS.1) => Finding::good(subject, version),
        Ok(Some(version)) => {
            Finding::wrong(subject, format!("{version} is too old"), format!("upgrade to {} or later", REDIS.0))
        }
        Err(error) => {
            Finding::wrong(subject, error, "start Redis, or correct REDIS_URL (address, user, password, TLS)")
        }
    }
}

/// Connects to NATS now.
pub(super) async fn connect(nats: &NatsConfig, patience: Duration) -> Result<JetStream, String> {
    within::<_, JetStreamError>(patience, JetStream::connect_now(nats)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn facts() -> ServerFacts {
        ServerFacts { version: "15.8".to_owned(), version_number: 150_008, is_replica: false, fsync: true }
    }

    #[rstest]
    #[case::as_it_should_be(facts(), None)]
    #[case::too_old(ServerFacts { version: "14.20".to_owned(), version_number: 140_020, ..facts() }, Some("too old"))]
    #[case::a_replica(ServerFacts { is_replica: true, ..facts() }, Some("a replica"))]
    fn a_server_that_cannot_be_used_is_wrong(#[case] facts: ServerFacts, #[case] wrong: Option<&str>) {
        let finding = judged(&facts);
        assert_eq!(finding.is_wrong(), wrong.is_some());
        assert!(finding.to_string().contains(wrong.unwrap_or("15.8")), "{finding}");
    }

    #[rstest]
    #[case(8_000, false)]
    #[case(8_001, true)]
    fn storage_that_fills_is_wrong_before_it_is_full(#[case] used: u64, #[case] wrong: bool) {
        assert_eq!(room(used, 10_000).is_wrong(), wrong);
    }
}
