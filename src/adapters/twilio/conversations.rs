//! Twilio Conversations: the participants of a conversation, and messages that are posted to it (docs/twilio.md, section 5).

use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::client::{Account, ListError, SendOutcome, TwilioClient, query};
use super::wire::{or_empty, read_created_as};
use crate::adapters::http_client::describe;
use crate::webhook::{attributes_of, message_id_in};

/// The service's addresses, unless they are configured.
const CONVERSATIONS_URL: &str = "https://conversations.twilio.com";
const MEDIA_URL: &str = "https://mcs.us1.twilio.com";

/// Twilio's error if a conversation has this pair of addresses already. Its text names the conversation.
const BINDING_EXISTS: u32 = 50_416;
/// How many messages are requested per page.
const MESSAGES_PER_PAGE: &str = "50";
/// How many pages are read to find a message that was just posted. If there are more, absence is not concluded.
const MAX_PAGES: usize = 63;

/// The addresses of Conversations.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    api: String,
    media: String,
}

impl Default for Addresses {
    fn default() -> Self {
        Self { api: CONVERSATIONS_URL.to_owned(), media: MEDIA_URL.to_owned() }
    }
}

/// The two numbers of a participant who texts.
#[derive(Clone, PartialEq, Eq)]
pub struct Binding {
    /// The number of the business.
    pub business_phone: String,
    /// The number of the customer.
    pub customer_phone: String,
}

/// A message to be posted to a conversation.
#[derive(Clone, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// Our id of the message, which Twilio keeps with it.
    pub message_id: Uuid,
    /// Its author. It must not be the address of a participant: Twilio would take it for that participant's.
    pub author: String,
    /// The text.
    pub body: String,
}

/// What came of opening the conversation of two numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenedConversation {
    /// It is open.
    Open {
        /// Twilio's id of it (`CH…`).
        conversation_sid: String,
        /// Twilio's id of the participant (`MB…`); `None` if the conversation was there before.
        participant_sid: Option<String>,
    },
    /// Twilio refuses: [`SendOutcome::Rejected`].
    Refused(SendOutcome),
    /// It is not known whether it is open. It may be tried again: Twilio keeps one conversation of two numbers.
    Unavailable {
        /// How long Twilio asks us to wait.
        retry_after: Option<Duration>,
        /// What happened.
        reason: String,
    },
}

#[derive(Deserialize)]
struct ParticipantRow {
    messaging_binding: Option<BindingRow>,
}

#[derive(Deserialize)]
struct BindingRow {
    #[serde(default, rename = "type", deserialize_with = "or_empty")]
    kind: String,
    #[serde(default, deserialize_with = "or_empty")]
    address: String,
    #[serde(default, deserialize_with = "or_empty")]
    proxy_address: String,
}

/// A page of a conversation's participants.
#[derive(Deserialize)]
struct ParticipantsPage {
    participants: Vec<ParticipantName>,
}

#[derive(Deserialize)]
struct ParticipantName {
    sid: String,
}

#[derive(Deserialize)]
struct ConversationRow {
    #[serde(default, deserialize_with = "or_empty")]
    state: String,
}

/// A page of a conversation's messages.
#[derive(Deserialize)]
struct MessagesPage {
    messages: Vec<MessageRow>,
    meta: Meta,
}

#[derive(Deserialize)]
struct Meta {
    next_page_url: Option<String>,
}

#[derive(Deserialize)]
struct MessageRow {
    sid: String,
    #[serde(default, deserialize_with = "or_empty")]
    attributes: String,
    date_created: DateTime<Utc>,
}

impl TwilioClient {
    /// The same client with other addresses of Conversations and of its attachments.
    #[must_use]
    pub fn with_conversations(mut self, api: &str, media: &str) -> Self {
        let plain = |url: &str| url.trim_end_matches('/').to_owned();
        self.conversations = Addresses { api: plain(api), media: plain(media) };
        self
    }

