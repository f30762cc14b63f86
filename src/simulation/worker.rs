//! The processes: workers with the real pipelines, sweeper, engine, sending and analysis, and an edge with an engine
//! for commands. A process may die at any of its awaits, and is then started again, with empty memory.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::dispatchbot::SimDispatchBot;
use super::jetstream::{SimJetStream, SimPublisher};
use super::policy;
use super::redis::SimRedis;
use super::scheduler::{Group, WORLD};
use super::store::SimStore;
use super::twilio::SimTwilio;
use super::weather::Fault;
use super::world::World;
use crate::businesses::{Accounts, BusinessCache, BusinessSnapshot};
use crate::clock::Clock;
use crate::config::{Rate, TwilioConfig};
use crate::dead_letters::DeadLetterStream;
use crate::domain::conversation::Priority;
use crate::engine::{Engine, Outbox, sweep};
use crate::telemetry::Metrics;
use crate::worker::analyze::Analyzer;
use crate::worker::send::SmsSender;
use crate::worker::{self, Adapters, CallSettler, WorkerDeps, settle_calls};

/// The engine of a simulated process.
pub type SimShell = Engine<SimStore, SimPublisher>;

/// The adapters of a simulated worker.
#[derive(Clone)]
pub struct Simulated;

impl Adapters for Simulated {
    type Source = SimJetStream;
    type Store = SimStore;
    type Publisher = SimPublisher;
    type AiClient = SimDispatchBot;
    type SmsGateway = SimTwilio;
    type EventSink = SimRedis;
}

/// The engine of a process in `group`.
pub fn engine(world: &World, group: Group, metrics: &Metrics) -> SimShell {
    let store = SimStore { world: world.clone(), group };
    let publisher = SimPublisher { world: world.clone(), group };
    let outbox = Outbox::new(store.clone(), publisher, metrics.clone());
    let business_cache = BusinessCache::new(store.clone(), BusinessSnapshot::default());
    let clock = world.clone();
    Engine::new(store, outbox, business_cache, policy(), metrics.clone())
        .with_clock(Clock::new(move || clock.clock_of(group)))
}

/// Starts a worker.
pub fn start(world: &World, metrics: &Metrics) -> Group {
    let group = world.group();
    {
        let mut state = world.lock();
        if state.weather.strikes(Fault::SlowWorker) {
            state.slow_workers.push(group);
        }
    }
    let engine = engine(world, group, metrics);
    let store = SimStore { world: world.clone(), group };
    let twilio = TwilioConfig {
        account_sid: "AC1".to_owned(),
        auth_token: "token".to_owned().into(),
        auth_token_next: None,
        api_url: String::new(),
        messaging_url: String::new(),
        conversations_url: String::new(),
        media_url: String::new(),
    };
    let accounts = Accounts::new(store, BusinessSnapshot::default(), twilio, None);
    let dispatchbot = SimDispatchBot { world: world.clone(), group };
    let parts = WorkerDeps::<Simulated> {
        jetstream: SimJetStream { world: world.clone(), group },
        engine: engine.clone(),
        analyzer: Arc::new(Analyzer::new(dispatchbot, engine.clone(), metrics.clone())),
        sms_sender: Arc::new(SmsSender {
            twilio: SimTwilio { world: world.clone(), group },
            accounts: accounts.clone(),
            engine: engine.clone(),
            public_url: "https://nmc.example".parse().unwrap(),
            send_rate: Rate { count: 1, per: Duration::from_secs(1) },
            reconcile_after: Duration::from_secs(30),
            alert_bundle: Duration::from_secs(4),
            metrics: metrics.clone(),
        }),
        redis: Arc::new(SimRedis { world: world.clone(), group }),
        dead: Arc::new(DeadLetterStream::new(SimPublisher { world: world.clone(), group }, metrics.clone())),
        metrics: metrics.clone(),
        rules: crate::domain::emergency::load().unwrap(),
    };
    let never = CancellationToken::new();
    let spawner = &world.spawner;
    spawner.spawn(group, drop_summary(worker::webhooks(&parts, never.clone())));
    spawner.spawn(group, drop_summary(worker::windows(&parts, never.clone())));
    spawner.spawn(group, drop_summary(worker::express(&parts, never.clone())));
    for priority in [Priority::Normal, Priority::Urgent] {
        spawner.spawn(group, drop_summary(worker::analyze(&parts, priority, never.clone())));
        spawner.spawn(group, drop_summary(worker::send(&parts, priority, never.clone())));
    }
    spawner.spawn(group, drop_summary(worker::ring(&parts, never.clone())));
    spawner.spawn(group, drop_summary(worker::events(&parts, never.clone())));
    let settler = CallSettler { engine: engine.clone(), accounts, twilio: SimTwilio { world: world.clone(), group } };
    spawner.spawn(group, settle_calls(settler, never.clone()));
    spawner.spawn(group, sweep(engine, never));
    group
}

async fn drop_summary<T>(pipeline: impl Future<Output = T>) {
    drop(pipeline.await);
}

/// Keeps this many workers running, forever: one that died is started again after a while.
pub async fn supervise(world: World, metrics: Metrics, workers: usize) {
    for _ in 0..workers {
        let group = start(&world, &metrics);
        world.lock().workers.push(group);
    }
    loop {
        let mut changed = pin!(world.changed.notified());
        changed.as_mut().enable();
        let died = {
            let mut state = world.lock();
            let at = state.crashed.iter().position(|group| state.workers.contains(group));
            at.map(|at| (state.crashed.swap_remove(at), state.weather.between(100, 5_000)))
        };
        let Some((died, after)) = died else {
            changed.await;
            continue;
        };
        world.lock().workers.retain(|group| *group != died);
        tokio::time::sleep(after).await;
        let group = start(&world, &metrics);
        world.lock().workers.push(group);
        world.note(WORLD, "restarted", u64::from(died), String::new);
    }
}
