//! PostgreSQL as the service sees it: tables in memory; each statement and each transaction is one step. Twin of the
//! statements in `src/adapters/postgres/`.

mod commit;
mod outbox;
mod reads;
mod sending;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::scheduler::Group;
use super::world::{State, World};
use crate::adapters::postgres::{BusinessRecord, Message, StoreError, WaitingRow};
use crate::businesses::Businesses;
use crate::domain::call::Call;
use crate::domain::conversation::{Conversation, Fence, WindowState};
use crate::domain::phone::PhoneNumber;

pub use outbox::SimDraining;

/// The tables.
#[derive(Default)]
pub struct Tables {
    pub business: Option<BusinessRecord>,
    pub numbers: Vec<PhoneNumber>,
    /// When the business gave up its number, if it did.
    pub released_at: Option<DateTime<Utc>>,
    pub conversations: Vec<Conversation>,
    pub calls: Vec<Call>,
    pub messages: Vec<MessageRow>,
    pub windows: BTreeMap<Uuid, WindowState>,
    /// By input: the hash of its body, and the keys of its effects in the outbox.
    pub inbox: BTreeMap<String, (Option<String>, Vec<Uuid>)>,
    pub outbox: Vec<Effect>,
    pub opt_outs: BTreeMap<PhoneNumber, DateTime<Utc>>,
    pub slots: BTreeMap<PhoneNumber, DateTime<Utc>>,
    /// Keys whose waiting rows are locked.
    pub draining: BTreeSet<Uuid>,
}

pub struct MessageRow {
    pub message: Message,
    pub recipient: Option<PhoneNumber>,
    pub window_id: Option<Uuid>,
    pub stream_sequence: i64,
    pub fence: Option<Fence>,
    pub not_before: Option<DateTime<Utc>>,
    pub send_at: Option<DateTime<Utc>>,
    pub claim: Option<Uuid>,
    pub lease_until: Option<DateTime<Utc>>,
    pub attempts: i32,
    pub attempted_at: Option<DateTime<Utc>>,
    pub account_sid: Option<String>,
    pub absent_reads: i32,
    /// Whether it was queued again: not a column, but needed for a planted bug.
    pub is_resent: bool,
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

    pub fn has_number(&self, business_id: &str, phone: &PhoneNumber) -> bool {
        self.business.as_ref().is_some_and(|business| business.id == business_id) && self.numbers.contains(phone)
    }

    pub fn message(&self, id: Uuid) -> Option<&MessageRow> {
        self.messages.iter().find(|row| row.message.id == id)
    }

    fn message_mut(&mut self, id: Uuid) -> Option<&mut MessageRow> {
        self.messages.iter_mut().find(|row| row.message.id == id)
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
        self.world.ask(self.group, what, effect).await.ok_or(StoreError::Database(sqlx::Error::PoolTimedOut))
    }
}

impl Businesses for SimStore {
    async fn business(&self, id: &str) -> Result<Option<BusinessRecord>, StoreError> {
        self.ask("read business", |state, _| state.db.business.clone().filter(|business| business.id == id)).await
    }

    async fn business_by_phone(&self, phone: &PhoneNumber) -> Result<Option<BusinessRecord>, StoreError> {
        self.ask("read business", |state, _| state.db.business.clone().filter(|_| state.db.numbers.contains(phone)))
            .await
    }
}