    /// The two numbers of a participant; `None` if Twilio has no such participant, or none who texts.
    ///
    /// # Errors
    /// If that could not be found out.
    pub async fn binding(
        &self,
        account: &Account,
        conversation_sid: &str,
        participant_sid: &str,
    ) -> Result<Option<Binding>, ListError> {
        let path = format!("Conversations/{conversation_sid}/Participants/{participant_sid}");
        let row: Option<ParticipantRow> = self.resource(account, &path).await?;
        let binding = row.and_then(|row| row.messaging_binding).filter(|binding| binding.kind == "sms");
        Ok(binding.map(|binding| Binding { business_phone: binding.proxy_address, customer_phone: binding.address }))
    }

    /// The URL of an attachment in Twilio's Media Content Service. Its path does not name the account, so the fragment does,
    /// which is not sent: only that account's token is used for it.
    pub fn attachment_url(&self, account_sid: &str, service_sid: &str, media_sid: &str) -> String {
        format!("{}/v1/Services/{service_sid}/Media/{media_sid}/Content#{account_sid}", self.conversations.media)
    }

    /// Creates a conversation of two numbers, or finds the one that has them. Nothing is sent to anybody.
    pub async fn open_conversation(
        &self,
        account: &Account,
        business_phone: &str,
        customer_phone: &str,
    ) -> OpenedConversation {
        let created = self.create(account, "Conversations", &[("FriendlyName", "NeverMissCall")], "CH").await;
        let conversation_sid = match opened(created) {
            Ok(sid) => sid,
            Err(ended) => return ended,
        };
        let binding = [("MessagingBinding.Address", customer_phone), ("MessagingBinding.ProxyAddress", business_phone)];
        let path = format!("Conversations/{conversation_sid}/Participants");
        let added = self.create(account, &path, &binding, "MB").await;
        match &added {
            SendOutcome::Accepted { .. } => {}
            // If the participant was added, texts may come by it already.
            SendOutcome::Unknown { .. } => match self.participant_in(account, &conversation_sid).await {
                Ok(participant_sid @ Some(_)) => return OpenedConversation::Open { conversation_sid, participant_sid },
                Ok(None) => self.delete_conversation(account, &conversation_sid).await,
                // The next attempt finds it by the refusal that names it, if the participant was added.
                Err(error) => tracing::debug!(%error, "a conversation that may be empty stays at Twilio"),
            },
            SendOutcome::NotProcessed { .. } | SendOutcome::Rejected { .. } => {
                self.delete_conversation(account, &conversation_sid).await;
            }
        }
        if let SendOutcome::Rejected { code: Some(BINDING_EXISTS), message, .. } = &added
            && let Some(conversation_sid) = conversation_in(message)
        {
            return OpenedConversation::Open { conversation_sid, participant_sid: None };
        }
        match opened(added) {
            Ok(sid) => OpenedConversation::Open { conversation_sid, participant_sid: Some(sid) },
            Err(ended) => ended,
        }
    }

    /// Twilio's id of the participant of a conversation that was just created; `None` if it has none.
    async fn participant_in(&self, account: &Account, conversation_sid: &str) -> Result<Option<String>, ListError> {
        let path = format!("Conversations/{conversation_sid}/Participants");
        let page: Option<ParticipantsPage> = self.resource(account, &path).await?;
        Ok(page.and_then(|page| page.participants.into_iter().next()).map(|participant| participant.sid))
    }

    /// Posts a message, with one request and without a retry. Twilio reports it by its webhook, too.
    pub async fn post(&self, account: &Account, conversation_sid: &str, message: &OutgoingMessage) -> SendOutcome {
        let attributes = attributes_of(message.message_id);
        let form = [("Author", &*message.author), ("Body", &*message.body), ("Attributes", &*attributes)];
        self.create(account, &format!("Conversations/{conversation_sid}/Messages"), &form, "IM").await
    }

    /// Whether a conversation exists and takes messages.
    ///
    /// # Errors
    /// If that could not be found out.
    pub async fn is_open(&self, account: &Account, conversation_sid: &str) -> Result<bool, ListError> {
        let row: Option<ConversationRow> = self.resource(account, &format!("Conversations/{conversation_sid}")).await?;
        Ok(row.is_some_and(|row| row.state != "closed"))
    }

