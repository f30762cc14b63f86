//! The list of conversations: every combination of filters finds what a search of all rows finds, and is fast where few
//! match, too.

use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::harness::{App, Rest, query, spawn_app};

const COLUMNS: &str = "id, business_id, user_id, customer_phone, business_phone, status, ownership, ai_timer_started,
    emergency_detected, opted_out, created_at, last_activity, version, event_sequence, epoch, hard_epoch, rules_state";

/// Adds conversations of `n` in this range; `which` gives business, customer, status, ownership and age.
async fn add(sql: &mut PgConnection, up_to: i32, which: &str) {
    let insert = format!(
        "INSERT INTO conversations ({COLUMNS})
         SELECT gen_random_uuid(), business, 'u', customer, '+1555' || lpad(n::text, 7, '0'), status, ownership, true, false,
           false, now() - age, now() - age, 1, 0, 0, 0, '{{}}'
         FROM generate_series(1, {up_to}) n CROSS JOIN LATERAL (SELECT {which}) AS which (business, customer, status, ownership, age)"
    );
    sqlx::query(AssertSqlSafe(insert)).execute(&mut *sql).await.unwrap();
    sqlx::query("VACUUM ANALYZE conversations").execute(sql).await.unwrap();
}

/// Conversations of 80 businesses: two of them large, with every status and ownership; several with the same time.
const MIXED: &str =
    "CASE WHEN n % 3 = 0 THEN 'b' || n % 80 ELSE 'big' || n % 2 END, '+1212555' || lpad((n % 7)::text, 4, '0'),
    (ARRAY['active', 'ai_handling', 'user_handling', 'completed', 'completed'])[1 + n % 5],
    (ARRAY['none', 'ai', 'user'])[1 + (n / 5) % 3], (n / 2) * interval '1 minute'";

/// All pages of a list.
async fn pages(rest: &Rest, filter: &[(&str, &str)]) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut pairs = filter.to_vec();
        pairs.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = rest.get(&query("/conversations", &pairs)).await.ok();
        found.extend(page["conversations"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return found,
        }
    }
}

