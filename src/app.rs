//! The application: the parts of a process put together, started, and stopped in order.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures::FutureExt;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::adapters::dispatchbot::{DispatchBotClient, Endpoint, OwnEndpoints};
use crate::adapters::error_reports;
use crate::adapters::jetstream::JetStream;
use crate::adapters::jetstream::definitions::{self, Mode};
use crate::adapters::postgres::{Reads, Store};
use crate::adapters::redis::RedisSink;
use crate::adapters::twilio::{self, MediaClient, MessagingClient, TwilioClient};
use crate::businesses::{Accounts, BusinessCache, BusinessSnapshot, keep_snapshot};
use crate::config::Config;
use crate::dead_letters::{Attribution, DeadLetterStream, DeadLetters, replay_queued};
use crate::domain::conversation::Policy;
use crate::domain::day_limits::DayLimits;
use crate::domain::emergency;
use crate::engine::{Engine, Outbox, sweep};
use crate::health::{self, Gauges, Probes, Vitals};
use crate::http::{self, Duty, Edge, Operation};
use crate::lifecycle::keep_for;
use crate::secrets::TokenCipher;
use crate::telemetry::{self, Metrics};
use crate::worker::analyze::{Analyzer, CircuitBreaker};
use crate::worker::send::SmsSender;
use crate::worker::{self, CallSettler, CodeSender, Verifier, WorkerDeps, prove_accounts};

/// Timeout of a send, whose outcome is unknown after that, and of fetching an attachment.
pub(crate) const TWILIO_TIMEOUT: Duration = Duration::from_secs(10);
/// The fallback text is sent at most once in this time (docs/design.md, When a part is missing).
const FALLBACK_EVERY: Duration = Duration::from_secs(30 * 60);
/// How long running work may take to finish after the process is asked to stop.
const DRAIN: Duration = Duration::from_secs(20);
/// How long closing connections may take: an unanswered query would otherwise keep the process running forever.
const CLOSING: Duration = Duration::from_secs(3);
/// How long sending the last traces may take, beside that.
const FLUSHING: Duration = Duration::from_millis(1_800);
/// And the last reports of errors.
const REPORTING: Duration = Duration::from_secs(1);
/// Delay between two attempts to create the streams while JetStream is unavailable.
const STREAMS_RETRY: Duration = Duration::from_millis(500);
/// How long startup waits for the streams.
const STREAMS_PATIENCE: Duration = Duration::from_secs(2);

/// Which parts run in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Edge and worker.
    Serve,
    /// The edge only.
    Edge,
    /// The worker only.
    Worker,
}

/// A running application.
pub struct Application {
    address: Option<SocketAddr>,
    ops_address: Option<SocketAddr>,
    shutdown: CancellationToken,
    tasks: JoinSet<&'static str>,
    jetstream: JetStream,
    store: Store,
}

