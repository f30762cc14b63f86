//! PostgreSQL with a streaming replica: the service goes on after a failover, and REST reads from the replica.

use nevermisscall::internals::Store;
use nmc_testbed::servers::{PostgresServer, Shared};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::harness::{App, CUSTOMER, eventually, query, spawn_app_with};
use crate::metrics::{Scrape, wait_for_value};

pub const DATABASE: &str = "nmc";
const ANOTHER_CUSTOMER: &str = "+12125550177";
const FROM_REPLICA: &str = r#"nmc_db_reads_total{from="replica"}"#;
const FROM_PRIMARY: &str = r#"nmc_db_reads_total{from="primary"}"#;

/// A migrated primary and its replica.
pub async fn primary_and_replica(is_synchronous: bool) -> (PostgresServer, PostgresServer) {
    let primary = Shared::from_env().unwrap().durable_postgres().await.unwrap();
    let store = Store::owner(&primary.create_database(DATABASE, None).await.unwrap()).unwrap();
    store.migrate().await.unwrap();
    store.close().await;
    let replica = primary.start_temporary_replica("replica", is_synchronous).await.unwrap();
    (primary, replica)
}

async fn execute(server: &PostgresServer, statement: &str) {
    let mut sql = PgConnection::connect(&server.url()).await.unwrap();
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut sql).await.unwrap();
}

#[tokio::test]
async fn after_a_failover_the_service_goes_on_with_the_replica_by_itself() {
    let (mut primary, replica) = primary_and_replica(true).await;
    // The replica is the first in the list, and is not used while it is one.
    let url = PostgresServer::failover_url(&[&replica, &primary], DATABASE);
    let app = spawn_app_with(&[("DATABASE_URL", &url)]).await;
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_sms(CUSTOMER, 1).await;
    primary.kill().await.unwrap();
    replica.promote().await.unwrap();
    app.text(ANOTHER_CUSTOMER, "The tap drips").await;
    app.wait_for_sms(ANOTHER_CUSTOMER, 1).await;
    let before = app.conversation_of(CUSTOMER).await;
    assert_eq!(app.messages(before["id"].as_str().unwrap()).await[0]["body"], "My sink is blocked");
}

#[tokio::test]
async fn a_command_line_finds_the_primary_among_several_hosts() {
    let (primary, replica) = primary_and_replica(true).await;
    let url = PostgresServer::failover_url(&[&replica, &primary], DATABASE);
    let output = crate::harness::run(&["keys", "create", "--name", "k"], &[("DATABASE_URL".to_owned(), url)]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The conversations of a customer, as a read that wants no old answer sees them, or any.
async fn conversations(app: &App, customer: &str, cache_control: &str) -> usize {
    let path = query("/conversations", &[("customer_phone", customer)]);
    let list = app.rest.send_with(Method::GET, &path, &json!({}), ("cache-control", cache_control)).await.ok();
    list["conversations"].as_array().unwrap().len()
}

async fn wait_for_conversation(app: &App, customer: &str, cache_control: &str) {
    eventually("the conversation", async || (conversations(app, customer, cache_control).await == 1).then_some(()))
        .await;
}

#[tokio::test]
async fn a_replica_answers_reads_while_it_is_there_and_keeps_up() {
    let (primary, mut replica) = primary_and_replica(false).await;
    let (url, read_url) = (primary.database_url(DATABASE).unwrap(), replica.database_url(DATABASE).unwrap());
    let app = spawn_app_with(&[("DATABASE_URL", &url), ("DATABASE_READ_URL", &read_url)]).await;
    eventually("a read from the replica", async || {
        app.rest.get("/conversations").await.ok();
        Scrape::of(&app.rest).await.find(FROM_REPLICA).filter(|reads| *reads > 0.0)
    })
    .await;
    app.text(CUSTOMER, "My sink is blocked").await;
    wait_for_conversation(&app, CUSTOMER, "max-age=5").await;

    execute(&replica, "SELECT pg_wal_replay_pause()").await;
    let sid = app.text(ANOTHER_CUSTOMER, "The tap drips").await;
    wait_for_conversation(&app, ANOTHER_CUSTOMER, "no-cache").await;
    let found: Value = app.rest.get(&query("/messages", &[("twilio_sid", &sid)])).await.ok();
    assert_eq!(found["body"], "The tap drips", "what the replica does not have yet");
    // When the replica is known to be behind, the primary answers lists as well.
    wait_for_conversation(&app, ANOTHER_CUSTOMER, "max-age=5").await;

    execute(&replica, "SELECT pg_wal_replay_resume()").await;
    let before = Scrape::of(&app.rest).await.value(FROM_REPLICA);
    eventually("a read from the replica again", async || {
        app.rest.get("/conversations").await.ok();
        Scrape::of(&app.rest).await.find(FROM_REPLICA).filter(|reads| *reads > before)
    })
    .await;
    replica.kill().await.unwrap();
    let before = Scrape::of(&app.rest).await.value(FROM_PRIMARY);
    assert_eq!(conversations(&app, CUSTOMER, "max-age=5").await, 1);
    wait_for_value(&app.rest, FROM_PRIMARY, |reads| reads > before).await;
}
