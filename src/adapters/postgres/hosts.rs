//! The hosts of a PostgreSQL URL, and which of them the connections go to.
//!
//! sqlx connects to one host. Where a URL has several, each host is asked twice a second what its sessions may do, and
//! the pools are given the one that fits. Connections to the host that was left are closed when they are next used.

use std::cmp::Reverse;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, PgPool};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::{PostgresUrl, TargetSession};

/// Time between two looks at a host: a failover is noticed within it.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// The least time between two looks, however many connections fail.
const LEAST_INTERVAL: Duration = Duration::from_millis(50);
/// After this time without an answer, a host counts as away.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);
/// What a session may do, and the timeline of the writes: a promotion begins a new one. During recovery there is none.
const LOOK: &str = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',
    CASE WHEN pg_is_in_recovery() THEN 0 ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END";

/// What the sessions of a host may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Session {
    is_replica: bool,
    is_read_only: bool,
    timeline: i32,
}

/// How well a host fits. Of two that accept writes, the one promoted last is the primary: the other was not stopped.
type Rank = (u8, i32);

fn rank(target: TargetSession, session: Session) -> Option<Rank> {
    let Session { is_replica, is_read_only, timeline } = session;
    match target {
        TargetSession::Any => Some((0, 0)),
        TargetSession::ReadWrite => (!is_read_only).then_some((0, timeline)),
        TargetSession::Primary => (!is_replica).then_some((0, timeline)),
        TargetSession::ReadOnly => is_read_only.then_some((0, 0)),
        TargetSession::Standby => is_replica.then_some((0, 0)),
        TargetSession::PreferStandby => Some((is_replica.into(), 0)),
    }
}

/// The hosts of a URL. Clones share the choice.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: Vec<PgConnectOptions>,
    target: TargetSession,
    choice: Mutex<Choice>,
    look: Notify,
}

#[derive(Debug)]
struct Choice {
    seen: Vec<Option<Session>>,
    used: usize,
    left_at: Option<Instant>,
    pools: Vec<(PgPool, Vec<PgConnectOptions>)>,
}

impl Hosts {
    /// The hosts of a URL; the first is used until another is known to fit better.
    pub(super) fn of(url: &PostgresUrl) -> sqlx::Result<Self> {
        let options: Vec<PgConnectOptions> =
            url.hosts().iter().map(|host| host.parse()).collect::<sqlx::Result<_>>()?;
        let choice = Choice { seen: vec![None; options.len()], used: 0, left_at: None, pools: Vec::new() };
        let inner = Inner { options, target: url.target(), choice: Mutex::new(choice), look: Notify::new() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// How to connect to each host.
    pub(super) fn options(&self) -> &[PgConnectOptions] {
        &self.inner.options
    }

    /// From now on, the pool connects to the host that is used.
    pub(super) fn follow(&self, pool: PgPool, options: Vec<PgConnectOptions>) {
        let choice = &mut *self.inner.choice();
        if let Some(options) = options.get(choice.used) {
            pool.set_connect_options(options.clone());
        }
        choice.pools.push((pool, options));
    }

    /// Whether a connection of this age goes to a host that is no longer used.
    pub(super) fn were_left_since(&self, age: Duration) -> bool {
        !self.is_one() && self.inner.choice().left_at.is_some_and(|at| at.elapsed() < age)
    }

    /// Looks at the hosts at once, because a connection failed.
    pub(super) fn look(&self) {
        self.inner.look.notify_waiters();
    }

    /// Checks that a new connection leads where it should.
    pub(super) async fn check(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        if self.inner.target == TargetSession::Any {
            return Ok(());
        }
        let session = ask(connection).await?;
        if rank(self.inner.target, session).is_some() {
            return Ok(());
        }
        self.look();
        Err(sqlx::Error::Protocol("the host does not accept such sessions (target_session_attrs)".to_owned()))
    }

    /// Looks at the hosts until `ended`. A single host is not watched: there is no other.
    pub(super) fn watch(&self, ended: &CancellationToken) {
        if self.is_one() {
            return;
        }
        for number in 0..self.inner.options.len() {
            let (inner, ended) = (Arc::clone(&self.inner), ended.clone());
            tokio::spawn(async move { ended.run_until_cancelled(watch(&inner, number)).await });
        }
    }

    fn is_one(&self) -> bool {
        self.inner.options.len() == 1
    }
}

impl Inner {
    fn choice(&self) -> std::sync::MutexGuard<'_, Choice> {
        self.choice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A host was looked at. If another host fits better now than the one that is used, the pools go there.
    fn saw(&self, number: usize, session: Option<Session>) {
        let choice = &mut *self.choice();
        choice.seen[number] = session;
        let Some(best) = best(self.target, &choice.seen, choice.used) else { return };
        let name = |number: usize| name(&self.options[number]);
        tracing::warn!(from = name(choice.used), to = name(best), "PostgreSQL: connections go to another host");
        choice.used = best;
        choice.left_at = Some(Instant::now());
        for (pool, options) in &choice.pools {
            pool.set_connect_options(options[best].clone());
        }
    }
}

/// The host that fits better than the one that is used, if there is one.
fn best(target: TargetSession, seen: &[Option<Session>], used: usize) -> Option<usize> {
    let ranked = |number: usize| seen[number].and_then(|session| rank(target, session));
    let (best, Reverse(number)) =
        (0..seen.len()).filter_map(|number| Some((ranked(number)?, Reverse(number)))).max()?;
    (ranked(used) < Some(best)).then_some(number)
}

/// Looks at one host again and again, over one connection while that lasts.
async fn watch(inner: &Inner, number: usize) {
    let mut connection = None;
    loop {
        let looked = timeout(LOOK_TIMEOUT, look(&mut connection, &inner.options[number])).await;
        inner.saw(number, looked.ok().and_then(Result::ok));
        sleep(LEAST_INTERVAL).await;
        let _ = timeout(POLL_INTERVAL - LEAST_INTERVAL, inner.look.notified()).await;
    }
}

/// Cancelled or failed, it leaves no connection.
async fn look(connection: &mut Option<PgConnection>, options: &PgConnectOptions) -> sqlx::Result<Session> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => PgConnection::connect_with(options).await?,
    };
    let session = ask(&mut open).await?;
    *connection = Some(open);
    Ok(session)
}

