//! The processes: workers with the real pipelines, sweeper, shell, sending and answering, and an edge with a shell for
//! commands. A process may die at any of its awaits, and is then started again, with nothing in memory.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::dispatchbot::SimDispatchBot;
use super::jetstream::{SimJetStream, SimPublisher};
use super::policy;
use super::scheduler::{Group, WORLD};
use super::store::SimStore;
use super::twilio::SimTwilio;
use super::world::World;
use crate::businesses::{Accounts, Directory, Mirror};
use crate::clock::Clock;
use crate::config::{Rate, TwilioConfig};
use crate::dead_letters::DeadLetterStream;
use crate::engine::{Outbox, Shell, sweep};
use crate::stream::{FailureReason, Metadata};
use crate::telemetry::Metrics;
use crate::worker::analyze::Dispatch;
use crate::worker::send::Deliver;
use crate::worker::{self, Lane, Neighbours, Parts, Stage};

/// The shell of a simulated process.
pub type SimShell = Shell<SimStore, SimPublisher>;

/// The neighbours of a simulated worker.
#[derive(Clone)]
pub struct Simulated;

impl Neighbours for Simulated {
    type Source = SimJetStream;
    type Store = SimStore;
    type Publisher = SimPublisher;
    type Analyst = SimDispatchBot;
    type Carrier = SimTwilio;
    type Events = SimRedis;
}

/// Redis, as far as events go there: it remembers their ids.
pub struct SimRedis {
    world: World,
    group: Group,
}

impl Stage<Value> for SimRedis {
    async fn run(&self, event: Value, metadata: Arc<Metadata>) -> Result<(), FailureReason> {
        let scope = metadata.headers["ce-subject"].parse().unwrap();
        let told =
            self.world.ask(self.group, "tell Redis", move |state, _| state.ledger.event_forwarded(scope, &event));
        told.await.ok_or_else(|| FailureReason::retry(Duration::from_millis(500), "Redis is away"))
    }
}

/// A shell of a process that lives in `group`.
pub fn shell(world: &World, group: Group, metrics: &Metrics) -> SimShell {
    let store = SimStore { world: world.clone(), group };
    let publisher = SimPublisher { world: world.clone(), group };
    let outbox = Outbox::new(store.clone(), publisher, metrics.clone());
    let directory = Directory::new(store.clone(), Mirror::default());
    let clock = world.clone();
    Shell::new(store, outbox, directory, policy(), metrics.clone())
        .with_clock(Clock::new(move || clock.clock_of(group)))
}

/// Starts a worker.
pub fn start(world: &World, metrics: &Metrics) -> Group {
    let group = world.group();
    let shell = shell(world, group, metrics);
    let store = SimStore { world: world.clone(), group };
    let twilio = TwilioConfig {
        account_sid: "AC1".to_owned(),
        auth_token: "token".to_owned().into(),
        auth_token_next: None,
        api_url: String::new(),
    };
    let dispatchbot = SimDispatchBot { world: world.clone(), group };
    let parts = Parts::<Simulated> {
        jetstream: SimJetStream { world: world.clone(), group },
        shell: shell.clone(),
        dispatch: Arc::new(Dispatch::new(dispatchbot, shell.clone(), metrics.clone())),
        deliver: Arc::new(Deliver {
            twilio: SimTwilio { world: world.clone(), group },
            accounts: Accounts::new(store, Mirror::default(), twilio, None),
            shell: shell.clone(),
            public_url: "https://nmc.example".parse().unwrap(),
            send_rate: Rate { count: 1, per: Duration::from_secs(1) },
            reconcile_after: Duration::from_secs(30),
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
    for lane in [Lane::Usual, Lane::Urgent] {
        spawner.spawn(group, drop_summary(worker::analyze(&parts, lane, never.clone())));
        spawner.spawn(group, drop_summary(worker::send(&parts, lane, never.clone())));
    }
    spawner.spawn(group, drop_summary(worker::events(&parts, never.clone())));
    spawner.spawn(group, sweep(shell, never));
    group
}

async fn drop_summary<T>(pipeline: impl Future<Output = T>) {
    drop(pipeline.await);
}

/// Keeps so many workers running, for ever: one that has died is started again a while later.
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
        world.note(WORLD, "started again", u64::from(died), String::new);
    }
}
