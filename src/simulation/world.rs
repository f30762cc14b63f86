//! The world of a run: everything outside the processes, behind one lock that is never held while waiting.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use super::dispatchbot::Answering;
use super::jetstream::Streams;
use super::ledger::Ledger;
use super::planted::Planted;
use super::redis::Memory;
use super::scheduler::{Group, Spawner};
use super::store::Tables;
use super::trace::Trace;
use super::twilio::Network;
use super::weather::{Fault, Weather};

/// In one of so many runs people keep customers waiting: these take long.
const LETS_WAIT: u64 = 40;

/// The world; clones share it.
#[derive(Clone)]
pub struct World {
    state: Arc<Mutex<State>>,
    /// Starts and ends tasks.
    pub spawner: Spawner,
    /// Wakes tasks that wait for a message or a timer.
    pub changed: Arc<Notify>,
    /// Wakes tasks that wait for a lock in the database.
    pub unlocked: Arc<Notify>,
    began: Instant,
}

/// The state of the world.
pub struct State {
    pub weather: Weather,
    pub planted: Planted,
    pub trace: Trace,
    pub db: Tables,
    pub streams: Streams,
    pub network: Network,
    pub redis: Memory,
    /// By window.
    pub answering: BTreeMap<Uuid, Answering>,
    pub ledger: Ledger,
    /// The error of each process's clock, in milliseconds, by its group.
    pub clocks: Vec<(Group, i64)>,
    /// The running workers.
    pub workers: Vec<Group>,
    /// The workers whose steps take long, also those that have died.
    pub slow_workers: Vec<Group>,
    /// Groups that have crashed and were not restarted yet.
    pub crashed: Vec<Group>,
    /// Webhooks that wait in PostgreSQL: subject, payload, and since when.
    pub kept: Vec<(String, Bytes, u64)>,
    /// The number of actions of people and the network that are not finished.
    pub under_way: usize,
    /// Whether people keep customers waiting, and the run goes on until nobody waits any more.
    pub lets_wait: bool,
    pub last_group: Group,
}

impl World {
    pub fn new(seed: u64, planted: Planted, traced: bool) -> Self {
        let state = State {
            weather: Weather::of(seed),
            planted,
            trace: Trace::new(traced),
            db: Tables::default(),
            streams: Streams::default(),
            network: Network::default(),
            redis: Memory::default(),
            answering: BTreeMap::new(),
            ledger: Ledger::default(),
            clocks: Vec::new(),
            workers: Vec::new(),
            slow_workers: Vec::new(),
            crashed: Vec::new(),
            kept: Vec::new(),
            under_way: 0,
            lets_wait: seed.is_multiple_of(LETS_WAIT),
            last_group: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            spawner: Spawner::default(),
            changed: Arc::default(),
            unlocked: Arc::default(),
            began: Instant::now(),
        }
    }

    /// Locks the state for a moment.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Milliseconds since the run began.
    pub fn ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    /// The true time.
    pub fn now(&self) -> DateTime<Utc> {
        at(self.ms())
    }

    /// The time by the clock of a process.
    pub fn clock_of(&self, group: Group) -> DateTime<Utc> {
        let wrong_by = self.lock().clocks.iter().find(|clock| clock.0 == group).map_or(0, |clock| clock.1);
        self.now() + TimeDelta::milliseconds(wrong_by)
    }

    /// The group of a new process.
    pub fn group(&self) -> Group {
        let mut state = self.lock();
        state.last_group += 1;
        state.last_group
    }

    /// Records an event.
    pub fn note(&self, who: Group, what: &'static str, number: u64, text: impl FnOnce() -> String) {
        let ms = self.ms();
        self.lock().trace.note(ms, who, what, number, text);
    }

    /// Reports a broken guarantee.
    pub fn breach(&self, what: impl FnOnce() -> String) {
        self.lock().ledger.breach(what);
    }

    /// A point at which other tasks may run, time may pass, and the process may die.
    pub async fn pause(&self, who: Group) {
        let step = {
            let mut state = self.lock();
            if who != super::scheduler::WORLD && state.weather.strikes(Fault::Crash) {
                state.crashed.push(who);
                None
            } else {
                let is_slow = state.slow_workers.contains(&who);
                Some(state.weather.step(is_slow))
            }
        };
        match step {
            Some(Duration::ZERO) => yield_now().await,
            Some(time) => tokio::time::sleep(time).await,
            None => {
                self.note(who, "crash", 0, String::new);
                self.spawner.end(who);
                self.changed.notify_waiters();
                std::future::pending::<()>().await;
            }
        }
    }

    /// A request of a process to another service: carried out in one step, or not at all. `None` means that there is no
    /// answer, and nothing can be concluded from that.
    pub async fn ask<T: Send>(
        &self,
        who: Group,
        what: &'static str,
        effect: impl FnOnce(&mut State, DateTime<Utc>) -> T + Send,
    ) -> Option<T> {
        self.pause(who).await;
        if self.lock().weather.strikes(Fault::RequestLost) {
            self.note(who, "request lost", 0, || what.to_owned());
            return None;
        }
        let (now, ms) = (self.now(), self.ms());
        let answer = {
            let mut state = self.lock();
            state.trace.note(ms, who, what, 0, String::new);
            effect(&mut state, now)
        };
        self.pause(who).await;
        if self.lock().weather.strikes(Fault::AnswerLost) {
            self.note(who, "answer lost", 0, || what.to_owned());
            return None;
        }
        Some(answer)
    }

    /// Runs something outside the processes after a delay.
    pub fn later(&self, after: Duration, what: impl Future<Output = ()> + Send + 'static) {
        self.lock().under_way += 1;
        let world = self.clone();
        self.spawner.spawn(super::scheduler::WORLD, async move {
            tokio::time::sleep(after).await;
            what.await;
            world.lock().under_way -= 1;
        });
    }
}

/// The time this many milliseconds after the start.
pub fn at(ms: u64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::milliseconds(i64::try_from(ms).unwrap())
}

/// Lets other tasks run first.
pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
