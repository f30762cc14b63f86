//! Customers who each write one text, all the time, and what was answered.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::stage::{Stage, number_of};
use crate::sim::lock;
use crate::twilio::TwilioSim;

/// How long the last answers may take.
const SETTLING: Duration = Duration::from_secs(60);

static CUSTOMERS: AtomicU32 = AtomicU32::new(0);

/// A webhook and its answer.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    customer: String,
    pub(super) at: Instant,
    pub(super) took: Duration,
    /// `None`: there was no answer.
    pub(super) status: Option<u16>,
}

impl Sent {
    pub(super) fn is_accepted(&self) -> bool {
        self.status == Some(200)
    }
}

/// Everything that was sent.
#[derive(Default)]
pub(super) struct Load {
    sent: Mutex<Vec<Sent>>,
}

impl Load {
    pub(super) fn count(&self) -> usize {
        lock(&self.sent).len()
    }

    /// What was sent in this time.
    pub(super) fn between(&self, from: Instant, to: Instant) -> Vec<Sent> {
        lock(&self.sent).iter().filter(|sent| (from..to).contains(&sent.at)).cloned().collect()
    }

    /// The customers whose text was accepted and who did not get exactly one SMS, with the number of theirs.
    pub(super) async fn unanswered(&self, twilio: &TwilioSim) -> Vec<(String, usize)> {
        let accepted: Vec<String> =
            lock(&self.sent).iter().filter(|sent| sent.is_accepted()).map(|sent| sent.customer.clone()).collect();
        let count = |messages: &[crate::twilio::SentMessage]| {
            let mut counts = HashMap::<String, usize>::new();
            messages.iter().for_each(|message| *counts.entry(message.to.clone()).or_default() += 1);
            counts
        };
        let all_there = |messages: &[crate::twilio::SentMessage]| {
            let counts = count(messages);
            accepted.iter().all(|customer| counts.contains_key(customer))
        };
        // If it takes too long, the comparison below says who is missing.
        let _ = twilio.wait_for(all_there, SETTLING).await;
        let counts = count(&twilio.messages());
        let of = |customer: &String| counts.get(customer).copied().unwrap_or_default();
        accepted.iter().filter(|customer| of(customer) != 1).map(|customer| (customer.clone(), of(customer))).collect()
    }
}

/// Lets customers write until it is enough; returns when all have their answers.
pub(super) async fn run(load: Arc<Load>, stage: Arc<Stage>, rate: f64, enough: CancellationToken) {
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    let mut busy = tokio::task::JoinSet::new();
    while enough.run_until_cancelled(ticks.tick()).await.is_some() {
        let (load, stage) = (Arc::clone(&load), Arc::clone(&stage));
        busy.spawn(async move {
            let number = CUSTOMERS.fetch_add(1, Ordering::Relaxed);
            let customer = format!("+1212{:07}", 5_550_000 + number);
            let at = Instant::now();
            let answer = stage.twilio.text(&customer, &number_of(number), "My sink is blocked").await;
            let status = answer.ok().map(|answer| answer.webhook.status);
            lock(&load.sent).push(Sent { customer, at, took: at.elapsed(), status });
        });
        while busy.try_join_next().is_some() {}
    }
    busy.join_all().await;
}
