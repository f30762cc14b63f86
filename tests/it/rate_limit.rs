//! The rate limit of an API key: for all edges together by Redis, and by each edge alone while Redis does not answer.

use nevermisscall::internals::{KeyScope, Role, Store, generate_api_key, hash_api_key};
use nmc_testbed::servers::Signal;
use reqwest::Method;

use crate::harness::{Answer, App, Rest, eventually, run};

/// Two edges, and a client of each with the same new key.
async fn two_edges(rate: &str) -> (App, [Rest; 2]) {
    let roles = [Role::Edge, Role::Edge, Role::Worker];
    let app = App::setup().roles(roles).set("NMC_RATE_LIMIT", rate).start().await;
    let key = generate_api_key();
    let store = Store::owner(app.servers.database_url()).unwrap();
    store.create_api_key("shared", &hash_api_key(&key), &KeyScope::ALL).await.unwrap();
    let [one, other] = app.addresses()[..] else { panic!("two edges") };
    let clients = [one, other].map(|address| Rest::new(format!("http://{address}"), &key));
    (app, clients)
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// How many of these requests, one after the other, are accepted, each counted by `scope`.
async fn accepted(rest: &Rest, requests: usize, scope: &str) -> usize {
    let mut accepted = 0;
    for _ in 0..requests {
        let answer = rest.get("/businesses").await;
        assert_eq!(header(&answer, "ratelimit-scope"), scope, "{}", answer.status);
        accepted += usize::from(answer.status == 200);
    }
    accepted
}

#[tokio::test]
async fn two_edges_accept_together_what_one_key_may_make() {
    let (_app, [one, other]) = two_edges("20/min").await;
    let ask = |n: usize| {
        let rest = if n.is_multiple_of(2) { one.clone() } else { other.clone() };
        async move { rest.get("/businesses").await }
    };
    let answers = futures::future::join_all((0..30).map(ask)).await;
    let (fine, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((fine.len(), refused.len()), (20, 10));
    assert!(answers.iter().all(|answer| header(answer, "ratelimit-scope") == "all"));
    let mut left: Vec<u32> = fine.iter().map(|answer| header(answer, "ratelimit-remaining").parse().unwrap()).collect();
    left.sort_unstable();
    assert_eq!(left, (0..20).collect::<Vec<_>>(), "each edge knows of the other's");
    for answer in refused {
        assert_eq!((answer.status, answer.error_code()), (429, "RATE_LIMITED"));
        assert!((1..=60).contains(&header(answer, "retry-after").parse::<u64>().unwrap()));
    }
}

#[tokio::test]
async fn a_request_counts_for_one_unit_of_time() {
    let (_app, [one, other]) = two_edges("3/s").await;
    assert_eq!(accepted(&one, 3, "all").await, 3);
    eventually("one more is accepted", async || (other.get("/businesses").await.status == 200).then_some(())).await;
}

#[tokio::test]
async fn without_redis_each_edge_counts_alone_and_says_so() {
    let (mut app, [one, other]) = two_edges("20/min").await;
    assert_eq!(accepted(&one, 5, "all").await, 5);
    app.servers.redis.kill().await.unwrap();
    assert_eq!(accepted(&one, 20, "edge").await, 15, "what Redis had accepted from it counts");
    assert_eq!(accepted(&other, 25, "edge").await, 20);
    let metrics = app.rest.get_as("/metrics", "text/plain").await.body.as_str().unwrap_or_default().to_owned();
    assert!(metrics.contains("nmc_requests_counted_total{by=\"edge\"} 20"), "{metrics}");
    assert!(metrics.contains("nmc_requests_counted_total{by=\"redis\"}"), "{metrics}");
    app.servers.redis.restart().await.unwrap();
    eventually("Redis counts again", async || {
        (header(&one.get("/businesses").await, "ratelimit-scope") == "all").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_hangs_delays_nobody_for_long() {
    let (app, [one, _]) = two_edges("1000/min").await;
    assert_eq!(accepted(&one, 1, "all").await, 1);
    app.servers.redis.signal(Signal::Stop).unwrap();
    let began = std::time::Instant::now();
    assert_eq!(accepted(&one, 50, "edge").await, 50);
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
    app.servers.redis.signal(Signal::Cont).unwrap();
    eventually("Redis counts again", async || {
        (header(&one.get("/businesses").await, "ratelimit-scope") == "all").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_key_may_have_a_rate_of_its_own() {
    let (app, [_, other]) = two_edges("20/min").await;
    let env = [("DATABASE_URL".to_owned(), app.servers.database_url().to_owned())];
    let created = run(&["keys", "create", "--name", "slow", "--rate", "3/min"], &env).await;
    assert!(created.status.success(), "{created:?}");
    let printed = String::from_utf8(created.stdout).unwrap();
    let slow = other.with_key(printed.lines().last());
    let first = slow.send(Method::GET, "/businesses", None).await;
    assert_eq!((header(&first, "ratelimit-limit"), header(&first, "ratelimit-remaining")), ("3", "2"));
    assert_eq!(accepted(&slow, 5, "all").await, 2);
    assert_eq!(accepted(&other, 5, "all").await, 5, "other keys are not concerned");
    let listed = String::from_utf8(run(&["keys", "list"], &env).await.stdout).unwrap();
    assert!(listed.lines().any(|line| line.contains("slow") && line.ends_with("3/min")), "{listed}");
    for wrong in ["3", "0/min", "fast"] {
        assert!(!run(&["keys", "create", "--name", "odd", "--rate", wrong], &env).await.status.success(), "{wrong:?}");
    }
}
