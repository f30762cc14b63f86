//! Conversations: what is kept of them, and customers who write in them.
//!
//! A customer's text to a number that belongs to Conversations becomes a message of the open conversation of the two numbers,
//! which is created if there is none, as Twilio does it for numbers with address configuration "autocreate".

mod resources;
pub(super) mod rest;
mod webhooks;

use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::media::Media;
use super::message::SentMessage;
use super::network::Exchange;
use super::sid::{new_media_sid, new_message_sid, sid};
use super::state::State;
use crate::sim::{Journal, lock};

pub use webhooks::Format;

/// All conversations.
#[derive(Default)]
pub(super) struct Conversations {
    pub(super) all: Mutex<Vec<Conversation>>,
    pub(super) messages: Journal<PostedMessage>,
    /// The SMS that carry the messages to customers, for the list of messages.
    pub(super) carried: Mutex<Vec<SentMessage>>,
    pub(super) format: Mutex<Format>,
}

/// A conversation.
#[derive(Clone, Debug)]
pub(super) struct Conversation {
    pub(super) sid: String,
    pub(super) account_sid: String,
    pub(super) friendly_name: Option<String>,
    pub(super) attributes: String,
    pub(super) state: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) participants: Vec<Participant>,
}

/// A participant: one who texts, by two numbers, or one who chats, by an identity.
#[derive(Clone, Debug)]
pub(super) struct Participant {
    pub(super) sid: String,
    pub(super) identity: Option<String>,
    pub(super) address: String,
    pub(super) proxy_address: String,
    pub(super) created_at: DateTime<Utc>,
}

/// A message of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PostedMessage {
    /// `IM…`.
    pub sid: String,
    /// `CH…`.
    pub conversation_sid: String,
    /// The account of the conversation.
    pub account_sid: String,
    /// `MB…`, if a participant wrote it.
    pub participant_sid: Option<String>,
    /// Its author.
    pub author: String,
    /// The text.
    pub body: String,
    /// `Attributes`, as JSON.
    pub attributes: String,
    /// The attachments: SID and content type.
    pub media: Vec<(String, String)>,
    /// `SMS` if a customer's phone sent it, otherwise `API`.
    pub source: &'static str,
    /// Its place in the conversation.
    pub index: usize,
    /// The customers to whom it went.
    pub to: Vec<String>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// The list shows it only from this time on.
    #[serde(skip)]
    pub(super) listed_from: DateTime<Utc>,
}

/// A customer's text to a number that belongs to Conversations.
#[derive(Clone, Debug, Default)]
pub struct ConversationText {
    /// The customer's number.
    pub from: String,
    /// The business's number.
    pub to: String,
    /// The text.
    pub body: String,
    /// The attachments.
    pub media: Vec<Media>,
    /// The account that owns `to`; if absent, the main one.
    pub account_sid: Option<String>,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct ConversationTextResult {
    /// `IM…`.
    pub message_sid: String,
    /// `CH…`.
    pub conversation_sid: String,
    /// `MB…`.
    pub participant_sid: String,
    /// The SID of the same text in the list of SMS, `SM…`.
    pub sms_sid: String,
    /// The webhook and its answer.
    pub webhook: Exchange,
}

impl Conversations {
    pub(super) fn clear(&self) {
        lock(&self.all).clear();
        lock(&self.carried).clear();
        self.messages.clear();
    }

    /// The open conversation of an account that has this pair of addresses, and its participant.
    pub(super) fn of_pair(&self, account_sid: &str, address: &str, proxy: &str) -> Option<(String, String)> {
        let all = lock(&self.all);
        let mut open = all.iter().filter(|one| one.account_sid == account_sid && one.state != "closed");
        open.find_map(|one| {
            let is_it = |p: &&Participant| (&*p.address, &*p.proxy_address) == (address, proxy);
            Some((one.sid.clone(), one.participants.iter().find(is_it)?.sid.clone()))
        })
    }

