//! `/health`: whether the service can do its work (docs/contract.md, section 6).

use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::{EdgeData, Group};
use crate::adapters::postgres::UnreachedAlerts;
use crate::health::{Look, State};
use crate::outage::Service;

const UNHEALTHY: &str = "unhealthy";

/// The parts, each `healthy`, `degraded` or `down`.
#[derive(Debug, Clone, Object)]
struct Services {
    /// JetStream.
    nats: String,
    /// PostgreSQL.
    postgres: String,
    /// Redis.
    redis: String,
    /// Twilio's REST API, judged from our own sending.
    twilio: String,
    /// DispatchBot, judged from real calls: `degraded` from the first window that fell back until the next success.
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

/// Alerts of emergencies, as far as they did not arrive.
#[derive(Debug, Object)]
struct Alerts {
    /// How many owners and contacts the newest alert to them did not reach, within 30 days.
    unreachable: u64,
    /// How many of these have opted out of the business's texts: they have to text START to the number that alerts them.
    opted_out: u64,
}

impl Alerts {
    fn of(found: UnreachedAlerts) -> Self {
        let count = |count: i64| u64::try_from(count).unwrap_or_default();
        Self { unreachable: count(found.unreachable), opted_out: count(found.opted_out) }
    }
}

/// What a person should know, though all parts are well.
#[derive(Debug, Object)]
struct Details {
    /// Alerts that did not arrive; null while PostgreSQL is away.
    #[oai(skip_serializing_if_is_none = false)]
    alerts: Option<Alerts>,
}

/// How the service fares.
#[derive(Debug, Object)]
struct Health {
    /// `healthy`, `degraded` or `unhealthy`.
    status: String,
    /// The version that runs.
    version: String,
    /// For how long it has been running.
    uptime_seconds: u64,
    /// The parts.
    services: Services,
    /// What a person should know, though all parts are well: it has no say in `status`.
    details: Details,
}

/// An answer about health.
#[derive(ApiResponse)]
enum HealthAnswer {
    /// Webhooks are accepted.
    #[oai(status = 200)]
    Accepting(Json<Health>),
    /// Nothing can be accepted.
    #[oai(status = 503)]
    Unhealthy(Json<Health>),
}

/// Whether the process is alive, or ready.
#[derive(Debug, Object)]
struct Probe {
    /// `healthy` or `unhealthy`.
    status: String,
}

/// An answer to a probe.
#[derive(ApiResponse)]
enum ProbeAnswer {
    /// Yes.
    #[oai(status = 200)]
    Yes(Json<Probe>),
    /// Not now.
    #[oai(status = 503)]
    No(Json<Probe>),
}

pub(super) struct HealthApi;

#[OpenApi(tag = "Group::Operation")]
impl HealthApi {
    /// How the service and its parts fare.
    #[oai(path = "/health", method = "get", operation_id = "health")]
    async fn health(&self, edge: EdgeData<'_>) -> HealthAnswer {
        let (look, alerts) = tokio::join!(edge.probes.look(), edge.probes.unreached_alerts());
        let accepting = look.can_accept();
        let all_well = Service::ALL.iter().all(|service| look.state(*service) == State::Healthy);
        let services = Services::of(&look);
        let health = Health {
            status: match (accepting, all_well) {
                (false, _) => UNHEALTHY.to_owned(),
                (true, true) => State::Healthy.to_string(),
                (true, false) => State::Degraded.to_string(),
            },
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: edge.started_at.elapsed().as_secs(),
            services,
            details: Details { alerts: alerts.map(Alerts::of) },
        };
        if accepting { HealthAnswer::Accepting(Json(health)) } else { HealthAnswer::Unhealthy(Json(health)) }
    }

    /// Whether the process is alive: restart it if not.
    #[oai(path = "/health/live", method = "get", operation_id = "live")]
    async fn live(&self) -> ProbeAnswer {
        probe(true)
    }

    /// Whether it can take requests: once streams are there and PostgreSQL has answered, as long as a webhook can be kept in
    /// one of the two.
    #[oai(path = "/health/ready", method = "get", operation_id = "ready")]
    async fn ready(&self, edge: EdgeData<'_>) -> ProbeAnswer {
        let look = edge.probes.look().await;
        let well = |service| look.state(service) == State::Healthy;
        if edge.vitals.streams_are_there() && well(Service::Nats) && well(Service::Postgres) {
            edge.vitals.everything_found();
        }
        probe(edge.vitals.everything_was_there() && look.can_accept())
    }
}

fn probe(yes: bool) -> ProbeAnswer {
    if yes {
        ProbeAnswer::Yes(Json(Probe { status: State::Healthy.to_string() }))
    } else {
        ProbeAnswer::No(Json(Probe { status: UNHEALTHY.to_owned() }))
    }
}
