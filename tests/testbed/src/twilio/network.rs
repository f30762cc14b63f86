//! The phone network: customers who call and text, visible to the server under test through webhooks.

use anyhow::Context;
use chrono::Utc;
use serde::{Deserialize, Serialize};

use super::legs::{Leg, ListedCall};
use super::media::{self, Media};
use super::message::SentMessage;
use super::sid::{new_call_sid, new_message_sid, new_mms_sid};
use super::state::State;
use super::webhooks::{WebhookAnswer, params};
use crate::sim::lock;

const OPT_OUT: [&str; 8] = ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"];
const OPT_IN: [&str; 3] = ["START", "YES", "UNSTOP"];

/// A customer's text. The JSON of `POST /_sim/sms`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// The customer's number.
    pub from: String,
    /// The business's number.
    pub to: String,
    /// The text of the message.
    pub body: String,
    /// The attachments.
    #[serde(default)]
    pub media: Vec<Media>,
    /// The account that owns `to`; if absent, the main one.
    #[serde(default)]
    pub account_sid: Option<String>,
}

/// A customer's call. The JSON of `POST /_sim/call`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The customer's number.
    pub from: String,
    /// The business's number.
    pub to: String,
    /// The result of the dial: `no-answer`, `busy`, `failed`, `canceled` or `completed`.
    pub outcome: String,
    /// The length of an answered call, in seconds.
    #[serde(default)]
    pub duration_seconds: u32,
    /// The account that owns `to`; if absent, the main one.
    #[serde(default)]
    pub account_sid: Option<String>,
}

/// The server's answer to one webhook.
#[derive(Clone, Debug, Serialize)]
pub struct Exchange {
    /// The URL of the webhook (the one used for the signature).
    pub url: String,
    /// HTTP status.
    pub status: u16,
    /// The answer's body.
    pub twiml: String,
    /// The error that Twilio would have logged, see [`WebhookAnswer::twiml_error`].
    pub twilio_error: Option<u32>,
}

impl Exchange {
    pub(super) fn new(url: String, answer: WebhookAnswer) -> Self {
        Self { url, status: answer.status, twilio_error: answer.twiml_error(), twiml: answer.body }
    }
}

/// The result of a text.
#[derive(Clone, Debug, Serialize)]
pub struct TextResult {
    /// `SM…`, or `MM…` with attachments.
    pub message_sid: String,
    /// The URLs of its attachments.
    pub media_urls: Vec<String>,
    /// The webhook and its answer.
    pub webhook: Exchange,
}

/// The result of a call.
#[derive(Clone, Debug, Serialize)]
pub struct CallResult {
    /// `CA…`.
    pub call_sid: String,
    /// The first webhook and its answer.
    pub ringing: Exchange,
    /// The number that the TwiML dials.
    pub dialled: Option<String>,
    /// The dial's action and its answer; absent if the TwiML dials nobody.
    pub action: Option<Exchange>,
}

/// Delivers a text. STOP and similar words opt the customer out at Twilio; START opts in again.
pub(super) async fn text(state: &State, text: Text) -> anyhow::Result<TextResult> {
    let url = webhook_url(state, "sms")?;
    let client = state.webhook_client(text.account_sid.as_deref())?;
    let word = text.body.trim().to_uppercase();
    if OPT_OUT.contains(&word.as_str()) {
        lock(&state.faults).opted_out.insert(text.from.clone());
    } else if OPT_IN.contains(&word.as_str()) {
        lock(&state.faults).opted_out.remove(&text.from);
    }
    let message_sid = if text.media.is_empty() { new_message_sid() } else { new_mms_sid() };
    let account = client.account_sid();
    let mut params = params::sms(account, &message_sid, &text.from, &text.to, &text.body);
    let kept = text.media.into_iter().map(|one| {
        let content_type = one.content_type.clone();
        (media::keep(state, account, &message_sid, one), content_type)
    });
    let kept: Vec<_> = kept.collect();
    params::attach(&mut params, &kept);
    let now = Utc::now();
    lock(&state.received).push(SentMessage {
        sid: message_sid.clone(),
        account_sid: account.to_owned(),
        to: text.to.clone(),
        from: text.from.clone(),
        body: text.body.clone(),
        media_urls: kept.iter().map(|(url, _)| url.clone()).collect(),
        status_callback: None,
        validity_period: None,
        status: "received".to_owned(),
        error_code: None,
        accepted_at: now,
        sent_at: Some(now),
        updated_at: now,
        answered: true,
        listed_from: now,
        direction: "inbound",
    });
    let answer = client.post_url(&url, &params).await?;
    let media_urls = kept.into_iter().map(|(url, _)| url).collect();
    Ok(TextResult { message_sid, media_urls, webhook: Exchange::new(url, answer) })
}

/// Places a call: rings, follows the `<Dial>`, and reports its result to the action.
pub(super) async fn call(state: &State, call: Call) -> anyhow::Result<CallResult> {
    let url = webhook_url(state, "call")?;
    let client = state.webhook_client(call.account_sid.as_deref())?;
    let account = client.account_sid().to_owned();
    let call_sid = new_call_sid();
    let listed = |status: &str| ListedCall {
        account_sid: account.clone(),
        sid: call_sid.clone(),
        from: call.from.clone(),
        to: call.to.clone(),
        status: status.to_owned(),
        direction: "inbound",
        duration_seconds: None,
        began_at: Utc::now(),
    };
    // As long as nobody answers the webhook, and if nobody does, the call has failed.
    state.set_call(listed("failed"));
    let ringing = params::incoming_call(&account, &call_sid, &call.from, &call.to, "ringing");
    let answer = client.post_url(&url, &ringing).await?;
    let (action, dialled) = (answer.dial_action(), answer.dial_number());
    let action = match action {
        Some(action) => {
            // A relative action is resolved against the webhook's URL; an absolute one is posted and signed byte for
            // byte.
            let action = if action.contains("://") { action } else { url::Url::parse(&url)?.join(&action)?.into() };
            let leg_sid = new_call_sid();
            state.set_leg(Leg {
                parent_call_sid: call_sid.clone(),
                call_sid: leg_sid.clone(),
                status: call.outcome.clone(),
                duration_seconds: call.duration_seconds,
            });
            let ended = params::dial_result(
                &account,
                &call_sid,
                &leg_sid,
                &call.outcome,
                Some(&call.from),
                Some(&call.to),
                call.duration_seconds,
            );
            state.set_call(listed("completed"));
            let answer = client.post_url(&action, &ended).await?;
            Some(Exchange::new(action, answer))
        }
        None => None,
    };
    Ok(CallResult { call_sid, ringing: Exchange::new(url, answer), dialled, action })
}

fn webhook_url(state: &State, kind: &str) -> anyhow::Result<String> {
    let base = lock(&state.route).public_url.clone().context("no webhook_url is set")?;
    Ok(format!("{}/webhooks/twilio/{kind}", base.trim_end_matches('/')))
}
