//! Reads what no part of the process counts by itself, every few seconds: connections in every process; in workers also
//! what waits in PostgreSQL and JetStream.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::adapters::jetstream::JetStream;
use crate::adapters::postgres::{Readings, Store, UnansweredOf};
use crate::telemetry::{Metrics, Unanswered};

/// Time between two readings.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// A reading that takes longer is given up.
const TIMEOUT: Duration = Duration::from_secs(4);

/// What is read, and from where.
pub struct Gauges {
    pub store: Store,
    pub jetstream: JetStream,
    pub metrics: Metrics,
    /// How many bytes JetStream may store, unless its account has a limit.
    pub nats_storage: u64,
    /// Whether this process is a worker: what concerns the whole service is read by workers alone.
    pub is_worker: bool,
}

/// Reads until `shutdown`.
pub async fn measure(gauges: Gauges, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        let (idle, used, most) = gauges.store.connections();
        gauges.metrics.database_pool(idle, used, most);
        if gauges.is_worker && shutdown.run_until_cancelled(gauges.read()).await.is_none() {
            return;
        }
    }
}

impl Gauges {
    /// Each reading fails by itself: its gauges then keep their last values.
    async fn read(&self) {
        let told = |what: &str, error: &dyn std::fmt::Display| tracing::debug!(what, %error, "a reading failed");
        let (loads, storage, letters) = tokio::join!(
            tokio::time::timeout(TIMEOUT, self.jetstream.consumer_loads()),
            tokio::time::timeout(TIMEOUT, self.jetstream.storage()),
            tokio::time::timeout(TIMEOUT, self.jetstream.dead_letters()),
        );
        match loads {
            Ok(Ok(loads)) => {
                loads.iter().for_each(|load| self.metrics.consumer(load.consumer, load.lag, load.unacknowledged));
            }
            Ok(Err(error)) => told("consumers", &error),
            Err(late) => told("consumers", &late),
        }
        match storage {
            Ok(Ok((used, limit))) => self.metrics.jetstream_storage(used, limit.unwrap_or(self.nats_storage)),
            Ok(Err(error)) => told("storage", &error),
            Err(late) => told("storage", &late),
        }
        let letters = letters.ok().and_then(Result::ok);
        let since = letters.map(|letters| letters.since).unwrap_or_default();
        match tokio::time::timeout(TIMEOUT, self.store.readings(since)).await {
            Ok(Ok(readings)) => {
                self.show(&readings);
                if let Some(letters) = letters {
                    let there = i64::try_from(letters.count).unwrap_or(i64::MAX);
                    self.metrics.dead_letters_waiting((there - readings.letters_put_back).max(0));
                }
            }
            Ok(Err(error)) => told("database", &error),
            Err(late) => told("database", &late),
        }
    }

    fn show(&self, readings: &Readings) {
        self.metrics.outbox_waiting(readings.outbox_waiting);
        self.metrics.emergencies_unacknowledged(readings.emergencies_unacknowledged);
        let of_all = |count: fn(&UnansweredOf) -> i64| readings.unanswered.iter().map(count).sum::<i64>();
        for (waited, count) in [
            (Unanswered::OneMinute, of_all(|of| of.one_minute)),
            (Unanswered::TwoMinutes, of_all(|of| of.two_minutes)),
            (Unanswered::FiveMinutes, of_all(|of| of.five_minutes)),
            (Unanswered::QuarterOfAnHour, of_all(|of| of.quarter_of_an_hour)),
        ] {
            self.metrics.customers_unanswered(waited, count);
        }
        let of_each = readings.unanswered.iter().map(|of| (of.business_id.as_str(), of.one_minute));
        self.metrics.business_customers_unanswered(of_each);
    }
}
