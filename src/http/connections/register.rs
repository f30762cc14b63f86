//! The open connections: how old each is, whether it has shown a signature or key that holds, and who goes where there
//! is no room.
//!
//! Never the newest: it may be the call that rings. Of the others first the oldest that has shown nothing, once it has had
//! the time to; then, among those that have, whoever has been without a request longest; then whose request is here as a whole
//! and being judged, which takes moments; then the oldest. A proxy's connections carry everybody's requests: they count as
//! shown from the first good one on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::telemetry::{ConnectionEnd, Metrics};

/// What the bodies of all who have shown nothing may hold in memory together; [`ALWAYS`] of each does not count.
const BODIES_OF_ANYBODY: usize = 12 * 1024 * 1024;
/// The same for all bodies, those of who has shown a key included.
const BODIES: usize = 32 * 1024 * 1024;
/// A form of Twilio's, with room to spare: as much is read of any body.
const ALWAYS: usize = 8 * 1024;
/// What a request costs beside that while it waits for its body.
const WAITING: usize = 24 * 1024;
/// Even in a flood of connections each has so long to show itself before it has to go, from when we first looked at it.
/// Accepting waits for that, where there is nobody else.
const GRACE: Duration = Duration::from_millis(100);
/// Where few connections may be open, it is only so long for each of them, or those that wait to be accepted would wait a
/// second in all: some 1,800 are let in within a second.
const GRACE_OF_EACH: Duration = Duration::from_micros(550);
/// So many more than the bound may be on their way out before further ones are let in.
const LEAVING: usize = 32;
/// How often it is looked at whether one that is worked on is done.
const A_MOMENT: Duration = Duration::from_millis(2);
/// How long accepting waits for all that at the most.
const ROOM_TIMEOUT: Duration = Duration::from_millis(250);
/// Where descriptors have run out, as many connections as there were then are too many, for so long.
const FEWER_FOR: Duration = Duration::from_secs(60);

/// One open connection.
struct Entry {
    /// Taken once it was told to close.
    close: Option<oneshot::Sender<ConnectionEnd>>,
    has_shown_itself: bool,
    /// A request is worked on.
    busy: bool,
    /// All of a request is here, and it is for us to say what it is worth.
    is_judged: bool,
    /// When it was first looked at.
    since: Option<Instant>,
    /// When it last began to wait for a request, on the register's own count.
    quiet_since: u64,
    /// Bytes of its request's body that are in memory.
    held: usize,
}

impl Entry {
    fn counts(&self) -> usize {
        self.held.saturating_sub(ALWAYS)
    }

    fn counts_for_anybody(&self) -> usize {
        if self.has_shown_itself { 0 } else { self.counts() }
    }

    /// Whether it has not had its time yet.
    fn is_new(&self, grace: Duration) -> bool {
        self.since.is_none_or(|since| since.elapsed() < grace)
    }
}

/// Those that stay, in the order in which they would have to go.
#[derive(Default)]
struct Staying {
    /// They have shown nothing.
    nothing: BTreeSet<u64>,
    /// They have shown nothing yet, and are being judged.
    judged: BTreeSet<u64>,
    /// They have shown themselves, and wait for a request: since when, and who.
    waits: BTreeSet<(u64, u64)>,
    /// They have shown themselves, and are worked on.
    works: BTreeSet<u64>,
    /// Of all of these, who holds more of a body than everybody may.
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
    /// What bodies hold together, beyond what is always read.
    held: usize,
    /// Of this, those of who has shown nothing.
    held_by_anybody: usize,
    bound: usize,
    /// Until when the bound is lower than it was set.
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

    /// Who has to go where there is no room, other than `newest`.
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

    /// Changes a connection, and its place among the others.
    fn change(&mut self, number: u64, change: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.by_number.get_mut(&number) else { return };
        self.held -= entry.counts();
        self.held_by_anybody -= entry.counts_for_anybody();
        self.staying.remove(number, entry);
        change(entry);
        if entry.close.is_some() {
            self.staying.insert(number, entry);
        } else {
            // It is told to close: what it holds is as good as gone.
            entry.held = 0;
        }
        self.held += entry.counts();
        self.held_by_anybody += entry.counts_for_anybody();
    }