    /// Twilio's id of the message with our id, if it was posted to the conversation at `since` or later, to the second.
    ///
    /// # Errors
    /// If the list could not be read to that time.
    pub async fn posted(
        &self,
        account: &Account,
        conversation_sid: &str,
        message_id: Uuid,
        since: DateTime<Utc>,
    ) -> Result<Option<String>, ListError> {
        let query = query(&[("Order", "desc"), ("PageSize", MESSAGES_PER_PAGE)]);
        let mut url = format!("{}?{query}", self.url(&format!("Conversations/{conversation_sid}/Messages")));
        let since = since.trunc_subsecs(0);
        for _ in 0..MAX_PAGES {
            let page: MessagesPage = self.read_list(account, &url).await?;
            if let Some(found) = page.messages.iter().find(|m| message_id_in(&m.attributes) == Some(message_id)) {
                return Ok(Some(found.sid.clone()));
            }
            let is_older = page.messages.last().is_some_and(|last| last.date_created < since);
            let Some(next) = page.meta.next_page_url.filter(|_| !is_older) else { return Ok(None) };
            if !next.strip_prefix(&self.conversations.api).is_some_and(|path| path.starts_with('/')) {
                return Err(ListError::ForeignPage);
            }
            url = next;
        }
        Err(ListError::TooManyPages)
    }

    fn url(&self, path: &str) -> String {
        format!("{}/v1/{path}", self.conversations.api)
    }

    /// A resource; `None` if Twilio does not have it.
    async fn resource<T: DeserializeOwned>(&self, account: &Account, path: &str) -> Result<Option<T>, ListError> {
        match self.read_list(account, &self.url(path)).await {
            Err(ListError::Refused { http_status: 404, .. }) => Ok(None),
            read => read.map(Some),
        }
    }

    /// Creates a resource. The outcome is as for an SMS.
    async fn create(&self, account: &Account, path: &str, form: &[(&str, &str)], prefix: &str) -> SendOutcome {
        // Without the header, Twilio sends no webhooks about what is done through its API.
        let request = self.http.post(self.url(path)).header("X-Twilio-Webhook-Enabled", "true").form(form);
        match self.exchange(account, request).await {
            Ok((status, retry_after, body)) => {
                read_created_as(&[prefix], status, retry_after, &body.unwrap_or_default())
            }
            Err(error) if error.is_connect() || error.is_builder() => {
                SendOutcome::NotProcessed { retry_after: None, reason: describe(error) }
            }
            Err(error) => SendOutcome::Unknown { reason: describe(error) },
        }
    }

    /// Deletes a conversation that was created in vain. If that fails, an empty one stays, which does no harm.
    async fn delete_conversation(&self, account: &Account, conversation_sid: &str) {
        let request = self.http.delete(self.url(&format!("Conversations/{conversation_sid}")));
        if let Err(error) = self.exchange(account, request).await {
            tracing::debug!(error = %describe(error), "an empty conversation was not deleted at Twilio");
        }
    }
}

/// The id of what was created, or why the conversation is not open.
fn opened(created: SendOutcome) -> Result<String, OpenedConversation> {
    match created {
        SendOutcome::Accepted { sid, .. } => Ok(sid),
        SendOutcome::NotProcessed { retry_after, reason } => {
            Err(OpenedConversation::Unavailable { retry_after, reason })
        }
        SendOutcome::Unknown { reason } => Err(OpenedConversation::Unavailable { retry_after: None, reason }),
        refused @ SendOutcome::Rejected { .. } => Err(OpenedConversation::Refused(refused)),
    }
}

/// The id of a conversation in Twilio's text of an error.
fn conversation_in(message: &str) -> Option<String> {
    let at = message.find("CH")?;
    let sid: String = message[at..].chars().take_while(char::is_ascii_alphanumeric).collect();
    (sid.len() == 34).then_some(sid)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::named("already exists in Conversation CH0123456789abcdef0123456789abcdef", true)]
    #[case::with_a_full_stop("in Conversation CH0123456789abcdef0123456789abcdef.", true)]
    #[case::too_short("in Conversation CH0123", false)]
    #[case::not_named("A binding for this participant exists", false)]
    fn the_conversation_that_an_error_names_is_found(#[case] message: &str, #[case] is_named: bool) {
        let named = is_named.then(|| "CH0123456789abcdef0123456789abcdef".to_owned());
        assert_eq!(conversation_in(message), named);
    }
}
