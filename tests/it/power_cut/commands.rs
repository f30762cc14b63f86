//! Commands of the App Server, which are stored in PostgreSQL.

use futures::future::join_all;
use nmc_testbed::syscalls::{Exchange, Kept, Trace};
use nmc_testbed::twilio::{TwilioOptions, new_message_sid};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::answered::{Operation, kept_at_the_answers, lost};
use super::commits::{AUDIT_ROW, BUSINESS_ROW, Durable, Row};
use super::surroundings::{follow, start_service};
use crate::harness::{OUR_NUMBER, Rest, Servers, business, customer, eventually, query};

/// Conversations that get commands at the same time.
const CONVERSATIONS: u32 = 6;
/// For each: takeover, message, release, completion, and a PUT of a business.
const ANSWERS: usize = 5 * CONVERSATIONS as usize;
/// Commits of a session that does not ask for durability.
const CARELESS: usize = 10;
const CARELESS_ROW: Row = "SELECT xmin::text::bigint FROM careless WHERE marker = $1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answered_command_is_synced_before_its_answer() {
    let durable = Durable::start().await;
    let followed = follow_commands(&durable).await;
    let kept = kept_at_the_answers(&followed.trace, &followed.commands, Exchange::is_http_success);
    assert_eq!(kept.len(), ANSWERS);
    assert_eq!(lost(&kept), Vec::<&(String, Kept)>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_default_of_synchronous_commit_off_does_not_weaken_us() {
    let durable = Durable::start().await;
    let mut admin = durable.admin().await;
    // A setting of the database overrides the server's. The second setting avoids syncs that nobody asked for.
    for sql in [
        "ALTER DATABASE power_cut SET synchronous_commit = off",
        "ALTER SYSTEM SET wal_writer_delay = '10s'",
        "SELECT pg_reload_conf()",
    ] {
        sqlx::query(sql).execute(&mut admin).await.unwrap();
    }
    let followed = follow_commands(&durable).await;
    let ours = kept_at_the_answers(&followed.trace, &followed.commands, Exchange::is_http_success);
    assert_eq!(ours.len(), ANSWERS);
    assert_eq!(lost(&ours), Vec::<&(String, Kept)>::new());

    // Without our own setting, commands would be lost like these.
    let is_statement = |exchange: &Exchange| exchange.request.starts_with(b"Q");
    let careless = kept_at_the_answers(&followed.trace, &followed.careless, is_statement);
    assert_eq!(careless.len(), CARELESS);
    assert!(!lost(&careless).is_empty(), "{careless:?}");
}

/// The operations done while `strace` was attached.
struct Followed {
    trace: Trace,
    /// Over REST.
    commands: Vec<Operation>,
    /// In a session with the database's defaults.
    careless: Vec<Operation>,
}

async fn follow_commands(durable: &Durable) -> Followed {
    let servers = Servers::start(TwilioOptions::default()).await;
    // Long windows, so that the AI does not answer meanwhile.
    let changes =
        [("DATABASE_URL", durable.database_url.as_str()), ("NMC_WINDOW_HOLD", "60s"), ("NMC_WINDOW_MAX", "90s")];
    let (service, rest) = start_service(&servers, &changes).await;
    let conversations = join_all((0..CONVERSATIONS).map(|number| open(&servers, &rest, customer(number)))).await;
    let mut session = durable.session().await;
    sqlx::query("CREATE TABLE careless (marker text)").execute(&mut session).await.unwrap();
    durable.turn_the_page().await;

    let tracer = follow(&servers, &[durable.postgres.pid(), service.pid()]).await;
    let since = durable.end_of_log().await;
    let done = join_all((0..).zip(&conversations).map(|(number, id)| work_in(&rest, id, other_number(number)))).await;
    let careless = commit_carelessly(&mut session).await;
    let trace = tracer.stop().await.unwrap_or_else(|error| panic!("{error:#}"));

    let commands = durable.operations(&since, done.into_iter().flatten().collect()).await;
    let careless = durable.operations(&since, careless).await;
    Followed { trace, commands, careless }
}

/// Opens a conversation with a customer's first text.
async fn open(servers: &Servers, rest: &Rest, from: String) -> String {
    let client = servers.twilio.webhook_client(None).unwrap();
    let answer = client.sms(&new_message_sid(), &from, OUR_NUMBER, "My sink is blocked").await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let path = query("/conversations", &[("customer_phone", &from)]);
    eventually("a conversation", async || {
        Some(rest.get(&path).await.ok()["conversations"][0]["id"].as_str()?.to_owned())
    })
    .await
}

/// Sends every command of a person, each with a different name, and puts a business.
async fn work_in(rest: &Rest, id: &str, phone: String) -> Vec<(Row, String)> {
    let commands: [(&str, Value); 4] = [
        ("takeover", json!({ "reason": "I am there" })),
        ("messages", json!({ "body": "I can come at three" })),
        ("release", json!({})),
        ("complete", json!({ "outcome": "done" })),
    ];
    let mut done = Vec::new();
    for (command, mut body) in commands {
        let marker = format!("{command}-{}", Uuid::new_v4());
        body["user_id"] = json!(marker);
        rest.send(Method::POST, &format!("/conversations/{id}/{command}"), Some(&body)).await.ok();
        done.push((AUDIT_ROW, marker));
    }
    let marker = format!("business-{}", Uuid::new_v4());
    let mut other = business();
    other["phone_numbers"] = json!([phone]);
    rest.put(&format!("/businesses/{marker}"), &other).await.ok();
    done.push((BUSINESS_ROW, marker));
    done
}

/// A number of another business.
fn other_number(number: u32) -> String {
    format!("+1313666{number:04}")
}

async fn commit_carelessly(session: &mut PgConnection) -> Vec<(Row, String)> {
    let mut markers = Vec::new();
    for _ in 0..CARELESS {
        let marker = format!("careless-{}", Uuid::new_v4());
        let sql = format!("INSERT INTO careless VALUES ('{marker}')");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *session).await.unwrap();
        markers.push((CARELESS_ROW, marker));
    }
    markers
}
