//! Who tries one key after another is slowed, and nobody else.

use nmc_testbed::sim::http_client;
use reqwest::header::RETRY_AFTER;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{App, PATIENCE, spawn_app};

/// Failures that a peer may make at once.
const BURST: usize = 10;

/// Statuses of so many requests with keys that do not exist.
async fn guess(app: &App, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for n in 0..count {
        statuses.push(app.rest.with_key(Some(&format!("nmc_guess_{n}"))).get("/conversations").await.status);
    }
    statuses
}

#[tokio::test]
async fn who_has_guessed_ten_keys_waits_and_nothing_is_looked_up_or_read_for_them() {
    let app = spawn_app().await;
    assert_eq!(guess(&app, BURST).await, [401; BURST]);
    let refused = app.rest.with_key(Some("nmc_another_guess")).get("/conversations").await;
    assert_eq!((refused.status, refused.error_code()), (429, "RATE_LIMITED"));
    let seconds: u64 = refused.headers[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=7).contains(&seconds), "{seconds}");
    // The rest of the body never comes.
    let mut stream = TcpStream::connect(app.addresses()[0]).await.unwrap();
    let head = "PUT /businesses/x HTTP/1.1\r\nhost: x\r\nauthorization: Bearer nmc_guess\r\nidempotency-key: 1\r\n\
                content-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.expect("an answer").unwrap();
    assert_eq!(&answer, b"HTTP/1.1 429");
    // A look-up would end in 503.
    app.servers.database.take_away().await.unwrap();
    assert_eq!(app.rest.with_key(Some("nmc_one_more")).get("/conversations").await.status, 429);
    app.servers.database.give_back().await.unwrap();
}

#[tokio::test]
async fn a_valid_key_works_at_once_at_an_address_that_is_slowed() {
    let app = spawn_app().await;
    let (_, used) = app.key(None, true).await;
    assert_eq!(used.get("/conversations").await.status, 200);
    let (_, unused) = app.key(None, false).await;
    assert_eq!(guess(&app, BURST + 1).await[BURST], 429);
    for (rest, which) in [(&app.rest, "of the configuration"), (&used, "used before"), (&unused, "never used before")] {
        for _ in 0..BURST * 2 {
            assert_eq!(rest.get("/conversations").await.status, 200, "a key {which}");
        }
    }
    assert_eq!(guess(&app, 1).await, [429], "nor do valid keys give a guess back");
}

#[tokio::test]
async fn valid_keys_that_are_new_to_the_process_do_not_count() {
    let app = spawn_app().await;
    for _ in 0..BURST * 2 {
        let (_, fresh) = app.key(None, false).await;
        assert_eq!(fresh.get("/conversations").await.status, 200);
    }
    assert_eq!(guess(&app, BURST).await, [401; BURST]);
}

#[tokio::test]
async fn a_revoked_key_counts_like_one_that_never_was() {
    let app = spawn_app().await;
    let (id, revoked) = app.key(None, false).await;
    assert_eq!(revoked.get("/conversations").await.status, 200);
    let store = nevermisscall::internals::Store::lazy(app.servers.database.url()).unwrap();
    assert!(store.revoke_api_key(id).await.unwrap());
    // The first is found out by its look-up.
    for _ in 0..=BURST {
        assert_eq!(revoked.get("/conversations").await.status, 401);
    }
    assert_eq!(revoked.get("/conversations").await.status, 429);
}

/// The statuses of guesses that the given address makes, according to `X-Forwarded-For`.
async fn guess_from(app: &App, forwarded_for: &str, count: usize) -> Vec<u16> {
    let http = http_client(PATIENCE).unwrap();
    let mut statuses = Vec::new();
    for n in 0..count {
        let request = http.get(format!("{}/conversations", app.rest.base())).bearer_auth(format!("nmc_guess_{n}"));
        statuses.push(request.header("x-forwarded-for", forwarded_for).send().await.unwrap().status().as_u16());
    }
    statuses
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_is_slowed_for_itself() {
    let app = App::setup().set("NMC_TRUSTED_PROXIES", "127.0.0.0/8, ::1, 10.0.0.1").start().await;
    assert_eq!(guess_from(&app, "203.0.113.1", BURST + 1).await[BURST], 429);
    assert_eq!(guess_from(&app, "203.0.113.2, 203.0.113.1, 10.0.0.1", 1).await, [429], "what the client wrote itself");
    assert_eq!(guess_from(&app, "203.0.113.1, 203.0.113.2", 1).await, [401], "another client");
    assert_eq!(guess_from(&app, "2001:db8:1:2::1", BURST + 1).await[BURST], 429);
    assert_eq!(guess_from(&app, "2001:db8:1:2:ffff::2", 1).await, [429], "the same /64 network");
    assert_eq!(guess_from(&app, "2001:db8:1:3::1", 1).await, [401], "another network");
}

#[tokio::test]
async fn whom_a_stranger_names_in_x_forwarded_for_is_of_no_matter() {
    let app = spawn_app().await;
    assert_eq!(guess_from(&app, "203.0.113.1", BURST + 1).await[BURST], 429);
    assert_eq!(guess_from(&app, "203.0.113.2", 1).await, [429]);
}
