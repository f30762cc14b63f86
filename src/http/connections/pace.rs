//! The timeouts of a connection: for the first byte, for the head, and for a response that is not read. Pure except for
//! the lock: the time is passed in.
//!
//! The stream (bytes read and written) and the service (start and end of a request) report to it. Both run in one task,
//! which reads the deadline after each of their steps, so nothing must be woken when a deadline moves.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::telemetry::ConnectionEnd;

/// Maximum silence before the first request and between requests.
pub(super) const QUIET: Duration = Duration::from_secs(30);
/// From the first byte of a head to its last, however slowly bytes arrive.
pub(super) const HEAD: Duration = Duration::from_secs(10);
/// From the end of the head to the end of the body, however slowly bytes arrive.
pub(super) const BODY: Duration = Duration::from_secs(10);
/// How long a write may be blocked before the client must have read [`LEAST_TAKEN`].
pub(super) const WRITE: Duration = Duration::from_secs(15);
/// The minimum that a client must read of a response in that time: about 1 KiB a second. Otherwise a client that reads
/// a byte now and then could hold a connection for ever.
pub(super) const LEAST_TAKEN: usize = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No byte of the next request has arrived.
    Quiet,
    /// Its head is arriving.
    Head,
    /// The request is in progress. Reads of its body and writes of its response have timeouts of their own.
    Busy,
}

/// A write that is blocked by the client.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    since: Instant,
    taken: usize,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    since: Instant,
    waiting: Option<Waiting>,
}

/// The timeouts of one connection; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    state: Arc<Mutex<State>>,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { state: Arc::new(Mutex::new(State { phase: Phase::Quiet, since: now, waiting: None })) }
    }

    /// Bytes arrived. After a response, bytes that were sent too early have been read already and are not seen here:
    /// such an incomplete head has the timeout of silence, which the client could have used anyway.
    pub(super) fn read(&self, now: Instant) {
        let mut state = self.state();
        if state.phase == Phase::Quiet {
            (state.phase, state.since) = (Phase::Head, now);
        }
    }

    /// A head is complete.
    pub(super) fn begun(&self) {
        self.state().phase = Phase::Busy;
    }

    /// The response was handed over to be written, or was abandoned.
    pub(super) fn answered(&self, now: Instant) {
        let mut state = self.state();
        (state.phase, state.since) = (Phase::Quiet, now);
    }

    /// A write is blocked: the client does not read.
    pub(super) fn write_waits(&self, now: Instant) {
        self.state().waiting.get_or_insert(Waiting { since: now, taken: 0 });
    }

    /// The client has read this many bytes.
    pub(super) fn wrote(&self, bytes: usize) {
        if let Some(waiting) = &mut self.state().waiting {
            waiting.taken = waiting.taken.saturating_add(bytes);
        }
    }

    /// All pending writes are done. Silence counts from here, because until now the client had something to read.
    pub(super) fn flushed(&self, now: Instant) {
        let mut state = self.state();
        if state.waiting.take().is_some() {
            state.since = now;
        }
    }

    /// The current deadline; `None` while only the server has to act.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let state = self.state();
        match (state.waiting, state.phase) {
            (Some(waiting), _) => Some(waiting.since + WRITE),
            (None, Phase::Quiet) => Some(state.since + QUIET),
            (None, Phase::Head) => Some(state.since + HEAD),
            (None, Phase::Busy) => None,
        }
    }

    /// Why the connection must be closed at `now`; `None` before the deadline, or if the client has read enough since.
    pub(super) fn overdue(&self, now: Instant) -> Option<ConnectionEnd> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        let mut state = self.state();
        match state.waiting {
            Some(waiting) if waiting.taken >= LEAST_TAKEN => {
                state.waiting = Some(Waiting { since: now, taken: 0 });
                None
            }
            Some(_) => Some(ConnectionEnd::Write),
            None if state.phase == Phase::Head => Some(ConnectionEnd::Head),
            None => Some(ConnectionEnd::Quiet),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Why and after how many seconds the connection is closed if nothing more happens.
    fn closed(pace: &Pace, start: Instant) -> Option<(ConnectionEnd, u64)> {
        let deadline = pace.deadline()?;
        assert_eq!(pace.overdue(deadline - SECOND), None, "not before the deadline");
        Some((pace.overdue(deadline)?, (deadline - start).as_secs()))
    }

    #[test]
    fn silence_ends_after_30_s_and_half_a_head_10_s_after_its_first_byte() {
        let start = Instant::now();
        let pace = Pace::new(start);
        assert_eq!(closed(&pace, start), Some((ConnectionEnd::Quiet, 30)));
        pace.read(start + 29 * SECOND);
        assert_eq!(closed(&pace, start), Some((ConnectionEnd::Head, 39)));
        // A byte per second does not extend the deadline.
        (30..39).for_each(|second| pace.read(start + second * SECOND));
        assert_eq!(closed(&pace, start), Some((ConnectionEnd::Head, 39)));
    }

    #[test]
    fn what_is_worked_on_has_no_deadline_and_the_next_request_has_30_s() {
        let start = Instant::now();
        let pace = Pace::new(start);
        pace.read(start);
        pace.begun();
        pace.read(start + SECOND);
        assert_eq!(pace.deadline(), None);
        pace.answered(start + 100 * SECOND);
        assert_eq!(closed(&pace, start), Some((ConnectionEnd::Quiet, 130)));
    }

    #[test]
    fn who_takes_nothing_of_an_answer_is_waited_for_15_s() {
        let start = Instant::now();
        let pace = Pace::new(start);
        pace.begun();
        pace.write_waits(start);
        pace.write_waits(start + SECOND);
        assert_eq!(closed(&pace, start), Some((ConnectionEnd::Write, 15)));
        // The end of a response body that nobody reads does not turn the blocked write into silence.
        pace.answered(start + SECOND);
        assert_eq!(closed(&pace, start), Some((ConnectionEnd::Write, 15)));
    }

    #[test]
    fn a_byte_now_and_then_is_not_enough_and_a_slow_reader_is() {
        let start = Instant::now();
        let pace = Pace::new(start);
        pace.begun();
        pace.write_waits(start);
        pace.wrote(1);
        assert_eq!(closed(&pace, start), Some((ConnectionEnd::Write, 15)));
        // 2 KiB a second, for an hour.
        let pace = Pace::new(start);
        pace.begun();
        pace.write_waits(start);
        for second in 1..3_600 {
            pace.wrote(2_048);
            assert_eq!(pace.overdue(start + second * SECOND), None, "after {second} s");
        }
    }

    #[test]
    fn silence_counts_from_when_the_answer_was_taken() {
        let start = Instant::now();
        let pace = Pace::new(start);
        pace.begun();
        pace.write_waits(start);
        pace.answered(start);
        pace.wrote(100);
        pace.flushed(start + 10 * SECOND);
        assert_eq!(closed(&pace, start), Some((ConnectionEnd::Quiet, 40)));
    }
}
