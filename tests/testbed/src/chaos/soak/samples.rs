//! What processes, tables and streams use, at intervals.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_nats::jetstream::{self, Context};
use sqlx::{Connection, PgConnection};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::flat::Trend;
use super::process::Usage;
use crate::chaos::servers::{Addresses, Servers};

/// Number of samples of a run.
const SAMPLES: u32 = 240;
const SHORTEST: Duration = Duration::from_millis(500);
const MB: f64 = 1_048_576.0;
/// The streams that grow with what is received, up to their ages.
const STREAMS: [&str; 3] = ["NMC_INBOUND", "NMC_EVENTS", "NMC_WINDOWS"];

/// A figure: its unit, what of it is noise, and its samples.
struct Figure {
    unit: &'static str,
    noise: f64,
    samples: Vec<(Duration, f64)>,
}

/// The samples of a run, by figure.
#[derive(Default)]
pub(super) struct Samples {
    figures: BTreeMap<String, Figure>,
}

impl Samples {
    fn add(&mut self, at: Duration, what: impl Into<String>, unit: &'static str, noise: f64, value: f64) {
        let figure = self.figures.entry(what.into()).or_insert(Figure { unit, noise, samples: Vec::new() });
        figure.samples.push((at, value));
    }

    /// How each figure developed from then on.
    pub(super) fn trends(&self, from: Duration) -> Vec<Trend> {
        let trend = |(what, figure): (&String, &Figure)| {
            let second: Vec<_> = figure.samples.iter().copied().filter(|(at, _)| *at >= from).collect();
            Trend::of(what.clone(), figure.unit, figure.noise, &second)
        };
        self.figures.iter().map(trend).collect()
    }
}

/// Takes samples of the servers at these addresses.
pub(super) struct Sampler {
    addresses: Addresses,
}

impl Sampler {
    pub(super) fn new(addresses: Addresses) -> Self {
        Self { addresses }
    }

    /// Takes samples until it is enough. A server that is just killed has none.
    pub(super) async fn run(
        &self,
        servers: &Servers,
        duration: Duration,
        enough: &CancellationToken,
    ) -> anyhow::Result<Samples> {
        let mut samples = Samples::default();
        let begun = Instant::now();
        let sampling = async {
            loop {
                sleep((duration / SAMPLES).max(SHORTEST)).await;
                let at = begun.elapsed();
                for (name, pid) in servers.pids().await {
                    if let Some(Usage { memory, descriptors }) = Usage::of(pid) {
                        samples.add(at, format!("{name}: memory"), "MB", 8.0, number(memory) / MB);
                        samples.add(at, format!("{name}: descriptors"), "", 10.0, number(descriptors));
                    }
                }
                let _ = self.tables(at, &mut samples).await;
                let _ = self.streams(at, &mut samples).await;
            }
        };
        enough.run_until_cancelled(sampling).await;
        anyhow::ensure!(samples.figures.len() > 8, "there are no samples");
        Ok(samples)
    }

    /// What waits, and the size of what is kept for each conversation.
    async fn tables(&self, at: Duration, samples: &mut Samples) -> anyhow::Result<()> {
        let mut sql = PgConnection::connect(&self.addresses.database).await?;
        let counts = "SELECT (SELECT count(*) FROM outbox WHERE published_at IS NULL)::float8,
                             (SELECT count(*) FROM waiting_webhooks)::float8,
                             pg_database_size(current_database())::float8,
                             (SELECT count(*) FROM conversations)::float8";
        let (outbox, webhooks, bytes, conversations): (f64, f64, f64, f64) =
            sqlx::query_as(counts).fetch_one(&mut sql).await?;
        samples.add(at, "tables: effects that wait", "", 50.0, outbox);
        samples.add(at, "tables: webhooks that wait", "", 50.0, webhooks);
        samples.add(at, "tables: size per conversation", "KB", 1.0, bytes / 1024.0 / conversations.max(1.0));
        Ok(sql.close().await?)
    }

    async fn streams(&self, at: Duration, samples: &mut Samples) -> anyhow::Result<()> {
        let context = jetstream::new(async_nats::connect(&self.addresses.nats).await?);
        let mut tasks = context.get_stream("NMC_TASKS").await?;
        samples.add(at, "streams: tasks that wait", "", 50.0, number(tasks.info().await?.state.messages));
        for name in STREAMS {
            let (messages, bytes) = state(&context, name).await?;
            samples.add(at, format!("streams: {name} per message"), "B", 20.0, bytes / messages.max(1.0));
        }
        Ok(())
    }
}

async fn state(context: &Context, name: &str) -> anyhow::Result<(f64, f64)> {
    let mut stream = context.get_stream(name).await.with_context(|| name.to_owned())?;
    let state = &stream.info().await?.state;
    Ok((number(state.messages), number(state.bytes)))
}

#[expect(clippy::cast_precision_loss, reason = "a trend need not be exact")]
fn number(count: u64) -> f64 {
    count as f64
}
