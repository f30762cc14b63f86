//! Erasure: a customer's texts and identity are removed from every table, counts stay, and nobody who said STOP is
//! texted.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use nmc_testbed::dispatchbot::Fault as BotFault;
use nmc_testbed::sim::{Rule, Span};
use nmc_testbed::twilio::{Fault, new_call_sid, new_message_sid};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection};

use crate::harness::{App, BUSINESS, CUSTOMER, OUR_NUMBER, OWNER, business, customer, spawn_app, spawn_app_with};

const DIGITS: &str = "12125551234";

async fn erase(app: &App) -> Value {
    app.rest.send(Method::DELETE, &format!("/customers/{CUSTOMER}"), None).await.ok()
}

async fn command(app: &App, id: &str, name: &str, body: Value) -> Value {
    app.rest.send(Method::POST, &format!("/conversations/{id}/{name}"), Some(&body)).await.ok()
}

async fn tables(sql: &mut sqlx::PgConnection) -> Vec<String> {
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename";
    let found: Vec<String> = sqlx::query_scalar(tables).fetch_all(sql).await.unwrap();
    assert!(found.len() > 15, "{found:?}");
    found
}

/// Every row of every table in full; bytes appear as hexadecimal digits.
async fn dump(app: &App) -> String {
    let mut sql = app.servers.sql().await;
    let mut all = String::new();
    for table in tables(&mut sql).await {
        let rows = AssertSqlSafe(format!("SELECT to_jsonb(t)::text FROM \"{table}\" t"));
        for row in sqlx::query_scalar::<_, String>(rows).fetch_all(&mut sql).await.unwrap() {
            all.push_str(&format!("{table}: {row}\n"));
        }
    }
    sql.close().await.unwrap();
    all
}

/// The counts that must stay.
async fn counts(app: &App) -> BTreeMap<String, i64> {
    let mut sql = app.servers.sql().await;
    let mut counts = BTreeMap::new();
    for table in ["conversations", "messages", "windows", "window_steps", "calls", "analyses", "emergency_verdicts"] {
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        counts.insert(table.to_owned(), sqlx::query_scalar(count).fetch_one(&mut sql).await.unwrap());
    }
    sql.close().await.unwrap();
    counts
}

fn assert_nothing_of(dump: &str, words: &[String]) {
    let hex = |text: &str| -> String { text.bytes().map(|byte| format!("{byte:02x}")).collect() };
    for line in dump.lines() {
        for word in words {
            assert!(!line.contains(word.as_str()) && !line.contains(&hex(word)), "{word:?} is still in {line}");
        }
    }
}

