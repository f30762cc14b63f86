//! The HTTP edge: Twilio's webhooks and the App Server's REST API.
//!
//! Only this module knows poem. A webhook is answered once it is stored durably, in JetStream or in PostgreSQL;
//! everything else happens afterwards.

mod answer_headers;
pub mod api;
mod connections;
mod console;
mod durable_publish;
mod exported;
mod group_publish;
mod limiter;
mod load_shedding;
mod look_ups;
mod operation;
mod peer;
pub mod problem;
mod reads;
mod ringing;
mod shared_limiter;
pub mod twilio;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use poem::middleware::CatchPanic;
use poem::{Endpoint, EndpointExt, IntoResponse, Route};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::adapters::jetstream::JetStream;
use crate::adapters::postgres::{Reads, Store};
use crate::adapters::redis::RedisSink;
use crate::adapters::twilio::{MediaClient, MessagingClient, TwilioClient};
use crate::businesses::at_twilio::AtTwilio;
use crate::businesses::{Accounts, BusinessCache};
use crate::config::{Config, Dialect, PublicUrl, Rate};
use crate::dead_letters::{Attribution, DeadLetters};
use crate::domain::emergency;
use crate::engine::Engine;
use crate::lifecycle::erasure::Eraser;
use crate::lifecycle::export::Exporter;
use crate::secrets::TokenCipher;
use crate::store::StoreError;
use crate::telemetry::Metrics;

use connections::Door;
use problem::Problem;
use shared_limiter::SharedLimiter;

pub use api::openapi;
pub use durable_publish::{DurablePublisher, publish_waiting};
pub use load_shedding::{LoadShedder, measure};
pub use operation::{Duty, Operation, serve_operation};

/// How many checks may ask Twilio at once.
const TWILIO_CHECKS: usize = 2;
/// How long a webhook waits for a look-up.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(1);

/// State shared by the handlers; clones share everything.
#[derive(Clone)]
pub struct Edge {
    inner: Arc<EdgeParts>,
}

pub struct EdgeParts {
    pub(crate) public_url: PublicUrl,
    pub(crate) dial_timeout: Duration,
    pub(crate) engine: Engine,
    pub(crate) store: Store,
    /// For answers that may be some seconds old.
    reads: Reads,
    pub(crate) jetstream: JetStream,
    pub(crate) durable: DurablePublisher,
    pub(crate) intake: Arc<LoadShedder>,
    pub(crate) ringing: ringing::Ringing,
    pub(crate) business_cache: BusinessCache,
    pub(crate) accounts: Accounts,
    pub(crate) twilio: TwilioClient,
    pub(crate) at_twilio: AtTwilio,
    /// The checks at Twilio that may run at once.
    pub(crate) twilio_checks: Semaphore,
    signers: twilio::Signers,
    pub(crate) media: MediaClient,
    pub(crate) cipher: Option<TokenCipher>,
    /// The dialect of the service's DispatchBot.
    pub(crate) dialect: Dialect,
    /// Whether a business's own DispatchBot may be at a private address.
    pub(crate) allows_private_dispatchbot: bool,
    pub(crate) letters: DeadLetters,
    pub(crate) eraser: Eraser,
    pub(crate) exporter: Exporter,
    pub(crate) attribution: Attribution,
    pub(crate) replay_rate: Rate,
    pub(crate) metrics: Metrics,
    operation: Operation,
    pub(crate) keys: api::Keys,
    pub(crate) trusted_proxies: Vec<ipnet::IpNet>,
    shows_docs: bool,
    shows_console: bool,
    shows_metrics: bool,
    max_connections: Option<usize>,
    /// Cancelled when the process is asked to stop; ends endless responses.
    pub(crate) shutdown: CancellationToken,
}

impl std::ops::Deref for Edge {
    type Target = EdgeParts;

    fn deref(&self) -> &EdgeParts {
        &self.inner
    }
}

impl EdgeParts {
    /// Waits for a look-up at most [`LOOK_UP_TIMEOUT`], because a caller hears silence meanwhile.
    pub(crate) async fn with_lookup_timeout<T, E: std::error::Error + 'static>(
        &self,
        asked: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Problem> {
        match tokio::time::timeout(LOOK_UP_TIMEOUT, asked).await {
            Ok(answer) => answer.map_err(|error| Problem::unavailable(&error)),
            Err(_late) => Err(Problem::unavailable(&StoreError::away())),
        }
    }
}

