//! PostgreSQL killed or frozen. Each test has its own server: a killed server refuses connections and a frozen one does
//! not answer, while a closed database would report an error at once.

use std::time::{Duration, Instant};

use futures::future::join_all;
use nevermisscall::internals::Store;
use nmc_testbed::servers::{PostgresServer, Shared, Signal};
use nmc_testbed::twilio::new_message_sid;
use sqlx::{Connection, PgConnection};

use crate::harness::{App, CUSTOMER, OUR_NUMBER, OWNER, customer, eventually, wait_for_stored};
use crate::missing::{assert_texts, wait_for_health};

/// The longest that Twilio may wait for an answer during the outage; it gives up after 15 s.
const PATIENCE_OF_A_CALLER: Duration = Duration::from_secs(5);
/// 20 s to drain, plus the time to close connections.
const BOUND_OF_A_STOP: Duration = Duration::from_secs(26);

async fn start() -> (PostgresServer, App) {
    let postgres = Shared::from_env().unwrap().durable_postgres().await.unwrap();
    let url = postgres.create_database("nmc", None).await.unwrap();
    let store = Store::owner(&url).unwrap();
    store.migrate().await.unwrap();
    store.close().await;
    let app = App::setup().set("DATABASE_URL", &url).start().await;
    wait_for_stored(&app.servers, "KV_NMC_BUSINESSES", 1).await;
    (postgres, app)
}

/// Asserts that a webhook is accepted and a call is put through before a caller hangs up, and that REST answers 503.
async fn assert_goes_on(app: &App, text: &str) {
    let asked = Instant::now();
    app.text(CUSTOMER, text).await;
    assert!(asked.elapsed() < PATIENCE_OF_A_CALLER, "a text: {:?}", asked.elapsed());
    let asked = Instant::now();
    let call = app.servers.twilio.call(&customer(1), OUR_NUMBER, "completed").await.unwrap();
    assert_eq!((call.ringing.status, call.dialled.as_deref()), (200, Some(OWNER)));
    assert!(asked.elapsed() < PATIENCE_OF_A_CALLER, "a call: {:?}", asked.elapsed());
    let list = app.rest.get("/conversations").await;
    assert_eq!((list.status, list.error_code()), (503, "UNAVAILABLE"));
}

#[tokio::test]
async fn killed_it_is_waited_for() {
    let (mut postgres, app) = start().await;
    postgres.kill().await.unwrap();
    assert_goes_on(&app, "one").await;
    wait_for_health(&app, "postgres", "down").await;
    assert_goes_on(&app, "two").await;
    postgres.restart().await.unwrap();
    wait_for_health(&app, "postgres", "healthy").await;
    app.wait_for_event_of(CUSTOMER, 2, "message.received").await;
    assert_texts(&app, CUSTOMER, &["one", "two"]).await;
}

#[tokio::test]
async fn frozen_it_is_waited_for() {
    let (postgres, app) = start().await;
    postgres.signal(Signal::Stop).unwrap();
    assert_goes_on(&app, "one").await;
    wait_for_health(&app, "postgres", "down").await;
    assert_goes_on(&app, "two").await;
    postgres.signal(Signal::Cont).unwrap();
    wait_for_health(&app, "postgres", "healthy").await;
    app.wait_for_event_of(CUSTOMER, 2, "message.received").await;
    assert_texts(&app, CUSTOMER, &["one", "two"]).await;
}

/// Running work waits for an answer that never arrives, and holds its connection.
#[tokio::test]
async fn frozen_it_does_not_keep_a_process_from_ending() {
    let (postgres, mut app) = start().await;
    let texts = join_all((0..100).map(|number| {
        let webhook = app.webhook();
        async move { webhook.sms(&new_message_sid(), &customer(number), OUR_NUMBER, "one").await.unwrap().status }
    }));
    assert_eq!(texts.await, [200; 100]);
    postgres.signal(Signal::Stop).unwrap();
    let asked = Instant::now();
    app.stop().await;
    assert!(asked.elapsed() < BOUND_OF_A_STOP, "{:?}", asked.elapsed());
    postgres.signal(Signal::Cont).unwrap();
}

/// What others write on a connection within a forgotten transaction would be lost.
#[tokio::test]
async fn requests_that_are_given_up_while_it_is_frozen_leave_no_transaction_open() {
    let (postgres, app) = start().await;
    assert_eq!(app.rest.get("/conversations").await.status, 200);
    postgres.signal(Signal::Stop).unwrap();
    let given_up = (0..8).map(|_| tokio::time::timeout(Duration::from_millis(300), app.rest.get("/conversations")));
    assert!(join_all(given_up).await.iter().all(Result::is_err), "it answers");
    postgres.signal(Signal::Cont).unwrap();
    wait_for_health(&app, "postgres", "healthy").await;
    let mut sql = PgConnection::connect(&postgres.database_url("nmc").unwrap()).await.unwrap();
    eventually("no open transaction", async || {
        let open = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'";
        let open = sqlx::query_scalar::<_, i64>(open).fetch_one(&mut sql).await.ok()?;
        (open == 0).then_some(())
    })
    .await;
}