    /// Changes a conversation of an account; `None` if there is no such conversation.
    pub(super) fn change<T>(
        &self,
        account_sid: &str,
        conversation_sid: &str,
        change: impl FnOnce(&mut Conversation) -> T,
    ) -> Option<T> {
        let mut all = lock(&self.all);
        let found = all.iter_mut().find(|one| one.sid == conversation_sid && one.account_sid == account_sid);
        found.map(change)
    }

    pub(super) fn create(&self, account_sid: &str, friendly_name: Option<String>, attributes: String) -> Conversation {
        let conversation = Conversation {
            sid: sid("CH", rand::random()),
            account_sid: account_sid.to_owned(),
            friendly_name,
            attributes,
            state: "active".to_owned(),
            created_at: Utc::now(),
            participants: Vec::new(),
        };
        lock(&self.all).push(conversation.clone());
        conversation
    }

    /// Stores a message; its index is the next of its conversation.
    pub(super) fn push(&self, mut message: PostedMessage) -> PostedMessage {
        let of_it = |other: &&PostedMessage| other.conversation_sid == message.conversation_sid;
        message.index = self.messages.shared().iter().filter(of_it).count();
        self.messages.push(message.clone());
        message
    }
}

impl Participant {
    pub(super) fn new(identity: Option<String>, address: &str, proxy_address: &str) -> Self {
        Self {
            sid: sid("MB", rand::random()),
            identity,
            address: address.to_owned(),
            proxy_address: proxy_address.to_owned(),
            created_at: Utc::now(),
        }
    }
}

/// Delivers a customer's text, and posts the webhook.
pub(super) async fn text(state: &Arc<State>, text: ConversationText) -> anyhow::Result<ConversationTextResult> {
    let account = text.account_sid.clone().unwrap_or_else(|| state.main_account.clone());
    let known = state.conversations.of_pair(&account, &text.from, &text.to);
    let (conversation_sid, participant_sid) = match known {
        Some(known) => known,
        None => {
            let conversation = state.conversations.create(&account, None, "{}".to_owned());
            let participant = Participant::new(None, &text.from, &text.to);
            let participant_sid = participant.sid.clone();
            let add = |conversation: &mut Conversation| conversation.participants.push(participant);
            state.conversations.change(&account, &conversation.sid, add);
            webhooks::added(state, &conversation).await;
            (conversation.sid, participant_sid)
        }
    };
    let kept = text.media.iter().map(|one| {
        let media_sid = new_media_sid();
        lock(&state.media).insert(media_sid.clone(), one.clone());
        (media_sid, one.content_type.clone())
    });
    let media = kept.collect();
    let now = Utc::now();
    let message = state.conversations.push(PostedMessage {
        sid: sid("IM", rand::random()),
        conversation_sid: conversation_sid.clone(),
        account_sid: account.clone(),
        participant_sid: Some(participant_sid.clone()),
        author: text.from.clone(),
        body: text.body.clone(),
        attributes: "{}".to_owned(),
        media,
        source: "SMS",
        index: 0,
        to: Vec::new(),
        created_at: now,
        listed_from: now,
    });
    let sms_sid = new_message_sid();
    let sms = carried(&message, &sms_sid, &text.from, &text.to, "inbound");
    lock(&state.received).push(sms);
    let webhook = webhooks::message_added(state, &message).await?;
    Ok(ConversationTextResult { message_sid: message.sid, conversation_sid, participant_sid, sms_sid, webhook })
}

/// The SMS that carries a message.
fn carried(message: &PostedMessage, sms_sid: &str, from: &str, to: &str, direction: &'static str) -> SentMessage {
    SentMessage {
        sid: sms_sid.to_owned(),
        account_sid: message.account_sid.clone(),
        to: to.to_owned(),
        from: from.to_owned(),
        body: message.body.clone(),
        media_urls: Vec::new(),
        status_callback: None,
        validity_period: None,
        status: if direction == "inbound" { "received" } else { "delivered" }.to_owned(),
        error_code: None,
        accepted_at: message.created_at,
        sent_at: Some(message.created_at),
        updated_at: message.created_at,
        answered: true,
        listed_from: message.created_at,
        direction,
    }
}
