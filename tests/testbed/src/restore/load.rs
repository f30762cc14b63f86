//! Customers who call and text, whether anybody answers or not. Each is a new one, so that each may get one text.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::parts::OUR_NUMBER;
use crate::twilio::{Text, TwilioSim};

/// A new customer comes this often.
pub(super) const EVERY: Duration = Duration::from_millis(100);
/// Every so many customers, one calls, and one opts out.
const CALLS: u32 = 4;
const OPTS_OUT: u32 = 10;
const PATIENCE: Duration = Duration::from_secs(60);

/// Customers under way.
pub(super) struct Load {
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Load {
    pub(super) fn start(twilio: Arc<TwilioSim>) -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let running = tokio::spawn(async move {
            let (mut ticks, customers) = (tokio::time::interval(EVERY), TaskTracker::new());
            for number in 0.. {
                if stopped.run_until_cancelled(ticks.tick()).await.is_none() {
                    break;
                }
                customers.spawn(act(Arc::clone(&twilio), number));
            }
            customers.close();
            customers.wait().await;
        });
        Self { stop, running }
    }

    /// No more customers come; waits for those that wait for an answer.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        let _ = self.running.await; // it does not panic
    }
}

/// What nobody answers is an error here, and is in Twilio's lists.
async fn act(twilio: Arc<TwilioSim>, number: u32) {
    let from = format!("+1312{:07}", 2_000_000 + number);
    let _ = match number {
        _ if number.is_multiple_of(CALLS) => twilio.call(&from, OUR_NUMBER, "no-answer").await.map(drop),
        _ if number % OPTS_OUT == 1 => twilio.text(&from, OUR_NUMBER, "STOP").await.map(drop),
        _ => twilio.text(&from, OUR_NUMBER, "My kitchen sink is blocked. Can you come today?").await.map(drop),
    };
}

/// A new customer writes, and is answered.
pub(super) async fn one_is_answered(twilio: &TwilioSim) -> anyhow::Result<()> {
    let (from, to, body) = ("+13129999999".to_owned(), OUR_NUMBER.to_owned(), "Do you repair boilers?".to_owned());
    let text = Text { from: from.clone(), to, body, ..Text::default() };
    let answered = twilio.deliver(text).await.context("the first text after the recovery")?;
    ensure!(answered.webhook.status == 200, "the first text after the recovery got {}", answered.webhook.status);
    let is_there = |all: &[crate::twilio::SentMessage]| all.iter().any(|message| message.to == from);
    twilio.wait_for(is_there, PATIENCE).await.context("its answer")?;
    Ok(())
}
