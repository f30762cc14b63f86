//! The open connections, and which one is closed if there is no room for another.
//!
//! A connection is authenticated once one of its requests had a valid signature or key. The newest connection is never
//! closed, because it may be a call that rings. Of the others, the first to close is the oldest unauthenticated one
//! whose grace period is over; then the authenticated one that has been without a request the longest; then an
//! unauthenticated one whose request has arrived completely and is being checked, which takes moments; then the oldest.
//! A proxy's connections carry everybody's requests: they count as authenticated from the first valid one on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::telemetry::{ConnectionEnd, Metrics};

/// Maximum bytes that bodies on unauthenticated connections may hold in memory together, not counting [`ALWAYS`] of
/// each.
const BODIES_OF_ANYBODY: usize = 12 * 1024 * 1024;
/// The same for all bodies, including those on authenticated connections.
const BODIES: usize = 32 * 1024 * 1024;
/// A form of Twilio's with room to spare; this much is read of any body.
const ALWAYS: usize = 8 * 1024;
/// Additional cost of a request while it waits for its body.
const WAITING: usize = 24 * 1024;
/// Even in a flood of connections, each has this long to authenticate before it may be closed, counted from when it was
/// first polled. Accepting waits for that if no other connection can be closed.
const GRACE: Duration = Duration::from_millis(100);
/// If the bound is low, the grace period is only this long times the bound; otherwise connections in the backlog would
/// wait a second in all. About 1,800 are accepted within a second.
const GRACE_OF_EACH: Duration = Duration::from_micros(550);
/// How far the number of connections may exceed the bound while some are closing; above it no more are accepted.
const LEAVING: usize = 32;
/// How often to check whether a request in progress is done.
const A_MOMENT: Duration = Duration::from_millis(2);
/// Maximum time that accepting waits for room.
const ROOM_TIMEOUT: Duration = Duration::from_millis(250);
/// After descriptors ran out, the bound is lowered for this long.
const FEWER_FOR: Duration = Duration::from_secs(60);

struct Entry {
    /// `None` once the connection was asked to close.
    close: Option<oneshot::Sender<ConnectionEnd>>,
    has_shown_itself: bool,
    /// A request is in progress.
    busy: bool,
    /// A request has arrived completely, and its signature or key is being checked.
    is_judged: bool,
    /// When the connection was first polled.
    since: Option<Instant>,
    /// When it last began to wait for a request, in ticks of the register.
    quiet_since: u64,
    /// Bytes of its request's body in memory.
    held: usize,
}

impl Entry {
    fn counts(&self) -> usize {
        self.held.saturating_sub(ALWAYS)
    }

    fn counts_for_anybody(&self) -> usize {
        if self.has_shown_itself { 0 } else { self.counts() }
    }

    /// Whether its grace period is not over yet.
    fn is_new(&self, grace: Duration) -> bool {
        self.since.is_none_or(|since| since.elapsed() < grace)
    }
}

/// Connections that were not asked to close, in the order in which they would be closed.
#[derive(Default)]
struct Staying {
    /// Unauthenticated.
    nothing: BTreeSet<u64>,
    /// Unauthenticated, and being checked.
    judged: BTreeSet<u64>,
    /// Authenticated and waiting for a request: since when, and the number.
    waits: BTreeSet<(u64, u64)>,
    /// Authenticated, with a request in progress.
    works: BTreeSet<u64>,
    /// Those of the above that hold more of a body than [`ALWAYS`].
    holds: BTreeSet<u64>,
}

impl Staying {
    fn len(&self) -> usize {
        self.nothing.len() + self.judged.len() + self.waits.len() + self.works.len()
    }

    fn insert(&mut self, number: u64, entry: &Entry) {
        match (entry.has_shown_itself, entry.busy) {
            (false, _) if entry.is_judged => self.judged.insert(number),
            (false, _) => self.nothing.insert(number),
            (true, false) => self.waits.insert((entry.quiet_since, number)),
            (true, true) => self.works.insert(number),
        };
        if entry.counts() > 0 {
            self.holds.insert(number);
        }
    }

