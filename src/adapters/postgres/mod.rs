//! PostgreSQL: stores conversations, calls, messages and the effects that wait to be published.
//!
//! Only this module uses sqlx. Its callers are [`crate::engine`] (decisions), [`mod@crate::worker::send`] (claims) and
//! the REST API (reads). The queries are checked at build time against `.sqlx/`.

mod alert_pace;
mod alerts;
mod api_keys;
mod audit;
mod batched;
mod batched_statements;
mod business_changes;
mod business_numbers;
mod businesses;
mod calls;
mod checked;
mod claims;
mod code_sending;
mod commit;
mod condition;
mod conversation_lists;
mod conversations;
mod day_use;
mod dead_letters;
mod due_messages;
mod emergency_verdicts;
mod erasure;
mod error;
mod export;
mod facts;
mod figures;
mod forwarding;
mod hosts;
mod idempotency;
mod ladder_calls;
mod looks;
mod messages;
mod never_text;
mod opt_outs;
mod outbox;
mod owner_texts;
mod phone_codes;
mod readings;
mod reads;
mod recovery;
mod retention;
mod sealed_tokens;
mod sending;
mod slots;
mod sweep;
mod transaction;
mod twilio_accounts;
mod twilio_participants;
mod waiting_conversations;
mod waiting_webhooks;

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, PgPool, Postgres, Transaction};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::config::PostgresUrl;
pub(super) use crate::store::{StoreError, Stored};
pub use alerts::UnreachedAlerts;
pub use api_keys::{ApiKey, KeyScope};
pub use audit::{AnalysisRow, AuditRow, WaitingStep, WindowMessage, WindowStep};
use batched_statements::BatchedStatements;
pub use business_numbers::NumberLook;
pub use businesses::{AccountWrite, BusinessRecord, BusinessWrite, DispatchBotKeyWrite, NextTokenWrite};
pub use calls::{CallFilter, RecentCall};
pub use code_sending::{CodeOutcome, CodeToSend};
pub use condition::{AppliedMigrations, ServerFacts};
pub use conversation_lists::ConversationFilter;
pub use dead_letters::ReplayRow;
pub use emergency_verdicts::{MessageVerdict, RuleCount};
pub use erasure::{ErasedRows, Erasure, ErasureOf};
pub use export::KeptPage;
pub use figures::{AnswerFigures, CallFigures, FiguresOf};
use hosts::Hosts;
pub use idempotency::Once;
pub use looks::{LastMessage, NotDelivered};
pub use never_text::NeverText;
pub use opt_outs::{OptOut, OptOutFilter};
pub use outbox::OutboxBatch;
pub use phone_codes::PendingPhone;
pub use readings::{Readings, UnansweredOf};
pub use reads::Reads;
pub use recovery::{Doubtful, PendingMessage, Recovery};
pub use sealed_tokens::SealedTokens;
pub use twilio_accounts::{SigningKey, UnprovenAccount};
pub use waiting_webhooks::WaitingWebhook;

/// Switches to the service's role, if it exists and the current user is a member of it.
const TAKE_SERVICE_ROLE: &str = "SELECT set_config('role', rolname, false) FROM pg_roles
    WHERE rolname = 'nevermisscall_service' AND pg_has_role(current_user, oid, 'MEMBER')";
/// If a machine fails, its connections are not closed, and PostgreSQL would keep their locks for two hours. No
/// transaction of ours waits for JetStream for half of these 30 s, and a wait for a lock lasts no longer than a wait
/// for a failing connection.
const SESSION_TIMEOUTS: [(&str, &str); 5] = [
    ("idle_in_transaction_session_timeout", "30s"),
    ("lock_timeout", "10s"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
];
/// For statements that find a few rows by their keys. Each is planned once: its arrays differ with every batch, and
/// planning would take longer than the statement itself. A plan that is made while a table is small would read the whole
/// table, for as long as the connection lives.
const BY_KEY: [(&str, &str); 3] =
    [("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off"), ("jit", "off")];
/// The maximum number of connections of one process, apart from the others.
const MAX_CONNECTIONS: u32 = 14;
/// Connections for statements that are shared by many callers. Of each such statement, one is under way.
const BY_KEY_CONNECTIONS: u32 = 10;
/// Additional connections for queries that must not queue behind others: storing webhooks and the health probe.
const RESERVED_CONNECTIONS: u32 = 4;
/// How long a query waits for a connection before PostgreSQL counts as unavailable.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that was used this recently is not tested before it is used again: a test is a round trip, as long as
/// most queries.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// The filters of lists are optional: a plan that is made for all of them, once, would be slow for each. PostgreSQL does not
/// know that a group of the largest business has more rows than others, and would collect all of them by a bitmap and sort
/// them, where an index has them in order.
const BEGIN_LIST: &str =
    "BEGIN READ ONLY; SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL enable_bitmapscan = off";

/// A handle to PostgreSQL; clones share its connections.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    /// Connections with [`BY_KEY`], for [`BatchedStatements`] and the commits of batches.
    by_key: PgPool,
    /// If JetStream hangs, effects that wait for it may hold every connection of `pool`. That is when webhooks must be
    /// stored.
    reserved: PgPool,
    statements: Arc<BatchedStatements>,
    /// Until the last clone is dropped, the hosts are watched.
    _watch: Arc<DropGuard>,
}