#[tokio::test]
async fn no_table_holds_the_number_or_a_word_and_what_is_counted_stays() {
    let app = spawn_app().await;
    // A missed call, a conversation with an emergency, a person's reply, an end with a summary.
    app.miss_call(CUSTOMER).await;
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    app.text(CUSTOMER, "The basement is flooding at 12 Mulberry Lane").await;
    app.wait_for_event("emergency.detected").await;
    app.wait_for_event_of(CUSTOMER, 2, "message.delivered").await;
    let id = app.conversation_of(CUSTOMER).await["id"].as_str().unwrap().to_owned();
    let reply = json!({ "user_id": "joe", "body": "I will bring a Mulberry washer." });
    let path = format!("/conversations/{id}/messages");
    app.rest.send_with(Method::POST, &path, &reply, ("idempotency-key", "k1")).await.ok();
    app.wait_for_event_of(CUSTOMER, 3, "message.delivered").await;
    let end = json!({ "user_id": "joe", "outcome": "booked", "summary": "She lives in Mulberry Lane." });
    command(&app, &id, "complete", end).await;
    // A call without a text, and a dead letter.
    app.webhook().incoming_call(&new_call_sid(), CUSTOMER, OUR_NUMBER, "ringing").await.unwrap();
    app.webhook().sms(&new_message_sid(), CUSTOMER, "+15555559999", "Is this Mulberry Lane?").await.unwrap();
    app.wait_for_dead(1).await;
    app.settled().await;
    let bodies = app.messages(&id).await.into_iter().map(|message| message["body"].as_str().unwrap().to_owned());
    let mut words: Vec<String> = bodies.collect();
    words.extend([DIGITS, "Mulberry", "basement is flooding"].map(str::to_owned));
    let (before, counted) = (dump(&app).await, counts(&app).await);
    for word in &words {
        assert!(
            before.contains(word.as_str()) || before.contains(&word.replace('"', "\\\"")),
            "{word:?} was never there"
        );
    }
    assert!(counted.values().all(|count| *count > 0), "{counted:?}");

    let erased = erase(&app).await;
    let expected = json!({ "conversations": 1, "calls": 2, "opt_outs": 0, "dead_letters": 1 });
    for (name, count) in expected.as_object().unwrap() {
        assert_eq!(&erased[name], count, "{name}: {erased}");
    }
    // Alerts to the owner about the customer count too.
    assert_eq!(erased["messages"], json!(counted["messages"]));
    assert!(erased["log_entries"].as_u64().unwrap() > 5, "{erased}");
    app.settled().await;

    assert_nothing_of(&dump(&app).await, &words);
    assert_eq!(counts(&app).await, counted);
    assert!(app.rest.get("/dead-letters").await.ok()["dead_letters"].as_array().unwrap().is_empty());
    assert!(app.events.log().await.iter().all(|event| event["customer_phone"] != CUSTOMER), "the log in Redis");
    // The conversation can still be read, without its texts.
    let kept = app.conversation(&id).await;
    assert_eq!(
        (&kept["outcome"], &kept["summary"], &kept["status"]),
        (&json!("booked"), &Value::Null, &json!("completed"))
    );
    assert!(kept["customer_phone"].as_str().unwrap().starts_with("+999"), "{kept}");
    assert!(app.messages(&id).await.iter().all(|message| message["body"] == ""));
    assert_eq!(app.rest.get(&format!("/conversations/{id}/explain")).await.status, 200);
    let audit = app.rest.get(&format!("/conversations/{id}/audit?limit=200")).await.ok();
    let last = audit["audit"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["action"], &last["actor_id"]), (&json!("erased_the_customer"), &json!("a key of NMC_API_KEYS")));
    let mut sql = app.servers.sql().await;
    let recorded: Vec<Value> =
        sqlx::query_scalar("SELECT data FROM audit WHERE conversation_id IS NULL").fetch_all(&mut sql).await.unwrap();
    assert_eq!((recorded.len(), &recorded[0]["conversations"], &recorded[0]["calls"]), (1, &json!(1), &json!(2)));
    sql.close().await.unwrap();

    let nothing =
        json!({ "conversations": 0, "messages": 0, "calls": 0, "opt_outs": 0, "dead_letters": 0, "log_entries": 0 });
    assert_eq!(erase(&app).await, nothing, "it is done already");
}

