//! The status callbacks of a call.

use chrono::Utc;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::super::faults::Callbacks;
use super::super::message::rfc2822;
use super::super::state::{CallbackRecord, State};
use super::super::webhooks::{Params, WebhookClient};
use crate::sim::{Span, lock};

/// Which events are reported, and where.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    url: Option<String>,
    events: Vec<String>,
    /// The callbacks of one call are sent one after the other.
    queue: std::sync::Arc<std::sync::OnceLock<UnboundedSender<Report>>>,
}

/// A callback to be sent.
struct Report {
    client: WebhookClient,
    url: String,
    params: Params,
    call_sid: String,
    status: String,
    settings: Callbacks,
    delay: std::time::Duration,
}

impl Progress {
    pub(super) fn new(url: Option<String>, events: Vec<String>) -> Self {
        Self { url, events, queue: std::sync::Arc::default() }
    }

    /// Reports an event of a call, if it is to be reported; the callback is sent in the background.
    pub(super) fn report(&self, state: &State, of: &Params, event: &str, status: &str, duration: Option<u32>) {
        let settings = lock(&state.faults).callbacks.clone();
        let Some(url) = self.url.as_ref().filter(|_| settings.enabled) else { return };
        if !self.events.iter().any(|wanted| wanted == event) {
            return;
        }
        let param = |name: &str| of.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let Ok(client) = state.webhook_client(param("AccountSid")) else { return };
        let mut params = of.clone();
        let now = rfc2822(Utc::now());
        let mut add = |name: &str, value: &str| params.push((name.to_owned(), value.to_owned()));
        add("CallStatus", status);
        add("CallbackSource", "call-progress-events");
        add("Timestamp", &now);
        if let Some(seconds) = duration {
            add("CallDuration", &seconds.to_string());
        }
        let report = Report {
            client,
            url: url.clone(),
            call_sid: param("CallSid").unwrap_or_default().to_owned(),
            params,
            status: status.to_owned(),
            delay: picked(state, settings.delay),
            settings,
        };
        let queue = self.queue.get_or_init(|| send_in_turn(state));
        drop(queue.send(report)); // it fails only when the simulator stops
    }
}

fn picked(state: &State, span: Span) -> std::time::Duration {
    use rand::RngExt;
    span.pick(lock(&state.random).random::<f64>())
}

fn send_in_turn(state: &State) -> UnboundedSender<Report> {
    let (sender, mut reports) = unbounded_channel::<Report>();
    let (life, done) = (state.life.clone(), state.call_callbacks.clone());
    tokio::spawn(async move {
        let sending = async {
            let mut sequence = 0;
            while let Some(mut report) = reports.recv().await {
                report.params.push(("SequenceNumber".to_owned(), sequence.to_string()));
                sequence += 1;
                tokio::time::sleep(report.delay).await;
                for _ in 0..=u8::from(report.settings.duplicated) {
                    done.push(send(&report).await);
                }
            }
        };
        life.run_until_cancelled(sending).await;
    });
    sender
}

async fn send(report: &Report) -> CallbackRecord {
    let mut tries = 0;
    let http_status = loop {
        tries += 1;
        match report.client.post_url(&report.url, &report.params).await {
            Ok(answer) => break Some(answer.status),
            Err(_) if tries <= report.settings.retries => tokio::time::sleep(report.settings.retry_delay).await,
            Err(_) => break None,
        }
    };
    CallbackRecord {
        message_sid: report.call_sid.clone(),
        status: report.status.clone(),
        url: report.url.clone(),
        at: Utc::now(),
        tries,
        http_status,
    }
}