impl Store {
    /// A store that connects when first used, so that the service can start while PostgreSQL is unavailable. It uses a
    /// role that owns nothing, if that role exists and the user is a member of it (migration 8).
    ///
    /// # Errors
    /// If the URL is not a PostgreSQL URL.
    pub fn lazy(database_url: &str) -> Result<Self, StoreError> {
        Self::connecting(database_url, Some(&SESSION_TIMEOUTS))
    }

    /// A store for a recovery, which may write while all others have to wait for its end (migration 42).
    ///
    /// # Errors
    /// If the URL is not a PostgreSQL URL.
    pub fn recovering(database_url: &str) -> Result<Self, StoreError> {
        let options: Vec<_> = SESSION_TIMEOUTS.into_iter().chain([("nmc.recovers", "on")]).collect();
        Self::connecting(database_url, Some(&options))
    }

    /// A store for migrations, which keeps the role of the user in the URL.
    ///
    /// # Errors
    /// If the URL is not a PostgreSQL URL.
    pub fn owner(database_url: &str) -> Result<Self, StoreError> {
        Self::connecting(database_url, None)
    }

    /// With these options of a session, it uses the role of the service.
    fn connecting(database_url: &str, of_service: Option<&[(&str, &str)]>) -> Result<Self, StoreError> {
        let as_service = of_service.is_some();
        let url: PostgresUrl = database_url.parse().map_err(|error: &str| sqlx::Error::Configuration(error.into()))?;
        let hosts = Hosts::of(&url)?;
        let pool = |connections, session: &[(&str, &str)]| {
            let options = |host: &PgConnectOptions| {
                host.clone()
                    .application_name("nevermisscall")
                    .options(session.iter().copied())
                    .disable_statement_logging()
            };
            let options: Vec<PgConnectOptions> = hosts.options().iter().map(options).collect();
            let (watched, checked) = (hosts.clone(), hosts.clone());
            let pool = PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .test_before_acquire(false)
                .before_acquire(move |connection, metadata| {
                    let hosts = watched.clone();
                    Box::pin(async move {
                        if hosts.were_left_since(metadata.age) {
                            return Ok(false);
                        }
                        if metadata.idle_for > TRUSTED_IDLE {
                            connection.ping().await.inspect_err(|_| hosts.look())?;
                        }
                        Ok(true)
                    })
                })
                .after_connect(move |connection, _| {
                    let hosts = checked.clone();
                    Box::pin(async move {
                        hosts.check(connection).await?;
                        if as_service {
                            connection.execute(TAKE_SERVICE_ROLE).await?;
                        }
                        Ok(())
                    })
                })
                .connect_lazy_with(options[0].clone());
            hosts.follow(pool.clone(), options);
            pool
        };
        // A confirmed commit is on disk. Guarantee 1 depends on this, so a server default must not weaken it.
        let mut session = vec![("synchronous_commit", "on")];
        session.extend(of_service.unwrap_or_default());
        let by_key = pool(BY_KEY_CONNECTIONS, &[session.as_slice(), &BY_KEY].concat());
        let statements = Arc::new(BatchedStatements::new(&by_key));
        let (pool, reserved) = (pool(MAX_CONNECTIONS, &session), pool(RESERVED_CONNECTIONS, &session));
        let ended = CancellationToken::new();
        hosts.watch(&ended);
        Ok(Self { pool, by_key, reserved, statements, _watch: Arc::new(ended.drop_guard()) })
    }

    /// Brings the schema up to date.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable, or a migration fails.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        condition::MIGRATIONS.run(&self.pool).await?;
        Ok(())
    }

    /// A transaction for the query of a list: its plan is made for the filters that it has.
    async fn list(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        transaction::begin_with(&self.pool, BEGIN_LIST).await
    }

    /// Checks that PostgreSQL answers.
    ///
    /// # Errors
    /// If it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query_scalar!("SELECT 1 AS one").fetch_one(&self.reserved).await?;
        Ok(())
    }

    /// Waits until the connections in use are returned, and closes all connections.
    pub async fn close(&self) {
        tokio::join!(self.pool.close(), self.by_key.close(), self.reserved.close());
    }
}
