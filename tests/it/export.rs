//! The export of a customer: everything that an erasure reaches, page by page, and nothing of others.

use std::collections::{BTreeMap, BTreeSet};

use nevermisscall::internals::Kept;
use nmc_testbed::twilio::{new_call_sid, new_message_sid};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{
    App, BUSINESS, CUSTOMER, OUR_NUMBER, OWNER, Rest, business, customer, eventually, query, spawn_app,
};

const DIGITS: &str = "12125551234";

/// The tables without data about a customer, and why.
const OF_NOBODY: &[(&str, &str)] = &[
    ("_sqlx_migrations", "the schema"),
    ("alert_pace", "phones of businesses"),
    ("api_keys", "the App Server's"),
    ("business_numbers", "numbers of businesses"),
    ("businesses", "the App Server's own documents"),
    ("call_slots", "Twilio accounts, and times"),
    ("day_use", "counts"),
    ("dead_letter_replays", "ids of letters"),
    ("erasure_secret", "a secret"),
    ("inbox", "ids of inputs, and hashes"),
    ("ladder_calls", "ids, and phones of people of businesses"),
    ("owner_codes", "ids of conversations, and codes"),
    ("paired_texts", "ids of messages and of Twilio"),
    ("recovery", "times"),
    ("released_numbers", "numbers of businesses"),
    ("sender_slots", "numbers of businesses"),
    ("waiting_webhooks", "an export and an erasure wait until nothing of the customer is there"),
];

async fn export(rest: &Rest, pairs: &[(&str, &str)]) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let cursor_pair = cursor.as_deref().map(|cursor| ("cursor", cursor));
        let pairs: Vec<(&str, &str)> = pairs.iter().copied().chain(cursor_pair).collect();
        let page = rest.get(&query(&format!("/customers/{CUSTOMER}/export"), &pairs)).await.ok();
        all.extend(page["export"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return all,
        }
    }
}

fn places(items: &[Value]) -> BTreeSet<String> {
    items.iter().map(|item| item["kept_in"].as_str().unwrap().to_owned()).collect()
}

/// A customer of whom something is kept in every place.
async fn a_known_customer(app: &App) {
    app.miss_call(CUSTOMER).await;
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    // It comes by a conversation of Twilio.
    let flooding = "The basement is flooding at 12 Mulberry Lane";
    app.servers.twilio.converse(CUSTOMER, OUR_NUMBER, flooding).await.unwrap();
    app.wait_for_event("emergency.detected").await;
    app.wait_for_event_of(CUSTOMER, 2, "message.delivered").await;
    let id = app.conversation_of(CUSTOMER).await["id"].as_str().unwrap().to_owned();
    let end = json!({ "user_id": "joe", "outcome": "booked", "summary": "She lives in Mulberry Lane." });
    let path = format!("/conversations/{id}/complete");
    app.rest.send_with(Method::POST, &path, &end, ("idempotency-key", "k1")).await.ok();
    app.webhook().incoming_call(&new_call_sid(), CUSTOMER, OUR_NUMBER, "ringing").await.unwrap();
    app.webhook().sms(&new_message_sid(), CUSTOMER, "+15555559999", "Is this Mulberry Lane?").await.unwrap();
    app.wait_for_dead(1).await;
    let never = format!("/businesses/{BUSINESS}/never-text/{CUSTOMER}");
    assert_eq!(app.rest.send(Method::PUT, &never, None).await.status, 204);
    // A key without the scope `numbers`: the phone has to answer a code first.
    let (_, scoped) = app.key(Some(&[BUSINESS]), true).await;
    let mut with_contact = business();
    with_contact["emergency_contacts"] = json!([CUSTOMER]);
    scoped.put(&format!("/businesses/{BUSINESS}"), &with_contact).await.ok();
    let mut sql = app.servers.sql().await;
    sqlx::query("INSERT INTO confirmed_phones (business_id, phone) VALUES ($1, $2)")
        .bind(BUSINESS)
        .bind(CUSTOMER)
        .execute(&mut sql)
        .await
        .unwrap();
    sqlx::query(
        r"INSERT INTO owner_texts (input_id, business_id, phone, words_hash, plan)
          SELECT 'sms:' || id::text, business_id, $2, '\x01'::bytea, jsonb_build_object('do', 'take_over', 'conversation', id)
          FROM conversations WHERE customer_phone = $1",
    )
    .bind(CUSTOMER)
    .bind(OWNER)
    .execute(&mut sql)
    .await
    .unwrap();
    let opt_out = json!({ "business_id": BUSINESS, "customer_phone": CUSTOMER, "source": "mail" });
    app.rest.send(Method::POST, "/opt-outs", Some(&opt_out)).await.ok();
    app.settled().await;
    let mut sql = app.servers.sql().await;
    eventually("the code is settled", async || {
        let states: Vec<String> =
            sqlx::query_scalar("SELECT state FROM phone_codes").fetch_all(&mut sql).await.unwrap();
        states.iter().any(|state| state != "waiting" && state != "sending").then_some(())
    })
    .await;
    // Effects are deleted soon after they are published.
    sqlx::query(
        "INSERT INTO outbox (key, subject, headers, payload, published_at)
         SELECT id, 'nmc.event.x.y', '{}', jsonb_build_object('customer_phone', customer_phone), now() FROM conversations",
    )
    .execute(&mut sql)
    .await
    .unwrap();
}