#[tokio::test]
async fn what_the_owners_phone_was_told_and_wrote_names_the_customer_no_more() {
    let app = App::setup().set("NMC_WINDOW_HOLD", "60s").set("NMC_WINDOW_MAX", "90s").start().await;
    let mut ours = business();
    ours["policy"]["owner_sms"] = json!("all");
    app.put_business(BUSINESS, &ours).await;
    let other = customer(1);
    app.text(CUSTOMER, "The tap in Mulberry Lane drips").await;
    let relay = app.wait_for_sms(OWNER, 1).await.remove(0).body;
    app.text(&other, "No heat").await;
    app.wait_for_sms(OWNER, 2).await;
    // A list, a question, and the words for the customer.
    app.text(OWNER, "LIST").await;
    app.wait_for_sms(OWNER, 3).await;
    app.text(OWNER, "2 hours, ok?").await;
    app.wait_for_sms(OWNER, 4).await;
    let code = relay.split(' ').next().unwrap();
    app.text(OWNER, &format!("{code} I bring a Mulberry washer")).await;
    app.wait_for_sms(CUSTOMER, 1).await;
    app.wait_for_sms(OWNER, 5).await;
    app.settled().await;
    let told = app.sms_to(OWNER);
    assert_eq!(told.iter().filter(|sms| sms.body.contains(CUSTOMER)).count(), 4, "all but the other's relay: {told:?}");
    let words = [DIGITS.to_owned(), "Mulberry".to_owned()];
    let before = dump(&app).await;
    assert!(words.iter().all(|word| before.contains(word.as_str())));

    // The text, its relay, the owner's words and their confirmation; the list and the question.
    assert_eq!(erase(&app).await["messages"], 6);
    app.settled().await;
    assert_nothing_of(&dump(&app).await, &words);
    let mut sql = app.servers.sql().await;
    let forgotten: Vec<bool> = sqlx::query_scalar("SELECT words_hash = '' FROM owner_texts ORDER BY created_at")
        .fetch_all(&mut sql)
        .await
        .unwrap();
    assert_eq!(forgotten, [false, false, true], "only what was for the customer");
    // What the owner was told of others is still there, and so are their conversations.
    assert!(dump(&app).await.contains("No heat"));
    assert_eq!(app.conversation_of(&other).await["status"], "active");
    assert_eq!(app.sms_to(OWNER).len(), 5, "nothing more is sent");
    // An answer that was written at the same moment is reached by a repeated erasure.
    sqlx::query(
        "UPDATE messages SET body = $1 WHERE id = (SELECT m.id FROM messages m
           JOIN conversations own ON own.id = m.subject_conversation_id WHERE own.own_side LIMIT 1)",
    )
    .bind(format!("B2 {CUSTOMER} open"))
    .execute(&mut sql)
    .await
    .unwrap();
    sql.close().await.unwrap();
    let again = erase(&app).await;
    assert_eq!((&again["messages"], &again["conversations"]), (&json!(1), &json!(0)));
    assert_nothing_of(&dump(&app).await, &words);
}

#[tokio::test]
async fn who_said_stop_is_not_texted_after_erasure_either_until_they_say_start() {
    let app = spawn_app().await;
    app.text(CUSTOMER, "STOP").await;
    app.wait_for_event("conversation.opted_out").await;
    let erased = erase(&app).await;
    assert_eq!((&erased["opt_outs"], &erased["conversations"]), (&json!(1), &json!(1)));
    assert!(!dump(&app).await.contains(DIGITS));
    app.text(CUSTOMER, "my sink is blocked").await;
    app.events.nth(2, "message.received", |_| true).await;
    app.miss_call(CUSTOMER).await;
    app.wait_for_event("call.missed").await;
    app.settled().await;
    assert!(app.sms_to(CUSTOMER).is_empty());
    let conversation = app.conversation_of(CUSTOMER).await;
    assert_eq!(conversation["opted_out"], true);
    let body = json!({ "user_id": "u1", "body": "Joe here." });
    let path = format!("/conversations/{}/messages", conversation["id"].as_str().unwrap());
    assert_eq!(app.rest.send(Method::POST, &path, Some(&body)).await.error_code(), "OPTED_OUT");
    // Another business may still text them, and so may this one after START.
    app.text(CUSTOMER, "START").await;
    app.wait_for_event("conversation.opted_in").await;
    app.text(CUSTOMER, "my kitchen sink is blocked").await;
    app.wait_for_sms(CUSTOMER, 1).await;
}

