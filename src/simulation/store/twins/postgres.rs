//! PostgreSQL under test: a database of the test's own.

use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, Utc};
use nmc_testbed::servers::{Shared, TestDatabase, schema_key};
use sqlx::{Connection, PgConnection};
use tokio::sync::Mutex;

use super::talk::{CUSTOMER, NEIGHBOUR, Talk, verdicts};
use super::{Row, TestStore};
use crate::adapters::postgres::{
    AccountWrite, BusinessWrite, DispatchBotKeyWrite, Erasure, ErasureOf, NextTokenWrite, Store, WaitingWebhook,
};
use crate::domain::business::Profile;
use crate::domain::phone::PhoneNumber;
use crate::store::{Locks, OwnerText, Parties, StoreError};

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

/// Until when a lock is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

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

impl OnPostgres {
    /// Waits until this number of transactions wait for a lock.
    async fn transactions_wait(&self, count: i64) {
        let begun = Instant::now();
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        loop {
            let found: i64 = sqlx::query_scalar(waiting).fetch_one(&mut *self.sql.lock().await).await.unwrap();
            if found == count {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{found} transactions wait for a lock, not {count}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
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

/// Three customers who have written, by the ids of their conversations.
async fn three_who_talk(test: &OnPostgres) -> [Talk; 3] {
    let mut talks = Vec::new();
    for customer in [CUSTOMER, NEIGHBOUR, "+12125559012"] {
        let mut talk = Talk::with(test, customer).await;
        let text = talk.text(&format!("SM{customer}"), "My sink is blocked");
        talk.commit(test, &text).await;
        talks.push(talk);
    }
    talks.sort_by_key(|talk| talk.conversation().id);
    talks.try_into().unwrap_or_else(|_| panic!("three"))
}

#[tokio::test]
async fn a_row_that_is_not_understood_does_not_affect_its_neighbours() {
    let test = OnPostgres::start().await;
    let [spoilt, other, _] = three_who_talk(&test).await;
    let ids = [&spoilt, &other].map(|talk| talk.conversation().id);
    let spoil = [
        ("UPDATE conversations SET rules_state = '{\"window\": 7}' WHERE id = $1", ids[0]),
        ("UPDATE messages SET media = '[{\"url\": 7}]' WHERE conversation_id = $1", ids[0]),
    ];
    for (statement, id) in spoil {
        sqlx::query(statement).bind(id).execute(&mut *test.sql.lock().await).await.unwrap();
    }
    let store = test.store();
    let mut by_id = store.conversations_by_id(&ids).await.unwrap();
    assert!(matches!(by_id.remove(&ids[0]), Some(Err(StoreError::Corrupt { table: "conversations", .. }))));
    assert_eq!(by_id.remove(&ids[1]).unwrap().unwrap(), *other.conversation());
    let parties = [&spoilt, &other].map(|talk| Parties::of_conversation(talk.conversation()));
    let mut by_parties = store.conversations_of_parties(&parties).await.unwrap();
    assert!(matches!(by_parties.remove(&parties[0]), Some(Err(StoreError::Corrupt { .. }))));
    assert_eq!(by_parties.remove(&parties[1]).unwrap().unwrap(), *other.conversation());
    let (business_id, phone) = (&other.conversation().business_id, &other.conversation().business_phone);
    let text = OwnerText { input_id: "sms:SMowner", business_id, phone, body: "1" };
    let open = store.owner_view(&text, Utc::now()).await.unwrap().open;
    assert_eq!(open.len(), 2, "of the three");
    let sids = [&spoilt, &other].map(|talk| format!("SM{}", talk.customer));
    // The first is asked for alone, the others by one statement.
    let (_, of_spoilt, of_other) =
        tokio::join!(store.message_by_sid("none"), store.message_by_sid(&sids[0]), store.message_by_sid(&sids[1]));
    assert!(matches!(of_spoilt, Err(StoreError::Corrupt { table: "messages", .. })), "{of_spoilt:?}");
    assert_eq!(of_other.unwrap().unwrap().body, "My sink is blocked");
}

#[tokio::test]
async fn a_deadlock_is_a_conflict_of_the_batch_that_it_ends() {
    let test = OnPostgres::start().await;
    let talks = three_who_talk(&test).await;
    let [first, second, third] = talks.each_ref().map(|talk| talk.conversation().id);
    let (of_second, mut of_third) =
        (test.hold(Row::Conversation(second)).await, test.hold(Row::Conversation(third)).await);
    // The batch is the one that finds the deadlock.
    sqlx::query("SET deadlock_timeout = '60s'").execute(&mut of_third).await.unwrap();
    let texts = talks.each_ref().map(|talk| talk.text(&format!("SM{}2", talk.customer), "Hello?"));
    let commits = texts.each_ref().map(|text| text.commit());
    let crosses = async {
        test.transactions_wait(1).await;
        let first = sqlx::query("SELECT FROM conversations WHERE id = $1 FOR UPDATE").bind(first);
        let goes_on = async {
            test.transactions_wait(2).await;
            test.let_go(of_second).await;
        };
        let (locked, ()) = tokio::join!(first.execute(&mut of_third), goes_on);
        locked.unwrap();
        test.let_go(of_third).await;
    };
    let (committed, ()) = tokio::join!(test.store().commit(&commits, &[], Locks::Wait), crosses);
    assert_eq!(verdicts(&committed.unwrap()), ["conflict"; 3]);
}