/// The tables with a row that has one of these words.
async fn tables_with(app: &App, words: &[&str]) -> BTreeMap<String, String> {
    let mut sql = app.servers.sql().await;
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename";
    let mut found = BTreeMap::new();
    for table in sqlx::query_scalar::<_, String>(tables).fetch_all(&mut sql).await.unwrap() {
        let rows = sqlx::AssertSqlSafe(format!("SELECT to_jsonb(t)::text FROM \"{table}\" t"));
        let rows = sqlx::query_scalar::<_, String>(rows).fetch_all(&mut sql).await.unwrap();
        found.extend(rows.into_iter().find(|row| words.iter().any(|word| row.contains(word))).map(|row| (table, row)));
    }
    found
}

#[tokio::test]
async fn every_table_is_in_the_one_list_or_has_no_data_of_a_customer() {
    let app = spawn_app().await;
    let mut sql = app.servers.sql().await;
    let found: BTreeSet<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
            .fetch_all(&mut sql)
            .await
            .unwrap()
            .into_iter()
            .collect();
    let kept = Kept::ALL.iter().filter_map(|kept| kept.table());
    let known: Vec<&str> = kept.chain(OF_NOBODY.iter().map(|(table, _)| *table)).collect();
    let listed: BTreeSet<String> = known.iter().map(|table| (*table).to_owned()).collect();
    assert_eq!((known.len(), &found), (listed.len(), &listed), "a table is listed once, here or in src/store/kept.rs");
}

#[tokio::test]
async fn what_an_export_has_an_erasure_reaches_and_nothing_else_names_the_customer() {
    let app = spawn_app().await;
    a_known_customer(&app).await;
    let items = export(&app.rest, &[("limit", "200")]).await;
    let expected: BTreeSet<String> =
        Kept::ALL.iter().filter(|kept| **kept != Kept::ErasedOptOuts).map(|kept| kept.to_string()).collect();
    assert_eq!(places(&items), expected);
    for (table, row) in tables_with(&app, &[DIGITS, "Mulberry"]).await {
        assert!(expected.contains(&table), "not in the export: {table}: {row}");
    }
    let has = |place: &str, word: &str| {
        items.iter().any(|item| item["kept_in"] == place && item["data"].to_string().contains(word))
    };
    assert!(has("messages", "12 Mulberry Lane") && has("conversations", "She lives in"));
    assert!(has("dead_letters", "Mulberry") && has("event_log", "message.received"));
    assert!(has("audit", "recorded_an_opt_out") && has("calls", DIGITS));
    assert!(!items.iter().any(|item| item["data"].to_string().contains("code_hash")), "a secret");

    app.rest.send(Method::DELETE, &format!("/customers/{CUSTOMER}"), None).await.ok();
    let left = export(&app.rest, &[]).await;
    let expected = [Kept::ErasedOptOuts, Kept::NeverText].map(|kept| kept.to_string());
    assert_eq!(places(&left), BTreeSet::from(expected), "{left:?}");
}

