//! The webhooks of Conversations: to one URL for the account, as a form or as JSON.

use std::sync::Arc;

use anyhow::Context;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::resources::{SERVICE, time};
use super::{Conversation, PostedMessage};
use crate::sim::lock;
use crate::twilio::network::Exchange;
use crate::twilio::state::State;
use crate::twilio::webhooks::Params;

/// How webhooks are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// As a form.
    #[default]
    Form,
    /// As JSON, with the hash of the body in the URL.
    Json,
    /// Not at all.
    Off,
}

/// A conversation was created.
pub(super) async fn added(state: &Arc<State>, of: &Conversation) {
    let params = params(
        "onConversationAdded",
        &of.account_sid,
        &of.sid,
        &[
            ("State", of.state.clone()),
            ("FriendlyName", of.friendly_name.clone().unwrap_or_default()),
            ("Attributes", of.attributes.clone()),
            ("DateCreated", time(of.created_at)),
        ],
    );
    drop(post(state, &of.account_sid, &params).await);
}

/// A conversation's state changed.
pub(super) async fn state_updated(state: &Arc<State>, of: &Conversation, from: &str) {
    let params = params(
        "onConversationStateUpdated",
        &of.account_sid,
        &of.sid,
        &[("StateFrom", from.to_owned()), ("StateTo", of.state.clone()), ("Reason", "API".to_owned())],
    );
    drop(post(state, &of.account_sid, &params).await);
}

/// A message was added.
pub(super) async fn message_added(state: &Arc<State>, message: &PostedMessage) -> anyhow::Result<Exchange> {
    let mut more = vec![
        ("MessageSid", message.sid.clone()),
        ("Author", message.author.clone()),
        ("Body", message.body.clone()),
        ("Attributes", message.attributes.clone()),
        ("Index", message.index.to_string()),
        ("DateCreated", time(message.created_at)),
        ("Source", message.source.to_owned()),
        ("ChatServiceSid", SERVICE.to_owned()),
        ("RetryCount", "0".to_owned()),
    ];
    more.extend(message.participant_sid.clone().map(|sid| ("ParticipantSid", sid)));
    if !message.media.is_empty() {
        let one =
            |(sid, content_type): &(String, String)| json!({ "Sid": sid, "ContentType": content_type, "Size": 1 });
        more.push(("Media", message.media.iter().map(one).collect::<Value>().to_string()));
    }
    post(state, &message.account_sid, &params("onMessageAdded", &message.account_sid, &message.conversation_sid, &more))
        .await
}

/// The delivery of a message to a participant advanced.
pub(super) async fn delivery_updated(state: &Arc<State>, message: &PostedMessage, status: &str, code: Option<u32>) {
    let mut more = vec![
        ("MessageSid", message.sid.clone()),
        ("Status", status.to_owned()),
        ("DeliveryReceiptSid", "DY00000000000000000000000000000001".to_owned()),
        ("RetryCount", "0".to_owned()),
    ];
    more.extend(code.map(|code| ("ErrorCode", code.to_string())));
    let params = params("onDeliveryUpdated", &message.account_sid, &message.conversation_sid, &more);
    drop(post(state, &message.account_sid, &params).await);
}

fn params(event_type: &str, account: &str, conversation: &str, more: &[(&str, String)]) -> Params {
    let common = [("AccountSid", account), ("EventType", event_type), ("ConversationSid", conversation)];
    let common = common.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    common.chain(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone()))).collect()
}

async fn post(state: &Arc<State>, account: &str, params: &Params) -> anyhow::Result<Exchange> {
    let base = lock(&state.route).public_url.clone().context("no webhook_url is set")?;
    let path = "/webhooks/twilio/conversations";
    let url = format!("{}{path}", base.trim_end_matches('/'));
    let client = state.webhook_client(Some(account))?;
    let format = *lock(&state.conversations.format);
    let answer = match format {
        Format::Off => anyhow::bail!("webhooks are off"),
        Format::Form => client.post_url(&url, params).await?,
        Format::Json => {
            let object: Map<String, Value> = params.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            let body = Value::Object(object).to_string();
            let hash: String = Sha256::digest(body.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
            let query = format!("?bodySHA256={hash}");
            let signature = client.sign::<&str, &str>(&format!("{url}{query}"), &[]);
            let client = client.with_header("content-type", "application/json");
            client.post_raw(&format!("{path}{query}"), &signature, body).await?
        }
    };
    Ok(Exchange::new(url, answer))
}
