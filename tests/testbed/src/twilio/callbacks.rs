//! Moves a message from `queued` to its final status, and reports each step to the StatusCallback.

use std::sync::Arc;

use chrono::Utc;

use super::faults::{Callbacks, Fault};
use super::message::SentMessage;
use super::state::{CallbackRecord, State};
use super::webhooks::params;
use crate::sim::lock;

struct Step {
    status: String,
    error_code: Option<u32>,
}

/// Starts the delivery of the message; it ends early if the simulator stops.
pub(super) fn start(state: Arc<State>, message: SentMessage, faults: &[Fault]) {
    let last = faults.iter().rev().find_map(|fault| match fault {
        Fault::Deliver { status, error_code } => Some(Step { status: status.clone(), error_code: *error_code }),
        _ => None,
    });
    let last = last.unwrap_or_else(|| Step { status: "delivered".to_owned(), error_code: None });
    let mut steps = vec![Step { status: "sent".to_owned(), error_code: None }];
    if last.status != "sent" {
        steps.push(last);
    }
    let life = state.life.clone();
    tokio::spawn(async move { life.run_until_cancelled(advance(&state, &message, steps)).await });
}

async fn advance(state: &State, message: &SentMessage, mut steps: Vec<Step>) {
    let callbacks = lock(&state.faults).callbacks.clone();
    if callbacks.reordered {
        steps.reverse();
    }
    for step in steps {
        state.pause(callbacks.delay).await;
        state.change_message(&message.sid, |message| {
            let now = Utc::now();
            message.updated_at = now;
            message.sent_at.get_or_insert(now);
            // A late report of `sent` must not overwrite the final status.
            if message.status == "queued" || message.status == "sent" {
                message.status.clone_from(&step.status);
                message.error_code = step.error_code;
            }
        });
        if let Some(url) = message.status_callback.as_deref().filter(|_| callbacks.enabled) {
            for _ in 0..=u8::from(callbacks.duplicated) {
                report(state, message, url, &step, &callbacks).await;
            }
        }
    }
}

async fn report(state: &State, message: &SentMessage, url: &str, step: &Step, callbacks: &Callbacks) {
    let params = params::message_status(
        &message.account_sid,
        &message.sid,
        &message.from,
        &message.to,
        &step.status,
        step.error_code,
    );
    let mut tries = 0;
    let http_status = loop {
        tries += 1;
        // Built again for each try: the server may have moved in the meantime.
        let Ok(client) = state.webhook_client(Some(&message.account_sid)) else {
            break None;
        };
        match client.post_url(url, &params).await {
            Ok(answer) => break Some(answer.status),
            Err(_) if tries <= callbacks.retries => tokio::time::sleep(callbacks.retry_delay).await,
            Err(_) => break None,
        }
    };
    state.callbacks.push(CallbackRecord {
        message_sid: message.sid.clone(),
        status: step.status.clone(),
        url: url.to_owned(),
        at: Utc::now(),
        tries,
        http_status,
    });
}
