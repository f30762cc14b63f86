//! What sending needs from PostgreSQL and Twilio, and what they must guarantee.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::adapters::postgres::Store;
use crate::adapters::twilio::{
    Account, Binding, ListError, ListedMessage, OpenedConversation, OutgoingMessage, OutgoingSms, SendOutcome,
    TwilioClient,
};
use crate::domain::alert_pace::AlertTurn;
use crate::domain::phone::PhoneNumber;
use crate::engine::ConversationStore;
use crate::store::{Claim, Claimed, DueMessage, Participant, SendingAccount, Stored};

/// The messages to be sent. Each method is one atomic step.
pub trait OutboundStore: ConversationStore {
    /// A message with everything needed to send it; see [`Store::due_message`].
    fn due_message(&self, id: Uuid) -> impl Future<Output = Stored<Option<DueMessage>>> + Send;
    /// Whether an alert goes alone, waits for a bundle, or goes with others; see [`Store::alert_turn`].
    fn alert_turn(
        &self,
        message_id: Uuid,
        collects: Duration,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Stored<AlertTurn>> + Send;
    /// Reserves the message's slot in its sender's rate; see [`Store::reserve_slot`].
    fn reserve_slot(
        &self,
        message_id: Uuid,
        sender: &PhoneNumber,
        cost: Duration,
    ) -> impl Future<Output = Stored<DateTime<Utc>>> + Send;
    /// The same, ahead of messages that wait in their turn; see [`Store::reserve_slot_ahead`].
    fn reserve_slot_ahead(
        &self,
        message_id: Uuid,
        sender: &PhoneNumber,
        cost: Duration,
    ) -> impl Future<Output = Stored<DateTime<Utc>>> + Send;
    /// The same behind all other messages: reserved only if the sender is free; see [`Store::reserve_slot_behind`].
    fn reserve_slot_behind(
        &self,
        message_id: Uuid,
        sender: &PhoneNumber,
        cost: Duration,
    ) -> impl Future<Output = Stored<DateTime<Utc>>> + Send;
    /// Checks the fence and claims, in one step: the holder of a claim may send with this account until `lease` is
    /// over, and nothing committed before has made the message stale; see [`Store::claim`].
    fn claim(
        &self,
        message_id: Uuid,
        account: SendingAccount<'_>,
        lease: Duration,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Stored<Claim>> + Send;
    /// Records that a message cannot go to Twilio yet; see [`Store::note_attempt`].
    fn note_attempt(&self, message_id: Uuid) -> impl Future<Output = Stored<()>> + Send;
    /// Puts a claimed message back, if this claim is still current; see [`Store::release_claim`].
    fn release_claim(&self, message_id: Uuid, claimed: Claimed) -> impl Future<Output = Stored<()>> + Send;
    /// Counts a read of Twilio's list that did not contain the message; see [`Store::count_absent_read`].
    fn count_absent_read(&self, message_id: Uuid, attempts: i32) -> impl Future<Output = Stored<i32>> + Send;
    /// Queues a message again that Twilio certainly did not get; see [`Store::queue_again`].
    fn queue_again(&self, message_id: Uuid, attempts: i32) -> impl Future<Output = Stored<bool>> + Send;
    /// Whether another message with the same text to the same number has an unknown outcome too; see
    /// [`Store::has_unknown_twin`].
    fn has_unknown_twin(&self, message_id: Uuid) -> impl Future<Output = Stored<bool>> + Send;
    /// Which of these Twilio ids belong to our messages; see [`Store::adopted`].
    fn adopted(&self, sids: &[String]) -> impl Future<Output = Stored<Vec<String>>> + Send;
    /// Stores what Twilio says of a participant; see [`Store::keep_participant`].
    fn keep_participant(&self, participant: &Participant) -> impl Future<Output = Stored<()>> + Send;
    /// The open conversation of Twilio of two numbers, if one is known; see [`Store::twilio_conversation`].
    fn twilio_conversation(
        &self,
        account_sid: &str,
        business_phone: &str,
        customer_phone: &str,
    ) -> impl Future<Output = Stored<Option<String>>> + Send;
    /// Records that nothing can be posted to a conversation of Twilio any more; see [`Store::close_twilio_conversation`].
    fn close_twilio_conversation(
        &self,
        account_sid: &str,
        conversation_sid: &str,
    ) -> impl Future<Output = Stored<()>> + Send;
}

/// The part of Twilio that sends messages.
pub trait SmsGateway: Send + Sync + 'static {
    /// One request without a retry; an outcome is reported as known only if it is; see [`TwilioClient::send`].
    fn send(&self, account: &Account, sms: &OutgoingSms) -> impl Future<Output = SendOutcome> + Send;
    /// All messages accepted between two numbers since then, or an error; see [`TwilioClient::list_sent`].
    fn list_sent(
        &self,
        account: &Account,
        to: &str,
        from: &str,
        since: DateTime<Utc>,
    ) -> impl Future<Output = Result<Vec<ListedMessage>, ListError>> + Send;
    /// The two addresses of a participant of a conversation; see [`TwilioClient::binding`].
    fn binding(
        &self,
        account: &Account,
        conversation_sid: &str,
        participant_sid: &str,
    ) -> impl Future<Output = Result<Option<Binding>, ListError>> + Send;
    /// The URL of an attachment of a conversation's message; see [`TwilioClient::attachment_url`].
    fn attachment_url(&self, account_sid: &str, service_sid: &str, media_sid: &str) -> String;
    /// Creates the conversation of two numbers, or finds it; see [`TwilioClient::open_conversation`].
    fn open_conversation(
        &self,
        account: &Account,
        business_phone: &str,
        customer_phone: &str,
    ) -> impl Future<Output = OpenedConversation> + Send;
    /// Posts a message to a conversation, by one request without a retry; see [`TwilioClient::post`].
    fn post(
        &self,
        account: &Account,
        conversation_sid: &str,
        message: &OutgoingMessage,
    ) -> impl Future<Output = SendOutcome> + Send;
    /// Whether a conversation takes messages; see [`TwilioClient::is_open`].
    fn is_open(
        &self,
        account: &Account,
        conversation_sid: &str,
    ) -> impl Future<Output = Result<bool, ListError>> + Send;
    /// Twilio's id of a message that was posted to a conversation since then; see [`TwilioClient::posted`].
    fn posted(
        &self,
        account: &Account,
        conversation_sid: &str,
        message_id: Uuid,
        since: DateTime<Utc>,
    ) -> impl Future<Output = Result<Option<String>, ListError>> + Send;
}

impl OutboundStore for Store {
    async fn due_message(&self, id: Uuid) -> Stored<Option<DueMessage>> {
        self.due_message(id).await
    }
    async fn alert_turn(&self, message_id: Uuid, collects: Duration, now: DateTime<Utc>) -> Stored<AlertTurn> {
        self.alert_turn(message_id, collects, now).await
    }
    async fn reserve_slot(&self, message_id: Uuid, sender: &PhoneNumber, cost: Duration) -> Stored<DateTime<Utc>> {
        self.reserve_slot(message_id, sender, cost).await
    }
    async fn reserve_slot_ahead(
        &self,
        message_id: Uuid,
        sender: &PhoneNumber,
        cost: Duration,
    ) -> Stored<DateTime<Utc>> {
        self.reserve_slot_ahead(message_id, sender, cost).await
    }
    async fn reserve_slot_behind(
        &self,
        message_id: Uuid,
        sender: &PhoneNumber,
        cost: Duration,
    ) -> Stored<DateTime<Utc>> {
        self.reserve_slot_behind(message_id, sender, cost).await
    }
    async fn claim(
        &self,
        message_id: Uuid,
        account: SendingAccount<'_>,
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Stored<Claim> {
        self.claim(message_id, account, lease, now).await
    }
    async fn note_attempt(&self, message_id: Uuid) -> Stored<()> {
        self.note_attempt(message_id).await
    }
    async fn release_claim(&self, message_id: Uuid, claimed: Claimed) -> Stored<()> {
        self.release_claim(message_id, claimed).await
    }
    async fn count_absent_read(&self, message_id: Uuid, attempts: i32) -> Stored<i32> {
        self.count_absent_read(message_id, attempts).await
    }
    async fn queue_again(&self, message_id: Uuid, attempts: i32) -> Stored<bool> {
        self.queue_again(message_id, attempts).await
    }
    async fn has_unknown_twin(&self, message_id: Uuid) -> Stored<bool> {
        self.has_unknown_twin(message_id).await
    }
    async fn adopted(&self, sids: &[String]) -> Stored<Vec<String>> {
        self.adopted(sids).await
    }
    async fn keep_participant(&self, participant: &Participant) -> Stored<()> {
        self.keep_participant(participant).await
    }
    async fn twilio_conversation(
        &self,
        account_sid: &str,
        business_phone: &str,
        customer_phone: &str,
    ) -> Stored<Option<String>> {
        self.twilio_conversation(account_sid, business_phone, customer_phone).await
    }
    async fn close_twilio_conversation(&self, account_sid: &str, conversation_sid: &str) -> Stored<()> {
        self.close_twilio_conversation(account_sid, conversation_sid).await
    }
}

impl SmsGateway for TwilioClient {
    async fn send(&self, account: &Account, sms: &OutgoingSms) -> SendOutcome {
        self.send(account, sms).await
    }
    async fn list_sent(
        &self,
        account: &Account,
        to: &str,
        from: &str,
        since: DateTime<Utc>,
    ) -> Result<Vec<ListedMessage>, ListError> {
        self.list_sent(account, to, from, since).await
    }
    async fn binding(
        &self,
        account: &Account,
        conversation_sid: &str,
        participant_sid: &str,
    ) -> Result<Option<Binding>, ListError> {
        self.binding(account, conversation_sid, participant_sid).await
    }
    fn attachment_url(&self, account_sid: &str, service_sid: &str, media_sid: &str) -> String {
        self.attachment_url(account_sid, service_sid, media_sid)
    }
    async fn open_conversation(
        &self,
        account: &Account,
        business_phone: &str,
        customer_phone: &str,
    ) -> OpenedConversation {
        self.open_conversation(account, business_phone, customer_phone).await
    }
    async fn post(&self, account: &Account, conversation_sid: &str, message: &OutgoingMessage) -> SendOutcome {
        self.post(account, conversation_sid, message).await
    }
    async fn is_open(&self, account: &Account, conversation_sid: &str) -> Result<bool, ListError> {
        self.is_open(account, conversation_sid).await
    }
    async fn posted(
        &self,
        account: &Account,
        conversation_sid: &str,
        message_id: Uuid,
        since: DateTime<Utc>,
    ) -> Result<Option<String>, ListError> {
        self.posted(account, conversation_sid, message_id, since).await
    }
}
