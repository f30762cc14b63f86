//! The Twilio simulator of a run, and how its webhooks reach the edges. It runs in this process and is never killed,
//! because its journal is one side of the ledger.

use std::time::Duration;

use rand::RngExt;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::settings::PUBLIC_URL;
use crate::sim::http_client;
use crate::twilio::webhooks::{WEBHOOK_TIMEOUT, WebhookClient};
use crate::twilio::{TwilioOptions, TwilioSim};

/// Twilio, and its connection to the edges.
pub(super) struct Surroundings {
    /// The simulator.
    pub twilio: TwilioSim,
    webhooks: Vec<WebhookClient>,
    edges: Vec<String>,
}

impl Surroundings {
    /// Starts the simulator; `edges` are the URLs to which its webhooks go.
    pub(super) async fn start(seed: u64, edges: Vec<String>) -> anyhow::Result<Self> {
        let account = TwilioOptions::default();
        let webhooks =
            WebhookClient::over(http_client(WEBHOOK_TIMEOUT)?, PUBLIC_URL, &account.account_sid, &account.auth_token);
        let webhooks = edges.iter().map(|edge| webhooks.clone().with_target(edge)).collect();
        let twilio = TwilioSim::start(TwilioOptions { seed: Some(seed), ..account }).await?;
        twilio.set_webhook_url(PUBLIC_URL, edges.first().map(String::as_str));
        Ok(Self { twilio, webhooks, edges })
    }

    /// The client that posts to this edge.
    pub(super) fn webhooks(&self, edge: usize) -> &WebhookClient {
        &self.webhooks[edge % self.webhooks.len()]
    }

    /// Sends status callbacks to changing edges; at times the last comes first, or each comes twice.
    pub(super) async fn stir(&self, until: CancellationToken) {
        let stirring = async {
            loop {
                let (edge, reordered, duplicated, pause) = {
                    let mut random = rand::rng();
                    let edge = random.random_range(0..self.edges.len());
                    (edge, random.random_bool(0.3), random.random_bool(0.3), random.random_range(100..600))
                };
                self.twilio.set_webhook_url(PUBLIC_URL, Some(&self.edges[edge]));
                self.twilio.change_faults(|faults| {
                    (faults.callbacks.reordered, faults.callbacks.duplicated) = (reordered, duplicated);
                });
                sleep(Duration::from_millis(pause)).await;
            }
        };
        until.run_until_cancelled(stirring).await;
    }
}
