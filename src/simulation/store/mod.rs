//! PostgreSQL as the service sees it: tables in memory; each statement is one step, and a transaction takes its locks one
//! by one. Twin of the statements in `src/adapters/postgres/`; `twins/` runs the same tests on both.

mod businesses;
mod commit;
mod locks;
mod outbox;
mod owner_texts;
mod reads;
mod ring;
mod sending;
mod twins;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::scheduler::Group;
use super::world::{State, World};
use crate::adapters::postgres::BusinessRecord;
use crate::domain::alert_pace::{AlertPace, Paced};
use crate::domain::call::Call;
use crate::domain::conversation::{Conversation, Fence, WindowState};
use crate::domain::day_limits::DayUse;
use crate::domain::owner::{Code, Plan};
use crate::domain::phone::PhoneNumber;
use crate::store::{Message, Participant, StoreError, WaitingRow};

use businesses::NumberRow;
use locks::Locks;
pub use outbox::SimDraining;
use ring::{CallSlot, RingRow};

/// Whose code it is or was.
struct CodeUse {
    conversation_id: Uuid,
    given_back_at: Option<DateTime<Utc>>,
}

/// The tables.
#[derive(Default)]
pub struct Tables {
    pub businesses: BTreeMap<String, BusinessRecord>,
    numbers: BTreeMap<PhoneNumber, NumberRow>,
    /// Numbers that their business gave up, and when.
    released: BTreeMap<(String, PhoneNumber), DateTime<Utc>>,
    pub conversations: Vec<Conversation>,
    pub calls: Vec<Call>,
    pub messages: Vec<MessageRow>,
    /// Texts that are messages already, by Twilio's id of the second arrival.
    paired_texts: BTreeMap<String, Uuid>,
    participants: Vec<ParticipantRow>,
    pub windows: BTreeMap<Uuid, WindowState>,
    inbox: BTreeMap<String, InboxRow>,
    pub outbox: Vec<Effect>,
    /// The opt-out ledger, by business and customer.
    opt_outs: BTreeMap<(String, PhoneNumber), DateTime<Utc>>,
    /// The same of customers who were erased; PostgreSQL has them by a hash.
    erased_opt_outs: BTreeMap<(String, PhoneNumber), DateTime<Utc>>,
    /// What businesses have used of their limits of a day.
    pub day_use: BTreeMap<(String, NaiveDate), DayUse>,
    /// The codes by business.
    codes: BTreeMap<(String, Code), CodeUse>,
    /// Texts of the business's own side, by their inputs.
    pub owner_texts: BTreeMap<String, OwnerTextRow>,
    /// When the owner's last OFF or ON was sent, by business.
    owner_off_changed_at: BTreeMap<String, DateTime<Utc>>,
    alert_pace: BTreeMap<(String, PhoneNumber), AlertPace>,
    slots: BTreeMap<PhoneNumber, DateTime<Utc>>,
    rings: Vec<RingRow>,
    call_slots: BTreeMap<String, CallSlot>,
    /// The phones of businesses that have answered once.
    pub confirmed: BTreeSet<(String, PhoneNumber)>,
    /// The places of the outbox rows that are locked by those who publish them.
    draining: BTreeSet<i64>,
    /// The locks of transactions.
    locks: Locks,
    /// Until when webhooks cannot be committed, in milliseconds since the start, by their inputs; zero if they can.
    stuck: BTreeMap<String, u64>,
}

/// A text of the business's own side, and what is done about it.
pub struct OwnerTextRow {
    business_id: String,
    phone: PhoneNumber,
    body: String,
    pub plan: Plan,
    created_at: DateTime<Utc>,
}

struct InboxRow {
    body_hash: Option<String>,
    outbox_keys: Vec<Uuid>,
    created_at: DateTime<Utc>,
}

pub struct MessageRow {
    pub message: Message,
    pub recipient: Option<PhoneNumber>,
    pub window_id: Option<Uuid>,
    pub stream_sequence: i64,
    pub fence: Option<Fence>,
    pub bundle_line: Option<String>,
    pub pace: Option<Paced>,
    pub bundled_into: Option<Uuid>,
    pub not_before: Option<DateTime<Utc>>,
    pub send_at: Option<DateTime<Utc>>,
    pub claim: Option<Uuid>,
    pub lease_until: Option<DateTime<Utc>>,
    pub attempts: i32,
    pub attempted_at: Option<DateTime<Utc>>,
    pub account_sid: Option<String>,
    pub twilio_conversation: Option<String>,
    pub absent_reads: i32,
    /// Whether it was queued again: not a column, but needed for a planted bug.
    pub is_resent: bool,
}

/// A participant of a conversation of Twilio, and whether the conversation is open.
struct ParticipantRow {
    participant: Participant,
    is_open: bool,
}

pub struct Effect {
    pub key: Uuid,
    pub row: WaitingRow,
    pub created_at: DateTime<Utc>,
    pub is_published: bool,
}

impl Tables {
    pub fn conversation(&self, id: Uuid) -> Option<&Conversation> {
        self.conversations.iter().find(|conversation| conversation.id == id)
    }

    pub fn message(&self, id: Uuid) -> Option<&MessageRow> {
        self.messages.iter().find(|row| row.message.id == id)
    }

    /// Whether a text has arrived a second time, by Twilio's other API.
    pub fn is_paired(&self, twilio_sid: &str) -> bool {
        self.paired_texts.contains_key(twilio_sid)
    }

    fn message_mut(&mut self, id: Uuid) -> Option<&mut MessageRow> {
        self.messages.iter_mut().find(|row| row.message.id == id)
    }

    /// Whether an input is in the inbox.
    pub fn is_decided(&self, input_id: &str) -> bool {
        self.inbox.contains_key(input_id)
    }

    /// When an input was written to the inbox.
    pub fn decided_at(&self, input_id: &str) -> Option<DateTime<Utc>> {
        self.inbox.get(input_id).map(|row| row.created_at)
    }

    /// What a business has used on a day.
    pub fn day_use_of(&self, business_id: &str, day: NaiveDate) -> DayUse {
        self.day_use.get(&(business_id.to_owned(), day)).copied().unwrap_or_default()
    }

    /// When the customer opted out, by the ledger.
    pub fn opted_out_at(&self, business_id: &str, customer: &PhoneNumber) -> Option<DateTime<Utc>> {
        let key = (business_id.to_owned(), customer.clone());
        self.opt_outs.get(&key).copied().max(self.erased_opt_outs.get(&key).copied())
    }

    /// Erases a customer from the ledger, which keeps the opt-out.
    fn erase_from_ledger(&mut self, business_id: &str, customer: &PhoneNumber) {
        let key = (business_id.to_owned(), customer.clone());
        if let Some(at) = self.opt_outs.remove(&key) {
            self.erased_opt_outs.entry(key).or_insert(at);
        }
    }

    /// Whether the customer of a conversation is in the ledger.
    pub fn is_opted_out(&self, conversation: &Conversation) -> bool {
        self.opted_out_at(&conversation.business_id, &conversation.customer_phone).is_some()
    }
}

/// A process's connection to PostgreSQL.
#[derive(Clone)]
pub struct SimStore {
    pub world: World,
    pub group: Group,
}

impl SimStore {
    /// Runs a statement or a transaction.
    async fn ask<T: Send>(
        &self,
        what: &'static str,
        effect: impl FnOnce(&mut State, DateTime<Utc>) -> T + Send,
    ) -> Result<T, StoreError> {
        self.world.ask(self.group, what, effect).await.ok_or_else(StoreError::away)
    }
}
