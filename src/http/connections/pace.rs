//! How long a connection may take over what: the first byte, the head, an answer that is not taken. Pure but for the
//! lock: the time is passed in.
//!
//! Fed by the stream (bytes read and written) and the service (a request's begin and end), which run in one task;
//! read by that task after each of its steps, so that nobody has to be woken when a deadline moves.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::telemetry::ConnectionEnd;

/// How long a connection may be silent before its first request, and between two.
pub(super) const QUIET: Duration = Duration::from_secs(30);
/// From a head's first byte to its last, however it drips.
pub(super) const HEAD: Duration = Duration::from_secs(10);
/// From the end of the head to the end of the body, however it drips.
pub(super) const BODY: Duration = Duration::from_secs(10);
/// How long a write may wait before [`LEAST_TAKEN`] was taken.
pub(super) const WRITE: Duration = Duration::from_secs(15);
/// What a reader takes of an answer in that time at the least: some 1 KiB a second. Whoever takes a byte now and then would
/// hold a connection for ever.
pub(super) const LEAST_TAKEN: usize = 16 * 1024;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing has come of the next request.
    Quiet,
    /// Its head is coming.
    Head,
    /// It is worked on: its body is watched where it is read, its answer where it is written.
    Busy,
}

/// A write that waits for the reader.
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

/// The pace of one connection; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    state: Arc<Mutex<State>>,
}

impl Pace {
    /// A connection that was accepted now.
    pub(super) fn new(now: Instant) -> Self {
        Self { state: Arc::new(Mutex::new(State { phase: Phase::Quiet, since: now, waiting: None })) }
    }

    /// Bytes came. After an answer, what was sent ahead of its time has been read already and is not seen here: such
    /// half a head has the time of silence, which it could have had anyway.
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

    /// The answer was handed over to be written, or will never be.
    pub(super) fn answered(&self, now: Instant) {
        let mut state = self.state();
        (state.phase, state.since) = (Phase::Quiet, now);
    }

    /// A write cannot go on: the reader does not take what was sent.
    pub(super) fn write_waits(&self, now: Instant) {
        self.state().waiting.get_or_insert(Waiting { since: now, taken: 0 });
    }

    /// The reader has taken so much.
    pub(super) fn wrote(&self, bytes: usize) {
        if let Some(waiting) = &mut self.state().waiting {
            waiting.taken = waiting.taken.saturating_add(bytes);
        }
    }

    /// All that was to be written is. Silence counts from here: until now the other side had something to take.
    pub(super) fn flushed(&self, now: Instant) {
        let mut state = self.state();
        if state.waiting.take().is_some() {
            state.since = now;
        }
    }

    /// Until when something has to happen; none while only we are to act.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let state = self.state();
        match (state.waiting, state.phase) {
            (Some(waiting), _) => Some(waiting.since + WRITE),
            (None, Phase::Quiet) => Some(state.since + QUIET),
            (None, Phase::Head) => Some(state.since + HEAD),
            (None, Phase::Busy) => None,
        }
    }

    /// Why the connection is to be closed at a deadline that has passed; none where enough was taken meanwhile.
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

    /// Why it is closed, and after how long, if nothing more happens.
    fn closed(pace: &Pace, start: Instant) -> Option<(ConnectionEnd, u64)> {
        let deadline = pace.deadline()?;
        assert_eq!(pace.overdue(deadline - SECOND), None, "not before its time");
        Some((pace.overdue(deadline)?, (deadline - start).as_secs()))
    }

    #[test]
    fn silence_ends_after_30_s_and_half_a_head_10_s_after_its_first_byte() {
        let start = Instant::now();
        let pace = Pace::new(start);
        assert_eq!(closed(&pace, start), Some((ConnectionEnd::Quiet, 30)));
        pace.read(start + 29 * SECOND);
        assert_eq!(closed(&pace, start), Some((ConnectionEnd::Head, 39)));
        // A byte a second does not buy time.
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
        // Nor does the end of a body that nobody takes turn the wait into silence.
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
