//! `/health`: whether the service can do its work (contract, section 6).

use std::future::Future;
use std::time::Duration;

use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::{EdgeData, Group};
use crate::edge::Edge;

/// A part that does not answer within this time is down.
const PATIENCE: Duration = Duration::from_secs(1);

const HEALTHY: &str = "healthy";
const DEGRADED: &str = "degraded";
const DOWN: &str = "down";

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
        let services = look(&edge).await;
        let accepting = services.nats != DOWN;
        let all_well =
            [&services.nats, &services.postgres, &services.redis, &services.twilio, &services.dispatchbot_ai]
                .into_iter()
                .all(|state| state == HEALTHY);
        let health = Health {
            status: if !accepting {
                "unhealthy".to_owned()
            } else if all_well {
                HEALTHY.to_owned()
            } else {
                DEGRADED.to_owned()
            },
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: edge.started_at.elapsed().as_secs(),
            services,
        };
        if accepting { HealthAnswer::Accepting(Json(health)) } else { HealthAnswer::Unhealthy(Json(health)) }
    }

    /// Whether the process is alive: restart it if not.
    #[oai(path = "/health/live", method = "get", operation_id = "live")]
    async fn live(&self) -> ProbeAnswer {
        probe(true)
    }

    /// Whether it can take requests: streams are there, PostgreSQL answers.
    #[oai(path = "/health/ready", method = "get", operation_id = "ready")]
    async fn ready(&self, edge: EdgeData<'_>) -> ProbeAnswer {
        let ready =
            edge.jetstream.is_connected() && edge.vitals.streams_are_there() && answers(edge.store.ping()).await;
        probe(ready)
    }
}

fn probe(yes: bool) -> ProbeAnswer {
    if yes {
        ProbeAnswer::Yes(Json(Probe { status: HEALTHY.to_owned() }))
    } else {
        ProbeAnswer::No(Json(Probe { status: "unhealthy".to_owned() }))
    }
}

async fn look(edge: &Edge) -> Services {
    let (postgres, redis, stuck, fell_back) = tokio::join!(
        answers(edge.store.ping()),
        answers(edge.redis.ping()),
        holds(edge.store.sends_are_stuck()),
        holds(edge.store.newest_answer_was_fallback()),
    );
    let or = |well: bool, otherwise: &str| if well { HEALTHY.to_owned() } else { otherwise.to_owned() };
    Services {
        nats: or(edge.jetstream.is_connected(), DOWN),
        postgres: or(postgres, DOWN),
        redis: or(redis, DOWN),
        twilio: or(!stuck, DEGRADED),
        dispatchbot_ai: or(!fell_back, DEGRADED),
    }
}

async fn answers<T, E>(asked: impl Future<Output = Result<T, E>>) -> bool {
    matches!(tokio::time::timeout(PATIENCE, asked).await, Ok(Ok(_)))
}

/// Whether the tables say so: whichever worker it happened to, every edge sees it there.
async fn holds<E>(asked: impl Future<Output = Result<bool, E>>) -> bool {
    matches!(tokio::time::timeout(PATIENCE, asked).await, Ok(Ok(true)))
}
