//! Prints what happens, as it happens: one task per source.
//!
//! Sources are the simulators' journals, JetStream and Redis. The tasks write to the screen, and to [`Events`] for
//! tasks that wait for an event.

mod countdown;
mod dispatchbot;
mod events;
mod sources;
mod twilio;
mod window;

use tokio::task::JoinSet;

pub(super) use events::{Events, Seen, is};

use super::api::Api;
use super::stage::Stage;

/// The running tasks; dropping this ends them.
pub(super) struct Watchers {
    _tasks: JoinSet<()>,
}

impl Watchers {
    /// Subscribes, and watches from now on.
    pub(super) async fn start(stage: &Stage) -> anyhow::Result<Self> {
        let jetstream = sources::jetstream(&stage.addresses.nats, stage.events.clone()).await?;
        let redis = sources::redis(&stage.addresses.redis, stage.events.clone()).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(sources::or_say(stage.screen.clone(), "JetStream", jetstream));
        tasks.spawn(sources::or_say(stage.screen.clone(), "Redis", redis));
        tasks.spawn(events::print(stage.screen.clone(), stage.events.clone()));
        tasks.spawn(twilio::messages(stage.screen.clone(), stage.twilio.clone()));
        tasks.spawn(twilio::callbacks(stage.screen.clone(), stage.twilio.clone()));
        tasks.spawn(dispatchbot::print(stage.screen.clone(), stage.dispatchbot.clone()));
        let api = Api::new(stage.screen.clone(), stage.addresses.service.clone())?;
        tasks.spawn(countdown::show(stage.screen.clone(), api, stage.events.clone(), stage.dispatchbot.clone()));
        tasks.spawn(resizes(stage.screen.clone()));
        Ok(Self { _tasks: tasks })
    }
}

async fn resizes(screen: super::screen::Screen) {
    let Ok(mut changes) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change()) else {
        return;
    };
    while changes.recv().await.is_some() {
        screen.resized();
    }
}
