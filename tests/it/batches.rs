//! Inputs are committed in batches: what holds up one of them holds up no other customer.

use rstest::rstest;
use sqlx::Connection;

use crate::harness::{App, customer, eventually, spawn_app};

/// The customers who write beside the one that is held up.
const NEIGHBOURS: std::ops::Range<u32> = 1..20;

async fn neighbours_are_heard(app: &App) {
    for number in NEIGHBOURS {
        app.text(&customer(number), "My sink is blocked").await;
    }
    for number in NEIGHBOURS {
        eventually("the neighbour's text", async || app.conversations_of(&customer(number)).await.into_iter().next())
            .await;
    }
}

/// As a worker does that stops in the middle of a transaction, or a machine that fails without closing its connections.
#[rstest]
#[case::its_conversation("SELECT 1 FROM conversations FOR UPDATE")]
#[case::the_id_of_its_input(
    "INSERT INTO inbox (id, outbox_keys) SELECT 'sms:SMffffffffffffffffffffffffffffffff', '{}'"
)]
#[tokio::test]
async fn what_another_transaction_has_locked_holds_up_its_own_customer_only(#[case] lock: &str) {
    let app = spawn_app().await;
    let held_up = customer(0);
    app.text(&held_up, "Hello").await;
    app.wait_for_sms(&held_up, 1).await;
    app.settled().await;
    let mut sql = app.servers.sql().await;
    let mut other = sql.begin().await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut *other).await.unwrap();
    let sid = "SMffffffffffffffffffffffffffffffff";
    let answer = app.webhook().sms(sid, &held_up, crate::harness::OUR_NUMBER, "Are you there?").await.unwrap();
    assert_eq!(answer.status, 200);
    neighbours_are_heard(&app).await;
    other.rollback().await.unwrap();
    app.wait_for_sms(&held_up, 2).await;
    app.settled().await;
    assert_eq!(app.sms_to(&held_up).len(), 2);
}