    /// Tells it to close.
    fn close(&mut self, number: u64, why: ConnectionEnd) {
        self.change(number, |entry| {
            if let Some(close) = entry.close.take() {
                let _ = close.send(why); // one that has just ended hears nothing
            }
        });
    }
}

/// The register of one edge.
pub(super) struct Register {
    open: Mutex<Open>,
    bound: usize,
    left: Notify,
    metrics: Metrics,
}

impl Register {
    /// No connections yet, and at most `bound`.
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

    /// Enters a connection. Where there are more than the bound, another one is told to close.
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

    /// Waits until a further connection may come: until the one that would have to go for it has had its time, or another
    /// is done where all are worked on, and those that were told to close have mostly gone, for their descriptors are
    /// needed. Not for ever, whatever they do.
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

    /// How much longer the one that would have to go has.
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

    /// Descriptors have run out: a quarter of the connections goes, and for a while there are no more than that.
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

/// A connection, as its requests know it; clones are the same.
#[derive(Clone)]
pub(in crate::http) struct Connection {
    number: u64,
    register: Arc<Register>,
}

impl Connection {
    /// A signature or a key has held: as long as there are others, this one is not closed for want of room.
    pub(in crate::http) fn has_shown_itself(&self) {
        self.change(|entry| entry.has_shown_itself = true);
    }

    /// It is looked at for the first time.
    pub(super) fn started(&self) {
        self.change(|entry| entry.since = Some(Instant::now()));
    }

    /// A request is worked on.
    pub(super) fn begun(&self) {
        self.change(|entry| (entry.busy, entry.is_judged) = (true, true));
    }

    /// A request was answered.
    pub(super) fn answered(&self) {
        let mut open = self.register.open();
        let now = open.tick();
        open.change(self.number, |entry| (entry.busy, entry.is_judged, entry.quiet_since) = (false, false, now));
    }

    /// A request's body is not there at once.
    pub(super) fn waits(&self) {
        self.change(|entry| entry.is_judged = false);
        self.hold(ALWAYS + WAITING);
    }

    /// The request's body has come to its end.
    pub(super) fn is_whole(&self) {
        self.change(|entry| entry.is_judged = entry.busy);
    }

    /// So many more bytes of a request's body are in memory. Where that is too much for all together, one of those that
    /// hold most of it is told to close; this one, where there is none before it.
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

    /// The request is answered for our part: its body is not needed any more, and the answer has to be taken.
    pub(super) fn release(&self) {
        self.change(|entry| (entry.held, entry.is_judged) = (0, false));
    }

    fn change(&self, change: impl FnOnce(&mut Entry)) {
        self.register.open().change(self.number, change);
    }
}

/// A connection's place in the register, until it is dropped.
pub(super) struct Ticket(Connection);

impl Ticket {
    pub(super) fn connection(&self) -> Connection {
        self.0.clone()
    }

    /// Counts how it ended.
    pub(super) fn ended(self, how: ConnectionEnd) {
        self.0.register.metrics.http_connection_closed(how);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Connection { number, register } = &self.0;
        let mut open = register.open();
        // Out of the order, and of what is held.
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

    /// Why it was told to close, if it was.
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
        assert_eq!(gone, 3, "each newcomer costs one");
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
        // The second has answered first.
        entered[1].0.connection().answered();
        entered[2].0.connection().answered();
        entered.push(register.enter());
        let all: Vec<_> = entered.iter_mut().map(told).collect();
        assert_eq!(all, [None, Some(ConnectionEnd::Bound), None, None]);
        // Where all are at work, the oldest goes.
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
        assert_eq!(began.elapsed(), ROOM_TIMEOUT, "it was not even looked at");
        entered[0].0.connection().started();
        let began = Instant::now();
        register.room().await;
        let grace = GRACE_OF_EACH * 2;
        assert!((grace..grace + Duration::from_millis(2)).contains(&began.elapsed()), "there is nobody else");
        // There is one who waits for a request.
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
        // It was answered, and does not take the answer.
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
        // What was released is there for others.
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
        assert_eq!(gone(&mut entered), 30, "one came and one went");
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
