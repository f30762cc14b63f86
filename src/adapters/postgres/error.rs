//! PostgreSQL's errors as errors of a store.

use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;

use crate::store::{StoreError, Unavailable};
use crate::telemetry::database_connection_failed;

/// Prefixes of PostgreSQL's error codes that mean it is unavailable: no connection, login refused, out of resources,
/// read-only, shut down by an operator or starting, its database closed or missing.
const CONNECTION_ERROR_CLASSES: [&str; 8] = ["08", "25006", "28", "53", "57P", "58", "55000", "3D000"];
/// PostgreSQL's error codes for text that it cannot store: NUL, in text and in JSON.
const UNSTORABLE: [&str; 2] = ["22021", "22P05"];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            _ if is_away(&error) => {
                // A pool is closed only by us.
                if !matches!(error, sqlx::Error::PoolClosed) {
                    database_connection_failed();
                }
                Unavailable(error.into()).into()
            }
            sqlx::Error::Database(refused) if has_code(&**refused, &UNSTORABLE) => Self::Unstorable(error.into()),
            _ => Self::Refused(error.into()),
        }
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) if is_away(&error) => error.into(),
            other => Self::Refused(format!("migration failed: {other}").into()),
        }
    }
}

/// Whether an error means that PostgreSQL is unavailable, rather than that a statement is wrong.
fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => has_code(&**error, &CONNECTION_ERROR_CLASSES),
        error => matches!(
            error,
            sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
        ),
    }
}

fn has_code(error: &dyn DatabaseError, prefixes: &[&str]) -> bool {
    error.code().is_some_and(|code| prefixes.iter().any(|prefix| code.starts_with(prefix)))
}

/// What PostgreSQL said when it refused a statement.
pub(super) fn refusal(error: &StoreError) -> Option<&dyn DatabaseError> {
    match error {
        StoreError::Refused(error) => error.downcast_ref::<sqlx::Error>()?.as_database_error(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::adapters::outage;
    use crate::outage::Service;
    use crate::store::StoreError;

    /// As the errors of the layers above wrap it.
    #[derive(Debug, thiserror::Error)]
    #[error(transparent)]
    struct Wrapped(#[from] StoreError);

    #[test]
    fn an_error_without_a_connection_says_that_postgresql_is_unavailable() {
        let error = StoreError::from(sqlx::Error::PoolTimedOut);
        assert!(error.to_string().starts_with("Database connection failed: "), "{error}");
        for error in [error, StoreError::away()] {
            assert_eq!(outage::missing(&Wrapped(error)), Some(Service::Postgres));
        }
    }

    #[test]
    fn a_refused_statement_is_no_outage() {
        let error = StoreError::from(sqlx::Error::RowNotFound);
        assert!(matches!(error, StoreError::Refused(_)), "{error}");
        assert_eq!(outage::missing(&Wrapped(error)), None);
    }
}