    fn remove(&mut self, number: u64, entry: &Entry) {
        self.nothing.remove(&number);
        self.judged.remove(&number);
        self.waits.remove(&(entry.quiet_since, number));
        self.works.remove(&number);
        self.holds.remove(&number);
    }
}

struct Open {
    next: u64,
    by_number: BTreeMap<u64, Entry>,
    staying: Staying,
    /// Bytes that all bodies hold, without [`ALWAYS`] of each.
    held: usize,
    /// The part of it held on unauthenticated connections.
    held_by_anybody: usize,
    bound: usize,
    /// Until when the bound is lowered.
    fewer_until: Option<Instant>,
}

impl Open {
    fn tick(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn grace(&self) -> Duration {
        GRACE.min(GRACE_OF_EACH * u32::try_from(self.bound).unwrap_or(u32::MAX))
    }

    /// The connection to close if there is no room, other than `newest`.
    fn first(&self, newest: Option<u64>) -> Option<u64> {
        let nothing = self.staying.nothing.first().copied().filter(|number| Some(*number) != newest);
        let is_new = |number: &u64| self.by_number.get(number).is_some_and(|entry| entry.is_new(self.grace()));
        let waits = || self.staying.waits.first().map(|(_, number)| *number);
        nothing
            .filter(|number| !is_new(number))
            .or_else(waits)
            .or(nothing)
            .or_else(|| self.staying.judged.first().copied().filter(|number| Some(*number) != newest))
            .or_else(|| self.staying.works.first().copied())
    }

    /// Changes a connection and updates its position in the order.
    fn change(&mut self, number: u64, change: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.by_number.get_mut(&number) else { return };
        self.held -= entry.counts();
        self.held_by_anybody -= entry.counts_for_anybody();
        self.staying.remove(number, entry);
        change(entry);
        if entry.close.is_some() {
            self.staying.insert(number, entry);
        } else {
            // It was asked to close, so its memory is about to be freed.
            entry.held = 0;
        }
        self.held += entry.counts();
        self.held_by_anybody += entry.counts_for_anybody();
    }

    fn close(&mut self, number: u64, why: ConnectionEnd) {
        self.change(number, |entry| {
            if let Some(close) = entry.close.take() {
                let _ = close.send(why); // it may have ended already
            }
        });
    }
}

pub(super) struct Register {
    open: Mutex<Open>,
    bound: usize,
    left: Notify,
    metrics: Metrics,
}

impl Register {
    pub(super) fn new(bound: usize, metrics: Metrics) -> Arc<Self> {
        let open = Open {
            next: 0,
            by_number: BTreeMap::new(),
            staying: Staying::default(),
            held: 0,
            held_by_anybody: 0,
            bound,
            fewer_until: None,
        };
        Arc::new(Self { open: Mutex::new(open), bound, left: Notify::new(), metrics })
    }

    /// Adds a connection. Above the bound, another one is asked to close.
    pub(super) fn enter(self: &Arc<Self>) -> (Ticket, oneshot::Receiver<ConnectionEnd>) {
        let (close, closed) = oneshot::channel();
        let mut open = self.open();
        let number = open.tick();
        let entry = Entry {
            close: Some(close),
            has_shown_itself: false,
            busy: false,
            is_judged: false,
            since: None,
            quiet_since: number,
            held: 0,
        };
        open.staying.insert(number, &entry);
        open.by_number.insert(number, entry);
        if open.staying.len() > open.bound
            && let Some(first) = open.first(Some(number))
        {
            open.close(first, ConnectionEnd::Bound);
        }
        self.metrics.http_connections(open.by_number.len());
        drop(open);
        (Ticket(Connection { number, register: Arc::clone(self) }), closed)
    }

