//! Lists over a hundred thousand conversations: read by index, and stable while others are added.

use sqlx::PgConnection;

use crate::harness::{App, OUR_NUMBER, eventually, query, spawn_app};

const MANY: i32 = 100_000;

/// Conversations of a thousand businesses and ten thousand customers, each with a message and a call, a second apart. The
/// service is stopped meanwhile: PostgreSQL reports a scan of a table that was still empty seconds later, or when its
/// connection has ended.
async fn with_many_conversations(app: &mut App) -> PgConnection {
    app.stop().await;
    let mut sql = app.servers.sql().await;
    eventually("the end of the service's connections", async || {
        let others = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
        let others: i64 = sqlx::query_scalar(others).fetch_one(&mut sql).await.unwrap();
        (others == 0).then_some(())
    })
    .await;
    let insert = [
        "INSERT INTO conversations (id, business_id, user_id, customer_phone, business_phone, status, ownership,
           ai_timer_started, emergency_detected, opted_out, created_at, last_activity, version, event_sequence, epoch,
           hard_epoch, rules_state)
         SELECT gen_random_uuid(), 'b' || n % 1000, 'u', '+1212' || lpad((n % 10000)::text, 7, '5'),
           '+1555' || lpad(n::text, 7, '0'), CASE WHEN n % 50 = 0 THEN 'active' ELSE 'completed' END,
           CASE WHEN n % 500 = 0 THEN 'user' ELSE 'ai' END, true, false, false, now() - n * interval '1 second',
           now() - n * interval '1 second', 1, 0, 0, 0, '{}'
         FROM generate_series(1, $1) n",
        "INSERT INTO calls (id, call_sid, business_id, customer_phone, business_phone, status, created_at, version,
           event_sequence)
         SELECT gen_random_uuid(), 'CA' || n, 'b' || n % 1000, '+1212' || lpad((n % 10000)::text, 7, '5'),
           '+15555550000', 'missed', now() - n * interval '1 second', 1, 0
         FROM generate_series(1, $1) n",
    ];
    for insert in insert {
        sqlx::query(insert).bind(MANY).execute(&mut sql).await.unwrap();
    }
    for table in ["conversations", "calls"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("VACUUM ANALYZE {table}"))).execute(&mut sql).await.unwrap();
    }
    app.start_again().await;
    sql
}

/// The numbers of sequential scans and index scans of a table.
async fn scans(sql: &mut PgConnection, table: &str) -> (i64, i64) {
    sqlx::query_as("SELECT seq_scan, coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = $1")
        .bind(table)
        .fetch_one(sql)
        .await
        .unwrap()
}

#[tokio::test]
async fn no_list_reads_its_table_from_end_to_end() {
    let mut app = spawn_app().await;
    let mut sql = with_many_conversations(&mut app).await;
    let (_, scoped) = app.key(Some(&["b7", "b8"]), false).await;
    let page = app.rest.get("/conversations?limit=200").await.ok();
    let deep = page["next_cursor"].as_str().unwrap();
    let since = chrono::Utc::now().to_rfc3339();
    let before = (scans(&mut sql, "conversations").await, scans(&mut sql, "calls").await);
    let mut asked = 0;
    // Often enough that PostgreSQL uses a generic plan for the prepared statement.
    for _ in 0..8 {
        for pairs in [
            vec![],
            vec![("business_id", "b7")],
            vec![("customer_phone", "+12125550007")],
            vec![("status", "active")],
            vec![("ownership", "user")],
            vec![("since", since.as_str())],
            vec![("cursor", deep)],
            vec![("business_id", "b7"), ("status", "completed"), ("cursor", deep)],
        ] {
            assert_eq!(app.rest.get(&query("/conversations", &pairs)).await.status, 200, "{pairs:?}");
            asked += 1;
        }
        assert_eq!(scoped.get("/conversations").await.ok()["conversations"].as_array().unwrap().len(), 50);
        for pairs in [vec![], vec![("business_id", "b7")], vec![("customer_phone", "+12125550007")]] {
            assert_eq!(app.rest.get(&query("/calls", &pairs)).await.status, 200, "{pairs:?}");
        }
    }
    // PostgreSQL reports its scans with a delay.
    for (table, (sequential, indexed), asked) in [("conversations", before.0, asked), ("calls", before.1, 24)] {
        let after = eventually("the statistics", async || {
            let (now_sequential, now_indexed) = scans(&mut sql, table).await;
            let told = now_sequential - sequential + now_indexed - indexed >= asked;
            told.then_some((now_sequential - sequential, now_indexed - indexed))
        });
        assert_eq!(after.await.0, 0, "{table} were read from end to end");
    }
}

#[tokio::test]
async fn what_is_added_meanwhile_neither_hides_nor_repeats_anything() {
    let app = spawn_app().await;
    for number in 0..12 {
        app.text(&crate::harness::customer(number), "Hello").await;
        app.wait_for_event_of(&crate::harness::customer(number), 1, "message.delivered").await;
    }
    app.settled().await;
    let all = app.rest.get("/conversations?limit=200").await.ok();
    let ids = |list: &serde_json::Value| -> Vec<String> {
        list["conversations"].as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap().to_owned()).collect()
    };
    let mut read = Vec::new();
    let mut cursor = None::<String>;
    loop {
        let path = match &cursor {
            Some(cursor) => query("/conversations", &[("limit", "5"), ("cursor", cursor)]),
            None => "/conversations?limit=5".to_owned(),
        };
        let page = app.rest.get(&path).await.ok();
        read.extend(ids(&page));
        // A new conversation is added between any two pages.
        app.webhook()
            .sms(
                &nmc_testbed::twilio::new_message_sid(),
                &format!("+1212555{:04}", 7000 + read.len()),
                OUR_NUMBER,
                "Hi",
            )
            .await
            .unwrap();
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!(read, ids(&all));
}
