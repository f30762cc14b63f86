//! Scheduled messages, as they were measured: never early, up to 0.25 s late; a fire purges the whole subject, so that
//! a re-arm at that moment is lost and the fire carries the old payload; a timer may fire twice, or be stuck until it
//! is armed again.

use std::pin::pin;

use chrono::DateTime;
use tokio::time::{Duration, Instant, timeout_at};

use super::{Stored, Timer, stream_of};
use crate::adapters::jetstream::Outgoing;
use crate::simulation::scheduler::WORLD;
use crate::simulation::weather::Fault;
use crate::simulation::world::{State, World, at};

/// The server's tick.
const TICK_MS: u64 = 250;
/// How long it takes to store a fire, usually and sometimes.
const STORING_MS: [u64; 2] = [30, 1_500];

/// Arms a timer; it replaces the one on its subject.
pub(super) fn arm(state: &mut State, message: Outgoing, now_ms: u64) {
    let schedule = message.headers["Nats-Schedule"].strip_prefix("@at ").unwrap();
    let due = DateTime::parse_from_rfc3339(schedule).unwrap().to_utc();
    let due_ms = u64::try_from((due - at(0)).num_milliseconds()).unwrap_or(0).max(now_ms);
    let fires_at_ms = due_ms + state.weather.below(TICK_MS);
    let is_stuck = state.weather.strikes(Fault::TimerStuck);
    let number = state.trace.events;
    let target = message.headers["Nats-Schedule-Target"].clone();
    let Outgoing { subject, headers, payload, .. } = message;
    state.streams.timers.insert(subject, Timer { number, fires_at_ms, target, headers, payload, is_stuck });
}

/// The server's clock: fires the timers that are due, forever.
pub async fn keep_time(world: World) {
    loop {
        let mut changed = pin!(world.changed.notified());
        changed.as_mut().enable();
        let next = {
            let state = world.lock();
            let armed = state.streams.timers.iter().filter(|(_, timer)| !timer.is_stuck);
            armed
                .filter(|(_, timer)| !state.streams.firing.contains(&timer.target))
                .map(|(subject, timer)| (timer.fires_at_ms, subject.clone()))
                .min()
        };
        let now = world.ms();
        match next {
            Some((fires_at_ms, subject)) if fires_at_ms <= now => fire(&world, subject),
            Some((fires_at_ms, _)) => {
                let until = Instant::now() + Duration::from_millis(fires_at_ms - now);
                drop(timeout_at(until, changed).await);
            }
            None => changed.await,
        }
    }
}

/// A due timer is picked, its fire is stored a moment later, and only then the timer is purged.
fn fire(world: &World, subject: String) {
    let mut state = world.lock();
    let state = &mut *state;
    let Some(timer) = state.streams.timers.get(&subject) else { return };
    let (target, number) = (timer.target.clone(), timer.number);
    let fired =
        Stored { subject: target.clone(), headers: timer.headers.clone(), payload: timer.payload.clone(), at_ms: 0 };
    state.streams.firing.push(target);
    let slow = state.weather.strikes(Fault::TimerSlow);
    let after = state.weather.between(0, STORING_MS[usize::from(slow)]);
    let again = state.weather.strikes(Fault::TimerDoubled).then(|| state.weather.between(0, 500));
    state.trace.note(world.ms(), WORLD, "timer picked", number, || subject.clone());
    let world = world.clone();
    world.spawner.clone().spawn(WORLD, async move {
        tokio::time::sleep(after).await;
        store(&world, &fired);
        {
            let mut state = world.lock();
            state.streams.timers.remove(&subject);
            let at = state.streams.firing.iter().position(|target| *target == fired.subject).unwrap();
            state.streams.firing.remove(at);
        }
        world.changed.notify_waiters();
        if let Some(again) = again {
            tokio::time::sleep(again).await;
            store(&world, &fired);
            world.changed.notify_waiters();
        }
    });
}

fn store(world: &World, fired: &Stored) {
    let ms = world.ms();
    let mut state = world.lock();
    let log = state.streams.streams.entry(stream_of(&fired.subject)).or_default();
    log.messages.push(Stored { at_ms: ms, ..fired.clone() });
    let sequence = log.messages.len() as u64;
    state.trace.note(ms, WORLD, "fire stored", sequence, || fired.subject.clone());
}
