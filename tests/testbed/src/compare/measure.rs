//! The two measurements.

use std::time::Duration;

use anyhow::{bail, ensure};
use tokio::time::sleep;

use super::candidate::{Candidate, Fsync};
use super::generator::{Sent, send};
use super::ground::{Ground, Purpose};
use super::requests::texts;
use super::results::{Burst, Edge};

/// The texts of a burst are evenly spread over this time.
const BURST: Duration = Duration::from_secs(10);
/// The last window of a burst must have been answered after this.
const PATIENCE: Duration = Duration::from_secs(600);
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// Before the webhooks at the edge are measured, this share of them is sent without being measured.
const WARM_UP: usize = 10;

/// How fast webhooks are accepted on all connections at once.
pub(super) async fn edge(ground: &mut Ground, candidate: Candidate, fsync: Fsync) -> anyhow::Result<Edge> {
    let customers = ground.options.customers;
    let (last, first) = (ground.options.requests, ground.options.requests / WARM_UP);
    let running = ground.candidate(candidate, Purpose::Edge(fsync)).await?;
    if first > 0 {
        send(running.address, texts(candidate, running.address, 0..first, customers)?, Duration::ZERO).await?;
    }
    let requests = texts(candidate, running.address, first..first + last, customers)?;
    let sent = send(running.address, requests, Duration::ZERO).await?;
    all_accepted(&sent, last)?;
    Ok(Edge { rate: sent.rate, p99: sent.latencies.p99 })
}

/// How long it takes until everybody who wrote within ten seconds has been answered, 3 s after their last text.
pub(super) async fn burst(ground: &mut Ground, candidate: Candidate) -> anyhow::Result<Burst> {
    let (count, customers) = (ground.options.texts, ground.options.customers);
    let mut running = ground.candidate(candidate, Purpose::Burst).await?;
    let requests = texts(candidate, running.address, 0..count, customers)?;
    let sent = send(running.address, requests, BURST.div_f64(count as f64)).await?;
    all_accepted(&sent, count)?;
    loop {
        let progress = running.progress(count, customers).await?;
        let settled = sent.begun.elapsed();
        if progress.settled {
            return Ok(Burst { rate: sent.rate, settled, windows: progress.windows });
        }
        ensure!(settled < PATIENCE, "not settled within {PATIENCE:?}: {progress:?}");
        sleep(BETWEEN_LOOKS).await;
    }
}

fn all_accepted(sent: &Sent, count: usize) -> anyhow::Result<()> {
    let Some(first) = sent.refused.first() else { return Ok(()) };
    bail!("{} of {count} texts were not answered 2xx; the first of these: {first}", sent.refused.len())
}
