//! Why there is no answer, and whether a second try may have one.
//!
//! Both dialects use HTTP's statuses alike: 4xx is about the request, and stays; 429 and 5xx pass.

use reqwest::StatusCode;

use crate::domain::conversation::AnalysisReason;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnalyzeError {
    /// No answer in time.
    #[error("DispatchBot did not answer in time")]
    TimedOut,
    /// No connection, or a broken one.
    #[error("DispatchBot cannot be reached: {why}")]
    Unreachable {
        /// The transport error.
        why: String,
    },
    /// An answer with an error status.
    #[error("DispatchBot answered with status {status}")]
    Rejected {
        /// The status of the answer.
        status: u16,
    },
    /// A successful answer that cannot be used.
    #[error("DispatchBot's answer is malformed: {why}")]
    Malformed {
        /// What is wrong with it. Never quotes the answer, because it is logged.
        why: String,
    },
    /// DispatchBot reports that it could not analyze the window.
    #[error("DispatchBot could not analyze the window")]
    NotSuccessful,
    /// DispatchBot was not called, because the circuit breaker is open.
    #[error("DispatchBot was not called: the circuit breaker is open")]
    NotAsked,
    /// DispatchBot was not called, because this business lacks something that is needed.
    #[error("DispatchBot cannot be called for this business: {why}")]
    NotConfigured {
        /// What is missing or wrong. Never a key.
        why: String,
    },
}

impl AnalyzeError {
    /// The kind of error.
    pub fn reason(&self) -> AnalysisReason {
        match self {
            Self::TimedOut => AnalysisReason::TimedOut,
            Self::Unreachable { .. } => AnalysisReason::Unreachable,
            Self::Rejected { .. } => AnalysisReason::Rejected,
            Self::Malformed { .. } => AnalysisReason::Malformed,
            Self::NotSuccessful => AnalysisReason::NotSuccessful,
            Self::NotAsked => AnalysisReason::NotAsked,
            Self::NotConfigured { .. } => AnalysisReason::NotConfigured,
        }
    }

    /// Whether a second try may succeed: the cause is DispatchBot, not the request.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::TimedOut | Self::Unreachable { .. } | Self::Malformed { .. } => true,
            Self::Rejected { status } => *status >= 500 || *status == StatusCode::TOO_MANY_REQUESTS,
            Self::NotSuccessful | Self::NotAsked | Self::NotConfigured { .. } => false,
        }
    }

    /// Whether DispatchBot was called.
    pub fn was_called(&self) -> bool {
        !matches!(self, Self::NotAsked | Self::NotConfigured { .. })
    }
}

/// An answer that cannot be used.
pub(super) fn malformed(why: impl Into<String>) -> AnalyzeError {
    AnalyzeError::Malformed { why: why.into() }
}