    /// Waits until another connection may be accepted: until the grace period of the connection that would be closed
    /// for it is over, or, if all have requests in progress, until one is done; and until most of those asked to close
    /// are gone, because their descriptors are needed. It waits at most [`ROOM_TIMEOUT`].
    pub(super) async fn room(&self) {
        let room = async {
            while let Some(rest) = self.grace() {
                tokio::time::sleep(rest).await;
            }
            loop {
                let left = self.left.notified();
                if self.has_room() {
                    return;
                }
                left.await;
            }
        };
        let _ = tokio::time::timeout(ROOM_TIMEOUT, room).await;
    }

    fn has_room(&self) -> bool {
        let open = self.open();
        open.by_number.len() <= open.bound + LEAVING
    }

    /// The remaining grace period of the connection that would be closed next.
    fn grace(&self) -> Option<Duration> {
        let mut open = self.open();
        if open.fewer_until.is_some_and(|until| until <= Instant::now()) {
            (open.bound, open.fewer_until) = (self.bound, None);
        }
        if open.staying.len() < open.bound {
            return None;
        }
        let grace = open.grace();
        let first = open.first(None).and_then(|number| open.by_number.get(&number))?;
        match (first.has_shown_itself, first.busy) {
            (true, false) => None,
            (true, true) => Some(A_MOMENT),
            (false, _) if first.is_new(grace) => {
                Some(first.since.map_or(grace, |since| grace.saturating_sub(since.elapsed())))
            }
            (false, _) => None,
        }
    }