fn matches(conversation: &Value, filter: &[(&str, &str)]) -> bool {
    filter.iter().all(|(name, value)| match *name {
        "limit" => true,
        "since" => conversation["last_activity"].as_str().unwrap() >= *value,
        name => conversation[name] == *value,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_combination_of_filters_finds_what_a_search_of_all_finds() {
    let app = spawn_app().await;
    let mut sql = app.servers.sql().await;
    add(&mut sql, 400, MIXED).await;
    let all = pages(&app.rest, &[("limit", "200")]).await;
    assert_eq!(all.len(), 400);
    let in_order = |pair: &[Value]| {
        let key = |c: &Value| (c["last_activity"].as_str().unwrap().to_owned(), c["id"].as_str().unwrap().to_owned());
        key(&pair[0]) > key(&pair[1])
    };
    assert!(all.windows(2).all(in_order));
    let many: Vec<String> = (0..79).map(|n| format!("b{n}")).chain(["big1".to_owned()]).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let (_, of_few) = app.key(Some(&["big1", "b3"]), false).await;
    let (_, of_many) = app.key(Some(&many), false).await;
    let since = all[150]["last_activity"].as_str().unwrap();
    let mut found_some = 0;
    for (rest, theirs) in [(&app.rest, None), (&of_few, Some(&["big1", "b3"][..])), (&of_many, Some(&many[..]))] {
        for business in [None, Some("big0"), Some("b3"), Some("nobody")] {
            for customer in [None, Some("+12125550003")] {
                for status in [None, Some("active"), Some("completed")] {
                    for (ownership, since) in
                        [(None, None), (Some("user"), None), (None, Some(since)), (Some("ai"), Some(since))]
                    {
                        let filter: Vec<(&str, &str)> = [
                            ("business_id", business),
                            ("customer_phone", customer),
                            ("status", status),
                            ("ownership", ownership),
                            ("since", since),
                            ("limit", Some("40")),
                        ]
                        .into_iter()
                        .filter_map(|(name, value)| Some((name, value?)))
                        .collect();
                        let is_theirs =
                            |c: &Value| theirs.is_none_or(|ids| ids.iter().any(|id| c["business_id"] == *id));
                        let wanted: Vec<&Value> = all.iter().filter(|c| is_theirs(c) && matches(c, &filter)).collect();
                        let found = pages(rest, &filter).await;
                        assert_eq!(found.iter().collect::<Vec<_>>(), wanted, "{filter:?} of {theirs:?}");
                        found_some += usize::from(!found.is_empty());
                    }
                }
            }
        }
    }
    assert!(found_some > 100, "{found_some}");
}

/// A million conversations of two thousand businesses, from one of hundreds of thousands to one of a few; nearly all are
/// completed, and those that a person handles are old.
const MILLION: &str = "'b' || (2000 * power((n::bigint * 7919 % 1000003) / 1000003.0, 3))::int,
    '+1212' || lpad((n % 400000)::text, 7, '5'),
    CASE WHEN n % 1000 = 7 AND n > 500000 THEN 'user_handling' WHEN n % 50 = 3 AND n < 100000 THEN 'ai_handling'
         WHEN n < 200 AND n % 5 = 0 THEN 'active' ELSE 'completed' END,
    CASE WHEN n % 1000 = 7 AND n > 500000 THEN 'user' WHEN n % 50 = 3 AND n < 100000 THEN 'ai'
         WHEN n < 200 AND n % 5 = 0 THEN 'none' ELSE (ARRAY['ai', 'user', 'none'])[1 + n % 3] END,
    n * interval '2 seconds'";

/// What the 95th percentile of a list is to be at most on an idle machine, and how much longer it may take on a busy one. A
/// list without its index takes longer than both.
const BOUND: Duration = Duration::from_millis(10);
const BUSY_FACTOR: u32 = 5;

/// The median and the 95th percentile of the service's time for a list.
async fn timed(app: &App, http: &reqwest::Client, filter: &[(&str, &str)]) -> (Duration, Duration) {
    let url = format!("{}{}", app.rest.base(), query("/conversations", filter));
    let mut times = Vec::new();
    for _ in 0..100 {
        let begun = Instant::now();
        let answer = http.get(&url).bearer_auth(crate::harness::API_KEY).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap();
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    (times[49], times[94])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: make lists"]
async fn a_million_conversations_are_listed_by_every_combination_of_filters() {
    let app = spawn_app().await;
    let mut sql = app.servers.sql().await;
    add(&mut sql, 1_000_000, MILLION).await;
    let wait =
        "UPDATE conversations SET waiting_since = last_activity WHERE status <> 'completed' AND ownership <> 'ai'";
    sqlx::query(wait).execute(&mut sql).await.unwrap();
    let emergencies = "UPDATE conversations SET emergency_detected = true WHERE status = 'user_handling'";
    sqlx::query(emergencies).execute(&mut sql).await.unwrap();
    sqlx::query("VACUUM ANALYZE conversations").execute(&mut sql).await.unwrap();
    let http = nmc_testbed::sim::http_client(Duration::from_secs(10)).unwrap();
    let recent = (chrono::Utc::now() - chrono::TimeDelta::hours(1)).to_rfc3339();
    let deep = pages_to(&app, 20).await;
    let mut slowest = (Duration::ZERO, Vec::new());
    for business in [None, Some("b0"), Some("b1900"), Some("nobody")] {
        for customer in [None, Some("+12125555007")] {
            for status in [None, Some("active"), Some("ai_handling"), Some("user_handling"), Some("completed")] {
                for ownership in [None, Some("ai"), Some("user"), Some("none")] {
                    for (since, cursor, sort) in [
                        (None, None, None),
                        (Some(&recent), None, None),
                        (None, Some(&deep), None),
                        (Some(&recent), Some(&deep), None),
                        (None, None, Some("waiting")),
                        (Some(&recent), None, Some("waiting")),
                        (None, None, Some("emergencies")),
                        (Some(&recent), None, Some("emergencies")),
                    ] {
                        let filter: Vec<(&str, &str)> = [
                            ("business_id", business),
                            ("customer_phone", customer),
                            ("status", status),
                            ("ownership", ownership),
                            ("sort", sort),
                            ("since", since.map(String::as_str)),
                            ("cursor", cursor.map(String::as_str)),
                        ]
                        .into_iter()
                        .filter_map(|(name, value)| Some((name, value?)))
                        .collect();
                        let (p50, p95) = timed(&app, &http, &filter).await;
                        println!("p50 {:.1} ms, p95 {:.1} ms  {filter:?}", ms(p50), ms(p95));
                        slowest = slowest.max((p95, filter.into_iter().map(|(n, v)| format!("{n}={v}")).collect()));
                    }
                }
            }
        }
    }
    println!("the slowest p95: {:.1} ms, {:?}", ms(slowest.0), slowest.1);
    assert!(slowest.0 <= BUSY_FACTOR * BOUND, "the p95 of {:?} is {:.1} ms", slowest.1, ms(slowest.0));
}

/// The cursor after this many pages.
async fn pages_to(app: &App, count: usize) -> String {
    let mut cursor = None::<String>;
    for _ in 0..count {
        let pairs: Vec<(&str, &str)> = cursor.as_deref().map(|cursor| ("cursor", cursor)).into_iter().collect();
        let page = app.rest.get(&query("/conversations", &pairs)).await.ok();
        cursor = page["next_cursor"].as_str().map(str::to_owned);
    }
    cursor.unwrap()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