#[tokio::test]
async fn what_the_owner_was_told_of_several_customers_is_exported_without_its_text() {
    let app = App::setup().set("NMC_WINDOW_HOLD", "60s").set("NMC_WINDOW_MAX", "90s").start().await;
    app.put_business(BUSINESS, &business()).await;
    let other = customer(1);
    for from in [CUSTOMER, other.as_str()] {
        app.text(from, "My sink is blocked").await;
        app.conversation_of(from).await;
    }
    app.text(OWNER, "LIST").await;
    let list = app.wait_for_sms(OWNER, 1).await.remove(0).body;
    assert!(list.contains(CUSTOMER) && list.contains(&other), "{list}");
    app.settled().await;
    let items = export(&app.rest, &[]).await;
    let told: Vec<&Value> = items.iter().filter(|item| item["data"]["kind"] == "owner_notice").collect();
    assert_eq!((told.len(), &told[0]["data"]["body"]), (1, &Value::Null), "{items:?}");
    assert!(items.iter().all(|item| !item.to_string().contains(&other)), "{items:?}");
}

#[tokio::test]
async fn small_pages_have_what_a_large_one_has() {
    let app = spawn_app().await;
    a_known_customer(&app).await;
    let whole = export(&app.rest, &[("limit", "200")]).await;
    assert!(whole.len() > 20, "{}", whole.len());
    for limit in ["1", "3", "7"] {
        assert_eq!(export(&app.rest, &[("limit", limit)]).await, whole, "{limit} at a time");
    }
    let mut seen = Vec::new();
    for item in &whole {
        assert!(!seen.contains(item), "twice: {item}");
        seen.push(item.clone());
    }
}

#[tokio::test]
async fn an_export_has_only_what_the_businesses_of_the_key_have() {
    let app = spawn_app().await;
    let other = json!({ "name": "Other", "user_id": "u", "phone_numbers": ["+15555557777"], "forward_to": "+15555558888",
        "timezone": "America/New_York", "trade": "plumbing" });
    app.put_business("other", &other).await;
    a_known_customer(&app).await;
    app.webhook().sms(&new_message_sid(), CUSTOMER, "+15555557777", "Also a pear tree").await.unwrap();
    app.wait_for_event_of(CUSTOMER, 2, "message.received").await;
    app.text(&customer(7), "Somebody else's quince").await;
    app.settled().await;
    let (_, theirs) = app.key(Some(&["other"]), false).await;
    let seen = export(&theirs, &[]).await;
    assert!(!seen.is_empty() && seen.iter().all(|item| item["data"]["business_id"] != BUSINESS), "{seen:?}");
    let text = serde_json::to_string(&seen).unwrap();
    assert!(text.contains("pear tree") && !text.contains("Mulberry") && !places(&seen).contains("dead_letters"));
    let ours = export(&app.rest, &[("business_id", BUSINESS)]).await;
    let text = serde_json::to_string(&ours).unwrap();
    assert!(text.contains("Mulberry") && !text.contains("pear tree"));
    let all = serde_json::to_string(&export(&app.rest, &[]).await).unwrap();
    assert!(all.contains("Mulberry") && all.contains("pear tree") && !all.contains("quince"));
    let path = query(&format!("/customers/{CUSTOMER}/export"), &[("business_id", BUSINESS)]);
    assert_eq!(theirs.get(&path).await.status, 404);
}

#[rstest]
#[case::no_number("/customers/555/export", "phone")]
#[case::no_cursor("/customers/+12125551234/export?cursor=x", "cursor")]
#[case::a_place_that_is_none("/customers/+12125551234/export?cursor=bm90aGluZzox", "cursor")] // nothing:1
#[case::no_entry_of_the_log("/customers/+12125551234/export?cursor=ZXZlbnRfbG9nOng", "cursor")] // event_log:x
#[tokio::test]
async fn what_cannot_be_exported_is_refused_by_the_name_of_its_field(#[case] path: &str, #[case] field: &str) {
    let app = spawn_app().await;
    let refused = app.rest.get(path).await;
    assert_eq!((refused.status, refused.error_code()), (400, "VALIDATION_FAILED"), "{}", refused.body);
    assert_eq!(refused.body["error"]["details"][0]["field"], field);
}
