//! The targets of log lines that record what happened. `RUST_LOG` filters by them.

/// A step of a conversation or a call, at info.
pub const STEP: &str = "nevermisscall::step";
/// A request, at debug.
pub const REQUEST: &str = "nevermisscall::request";
/// An input: a message of a stream that was processed, at debug.
pub const INPUT: &str = "nevermisscall::input";

/// All of them, and the one that tells of lines that were left out.
pub(super) const ALL: [&str; 4] = [STEP, REQUEST, INPUT, REPEATED];
/// How many lines were left out.
pub(super) const REPEATED: &str = "nevermisscall::repeated";
