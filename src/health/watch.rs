//! Probes the services once a second; logs each change once and publishes an event about it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::announce::{Change, announce};
use super::{Look, Probes, State};
use crate::adapters::jetstream::JetStream;
use crate::clock::now;
use crate::outage::Service;
use crate::telemetry::Metrics;

/// Time between two looks.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// A service has changed when this many looks in a row agree: a single slow answer is not an outage.
const LOOKS: u32 = 2;
/// The maximum number of changes that wait to be published; the oldest are dropped first.
const UNTOLD: usize = 100;

/// The known state of a service.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    state: Option<State>,
    /// How many looks in a row have found another state.
    otherwise: u32,
}

/// The known states of all services, and the changes not yet published.
#[derive(Debug, Default)]
struct Watch {
    known: [Known; Service::ALL.len()],
    untold: VecDeque<Change>,
}

/// Watches the services until `shutdown`.
pub async fn watch(probes: Probes, jetstream: JetStream, metrics: Metrics, shutdown: CancellationToken) {
    let mut watch = Watch::default();
    let mut ticks = tokio::time::interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        let Some(look) = shutdown.run_until_cancelled(probes.look()).await else { return };
        watch.note(&look);
        watch.show(&metrics);
        if look.state(Service::Nats) == State::Healthy {
            shutdown.run_until_cancelled(watch.tell(&jetstream)).await;
        }
    }
}

impl Watch {
    fn note(&mut self, look: &Look) {
        for (known, (service, found)) in self.known.iter_mut().zip(look.states) {
            let Some(found) = found else { continue };
            let Some(change) = known.change(found) else { continue };
            log(service, change, look.said(service));
            if self.untold.len() == UNTOLD {
                self.untold.pop_front();
            }
            self.untold.push_back(Change { service, state: change, at: now() });
        }
    }

    fn show(&self, metrics: &Metrics) {
        for (known, service) in self.known.iter().zip(Service::ALL) {
            if let Some(state) = known.state {
                metrics.service(*service, state == State::Healthy);
            }
        }
    }

    /// Publishes waiting changes in order, until JetStream refuses one.
    async fn tell(&mut self, jetstream: &JetStream) {
        while let Some(change) = self.untold.front() {
            if let Err(error) = announce(jetstream, change).await {
                tracing::debug!(%error, "announcing a service's state failed; retrying later");
                return;
            }
            self.untold.pop_front();
        }
    }
}

impl Known {
    /// The state that the service has changed to, if it has changed.
    fn change(&mut self, found: State) -> Option<State> {
        let same = self.state.is_some_and(|known| (known == State::Healthy) == (found == State::Healthy));
        if same {
            self.otherwise = 0;
            return None;
        }
        self.otherwise += 1;
        if self.otherwise < LOOKS {
            return None;
        }
        *self = Self { state: Some(found), otherwise: 0 };
        Some(found)
    }
}

/// Logs a change: once per outage, not once per waiting message.
fn log(service: Service, state: State, said: Option<&str>) {
    match (service, state) {
        (_, State::Healthy) => tracing::info!(%service, "service is available"),
        // Its error text begins with "Database connection failed".
        (Service::Postgres, _) => {
            tracing::error!(%service, "{}", said.unwrap_or("Database connection failed"))
        }
        (_, state) => {
            tracing::error!(%service, %state, error = said, "service is unavailable; messages that need it wait");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(redis: State) -> Look {
        let states = [
            (Service::Nats, Some(State::Healthy)),
            (Service::Postgres, Some(State::Healthy)),
            (Service::Redis, Some(redis)),
            (Service::Twilio, None),
            (Service::DispatchBot, None),
        ];
        Look { states, said: Vec::new() }
    }

    fn told(watch: &Watch) -> Vec<(Service, State)> {
        watch.untold.iter().map(|change| (change.service, change.state)).collect()
    }

    #[test]
    fn an_outage_is_noted_once_and_a_single_slow_answer_not_at_all() {
        let mut watch = Watch::default();
        let seen = [State::Healthy, State::Healthy, State::Down, State::Healthy, State::Down, State::Down, State::Down];
        seen.map(look).iter().for_each(|look| watch.note(look));
        let redis: Vec<State> = told(&watch)
            .into_iter()
            .filter(|(service, _)| *service == Service::Redis)
            .map(|(_, state)| state)
            .collect();
        assert_eq!(redis, [State::Healthy, State::Down]);
        watch.note(&look(State::Healthy));
        watch.note(&look(State::Healthy));
        assert_eq!(told(&watch).last(), Some(&(Service::Redis, State::Healthy)));
    }

    #[test]
    fn what_cannot_be_judged_stays_as_it_was() {
        let mut watch = Watch::default();
        (0..5).for_each(|_| watch.note(&look(State::Healthy)));
        assert!(!told(&watch).iter().any(|(service, _)| *service == Service::Twilio));
    }

    #[test]
    fn a_long_absence_of_jetstream_does_not_fill_the_memory() {
        let mut watch = Watch::default();
        for state in [State::Down, State::Healthy].iter().cycle().take(4 * UNTOLD) {
            (0..LOOKS).for_each(|_| watch.note(&look(*state)));
        }
        assert_eq!(watch.untold.len(), UNTOLD);
    }
}