async fn ask(connection: &mut PgConnection) -> sqlx::Result<Session> {
    let (is_replica, is_read_only, timeline) = sqlx::query_as(LOOK).fetch_one(connection).await?;
    Ok(Session { is_replica, is_read_only, timeline })
}

fn name(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const PRIMARY: Option<Session> = Some(Session { is_replica: false, is_read_only: false, timeline: 1 });
    const PROMOTED: Option<Session> = Some(Session { is_replica: false, is_read_only: false, timeline: 2 });
    const REPLICA: Option<Session> = Some(Session { is_replica: true, is_read_only: true, timeline: 0 });
    const AWAY: Option<Session> = None;

    #[rstest]
    #[case::the_primary_is_used(TargetSession::ReadWrite, [PRIMARY, REPLICA], 0, None)]
    #[case::the_replica_is_used(TargetSession::ReadWrite, [REPLICA, PRIMARY], 0, Some(1))]
    #[case::nobody_accepts_writes(TargetSession::ReadWrite, [AWAY, REPLICA], 0, None)]
    #[case::the_replica_was_promoted(TargetSession::ReadWrite, [AWAY, PROMOTED], 0, Some(1))]
    #[case::the_old_primary_was_not_stopped(TargetSession::ReadWrite, [PRIMARY, PROMOTED], 0, Some(1))]
    #[case::the_old_primary_is_back(TargetSession::ReadWrite, [PRIMARY, PROMOTED], 1, None)]
    #[case::a_replica_is_wanted(TargetSession::Standby, [PRIMARY, REPLICA], 0, Some(1))]
    #[case::a_replica_is_preferred(TargetSession::PreferStandby, [PRIMARY, REPLICA], 0, Some(1))]
    #[case::there_is_no_replica(TargetSession::PreferStandby, [PRIMARY, AWAY], 1, Some(0))]
    #[case::any_that_answers(TargetSession::Any, [AWAY, REPLICA], 0, Some(1))]
    fn connections_go_to_the_host_that_fits_best(
        #[case] target: TargetSession,
        #[case] seen: [Option<Session>; 2],
        #[case] used: usize,
        #[case] expected: Option<usize>,
    ) {
        assert_eq!(best(target, &seen, used), expected);
    }
}