impl Application {
    /// Builds and starts all parts. PostgreSQL, NATS and Redis may still be unavailable: the parts wait for them.
    ///
    /// # Errors
    /// If a URL is invalid, the address cannot be bound, or the emergency rules are broken or empty.
    pub async fn start(config: Config, role: Role) -> anyhow::Result<Self> {
        // Loaded before any input is accepted: without the rules, an emergency would be handled as an ordinary text.
        let rules = emergency::load().context("the emergency rules could not be loaded")?;
        let shutdown = CancellationToken::new();
        let metrics = Metrics::per_business(config.business_metrics);
        metrics.sms_error_codes(twilio::codes());
        let vitals = Vitals::default();
        let store = Store::lazy(config.database_url.expose()).context("DATABASE_URL")?;
        let jetstream = JetStream::connect(&config.nats).await.context("NATS_URL")?;
        let redis = Arc::new(RedisSink::lazy(&config.redis).context("REDIS_URL")?);
        let cipher = TokenCipher::of_keys(config.token_key.as_ref(), config.token_key_other.as_ref());
        let snapshot = BusinessSnapshot::default();
        let accounts = Accounts::new(store.clone(), snapshot.clone(), config.twilio.clone(), cipher.clone());
        let business_cache = BusinessCache::new(store.clone(), snapshot.clone());
        let dead = DeadLetterStream::new(jetstream.publisher(), metrics.clone())
            .attributed(Attribution::new(business_cache.clone()))
            .after_deliveries(config.max_deliveries);
        let mut tasks = JoinSet::new();
        let probes = Probes::new(jetstream.clone(), store.clone(), Arc::clone(&redis));
        let duty = if role == Role::Worker { Duty::Process } else { Duty::Accept };
        let operation = Operation::new(duty, probes.clone(), vitals.clone(), metrics.clone());
        let mut ops_address = None;
        if let Some(bind) = config.ops_bind {
            let (bound, serving) = http::serve_operation(operation.clone(), bind, shutdown.clone()).await?;
            tracing::info!(address = %bound, "listening for health and metrics");
            ops_address = Some(bound);
            spawn(&mut tasks, "ops", serving);
        }
        let mut creating =
            create_streams(jetstream.clone(), config.nats_replicas, vitals.clone(), shutdown.clone()).boxed();
        // If NATS is available, the first webhook finds its stream. If not, everything else starts without it.
        if tokio::time::timeout(STREAMS_PATIENCE, &mut creating).await.is_err() {
            spawn(&mut tasks, "streams", creating);
        }
        let outbox = Outbox::new(store.clone(), jetstream.publisher(), metrics.clone());
        let engine = Engine::new(store.clone(), outbox, business_cache, policy(&config), metrics.clone())
            .with_max_batch(config.batch);
        let http = crate::adapters::http_client::build().context("HTTP client")?;
        if role != Role::Edge {
            let own = OwnEndpoints::new(cipher.clone(), config.dispatchbot.allows_private).context("HTTP client")?;
            let dispatchbot = DispatchBotClient::new(http.clone(), Endpoint::from(&config.dispatchbot));
            let dispatchbot = dispatchbot.with_own(own).counted(metrics.clone());
            let parts: WorkerDeps = WorkerDeps {
                jetstream: jetstream.clone(),
                analyzer: Arc::new(Analyzer::new(CircuitBreaker::new(dispatchbot), engine.clone(), metrics.clone())),
                sms_sender: Arc::new(SmsSender {
                    twilio: TwilioClient::new(http.clone(), config.twilio.api_url.clone(), TWILIO_TIMEOUT)
                        .with_conversations(&config.twilio.conversations_url, &config.twilio.media_url),
                    accounts: accounts.clone(),
                    engine: engine.clone(),
                    public_url: config.public_url.clone(),
                    send_rate: config.send_rate,
                    reconcile_after: config.reconcile_after,
                    alert_bundle: config.alert_bundle,
                    metrics: metrics.clone(),
                }),
                redis: Arc::clone(&redis),
                dead: Arc::new(dead),
                metrics: metrics.clone(),
                engine: engine.clone(),
                rules,
            };
            let twilio = || TwilioClient::new(http.clone(), config.twilio.api_url.clone(), TWILIO_TIMEOUT);
            let verifier = Verifier {
                store: store.clone(),
                accounts: accounts.clone(),
                twilio: twilio(),
                outbox: Outbox::new(store.clone(), jetstream.publisher(), metrics.clone()),
                metrics: metrics.clone(),
                asks: config.verify_numbers,
            };
            spawn(&mut tasks, "numbers", worker::verify(verifier, shutdown.clone()));
            let sender = CodeSender {
                store: store.clone(),
                accounts: accounts.clone(),
                twilio: twilio(),
                send_rate: config.send_rate,
            };
            spawn(&mut tasks, "codes", worker::send_codes(sender, shutdown.clone()));
            let settler = CallSettler { engine: engine.clone(), accounts: accounts.clone(), twilio: twilio() };
            spawn(&mut tasks, "calls", worker::settle_calls(settler, shutdown.clone()));
            spawn(&mut tasks, "pipelines", worker::run(parts, shutdown.clone()));
            spawn(&mut tasks, "sweeper", sweep(engine.clone(), shutdown.clone()));
            let kept = keep_for(config.keep, store.clone(), jetstream.clone(), Arc::clone(&redis), shutdown.clone());
            spawn(&mut tasks, "retention", kept);
            let letters = DeadLetters::new(jetstream.clone(), store.clone());
            let proven = prove_accounts(
                store.clone(),
                accounts.clone(),
                TwilioClient::new(http.clone(), config.twilio.api_url.clone(), TWILIO_TIMEOUT),
                engine.business_cache().clone(),
                shutdown.clone(),
            );
            spawn(&mut tasks, "accounts", proven);
            spawn(&mut tasks, "replays", replay_queued(letters, config.replay_rate, shutdown.clone()));
        }
        spawn(&mut tasks, "services", health::watch(probes, jetstream.clone(), metrics.clone(), shutdown.clone()));
        let gauges = Gauges {
            store: store.clone(),
            jetstream: jetstream.clone(),
            metrics: metrics.clone(),
            nats_storage: config.nats_storage,
            is_worker: role != Role::Edge,
        };
        spawn(&mut tasks, "gauges", health::measure(gauges, shutdown.clone()));
        spawn(&mut tasks, "waiting", http::publish_waiting(jetstream.clone(), store.clone(), shutdown.clone()));
        let mut address = None;
        if role != Role::Worker {
            let media =
                MediaClient::new(http.clone(), &config.twilio.api_url, &config.twilio.media_url, TWILIO_TIMEOUT)
                    .context("TWILIO_API_URL or TWILIO_MEDIA_URL")?;
            let kept = keep_snapshot(snapshot, store.clone(), jetstream.clone(), shutdown.clone());
            spawn(&mut tasks, "snapshot", kept);
            let twilio = TwilioClient::new(http.clone(), config.twilio.api_url.clone(), TWILIO_TIMEOUT);
            let messaging = MessagingClient::new(http.clone(), config.twilio.messaging_url.clone(), TWILIO_TIMEOUT);
            let mut reads = Reads::new(store.clone(), metrics.clone());
            if let Some(url) = &config.database_read_url {
                reads = reads.or_replica(url.expose()).context("DATABASE_READ_URL")?;
                spawn(&mut tasks, "replica", reads.clone().watch(shutdown.clone()));
            }
            let edge = Edge::new(
                &config,
                jetstream.clone(),
                redis,
                engine,
                reads,
                accounts,
                twilio,
                messaging,
                media,
                cipher,
                operation,
                rules,
                shutdown.clone(),
            );
            let measured = http::measure(Arc::clone(edge.intake()), jetstream.clone(), store.clone(), shutdown.clone());
            spawn(&mut tasks, "intake", measured);
            let (bound, serving) = http::serve(edge, config.bind, shutdown.clone()).await?;
            tracing::info!(address = %bound, "listening");
            address = Some(bound);
            spawn(&mut tasks, "edge", serving);
        }
        Ok(Self { address, ops_address, shutdown, tasks, jetstream, store })
    }

