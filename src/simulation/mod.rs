//! The service in a simulated world: the real pipelines, engine, rules, sending, analysis and sweeper of several
//! workers, with tables, streams, Twilio and DispatchBot in memory, and with every fault that can happen. Every choice
//! is drawn from a seed, which replays the run exactly (docs/simulation.md).
//!
//! `NMC_SIM_SEEDS` is the number of seeds, `NMC_SIM_FIRST` the first of them; `NMC_SIM_SEED` runs one and prints what
//! happened.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod dispatchbot;
mod edge;
mod jetstream;
mod ledger;
mod people;
mod planted;
mod racing;
mod redis;
mod scheduler;
mod store;
mod tests;
mod trace;
mod twilio;
mod weather;
mod worker;
mod world;

use std::time::Duration;

use crate::domain::conversation::{Conversation, Policy};
use crate::domain::day_limits::DayLimits;
use crate::telemetry::Metrics;
use planted::Planted;
use scheduler::WORLD;
use world::World;

/// After this, no more faults happen.
const FOUL: Duration = Duration::from_secs(60);
/// By this time, everything in progress must have ended.
const SETTLED: Duration = Duration::from_secs(600);
/// The largest error of a process's clock.
const CLOCKS_MS: u64 = 2_000;

/// The rules' time limits, shorter than in production, so that a run reaches more of them.
fn policy() -> Policy {
    Policy {
        hold: Duration::from_secs(8),
        quiet: Duration::from_secs(2),
        max: Duration::from_secs(14),
        ai_max_replies: 30,
        ai_max_period: Duration::from_secs(3_600),
        fallback_every: Duration::from_secs(30),
        missed_call_cooldown: Duration::from_secs(20),
        reopen_within: Duration::from_secs(30),
        idle_after: Duration::from_secs(20),
        alert_every: Duration::from_secs(6),
        dial_timeout: Duration::from_secs(5),
        call_result_wait: Duration::from_secs(4),
        day_limits: DayLimits { texts: 1_000, new_numbers: 1_000, ai: 1_000, alerts: 1_000 },
        public_url: "https://nmc.example".to_owned(),
    }
}

/// The result of a run.
struct Outcome {
    /// The guarantee that was broken, if any.
    broken: Option<String>,
    /// Equal for equal runs.
    hash: u64,
    /// What happened, if requested.
    lines: Vec<String>,
    /// The number of events.
    events: u64,
    /// The duration in simulated time.
    ms: u64,
}

/// How long a run may take in which people keep customers waiting, until everything has ended.
const SETTLED_AFTER_WAITING: Duration = Duration::from_secs(2_700);

/// Plays the run of a seed.
fn play(seed: u64, planted: Planted, traced: bool, metrics: &Metrics) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let world = World::new(seed, planted, traced);
        let spawner = world.spawner.clone();
        spawner.run(seed, take_its_course(&world, metrics)).await;
        let ms = world.ms();
        let mut state = world.lock();
        let state = &mut *state;
        Outcome {
            broken: state.ledger.broken.take(),
            hash: state.trace.hash(),
            lines: state.trace.lines.take().unwrap_or_default(),
            events: state.trace.events,
            ms,
        }
    })
}

async fn take_its_course(world: &World, metrics: &Metrics) {
    people::open_business(world);
    world.spawner.spawn(WORLD, jetstream::keep_time(world.clone()));
    world.spawner.spawn(WORLD, worker::supervise(world.clone(), metrics.clone(), 2));
    world.spawner.spawn(WORLD, set_clocks(world.clone()));
    people::begin(world, metrics);
    tokio::time::sleep(FOUL).await;
    world.lock().weather.clear_up();
    world.note(WORLD, "faults end", 0, String::new);
    while let Some(under_way) = under_way(world) {
        if world.lock().ledger.broken.is_some() {
            return;
        }
        let most = if world.lock().lets_wait { SETTLED_AFTER_WAITING } else { SETTLED };
        if world.ms() > u64::try_from(most.as_millis()).unwrap() {
            return world.breach(|| format!("the run does not end: {under_way}"));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let mut state = world.lock();
    let state = &mut *state;
    state.ledger.close(&state.db, &state.streams, &state.network.legs);
}

/// Sets the clocks of processes, forwards and backwards.
async fn set_clocks(world: World) {
    if world.lock().weather.chance(60) {
        return;
    }
    world.lock().ledger.clocks_are_set = true;
    while world.lock().weather.is_foul() {
        {
            let mut state = world.lock();
            let state = &mut *state;
            let drawn = usize::try_from(state.weather.below(6)).unwrap();
            let wrong_by = i64::try_from(state.weather.below(2 * CLOCKS_MS)).unwrap() - CLOCKS_MS as i64;
            // A worker's clock, or the clock of the process for the owner's next command.
            let group = state.workers.get(drawn).copied().unwrap_or(state.last_group + 1);
            state.clocks.retain(|clock| clock.0 != group);
            state.clocks.push((group, wrong_by));
        }
        let next = world.lock().weather.between(1_000, 20_000);
        tokio::time::sleep(next).await;
    }
}

/// What has not ended yet.
fn under_way(world: &World) -> Option<String> {
    let state = world.lock();
    if state.under_way > 0 {
        return Some(format!("{} actions outside the processes are in progress", state.under_way));
    }
    let look = |c: &Conversation| if state.lets_wait { c.next_look() } else { c.arm_at() };
    let waits = state.db.conversations.iter().find(|c| look(c).is_some() || c.answering.is_some());
    if let Some(conversation) = waits {
        return Some(format!("{} waits: {:?} {:?}", conversation.id, conversation.window, conversation.answering));
    }
    if state.db.calls.iter().any(|call| call.settle_at.is_some()) {
        return Some("a call is not settled".to_owned());
    }
    if state.db.outbox.iter().any(|effect| !effect.is_published) {
        return Some("effects are not published".to_owned());
    }
    state.streams.under_way(u64::try_from(SETTLED.as_millis()).unwrap())
}
