//! Webhooks and requests without a valid signature or key, which once took the places of real calls.

use std::time::Duration;

use nmc_testbed::twilio::webhooks::params;
use nmc_testbed::twilio::{TwilioOptions, new_account_sid, new_call_sid};
use serde_json::json;
use tokio::task::JoinSet;
use url::form_urlencoded::Serializer;

use super::{Door, FORGED};
use crate::harness::{CUSTOMER, OUR_NUMBER, business};
use crate::signatures::{OWN_TOKEN, TOKEN_KEY};

const OWN_NUMBER: &str = "+15555558888";
/// More than there were places for calls, but few enough that all connections fit.
const FLOOD: usize = 600;

/// A call as Twilio posts it, with an invalid signature; complete, or without its body.
fn forged(account_sid: &str, whole: bool) -> Vec<u8> {
    let params = params::incoming_call(account_sid, &new_call_sid(), CUSTOMER, OUR_NUMBER, "ringing");
    let form = Serializer::new(String::new()).extend_pairs(params).finish();
    let head = format!(
        "POST /webhooks/twilio/call HTTP/1.1\r\nhost: x\r\nx-twilio-signature: {FORGED}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
        form.len()
    );
    if whole { (head + &form).into_bytes() } else { (head + &form[..20]).into_bytes() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_nobody_has_signed_take_no_place_of_real_ones() {
    let main = TwilioOptions::default();
    let door = Door::open(None, &[], main.clone()).await;
    let besiegers = door.besieged(FLOOD, &forged(&main.account_sid, false), true);
    door.stays_open().await;
    drop(besiegers);
    assert_eq!(door.metric("nmc_webhooks_shed_total{kind=\"call\"}").await, 0);
}

/// Each request names a different account, whose token must be looked up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_that_names_unknown_accounts_delays_no_call() {
    let sid = new_account_sid();
    let mut twilio = TwilioOptions::default();
    twilio.subaccounts.push((sid.clone(), OWN_TOKEN.to_owned()));
    let door = Door::open(None, &[("NMC_TOKEN_KEY", TOKEN_KEY)], twilio).await;
    let mut own = business();
    own["phone_numbers"] = json!([OWN_NUMBER]);
    own["twilio"] = json!({ "account_sid": sid, "auth_token": OWN_TOKEN });
    door.put("own-account", &own).await;
    let client = door.webhook(&sid, OWN_TOKEN);
    door.called_with(&client, OWN_NUMBER).await;
    let mut flood = JoinSet::new();
    for _ in 0..200 {
        let address = door.address.clone();
        let floods = async move {
            loop {
                let Ok(mut stream) = tokio::net::TcpStream::connect(&address).await else { continue };
                let requests: Vec<u8> = (0..20).flat_map(|_| forged(&new_account_sid(), true)).collect();
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, &requests).await;
                let mut answers = [0; 4096];
                while tokio::io::AsyncReadExt::read(&mut stream, &mut answers).await.is_ok_and(|bytes| bytes > 0) {}
            }
        };
        flood.spawn_on(floods, door.attackers());
    }
    // Calls of the main account, and calls of the known account.
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(6) {
        door.called().await;
        door.called_with(&client, OWN_NUMBER).await;
    }
    drop(flood);
    door.is_small();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_unknown_keys_delays_no_call_and_writes_nothing() {
    let door = Door::open(None, &[], TwilioOptions::default()).await;
    let mut flood = JoinSet::new();
    for n in 0..200 {
        let address = door.address.clone();
        let floods = async move {
            for m in 0_u64.. {
                let Ok(mut stream) = tokio::net::TcpStream::connect(&address).await else { continue };
                let key = format!("authorization: Bearer nmc_{n}_{m}\r\nhost: x\r\n");
                let get = format!("GET /conversations HTTP/1.1\r\n{key}\r\n");
                let command = format!(
                    "POST /conversations/{}/takeover HTTP/1.1\r\n{key}idempotency-key: {n}-{m}\r\nconnection: close\r\n\
                     content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}",
                    uuid::Uuid::nil()
                );
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, (get + &command).as_bytes()).await;
                let mut answers = [0; 4096];
                while tokio::io::AsyncReadExt::read(&mut stream, &mut answers).await.is_ok_and(|bytes| bytes > 0) {}
            }
        };
        flood.spawn_on(floods, door.attackers());
    }
    door.stays_open().await;
    drop(flood);
    let mut sql = door.servers.sql().await;
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM idempotency").fetch_one(&mut sql).await.expect("a count");
    assert_eq!(kept, 0);
}

/// `/health` needs no key, and probes every service.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_questions_for_health_delays_no_call() {
    let door = Door::open(None, &[], TwilioOptions::default()).await;
    let asks = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n".repeat(100)
        + "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let besiegers = door.besieged(300, asks.as_bytes(), true);
    door.stays_open().await;
    drop(besiegers);
}
