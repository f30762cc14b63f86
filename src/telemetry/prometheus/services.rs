//! The services that this one depends on.

use std::sync::LazyLock;
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::registrar::{About, By, Registrar, words};
use crate::domain::phones::Verified;
use crate::outage::Service;
use crate::telemetry::labelled::Labelled;
use crate::telemetry::{CountedBy, Metrics, ReadFrom};

/// Of the process: sqlx reports an error where nobody has a handle to the metrics.
static CONNECTION_ERRORS: LazyLock<Counter> = LazyLock::new(Counter::default);

/// A connection to PostgreSQL could not be had or opened, or broke.
pub fn database_connection_failed() {
    CONNECTION_ERRORS.inc();
}

#[derive(Debug)]
pub(in crate::telemetry) struct Services {
    up: By<Gauge>,
    business_numbers: By<Gauge>,
    pool_connections: By<Gauge>,
    pool_size_max: Gauge,
    jetstream_storage: Gauge<f64, AtomicU64>,
    reads: Labelled,
    requests_counted: Labelled,
}

impl Services {
    pub(super) fn register(r: &mut Registrar) -> Self {
        let up = About::new("service_up", "Whether a service that this one depends on is healthy (1) or not (0)");
        let numbers = About::new(
            "business_numbers",
            "Phone numbers of businesses, by whether Twilio has found them in the business's account",
        );
        let errors = About::new(
            "db_connection_errors",
            "Statements for which there was no connection to PostgreSQL: none was free or could be opened, it broke, or \
             PostgreSQL was not ready for it",
        );
        let connections = About::new("db_pool_connections", "Open connections to PostgreSQL: `idle` and `used`");
        let storage = About {
            unit: Some("ratio"),
            ..About::new(
                "jetstream_storage",
                "Used part of the file storage that JetStream may use (`NMC_NATS_STORAGE`)",
            )
        };
        r.counter(errors, CONNECTION_ERRORS.clone());
        Self {
            up: r.gauge(up.by(&["service"]), Family::default()),
            business_numbers: r.gauge(numbers.by(&["verified"]), Family::default()),
            pool_connections: r.gauge(connections.by(&["state"]), Family::default()),
            pool_size_max: r.level("db_pool_size_max", "The most connections to PostgreSQL that this process opens"),
            jetstream_storage: r.gauge_of_workers(storage, Gauge::default()),
            reads: r.labelled(
                "db_reads",
                "REST's reads that may be some seconds old, by who answered: the replica (`DATABASE_READ_URL`) or the \
                 primary",
                &["from"],
                words(ReadFrom::ALL, ReadFrom::as_str),
            ),
            requests_counted: r.labelled(
                "requests_counted",
                "REST requests for the rate limit of their API key, by who counted: `redis`, for all edges together, or the \
                 `edge` alone, while Redis does not answer",
                &["by"],
                words(CountedBy::ALL, CountedBy::as_str),
            ),
        }
    }

    /// 1 or 0; `None` if the watch does not know the state yet.
    pub(in crate::telemetry) fn is_up(&self, service: Service) -> Option<i64> {
        self.up.get(&[("service", service.as_str())]).map(|up| up.get())
    }
}

impl Metrics {
    /// Sets whether the watch has found a service healthy.
    pub fn service(&self, service: Service, up: bool) {
        self.inner.totals.services.up.get_or_create(&[("service", service.as_str())]).set(up.into());
    }

    /// Sets how many numbers of businesses have this verification result.
    pub fn business_numbers(&self, verified: Verified, count: i64) {
        let numbers = &self.inner.totals.services.business_numbers;
        numbers.get_or_create(&[("verified", verified.as_str())]).set(count);
    }

    /// Sets how many connections to PostgreSQL are idle and used, and how many there may be.
    pub fn database_pool(&self, idle: u32, used: u32, most: u32) {
        let services = &self.inner.totals.services;
        services.pool_connections.get_or_create(&[("state", "idle")]).set(idle.into());
        services.pool_connections.get_or_create(&[("state", "used")]).set(used.into());
        services.pool_size_max.set(most.into());
    }

    /// A read was answered.
    pub fn read(&self, from: ReadFrom) {
        self.inner.totals.services.reads.inc(from.as_str());
    }

    /// A REST request was counted for the rate limit of its key.
    pub fn request_counted(&self, by: CountedBy) {
        self.inner.totals.services.requests_counted.inc(by.as_str());
    }

    /// Sets the used part of JetStream's storage.
    pub fn jetstream_storage(&self, used: u64, limit: u64) {
        self.inner.totals.is_worker();
        #[expect(clippy::cast_precision_loss, reason = "a ratio need not be exact")]
        self.inner.totals.services.jetstream_storage.set(used as f64 / limit.max(1) as f64);
    }
}
