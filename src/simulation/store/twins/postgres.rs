//! PostgreSQL under test: a database of the test's own.

use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use nmc_testbed::servers::{Shared, TestDatabase, schema_key};
use sqlx::{Connection, PgConnection};
use tokio::sync::Mutex;

use super::{Row, TestStore};
use crate::adapters::postgres::{
    AccountWrite, BusinessWrite, DispatchBotKeyWrite, Erasure, ErasureOf, NextTokenWrite, Store, WaitingWebhook,
};
use crate::domain::business::Profile;
use crate::domain::phone::PhoneNumber;

/// Whatever PostgreSQL's clock is compared with.
const AGE: [&str; 10] = [
    "UPDATE messages SET send_at = send_at - $1, lease_until = lease_until - $1, attempted_at = attempted_at - $1",
    "UPDATE sender_slots SET next_free_at = next_free_at - $1",
    "UPDATE outbox SET created_at = created_at - $1",
    "UPDATE inbox SET created_at = created_at - $1",
    "UPDATE released_numbers SET released_at = released_at - $1",
    "UPDATE conversations SET next_timer_at = next_timer_at - $1, idle_at = idle_at - $1",
    "UPDATE owner_codes SET given_back_at = given_back_at - $1",
    "UPDATE calls SET created_at = created_at - $1, settle_at = settle_at - $1",
    "UPDATE ladder_calls SET attempted_at = attempted_at - $1, lease_until = lease_until - $1",
    "UPDATE call_slots SET next_free_at = next_free_at - $1, life_waits_until = life_waits_until - $1",
];

pub(super) struct OnPostgres {
    store: Store,
    sql: Mutex<PgConnection>,
    database: TestDatabase,
}

impl OnPostgres {
    pub(super) async fn start() -> Self {
        let shared = Shared::from_env().unwrap_or_else(|error| panic!("{error:#}"));
        let database = shared.database(&schema_key().unwrap(), migrate).await.unwrap();
        let sql = Mutex::new(PgConnection::connect(database.url()).await.unwrap());
        Self { store: Store::lazy(database.url()).unwrap(), sql, database }
    }
}

async fn migrate(url: String) -> anyhow::Result<()> {
    let store = Store::owner(&url)?;
    store.migrate().await?;
    // A template can only be copied while nobody is connected to it.
    store.close().await;
    Ok(())
}

impl TestStore for OnPostgres {
    type Store = Store;
    type Holder = PgConnection;

    fn store(&self) -> &Store {
        &self.store
    }

    async fn now(&self) -> DateTime<Utc> {
        let mut sql = self.sql.lock().await;
        let now: DateTime<Utc> = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut *sql).await.unwrap();
        now.trunc_subsecs(3)
    }

    async fn time_passes(&self, time: Duration) {
        for statement in AGE {
            sqlx::query(statement).bind(time).execute(&mut *self.sql.lock().await).await.unwrap();
        }
    }

    async fn put_business(&self, profile: &Profile) {
        let business = BusinessWrite {
            id: &profile.id,
            name: &profile.name,
            user_id: &profile.user_id,
            forward_to: &profile.forward_to,
            phone_numbers: &profile.phone_numbers,
            emergency_contacts: &profile.emergency_contacts,
            may_manage_numbers: true,
            profile: &serde_json::to_value(profile).unwrap(),
            account: AccountWrite::Main,
            dispatchbot_key: DispatchBotKeyWrite::Remove,
            next_token: NextTokenWrite::None,
        };
        self.store.put_business(&business).await.unwrap();
    }

    async fn disprove(&self, phone: &PhoneNumber) {
        let disprove = sqlx::query("UPDATE business_numbers SET verified = 'no' WHERE phone = $1").bind(phone.as_str());
        disprove.execute(&mut *self.sql.lock().await).await.unwrap();
    }

    async fn never_text(&self, business_id: &str, phone: &PhoneNumber) {
        assert!(self.store.add_never_text(business_id, phone).await.unwrap());
    }

    async fn erase(&self, business_id: &str, customer: &PhoneNumber) {
        let business_ids = [business_id.to_owned()];
        let of = ErasureOf { customer, business_ids: Some(&business_ids), asked_by: "joe" };
        let theirs = self.store.conversation_ids_of(&of).await.unwrap();
        assert!(matches!(self.store.erase(&of, &theirs, true).await.unwrap(), Erasure::Done(_)));
    }

    async fn keep_webhook(&self, subject: &str, payload: &[u8]) {
        let (message_id, subject) = (format!("{subject}:{}", payload.len()), subject.to_owned());
        let webhook = WaitingWebhook { message_id, subject, headers: Default::default(), payload: payload.to_vec() };
        self.store.keep_webhook(&webhook).await.unwrap();
    }

    async fn hold(&self, row: Row<'_>) -> PgConnection {
        let mut holder = PgConnection::connect(self.database.url()).await.unwrap();
        sqlx::query("BEGIN").execute(&mut holder).await.unwrap();
        let lock = match row {
            Row::Conversation(id) => sqlx::query("SELECT FROM conversations WHERE id = $1 FOR UPDATE").bind(id),
            Row::Input(id) => sqlx::query("INSERT INTO inbox (id, outbox_keys) VALUES ($1, '{}')").bind(id),
        };
        lock.execute(&mut holder).await.unwrap();
        holder
    }

    async fn let_go(&self, mut holder: PgConnection) {
        sqlx::query("ROLLBACK").execute(&mut holder).await.unwrap();
    }
}