    /// The address that the edge listens on, if this process runs one.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The address of the port for health and metrics, if this process has one.
    pub fn ops_address(&self) -> Option<SocketAddr> {
        self.ops_address
    }

    /// Runs until `asked_to_stop` completes or a part ends unexpectedly.
    ///
    /// # Errors
    /// If a part ended by itself.
    pub async fn run(mut self, asked_to_stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let ended = tokio::select! {
            () = asked_to_stop => None,
            ended = next_ended(&mut self.tasks) => Some(ended),
        };
        self.stop().await;
        match ended {
            None => Ok(()),
            Some(part) => anyhow::bail!("{part} ended unexpectedly"),
        }
    }

    /// Stops taking new work, waits for running work to finish, then closes the connections.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        let drained = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("shutdown timeout: deliveries in progress were not finished and will be redelivered");
        }
        self.tasks.shutdown().await;
        let closed = async {
            self.jetstream.flush().await;
            self.store.close().await;
        };
        // Blocks a thread of its own; by its own limit it ends in time.
        let flushed = tokio::task::spawn_blocking(|| {
            telemetry::flush(FLUSHING);
            error_reports::flush(REPORTING);
        });
        let closed = futures::future::join(closed, flushed);
        if tokio::time::timeout(CLOSING, closed).await.is_err() {
            tracing::warn!("shutdown timeout: not all connections to PostgreSQL and NATS could be closed");
        }
    }
}

fn spawn(tasks: &mut JoinSet<&'static str>, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
    tasks.spawn(async move {
        part.await;
        name
    });
}

/// Waits for the first part that ends, except `streams`, which ends when the streams exist.
async fn next_ended(tasks: &mut JoinSet<&'static str>) -> String {
    loop {
        match tasks.join_next().await {
            Some(Ok("streams")) => {}
            Some(Ok(name)) => return name.to_owned(),
            Some(Err(error)) => return format!("a task ({error})"),
            None => return "every task".to_owned(),
        }
    }
}

/// Creates missing streams and consumers as soon as JetStream is available.
async fn create_streams(jetstream: JetStream, replicas: u8, vitals: Vitals, shutdown: CancellationToken) {
    let create = async {
        while let Err(error) = definitions::reconcile(&jetstream, replicas, Mode::CreateMissing).await {
            tracing::debug!(%error, "the streams could not be checked or created; retrying");
            tokio::time::sleep(STREAMS_RETRY).await;
        }
        vitals.streams_found();
    };
    shutdown.run_until_cancelled(create).await;
}

/// The settings that the rules read.
pub(crate) fn policy(config: &Config) -> Policy {
    Policy {
        hold: config.window.hold,
        quiet: config.window.quiet,
        max: config.window.max,
        ai_max_replies: config.ai_max.count as usize,
        ai_max_period: config.ai_max.per,
        fallback_every: FALLBACK_EVERY,
        missed_call_cooldown: config.missed_call_cooldown,
        reopen_within: config.reopen_within,
        idle_after: config.idle_after,
        alert_every: config.alert_every,
        dial_timeout: config.dial_timeout,
        call_result_wait: config.call_result_wait,
        day_limits: DayLimits {
            texts: config.day.texts,
            new_numbers: config.day.new_numbers,
            ai: config.day.ai,
            alerts: config.day.alerts,
        },
        public_url: config.public_url.as_str().trim_end_matches('/').to_owned(),
    }
}
