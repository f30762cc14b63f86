//! `/health`: whether the service can do its work (docs/contract.md, section 6).

use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::{Group, OperationData};
use crate::adapters::postgres::UnreachedAlerts;
use crate::health::{Look, State};
use crate::outage::Service;

const UNHEALTHY: &str = "unhealthy";

/// The state of each service that this one depends on: `healthy`, `degraded` or `down`.
#[derive(Debug, Clone, Object)]
struct Services {
    /// JetStream.
    nats: String,
    /// PostgreSQL.
    postgres: String,
    /// Redis.
    redis: String,
    /// Twilio's REST API, judged from messages that are sent. Never `down`; `degraded` while sends are stuck.
    twilio: String,
    /// DispatchBot, judged from real requests. Never `down`; `degraded` from the first window that got a fallback until
    /// the next success.
    dispatchbot_ai: String,
}

impl Services {
    fn of(look: &Look) -> Self {
        let state = |service| look.state(service).to_string();
        Self {
            nats: state(Service::Nats),
            postgres: state(Service::Postgres),
            redis: state(Service::Redis),
            twilio: state(Service::Twilio),
            dispatchbot_ai: state(Service::DispatchBot),
        }
    }
}

/// Emergency alerts that were not delivered.
#[derive(Debug, Object)]
struct Alerts {
    /// The number of owners and emergency contacts whose newest alert within 30 days was not delivered, or who have opted
    /// out of the business's texts.
    unreachable: u64,
    /// How many of these have opted out of the business's texts. To get alerts again, they must text `START` to the
    /// number that sends them.
    opted_out: u64,
}

impl Alerts {
    fn of(found: UnreachedAlerts) -> Self {
        let count = |count: i64| u64::try_from(count).unwrap_or_default();
        Self { unreachable: count(found.unreachable), opted_out: count(found.opted_out) }
    }
}

/// Information for an operator that does not affect `status`.
#[derive(Debug, Object)]
struct Details {
    /// Emergency alerts that were not delivered. Null while PostgreSQL is unavailable.
    #[oai(skip_serializing_if_is_none = false)]
    alerts: Option<Alerts>,
}

/// The health of the service.
#[derive(Debug, Object)]
struct Health {
    /// The status: `healthy`, `degraded` (at least one service is not `healthy`) or `unhealthy` (webhooks cannot be
    /// accepted or, of a process that only works, not processed).
    status: String,
    /// The running version.
    version: String,
    /// How long the process has been running, in seconds.
    uptime_seconds: u64,
    /// The state of each service that this one depends on.
    services: Services,
    /// Information for an operator that does not affect `status`.
    details: Details,
}

/// The response to a health check.
#[derive(ApiResponse)]
enum HealthAnswer {
    /// The service accepts webhooks (or, if it only works, processes them). Its `status` is `healthy` or `degraded`.
    #[oai(status = 200)]
    Accepting(Json<Health>),
    /// The service cannot accept webhooks, because neither JetStream nor PostgreSQL is available, or only works and lacks
    /// one of them.
    #[oai(status = 503)]
    Unhealthy(Json<Health>),
}

/// The result of a probe.
#[derive(Debug, Object)]
struct Probe {
    /// The status: `healthy` or `unhealthy`.
    status: String,
}

/// The response to a probe.
#[derive(ApiResponse)]
enum ProbeAnswer {
    /// The process is alive, or ready.
    #[oai(status = 200)]
    Yes(Json<Probe>),
    /// The process is not ready.
    #[oai(status = 503)]
    No(Json<Probe>),
}

pub(super) struct HealthApi;

#[OpenApi(tag = "Group::Operation")]
impl HealthApi {
    /// Returns the health of the service and of the services that it depends on.
    #[oai(path = "/health", method = "get", operation_id = "health")]
    async fn health(&self, operation: OperationData<'_>) -> HealthAnswer {
        let (look, alerts) = tokio::join!(operation.probes.look(), operation.probes.unreached_alerts());
        let able = operation.duty.can_be_done(&look);
        let all_well = Service::ALL.iter().all(|service| look.state(*service) == State::Healthy);
        let services = Services::of(&look);
        let health = Health {
            status: match (able, all_well) {
                (false, _) => UNHEALTHY.to_owned(),
                (true, true) => State::Healthy.to_string(),
                (true, false) => State::Degraded.to_string(),
            },
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: operation.started_at.elapsed().as_secs(),
            services,
            details: Details { alerts: alerts.map(Alerts::of) },
        };
        if able { HealthAnswer::Accepting(Json(health)) } else { HealthAnswer::Unhealthy(Json(health)) }
    }

    /// Returns whether the process is alive. If it does not answer, restart it.
    #[oai(path = "/health/live", method = "get", operation_id = "live")]
    async fn live(&self) -> ProbeAnswer {
        probe(true)
    }

    /// Returns whether the process is ready for requests.
    ///
    /// It is ready once the streams, JetStream and PostgreSQL have been available together, and from then on as long as
    /// a webhook can be stored in JetStream or PostgreSQL. A process that only works needs both.
    #[oai(path = "/health/ready", method = "get", operation_id = "ready")]
    async fn ready(&self, operation: OperationData<'_>) -> ProbeAnswer {
        let look = operation.probes.look().await;
        if look.is_complete(operation.vitals.streams_are_there()) {
            operation.vitals.everything_found();
        }
        probe(operation.vitals.everything_was_there() && operation.duty.can_be_done(&look))
    }
}

fn probe(yes: bool) -> ProbeAnswer {
    if yes {
        ProbeAnswer::Yes(Json(Probe { status: State::Healthy.to_string() }))
    } else {
        ProbeAnswer::No(Json(Probe { status: UNHEALTHY.to_owned() }))
    }
}