#[tokio::test]
async fn who_writes_again_is_a_stranger() {
    let app = spawn_app().await;
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    let before = app.conversation_of(CUSTOMER).await;
    assert_eq!(erase(&app).await["conversations"], 1);
    assert!(app.conversations_of(CUSTOMER).await.is_empty());
    // Soon enough that the old conversation would otherwise be reopened.
    app.text(CUSTOMER, "Are you there?").await;
    app.wait_for_sms(CUSTOMER, 2).await;
    app.settled().await;
    let found = app.conversations_of(CUSTOMER).await;
    assert_eq!(found.len(), 1);
    assert_ne!(found[0]["id"], before["id"]);
    let asked = app.wait_for_questions(2).await;
    assert_eq!(
        asked[1]["messages"].as_array().map(Vec::len),
        Some(1),
        "DispatchBot is told nothing of before: {}",
        asked[1]
    );
}

#[tokio::test]
async fn an_open_window_ends_with_the_erasure_and_nothing_is_sent() {
    let app = spawn_app_with(&[("NMC_WINDOW_HOLD", "3s"), ("NMC_WINDOW_MAX", "4s")]).await;
    app.text(CUSTOMER, "My sink is blocked").await;
    let id = app.conversation_of(CUSTOMER).await["id"].as_str().unwrap().to_owned();
    assert_eq!(erase(&app).await["messages"], 1);
    // Its timer is still armed, but has no effect.
    app.settled().await;
    assert!(app.servers.twilio.messages().is_empty() && app.servers.dispatchbot.requests().is_empty());
    let conversation = app.conversation(&id).await;
    assert_eq!((&conversation["status"], &conversation["outcome"]), (&json!("completed"), &json!("erased")));
    assert_nothing_of(&dump(&app).await, &[DIGITS.to_owned(), "sink".to_owned()]);
}

#[tokio::test]
async fn an_answer_that_comes_after_the_erasure_is_neither_sent_nor_kept() {
    let app = spawn_app().await;
    app.servers.dispatchbot.add_rule(Rule::next(1, BotFault::Delay(Span::exactly(Duration::from_millis(1_500)))));
    app.servers.dispatchbot.script([json!({
        "success": true, "job_type": "drain_cleaning", "urgency_level": "normal", "emergency_detected": false,
        "message_to_customer": "I shall come to Mulberry Lane.", "confidence": 0.9,
    })]);
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_questions(1).await;
    assert_eq!(erase(&app).await["conversations"], 1);
    app.settled().await;
    assert!(app.servers.twilio.messages().is_empty());
    assert_eq!(counts(&app).await["analyses"], 1, "that it answered is kept");
    assert_nothing_of(&dump(&app).await, &[DIGITS.to_owned(), "sink".to_owned(), "Mulberry".to_owned()]);
}

#[tokio::test]
async fn a_message_that_is_at_twilio_is_waited_for() {
    let app = spawn_app().await;
    app.servers.twilio.add_rule(Rule::next(1, Fault::DropAfter));
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_sms(CUSTOMER, 1).await;
    let id = app.conversation_of(CUSTOMER).await["id"].as_str().unwrap().to_owned();
    assert_eq!(erase(&app).await["messages"], 2);
    app.settled().await;
    let statuses: Vec<_> = app.messages(&id).await.iter().map(|m| m["status"].as_str().unwrap().to_owned()).collect();
    assert!(statuses.iter().all(|status| ["received", "sent", "delivered"].contains(&status.as_str())), "{statuses:?}");
    assert_eq!(app.sms_to(CUSTOMER).len(), 1);
    assert_nothing_of(&dump(&app).await, &[DIGITS.to_owned(), "sink".to_owned()]);
}

