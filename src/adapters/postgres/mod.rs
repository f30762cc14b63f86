//! PostgreSQL: the one place where conversations, calls, messages and the effects on their way are kept.
//!
//! Only this module knows sqlx. Fed by [`crate::engine`] (decisions), [`mod@crate::worker::send`] (claims) and the edge's REST
//! side (reads); the queries are checked at build time against `.sqlx/`.

mod alerts;
mod api_keys;
mod audit;
mod business_changes;
mod business_numbers;
mod businesses;
mod calls;
mod code_sending;
mod commit;
mod conversations;
mod dead_letters;
mod emergency_verdicts;
mod erasure;
mod forwarding;
mod idempotency;
mod messages;
mod opt_outs;
mod outbox;
mod phone_codes;
mod retention;
mod sending;
mod sweep;
mod twilio_accounts;
mod waiting_webhooks;

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Executor, PgPool};

pub use alerts::UnreachedAlerts;
pub use api_keys::KeyScope;
pub use audit::{AnalysisRow, AuditEntry, AuditRow, WindowMessage, WindowStep};
pub use business_numbers::NumberLook;
pub use businesses::{AccountWrite, BusinessRecord, BusinessWrite};
pub use calls::{CallFilter, RecentCall};
pub use code_sending::{CodeOutcome, CodeToSend};
pub use commit::{Commit, Committed, OutboxRow};
pub use conversations::ConversationFilter;
pub use dead_letters::ReplayRow;
pub use emergency_verdicts::{MessageVerdict, RuleCount};
pub use erasure::{ErasedRows, Erasure, ErasureOf};
pub use idempotency::Once;
pub use messages::Message;
pub use outbox::{OutboxBatch, WaitingRow};
pub use phone_codes::{CodeAnswer, PendingPhone, PhoneAnswer};
pub use sending::{Claim, Claimed, DueMessage, SendingAccount};
pub use sweep::{Overdue, ReleasedConversation};
pub use twilio_accounts::{SigningKey, UnprovenAccount};
pub use waiting_webhooks::WaitingWebhook;

/// Works on as the service's role, if there is one and it may be taken.
const TAKE_SERVICE_ROLE: &str = "SELECT set_config('role', rolname, false) FROM pg_roles
    WHERE rolname = 'nevermisscall_service' AND pg_has_role(current_user, oid, 'MEMBER')";
/// A process whose machine is gone says no farewell, and PostgreSQL would keep its locks for two hours. No transaction of ours
/// waits half as long for JetStream, and nobody waits for a lock longer than for a connection that fails.
const SESSION_TIMEOUTS: [(&str, &str); 5] = [
    ("idle_in_transaction_session_timeout", "30s"),
    ("lock_timeout", "10s"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
];
/// Connections that one process holds at the most.
const MAX_CONNECTIONS: u32 = 24;
/// Beside these: for what must not queue behind all else, the webhooks that are kept here and the look whether we are there.
const RESERVED_CONNECTIONS: u32 = 4;
/// How long a request waits for a connection before the store counts as missing.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// The result of a query.
pub type Stored<T> = Result<T, StoreError>;

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// PostgreSQL did not answer, or refused.
    #[error("Database connection failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("migration failed: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A row holds what this version does not understand.
    #[error("{table} {id}: {what}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row.
        id: String,
        /// What is wrong with it.
        what: String,
    },
    /// What was to be written is taken by another row.
    #[error("{0}")]
    Conflict(String),
    /// Whoever writes it may not.
    #[error("{0}")]
    Forbidden(String),
    /// What was to be written contradicts what is there, and can be put right by whoever writes it.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// Classes of PostgreSQL's codes that say that it is not there to be worked with: no connection, a login that is refused, no
/// resources, read-only, shut down by an operator or starting, its database closed or not there.
const CONNECTION_ERROR_CLASSES: [&str; 8] = ["08", "25006", "28", "53", "57P", "58", "55000", "3D000"];

/// Whether an error says that PostgreSQL is away, as opposed to what was asked of it.
pub fn says_away(error: &(dyn std::error::Error + 'static)) -> bool {
    match error.downcast_ref::<sqlx::Error>() {
        Some(sqlx::Error::Database(error)) => {
            error.code().is_some_and(|code| CONNECTION_ERROR_CLASSES.iter().any(|class| code.starts_with(class)))
        }
        Some(error) => matches!(
            error,
            sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
        ),
        None => false,
    }
}

/// PostgreSQL's codes for text that it cannot keep: NUL, in text and in JSON.
const UNSTORABLE: [&str; 2] = ["22021", "22P05"];

impl StoreError {
    /// PostgreSQL has not answered in time.
    pub fn away() -> Self {
        Self::Database(sqlx::Error::PoolTimedOut)
    }

    /// Whether what was to be written or looked for holds a character that PostgreSQL cannot keep.
    pub fn is_unstorable_text(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Database(error)) => {
                error.code().is_some_and(|code| UNSTORABLE.contains(&code.as_ref()))
            }
            _ => false,
        }
    }

    pub(crate) fn corrupt(table: &'static str, id: impl ToString, what: impl ToString) -> Self {
        Self::Corrupt { table, id: id.to_string(), what: what.to_string() }
    }
}

/// A handle to PostgreSQL; clones share its connections.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    /// Where JetStream hangs, every connection of the pool may be held by an effect that waits for it. That is when webhooks
    /// have to be kept.
    reserved: PgPool,
}

impl Store {
    /// A store that connects when first used, so that the service starts while PostgreSQL is away. It works as a role that
    /// owns nothing, where that role is there and may be taken (migration 8).
    ///
    /// # Errors
    /// When the URL is not one of PostgreSQL.
    pub fn lazy(database_url: &str) -> Result<Self, StoreError> {
        Self::connecting(database_url, true)
    }

    /// A store for migrations, which works as whoever the URL names.
    ///
    /// # Errors
    /// When the URL is not one of PostgreSQL.
    pub fn owner(database_url: &str) -> Result<Self, StoreError> {
        Self::connecting(database_url, false)
    }

    fn connecting(database_url: &str, as_service: bool) -> Result<Self, StoreError> {
        let options: PgConnectOptions = database_url.parse()?;
        // A commit that was answered is on disk: guarantee 1 rests on it, so no server default may weaken it.
        let mut options = options
            .application_name("nevermisscall")
            .options([("synchronous_commit", "on")])
            // A list's filters are optional: a plan made for none of them would be slow for each of them.
            .options([("plan_cache_mode", "force_custom_plan")])
            .disable_statement_logging();
        if as_service {
            options = options.options(SESSION_TIMEOUTS);
        }
        let pool = |connections| {
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .after_connect(move |connection, _| {
                    Box::pin(async move {
                        if as_service {
                            connection.execute(TAKE_SERVICE_ROLE).await?;
                        }
                        Ok(())
                    })
                })
                .connect_lazy_with(options.clone())
        };
        Ok(Self { pool: pool(MAX_CONNECTIONS), reserved: pool(RESERVED_CONNECTIONS) })
    }

    /// Brings the schema up to date.
    ///
    /// # Errors
    /// When PostgreSQL is away, or a migration fails.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        sqlx::migrate!("./migrations").run(&self.pool).await?;
        Ok(())
    }

    /// Whether PostgreSQL answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query_scalar!("SELECT 1 AS one").fetch_one(&self.reserved).await?;
        Ok(())
    }

    /// Closes every connection, once what is under way has given its own back.
    pub async fn close(&self) {
        tokio::join!(self.pool.close(), self.reserved.close());
    }
}
