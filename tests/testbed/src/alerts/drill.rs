//! Waits for alerts: in Prometheus, and at the receiver.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::report::Row;
use super::stage::Stage;
use crate::sim::lock;

const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
/// The longest time from a fault to its alert: the longest `for` and window of those that are tried, and what the service
/// needs to notice.
const FIRES_WITHIN: Duration = Duration::from_secs(40);
/// The longest time from the repair to the end of the alert: the longest window, and what the service needs to recover.
const RESOLVES_WITHIN: Duration = Duration::from_secs(60);
/// The longest time from a change of an alert to its notification: the longest `group_interval`.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

/// The alerts of a run.
pub(super) struct Drill {
    pub(super) stage: Arc<Stage>,
    begun: Instant,
    firing: watch::Sender<BTreeSet<String>>,
    fired: Mutex<BTreeSet<String>>,
}

/// How an alert came to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// By this receiver.
    By(String),
    /// Not at all, because an alert about its cause fires.
    HeldBack,
}

impl Drill {
    pub(super) fn new(stage: Arc<Stage>, begun: Instant) -> Self {
        Self { stage, begun, firing: watch::Sender::default(), fired: Mutex::default() }
    }

    /// Reads Prometheus' alerts until it is enough.
    ///
    /// # Errors
    /// If Prometheus does not answer.
    pub(super) async fn watch(self: Arc<Self>, enough: CancellationToken) -> anyhow::Result<()> {
        while enough.run_until_cancelled(sleep(BETWEEN_LOOKS)).await.is_some() {
            let now = self.stage.prometheus.firing().await?;
            for key in now.difference(&self.firing()) {
                self.say(&format!("fires     {key}"));
            }
            for key in self.firing().difference(&now) {
                self.say(&format!("resolved  {key}"));
            }
            lock(&self.fired).extend(now.iter().cloned());
            self.firing.send_replace(now);
        }
        Ok(())
    }

    /// The keys of the alerts that fire now.
    pub(super) fn firing(&self) -> BTreeSet<String> {
        self.firing.borrow().clone()
    }

    /// The keys of all alerts that have fired so far.
    pub(super) fn fired(&self) -> BTreeSet<String> {
        lock(&self.fired).clone()
    }

    /// Prints a line with the time.
    pub(super) fn say(&self, line: &str) {
        println!("{:5.1} s  {line}", self.begun.elapsed().as_secs_f64());
    }

    /// Waits until these alerts fire and people are told; `planted` is when the fault was.
    pub(super) async fn await_alerts(
        &self,
        fault: &'static str,
        alerts: &[&'static str],
        planted: Instant,
    ) -> anyhow::Result<Vec<Row>> {
        let rows = alerts.iter().map(|alert| self.await_alert(fault, alert, planted));
        futures::future::try_join_all(rows).await
    }

    async fn await_alert(&self, fault: &'static str, alert: &'static str, planted: Instant) -> anyhow::Result<Row> {
        let fired = self.until(alert, true, FIRES_WITHIN).await.then(|| planted.elapsed());
        let told = if fired.is_some() { self.told(alert).await? } else { None };
        Ok(Row { fault, alert, fired, told, resolved: None, told_resolved: false })
    }

    /// Waits until the alert has ended and those who were told of it know; `repaired` is when the fault was.
    pub(super) async fn await_end(&self, mut row: Row, repaired: Instant) -> Row {
        if row.fired.is_none() {
            return row;
        }
        row.resolved = self.until(row.alert, false, RESOLVES_WITHIN).await.then(|| repaired.elapsed());
        row.told_resolved = match row.told {
            Some(Told::By(_)) if row.resolved.is_some() => self.is_told(row.alert, "resolved", TOLD_WITHIN).await,
            _ => row.told == Some(Told::HeldBack),
        };
        row
    }

    /// Waits until the alert fires, or no longer fires; returns whether that happened in time.
    async fn until(&self, alert: &str, fires: bool, patience: Duration) -> bool {
        let mut changes = self.firing.subscribe();
        let reached = changes.wait_for(|firing| firing.contains(alert) == fires);
        tokio::time::timeout(patience, reached).await.is_ok_and(|reached| reached.is_ok())
    }

    /// Who is told of an alert that fires.
    async fn told(&self, alert: &str) -> anyhow::Result<Option<Told>> {
        let begun = Instant::now();
        while begun.elapsed() < TOLD_WITHIN {
            if self.is_told(alert, "firing", BETWEEN_LOOKS).await {
                return Ok(self.receiver_of(alert).map(Told::By));
            }
            if self.stage.held_back().await?.iter().any(|held| held.key() == alert) {
                return Ok(Some(Told::HeldBack));
            }
        }
        Ok(None)
    }

    async fn is_told(&self, alert: &str, status: &str, patience: Duration) -> bool {
        let notifications = self.stage.receiver.notifications();
        let told = notifications.wait_for(
            |all| {
                let mut told = all.iter().flat_map(|notification| &notification.alerts);
                told.any(|told| told.status == status && told.alert.key() == alert)
            },
            patience,
        );
        told.await.is_ok()
    }

    fn receiver_of(&self, alert: &str) -> Option<String> {
        let all = self.stage.receiver.notifications().snapshot();
        let found = all.iter().find(|notification| notification.alerts.iter().any(|told| told.alert.key() == alert));
        found.map(|notification| notification.receiver.clone())
    }
}