#[tokio::test]
async fn a_call_that_rings_while_its_caller_is_erased_brings_nobody_a_text() {
    let app = spawn_app().await;
    let sid = new_call_sid();
    app.webhook().incoming_call(&sid, CUSTOMER, OUR_NUMBER, "ringing").await.unwrap();
    app.call(&sid).await;
    assert_eq!(erase(&app).await["calls"], 1);
    app.webhook().call_status(&sid, "no-answer", Some(CUSTOMER), Some(OUR_NUMBER), 0).await.unwrap();
    app.wait_for_event("call.missed").await;
    app.settled().await;
    assert!(app.servers.twilio.messages().is_empty());
    let call = app.call(&sid).await;
    assert_eq!((&call["status"], &call["customer_phone"]), (&json!("missed"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_while_a_customer_is_erased_is_a_strangers_and_answered_to_nobody_else() {
    // More than the times that an erasure ends conversations: a customer who keeps writing does not hold it off.
    const TEXTS: usize = 40;
    let app = spawn_app().await;
    let texts =
        join_all((0..TEXTS).map(|n| app.text(CUSTOMER, if n % 2 == 0 { "My sink is blocked" } else { "Hello?" })));
    let erasures = async {
        for _ in 0..6 {
            erase(&app).await;
        }
    };
    tokio::join!(texts, erasures);
    app.settled().await;
    let mut sql = app.servers.sql().await;
    let one = async |sql: &mut sqlx::PgConnection, query: &'static str| -> i64 {
        sqlx::query_scalar(query).fetch_one(sql).await.unwrap()
    };
    let received = one(&mut sql, "SELECT count(*) FROM messages WHERE direction = 'inbound'").await;
    assert_eq!(received, TEXTS as i64, "none is lost");
    let open = "SELECT count(*) FROM conversations WHERE customer_phone LIKE '+999%' AND status <> 'completed'";
    assert_eq!(one(&mut sql, open).await, 0);
    let said = "SELECT count(*) FROM messages m JOIN conversations c ON c.id = m.subject_conversation_id
                WHERE c.customer_phone LIKE '+999%' AND m.body <> ''";
    assert_eq!(one(&mut sql, said).await, 0);
    sql.close().await.unwrap();
    assert!(app.servers.twilio.messages().iter().all(|message| !message.to.starts_with("+999")));
}

#[tokio::test]
async fn a_key_of_one_business_erases_what_that_business_knows() {
    let app = spawn_app().await;
    let mut other = business();
    other["phone_numbers"] = json!(["+15555551199"]);
    app.put_business("other", &other).await;
    app.text(CUSTOMER, "My sink is blocked").await;
    app.webhook().sms(&new_message_sid(), CUSTOMER, "+15555551199", "My tap drips").await.unwrap();
    app.wait_for_sms(CUSTOMER, 2).await;
    app.settled().await;
    let (_, ours) = app.key(Some(&[BUSINESS]), true).await;
    let (_, reads) = app.key(None, false).await;
    let path = format!("/customers/{CUSTOMER}");
    assert_eq!(reads.send(Method::DELETE, &path, None).await.status, 403);
    assert_eq!(ours.send(Method::DELETE, &format!("{path}?business_id=other"), None).await.error_code(), "NOT_FOUND");
    assert_eq!(app.conversations_of(CUSTOMER).await.len(), 2);
    assert_eq!(ours.send(Method::DELETE, &path, None).await.ok()["conversations"], 1);
    let left = app.conversations_of(CUSTOMER).await;
    assert_eq!((left.len(), &left[0]["business_id"]), (1, &json!("other")));
    assert_eq!(app.messages_of(CUSTOMER).await[0]["body"], "My tap drips");
    let answer = app.rest.send(Method::DELETE, &format!("{path}?business_id=other"), None).await.ok();
    assert_eq!(answer["conversations"], 1);
    assert!(!dump(&app).await.contains(DIGITS));
}

#[rstest]
#[case::no_number("nobody")]
#[case::without_its_plus("12125551234")]
#[tokio::test]
async fn what_is_no_phone_number_is_refused(#[case] phone: &str) {
    let app = spawn_app().await;
    let answer = app.rest.send(Method::DELETE, &format!("/customers/{phone}"), None).await;
    assert_eq!((answer.status, answer.error_code()), (400, "VALIDATION_FAILED"));
}
