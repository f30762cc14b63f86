//! The clock used for decisions.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};

/// A clock with the precision of PostgreSQL, one microsecond. Uses the system time unless another source is given.
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>>);

impl Clock {
    /// A clock that returns what `tell` returns.
    #[cfg(test)]
    pub fn new(tell: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            Some(tell) => tell().trunc_subsecs(6),
            None => now(),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Clock(given)" } else { "Clock(system)" })
    }
}

/// The system time, truncated to the precision of PostgreSQL, one microsecond.
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}
