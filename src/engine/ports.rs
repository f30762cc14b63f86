//! What the engine needs from PostgreSQL and JetStream, and what they must guarantee.
//!
//! Implemented by [`Store`] and [`Publisher`], which are the default type parameters.

use std::collections::HashMap;

use crate::businesses::Records;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::adapters::jetstream::{Outgoing, PublishError, Published, Publisher};
use crate::adapters::postgres::{OutboxBatch, Store};
use crate::domain::conversation::Conversation;
use crate::domain::owner::Plan;
use crate::domain::phone::PhoneNumber;
use crate::store::{
    BundledAlert, CodeAnswer, Commit, Committed, Facts, FactsOf, Locks, Overdue, OwnerText, OwnerView, Parties,
    PhoneAnswer, ReleasedConversation, SeenInput, Stored, WaitingRow,
};

/// Conversations, calls, messages and waiting effects. Reads see the last commit. A write may have been done although
/// it returned an error, so every method may be repeated.
pub trait ConversationStore: Records {
    /// The waiting effects of a key, locked.
    type OutboxBatch: WaitingEffects;

    /// A batch in one transaction. For each input all or nothing: the inbox, which takes an input's id once; the
    /// conversation and the call, each compare-and-set on its version; one open conversation for each business, number
    /// and customer, and a new one only if the one before it is still the newest and unchanged; if requested, a check
    /// that the number still belongs to the business. What is refused does not affect the rest. Published effects are
    /// deleted; see [`Store::commit`].
    fn commit(
        &self,
        batch: &[Commit<'_>],
        published: &[i64],
        locks: Locks,
    ) -> impl Future<Output = Stored<Vec<Committed>>> + Send;
    /// What the inbox contains about inputs, by their ids; see [`Store::seen`].
    fn seen(&self, input_ids: &[&str]) -> impl Future<Output = Stored<HashMap<String, SeenInput>>> + Send;
    /// Conversations by their ids; see [`Store::conversations_by_id`].
    fn conversations_by_id(
        &self,
        ids: &[Uuid],
    ) -> impl Future<Output = Stored<HashMap<Uuid, Stored<Conversation>>>> + Send;
    /// Conversations by their parties: the open one, or the newest that ended; see [`Store::conversations_of_parties`].
    fn conversations_of_parties(
        &self,
        parties: &[Parties],
    ) -> impl Future<Output = Stored<HashMap<Parties, Stored<Conversation>>>> + Send;
    /// What the rules need besides the conversations, for each input in order; see [`Store::facts`].
    fn facts(&self, wanted: &[FactsOf<'_>]) -> impl Future<Output = Stored<Vec<Stored<Facts>>>> + Send;
    /// The webhooks of a subject that wait for JetStream; see [`Store::waiting_payloads`].
    fn waiting_payloads(&self, subject: &str) -> impl Future<Output = Stored<Vec<Vec<u8>>>> + Send;
    /// Corrects a customer's message to an earlier arrival time; see [`Store::backdate_arrival`].
    fn backdate_arrival(&self, twilio_sid: &str, at: DateTime<Utc>) -> impl Future<Output = Stored<()>> + Send;
    /// Takes a text as the answer to a code, if the phone was asked for one; see [`Store::phone_answered`].
    fn phone_answered(&self, answer: &CodeAnswer<'_>) -> impl Future<Output = Stored<PhoneAnswer>> + Send;
    /// What is known when a text of the business's own side is read; see [`Store::owner_view`].
    fn owner_view(&self, text: &OwnerText<'_>, now: DateTime<Utc>) -> impl Future<Output = Stored<OwnerView>> + Send;
    /// Keeps what is to be done about it, once; see [`Store::keep_owner_plan`].
    fn keep_owner_plan(
        &self,
        text: &OwnerText<'_>,
        plan: Plan,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Stored<Plan>> + Send;
    /// Records that the owner is away, or back; see [`Store::set_owner_off`].
    fn set_owner_off(
        &self,
        business_id: &str,
        is_off: bool,
        at: DateTime<Utc>,
    ) -> impl Future<Output = Stored<()>> + Send;
    /// Puts a number on the list of those that are never texted; see [`Store::add_never_text`].
    fn add_never_text(&self, business_id: &str, phone: &PhoneNumber) -> impl Future<Output = Stored<bool>> + Send;
    /// Waits until no other task drains the key, and locks the rows that wait under it; see [`Store::drain`].
    fn drain(&self, key: Uuid) -> impl Future<Output = Stored<Self::OutboxBatch>> + Send;
    /// Whether effects wait under a key; see [`Store::has_waiting_effects`].
    fn has_waiting_effects(&self, key: Uuid) -> impl Future<Output = Stored<bool>> + Send;
    /// How many messages of the AI are claimed in a conversation; see [`Store::ai_messages_under_way`].
    fn ai_messages_under_way(&self, conversation_id: Uuid) -> impl Future<Output = Stored<i64>> + Send;
    /// The conversations that a phone was alerted to; see [`Store::alerted_conversations`].
    fn alerted_conversations(
        &self,
        business_id: &str,
        phone: &PhoneNumber,
        since: DateTime<Utc>,
    ) -> impl Future<Output = Stored<Vec<Uuid>>> + Send;
    /// Records that the holder of a phone has answered once; see [`Store::confirm_phone`].
    fn confirm_phone(&self, business_id: &str, phone: &PhoneNumber) -> impl Future<Output = Stored<()>> + Send;
    /// The alerts that were sent as part of another one; see [`Store::bundled_alerts`].
    fn bundled_alerts(&self, carrier: Uuid) -> impl Future<Output = Stored<Vec<BundledAlert>>> + Send;
    /// Keys whose effects were left in the outbox; see [`Store::stale_outbox_keys`].
    fn stale_outbox_keys(&self, older_than_seconds: f64, limit: i64) -> impl Future<Output = Stored<Vec<Uuid>>> + Send;
    /// Conversations whose timer should have fired; see [`Store::overdue_windows`].
    fn overdue_windows(&self, by_seconds: f64, limit: i64) -> impl Future<Output = Stored<Vec<Overdue>>> + Send;
    /// Open conversations of numbers that their business gave up; see [`Store::conversations_of_released_numbers`].
    fn conversations_of_released_numbers(
        &self,
        limit: i64,
    ) -> impl Future<Output = Stored<Vec<ReleasedConversation>>> + Send;
    /// Forgets released numbers that have no open conversation; see [`Store::forget_released_numbers`].
    fn forget_released_numbers(&self) -> impl Future<Output = Stored<u64>> + Send;
    /// Deletes rows that are no longer needed; see [`Store::prune`].
    fn prune(&self, inbox_days: i32) -> impl Future<Output = Stored<u64>> + Send;
    /// Deletes old answers kept for repeated requests; see [`Store::prune_idempotency`].
    fn prune_idempotency(&self) -> impl Future<Output = Stored<u64>> + Send;
}

/// The waiting effects of a key: nobody else gets them until the published ones are deleted, or this is dropped.
pub trait WaitingEffects: Send {
    /// In the order of their commit.
    fn rows(&self) -> &[WaitingRow];
    /// Deletes the first `count` of them, which are published, and unlocks all; see [`OutboxBatch::published`].
    fn published(self, count: usize) -> impl Future<Output = Stored<()>> + Send;
}

/// Publishes effects. An acknowledged message is stored; one without an ack may be stored too. Of several messages with
/// the same id within the stream's deduplication window, one is stored.
pub trait Publish: Clone + Send + Sync + 'static {
    /// Publishes one message, and waits for its ack; see [`Publisher::publish`].
    fn publish(&self, message: Outgoing) -> impl Future<Output = Result<Published, PublishError>> + Send {
        async { self.send(message).await?.await }
    }
    /// Sends one message, and returns a future for its ack. Messages sent one after the other are stored in that order;
    /// see [`Publisher::send`].
    fn send(
        &self,
        message: Outgoing,
    ) -> impl Future<
        Output = Result<impl Future<Output = Result<Published, PublishError>> + Send + use<Self>, PublishError>,
    > + Send;
}

impl ConversationStore for Store {
    type OutboxBatch = OutboxBatch;

    async fn commit(&self, batch: &[Commit<'_>], published: &[i64], locks: Locks) -> Stored<Vec<Committed>> {
        self.commit(batch, published, locks).await
    }
    async fn seen(&self, input_ids: &[&str]) -> Stored<HashMap<String, SeenInput>> {
        self.seen(input_ids).await
    }
    async fn conversations_by_id(&self, ids: &[Uuid]) -> Stored<HashMap<Uuid, Stored<Conversation>>> {
        self.conversations_by_id(ids).await
    }
    async fn conversations_of_parties(&self, parties: &[Parties]) -> Stored<HashMap<Parties, Stored<Conversation>>> {
        self.conversations_of_parties(parties).await
    }
    async fn facts(&self, wanted: &[FactsOf<'_>]) -> Stored<Vec<Stored<Facts>>> {
        self.facts(wanted).await
    }
    async fn waiting_payloads(&self, subject: &str) -> Stored<Vec<Vec<u8>>> {
        self.waiting_payloads(subject).await
    }
    async fn backdate_arrival(&self, twilio_sid: &str, at: DateTime<Utc>) -> Stored<()> {
        self.backdate_arrival(twilio_sid, at).await
    }
    async fn phone_answered(&self, answer: &CodeAnswer<'_>) -> Stored<PhoneAnswer> {
        self.phone_answered(answer).await
    }
    async fn owner_view(&self, text: &OwnerText<'_>, now: DateTime<Utc>) -> Stored<OwnerView> {
        self.owner_view(text, now).await
    }
    async fn keep_owner_plan(&self, text: &OwnerText<'_>, plan: Plan, now: DateTime<Utc>) -> Stored<Plan> {
        self.keep_owner_plan(text, plan, now).await
    }
    async fn set_owner_off(&self, business_id: &str, is_off: bool, at: DateTime<Utc>) -> Stored<()> {
        self.set_owner_off(business_id, is_off, at).await
    }
    async fn add_never_text(&self, business_id: &str, phone: &PhoneNumber) -> Stored<bool> {
        self.add_never_text(business_id, phone).await
    }
    async fn drain(&self, key: Uuid) -> Stored<OutboxBatch> {
        self.drain(key).await
    }
    async fn has_waiting_effects(&self, key: Uuid) -> Stored<bool> {
        self.has_waiting_effects(key).await
    }
    async fn ai_messages_under_way(&self, conversation_id: Uuid) -> Stored<i64> {
        self.ai_messages_under_way(conversation_id).await
    }
    async fn alerted_conversations(
        &self,
        business_id: &str,
        phone: &PhoneNumber,
        since: DateTime<Utc>,
    ) -> Stored<Vec<Uuid>> {
        self.alerted_conversations(business_id, phone, since).await
    }
    async fn confirm_phone(&self, business_id: &str, phone: &PhoneNumber) -> Stored<()> {
        self.confirm_phone(business_id, phone).await
    }
    async fn bundled_alerts(&self, carrier: Uuid) -> Stored<Vec<BundledAlert>> {
        self.bundled_alerts(carrier).await
    }
    async fn stale_outbox_keys(&self, older_than_seconds: f64, limit: i64) -> Stored<Vec<Uuid>> {
        self.stale_outbox_keys(older_than_seconds, limit).await
    }
    async fn overdue_windows(&self, by_seconds: f64, limit: i64) -> Stored<Vec<Overdue>> {
        self.overdue_windows(by_seconds, limit).await
    }
    async fn conversations_of_released_numbers(&self, limit: i64) -> Stored<Vec<ReleasedConversation>> {
        self.conversations_of_released_numbers(limit).await
    }
    async fn forget_released_numbers(&self) -> Stored<u64> {
        self.forget_released_numbers().await
    }
    async fn prune(&self, inbox_days: i32) -> Stored<u64> {
        self.prune(inbox_days).await
    }
    async fn prune_idempotency(&self) -> Stored<u64> {
        self.prune_idempotency().await
    }
}

impl WaitingEffects for OutboxBatch {
    fn rows(&self) -> &[WaitingRow] {
        &self.rows
    }
    async fn published(self, count: usize) -> Stored<()> {
        self.published(count).await
    }
}

impl Publish for Publisher {
    async fn send(
        &self,
        message: Outgoing,
    ) -> Result<impl Future<Output = Result<Published, PublishError>> + Send + use<>, PublishError> {
        self.send(message).await
    }
}