    /// Descriptors have run out: closes a quarter of the connections, and lowers the bound for a while.
    pub(super) fn make_room(&self) {
        let mut open = self.open();
        open.bound = (open.by_number.len() * 3 / 4).clamp(1, self.bound);
        open.fewer_until = Some(Instant::now() + FEWER_FOR);
        while open.staying.len() > open.bound
            && let Some(first) = open.first(None)
        {
            open.close(first, ConnectionEnd::Descriptors);
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection, for its requests; clones are the same connection.
#[derive(Clone)]
pub(in crate::http) struct Connection {
    number: u64,
    register: Arc<Register>,
}

impl Connection {
    /// Marks the connection as authenticated: it is closed for lack of room only if there is no other.
    pub(in crate::http) fn has_shown_itself(&self) {
        self.change(|entry| entry.has_shown_itself = true);
    }

    /// The connection is polled for the first time.
    pub(super) fn started(&self) {
        self.change(|entry| entry.since = Some(Instant::now()));
    }

    /// A request is in progress.
    pub(super) fn begun(&self) {
        self.change(|entry| (entry.busy, entry.is_judged) = (true, true));
    }

    /// A request was answered.
    pub(super) fn answered(&self) {
        let mut open = self.register.open();
        let now = open.tick();
        open.change(self.number, |entry| (entry.busy, entry.is_judged, entry.quiet_since) = (false, false, now));
    }

    /// The body of a request is not available at once.
    pub(super) fn waits(&self) {
        self.change(|entry| entry.is_judged = false);
        self.hold(ALWAYS + WAITING);
    }

    /// The body of the request is complete.
    pub(super) fn is_whole(&self) {
        self.change(|entry| entry.is_judged = entry.busy);
    }

    /// Counts more bytes of a request's body. If all bodies together hold too much, connections with large bodies are
    /// closed, the oldest unauthenticated one first; this may be the connection itself.
    pub(super) fn hold(&self, bytes: usize) {
        let mut open = self.register.open();
        open.change(self.number, |entry| entry.held = entry.held.saturating_add(bytes));
        while open.held > BODIES || open.held_by_anybody > BODIES_OF_ANYBODY {
            let holds = &open.staying.holds;
            let nothing =
                holds.iter().find(|number| open.by_number.get(number).is_some_and(|entry| !entry.has_shown_itself));
            let Some(first) = nothing.or(holds.first()).copied() else { return };
            open.close(first, ConnectionEnd::Memory);
        }
    }

    /// The response is ready: the body is not needed any more, and the client has to read the response.
    pub(super) fn release(&self) {
        self.change(|entry| (entry.held, entry.is_judged) = (0, false));
    }

    fn change(&self, change: impl FnOnce(&mut Entry)) {
        self.register.open().change(self.number, change);
    }
}

/// A connection's entry in the register, until it is dropped.
pub(super) struct Ticket(Connection);

impl Ticket {
    pub(super) fn connection(&self) -> Connection {
        self.0.clone()
    }

    /// Counts how the connection ended.
    pub(super) fn ended(self, how: ConnectionEnd) {
        self.0.register.metrics.http_connection_closed(how);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Connection { number, register } = &self.0;
        let mut open = register.open();
        // Removes it from the order, and its bytes from the totals.
        open.change(*number, |entry| drop(entry.close.take()));
        open.by_number.remove(number);
        register.metrics.http_connections(open.by_number.len());
        drop(open);
        register.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Entered = (Ticket, oneshot::Receiver<ConnectionEnd>);

    fn register(bound: usize) -> Arc<Register> {
        Register::new(bound, Metrics::new())
    }

    async fn had_their_time(entered: &[Entered]) {
        entered.iter().for_each(|(ticket, _)| ticket.connection().started());
        tokio::time::advance(GRACE).await;
    }

    /// Why it was asked to close, if it was.
    fn told((_, closed): &mut Entered) -> Option<ConnectionEnd> {
        closed.try_recv().ok()
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_bound_the_oldest_that_has_shown_nothing_goes_and_never_the_newest() {
        let register = register(3);
        let mut entered: Vec<Entered> = (0..3).map(|_| register.enter()).collect();
        entered[0].0.connection().has_shown_itself();
        had_their_time(&entered).await;
        assert!(entered.iter_mut().all(|entered| told(entered).is_none()));
        entered.push(register.enter());
        let all: Vec<_> = entered.iter_mut().map(told).collect();
        assert_eq!(all, [None, Some(ConnectionEnd::Bound), None, None]);
    }

    #[test]
    fn who_was_told_to_close_is_not_counted_twice() {
        let register = register(2);
        let mut entered: Vec<Entered> = (0..5).map(|_| register.enter()).collect();
        let gone = entered.iter_mut().map(told).filter(Option::is_some).count();
        assert_eq!(gone, 3, "each new connection closes one");
        drop(entered);
        assert_eq!(register.open().by_number.len(), 0);
    }

    #[test]
    fn of_those_that_have_all_shown_themselves_whoever_is_without_a_request_longest_goes() {
        let register = register(3);
        let mut entered: Vec<Entered> = (0..3).map(|_| register.enter()).collect();
        for (ticket, _) in &entered {
            ticket.connection().has_shown_itself();
            ticket.connection().begun();
        }
        // The second one answers first.
        entered[1].0.connection().answered();
        entered[2].0.connection().answered();
        entered.push(register.enter());
        let all: Vec<_> = entered.iter_mut().map(told).collect();
        assert_eq!(all, [None, Some(ConnectionEnd::Bound), None, None]);
        // If all have requests in progress, the oldest is closed.
        entered[3].0.connection().has_shown_itself();
        entered[3].0.connection().begun();
        entered[2].0.connection().begun();
        entered.push(register.enter());
        assert_eq!(told(&mut entered[0]), Some(ConnectionEnd::Bound));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_just_come_has_the_time_to_show_itself() {
        let register = register(2);
        let mut entered = vec![register.enter(), register.enter()];
        let began = Instant::now();
        register.room().await;
        assert_eq!(began.elapsed(), ROOM_TIMEOUT, "it is not a candidate for closing");
        entered[0].0.connection().started();
        let began = Instant::now();
        register.room().await;
        let grace = GRACE_OF_EACH * 2;
        assert!((grace..grace + Duration::from_millis(2)).contains(&began.elapsed()), "there is no other candidate");
        // Now there is a connection that waits for a request.
        entered[0].0.connection().has_shown_itself();
        let began = Instant::now();
        drop(entered.pop());
        entered.push(register.enter());
        register.room().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        entered.push(register.enter());
        let all: Vec<_> = entered.iter_mut().map(told).collect();
        assert_eq!(all, [Some(ConnectionEnd::Bound), None, None]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_being_judged_goes_after_those_that_keep_us_waiting() {
        let register = register(3);
        let mut entered: Vec<Entered> = (0..3).map(|_| register.enter()).collect();
        had_their_time(&entered).await;
        entered[0].0.connection().begun();
        entered[1].0.connection().begun();
        entered[1].0.connection().waits(); // for the rest of its body
        entered.push(register.enter());
        entered[3].0.connection().started();
        entered.push(register.enter());
        let all: Vec<_> = entered.iter_mut().map(told).collect();
        assert_eq!(all, [None, Some(ConnectionEnd::Bound), Some(ConnectionEnd::Bound), None, None]);
        // It was answered, but does not read the response.
        entered[0].0.connection().release();
        entered.push(register.enter());
        assert_eq!(told(&mut entered[0]), Some(ConnectionEnd::Bound));
    }

    #[test]
    fn large_bodies_give_way_to_newer_ones_and_small_ones_to_nobody() {
        let register = register(1_000);
        let mut entered: Vec<Entered> = (0..20).map(|_| register.enter()).collect();
        entered[0].0.connection().hold(ALWAYS);
        for (ticket, _) in &entered[1..18] {
            ticket.connection().hold(768 * 1024);
        }
        let all: Vec<_> = entered.iter_mut().map(told).collect();
        assert_eq!(all.iter().filter(|told| **told == Some(ConnectionEnd::Memory)).count(), 1);
        assert_eq!((all[0], all[1]), (None, Some(ConnectionEnd::Memory)));
        // Released memory is available to others.
        entered[5].0.connection().release();
        entered[18].0.connection().hold(768 * 1024);
        assert!(entered.iter_mut().all(|entered| told(entered).is_none()));
        drop(entered);
        assert_eq!(register.open().held, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn where_descriptors_have_run_out_there_are_fewer_for_a_while() {
        let register = register(100);
        let mut entered: Vec<Entered> = (0..40).map(|_| register.enter()).collect();
        had_their_time(&entered).await;
        register.make_room();
        let gone = |entered: &mut Vec<Entered>| {
            entered.retain_mut(|entered| told(entered).is_none());
            entered.len()
        };
        assert_eq!(gone(&mut entered), 30);
        entered.push(register.enter());
        assert_eq!(gone(&mut entered), 30, "each new connection closes one other");
        tokio::time::advance(FEWER_FOR).await;
        register.room().await;
        entered.push(register.enter());
        assert_eq!(gone(&mut entered), 31);
    }

    #[test]
    fn who_has_shown_a_key_may_send_large_bodies_whatever_others_do() {
        let register = register(1_000);
        let mut entered: Vec<Entered> = (0..30).map(|_| register.enter()).collect();
        for (ticket, _) in &entered[..20] {
            ticket.connection().has_shown_itself();
            ticket.connection().hold(1024 * 1024);
        }
        for (ticket, _) in &entered[20..] {
            ticket.connection().hold(2 * 1024 * 1024);
        }
        let gone: Vec<_> = entered.iter_mut().map(|entered| told(entered).is_some()).collect();
        assert!(gone[..20].iter().all(|gone| !gone) && gone[20..24].iter().all(|gone| *gone) && !gone[29], "{gone:?}");
    }

    #[test]
    fn one_body_alone_cannot_hold_more_than_all_may() {
        let register = register(10);
        let mut entered = register.enter();
        entered.0.connection().hold(BODIES_OF_ANYBODY + ALWAYS + 1);
        assert_eq!(told(&mut entered), Some(ConnectionEnd::Memory));
    }
}
