//! Health and metrics: what their handlers need, and the port of their own that every role may have.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Instant;

use anyhow::Context;
use poem::Endpoint;
use tokio_util::sync::CancellationToken;

use super::api;
use super::connections::Door;
use crate::health::{Look, Probes, Vitals};
use crate::telemetry::Metrics;

/// The maximum number of connections to the port: a scraper, some probes and a few people.
const MAX_CONNECTIONS: usize = 64;

/// What a process must be able to do to be healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// To accept webhooks, for which one of JetStream and PostgreSQL is enough.
    Accept,
    /// To process them, which needs both.
    Process,
}

impl Duty {
    /// Whether the services that the duty needs are available.
    pub(super) fn can_be_done(self, look: &Look) -> bool {
        match self {
            Self::Accept => look.can_accept(),
            Self::Process => look.can_process(),
        }
    }
}

/// What health and metrics are answered from; clones share everything.
#[derive(Clone)]
pub struct Operation {
    pub(super) duty: Duty,
    pub(super) probes: Probes,
    pub(super) vitals: Vitals,
    pub(super) metrics: Metrics,
    pub(super) started_at: Instant,
}

impl Operation {
    pub fn new(duty: Duty, probes: Probes, vitals: Vitals, metrics: Metrics) -> Self {
        Self { duty, probes, vitals, metrics, started_at: Instant::now() }
    }
}

/// Binds the port of health and metrics and returns its address with the future that serves until `shutdown`.
///
/// # Errors
/// If the address cannot be bound.
pub async fn serve_operation(
    operation: Operation,
    bind: SocketAddr,
    shutdown: CancellationToken,
) -> anyhow::Result<(SocketAddr, impl Future<Output = ()> + Send)> {
    // Metrics of its own, which nobody reads: the connections that are counted are those of the edge.
    let door =
        Door::open(bind, Some(MAX_CONNECTIONS), Metrics::new()).with_context(|| format!("NMC_OPS_BIND {bind}"))?;
    Ok((door.address(), door.serve(routes(operation), shutdown)))
}

fn routes(operation: Operation) -> impl Endpoint<Output = poem::Response> {
    super::finished(api::operation_routes(operation))
}