impl Edge {
    #[expect(clippy::too_many_arguments, reason = "called once, where the parts are put together")]
    pub fn new(
        config: &Config,
        jetstream: JetStream,
        redis: Arc<RedisSink>,
        engine: Engine,
        reads: Reads,
        accounts: Accounts,
        twilio: TwilioClient,
        messaging: MessagingClient,
        media: MediaClient,
        cipher: Option<TokenCipher>,
        operation: Operation,
        // Unused: it proves that the emergency rules, which are read through functions, are loaded.
        _rules: emergency::Loaded,
        shutdown: CancellationToken,
    ) -> Self {
        let metrics = operation.metrics.clone();
        let letters = DeadLetters::new(jetstream.clone(), engine.store().clone());
        let inner = EdgeParts {
            eraser: Eraser::new(engine.clone(), letters.clone(), Arc::clone(&redis)),
            exporter: Exporter::new(engine.store().clone(), letters.clone(), Arc::clone(&redis)),
            public_url: config.public_url.clone(),
            dial_timeout: config.dial_timeout,
            replay_rate: config.replay_rate,
            intake: Arc::new(LoadShedder::new(config.max_backlog, metrics.clone())),
            ringing: ringing::Ringing::default(),
            durable: DurablePublisher::new(&jetstream, engine.store().clone(), metrics.clone()),
            keys: api::Keys::new(
                &config.bootstrap.api_keys,
                SharedLimiter::new(config.rate_limit, redis, metrics.clone()),
                engine.store().clone(),
            ),
            signers: twilio::Signers::new(),
            trusted_proxies: config.trusted_proxies.clone(),
            shows_docs: config.docs,
            shows_console: config.console,
            shows_metrics: config.public_metrics,
            max_connections: config.max_connections,
            store: engine.store().clone(),
            reads,
            business_cache: engine.business_cache().clone(),
            letters,
            attribution: Attribution::new(engine.business_cache().clone()),
            at_twilio: AtTwilio {
                store: engine.store().clone(),
                accounts: accounts.clone(),
                twilio: twilio.clone(),
                messaging,
                public_url: config.public_url.clone(),
            },
            twilio_checks: Semaphore::new(TWILIO_CHECKS),
            engine,
            jetstream,
            accounts,
            twilio,
            media,
            cipher,
            dialect: config.dispatchbot.dialect,
            allows_private_dispatchbot: config.dispatchbot.allows_private,
            metrics,
            operation,
            shutdown,
        };
        Self { inner: Arc::new(inner) }
    }

    pub fn intake(&self) -> &Arc<LoadShedder> {
        &self.inner.intake
    }
}

/// Binds the address and returns it with the future that serves until `shutdown`.
///
/// # Errors
/// If the address cannot be bound.
pub async fn serve(
    edge: Edge,
    bind: SocketAddr,
    shutdown: CancellationToken,
) -> anyhow::Result<(SocketAddr, impl Future<Output = ()> + Send)> {
    let door =
        Door::open(bind, edge.max_connections, edge.metrics.clone()).with_context(|| format!("NMC_BIND {bind}"))?;
    Ok((door.address(), door.serve(routes(edge), shutdown)))
}

/// All routes, at the root and below the path of the public URL: a proxy may strip that prefix or not.
fn routes(edge: Edge) -> impl Endpoint<Output = poem::Response> {
    let prefix = twilio::path_prefix(&edge.public_url);
    let mut route = Route::new().nest_no_strip("/", all(edge.clone()));
    if !prefix.is_empty() {
        route = route.nest(prefix, all(edge));
    }
    finished(route)
}

/// These routes with what every answer has: the common error body and headers.
fn finished(route: Route) -> impl Endpoint<Output = poem::Response> {
    route
        .with(
            CatchPanic::new()
                .with_handler(|_| Problem::new(problem::Code::Internal, "internal error; quote request_id to support")),
        )
        .catch_all_error(|error: poem::Error| async move { answer(error) })
        .map(|answer| async move { answer_headers::set(answer) })
}

fn all(edge: Edge) -> Route {
    let route = api::routes(&edge);
    let route = if edge.shows_console { console::routes(route) } else { route };
    twilio::routes(route, &edge)
}

/// An error with its own response keeps it; any other gets the common error body.
pub(crate) fn answer(error: poem::Error) -> poem::Response {
    if error.is_from_response() { error.into_response() } else { Problem::from_poem(&error).into_response() }
}
