//! What sending needs of its neighbours, PostgreSQL and Twilio, and what they have to guarantee for it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::adapters::postgres::{Claim, Claimed, DueMessage, SendingAccount, Store, Stored};
use crate::adapters::twilio::{Account, ListError, ListedMessage, OutgoingSms, SendOutcome, TwilioClient};
use crate::domain::phone::PhoneNumber;
use crate::engine::ConversationStore;

/// The messages on their way. Each of these is one atomic step.
pub trait OutboundStore: ConversationStore {
    /// A message with all that sending it needs; see [`Store::due_message`].
    fn due_message(&self, id: Uuid) -> impl Future<Output = Stored<Option<DueMessage>>> + Send;
    /// The message's slot in its sender's rate; see [`Store::reserve_slot`].
    fn reserve_slot(
        &self,
        message_id: Uuid,
        sender: &PhoneNumber,
        cost: Duration,
    ) -> impl Future<Output = Stored<DateTime<Utc>>> + Send;
    /// The same, ahead of what the AI says in its turn; see [`Store::reserve_slot_ahead`].
    fn reserve_slot_ahead(
        &self,
        message_id: Uuid,
        sender: &PhoneNumber,
        cost: Duration,
    ) -> impl Future<Output = Stored<DateTime<Utc>>> + Send;
    /// The fence and the claim in one: whoever gets a claim may send with this account until `lease` is over, and nothing
    /// that was committed before has made the message stale; see [`Store::claim`].
    fn claim(
        &self,
        message_id: Uuid,
        account: SendingAccount<'_>,
        lease: Duration,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Stored<Claim>> + Send;
    /// Puts a claimed message back, if it still is claimed so; see [`Store::release_claim`].
    fn release_claim(&self, message_id: Uuid, claimed: Claimed) -> impl Future<Output = Stored<()>> + Send;
    /// Counts a read of Twilio's list without the message; see [`Store::count_absent_read`].
    fn count_absent_read(&self, message_id: Uuid, attempts: i32) -> impl Future<Output = Stored<i32>> + Send;
    /// Puts a message back that Twilio surely has not got; see [`Store::queue_again`].
    fn queue_again(&self, message_id: Uuid, attempts: i32) -> impl Future<Output = Stored<bool>> + Send;
    /// Whether the outcome of another one, with the same words to the same number, is not known either; see [`Store::has_unknown_twin`].
    fn has_unknown_twin(&self, message_id: Uuid) -> impl Future<Output = Stored<bool>> + Send;
    /// Which of these Twilio ids are known to be our messages'; see [`Store::adopted`].
    fn adopted(&self, sids: &[String]) -> impl Future<Output = Stored<Vec<String>>> + Send;
}

/// Twilio, as far as messages go out through it.
pub trait SmsGateway: Send + Sync + 'static {
    /// One request and no second try; an outcome is said to be known only where it is; see [`TwilioClient::send`].
    fn send(&self, account: &Account, sms: &OutgoingSms) -> impl Future<Output = SendOutcome> + Send;
    /// All that was accepted between two numbers since then, or an error; see [`TwilioClient::list_sent`].
    fn list_sent(
        &self,
        account: &Account,
        to: &str,
        from: &str,
        since: DateTime<Utc>,
    ) -> impl Future<Output = Result<Vec<ListedMessage>, ListError>> + Send;
}

impl OutboundStore for Store {
    async fn due_message(&self, id: Uuid) -> Stored<Option<DueMessage>> {
        self.due_message(id).await
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
    async fn claim(
        &self,
        message_id: Uuid,
        account: SendingAccount<'_>,
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Stored<Claim> {
        self.claim(message_id, account, lease, now).await
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
}
