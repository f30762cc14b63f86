//! What a key without the scope `numbers` must not put.

use nmc_testbed::twilio::new_account_sid;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{App, BUSINESS, OUR_NUMBER, business, spawn_app};
use crate::signatures::TOKEN_KEY;

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut changed = business();
    change(&mut changed);
    changed
}

fn details(body: &Value) -> String {
    body["error"]["details"].to_string()
}

#[rstest]
#[case::a_number(with(|b| b["phone_numbers"] = json!([OUR_NUMBER, "+15555551112"])), "phone_numbers")]
#[case::another_number(with(|b| b["phone_numbers"] = json!(["+15555551112"])), "phone_numbers")]
#[case::an_account(with(|b| b["twilio"] = json!({ "account_sid": new_account_sid() })), "twilio")]
#[case::a_token(with(|b| b["twilio"] = json!({ "account_sid": new_account_sid(), "auth_token": "t" })), "twilio")]
#[tokio::test]
async fn a_key_without_the_scope_adds_no_number_and_no_account(#[case] put: Value, #[case] field: &str) {
    let app = App::setup().set("NMC_TOKEN_KEY", TOKEN_KEY).start().await;
    let (_, key) = app.key(Some(&[BUSINESS]), true).await;
    let refused = key.put(&format!("/businesses/{BUSINESS}"), &put).await;
    assert_eq!((refused.status, refused.error_code()), (403, "UNAUTHORIZED"), "{}", refused.body);
    let message = refused.body["error"]["message"].as_str().unwrap();
    assert!(message.contains("numbers") && message.contains(field), "{message}");
    let shown = app.rest.get(&format!("/businesses/{BUSINESS}")).await.ok();
    assert_eq!((&shown["phone_numbers"], &shown["twilio"]), (&json!([OUR_NUMBER]), &Value::Null));
}

#[tokio::test]
async fn a_key_without_the_scope_makes_no_business_and_changes_what_else_there_is() {
    let app = spawn_app().await;
    let (_, key) = app.key(Some(&[BUSINESS, "new"]), true).await;
    let new = with(|b| b["phone_numbers"] = json!(["+15555551112"]));
    assert_eq!(key.put("/businesses/new", &new).await.status, 403);
    assert_eq!(app.rest.get("/businesses/new").await.status, 404);
    let renamed = with(|b| b["name"] = json!("Joe & Sons"));
    assert_eq!(key.put(&format!("/businesses/{BUSINESS}"), &renamed).await.ok()["name"], "Joe & Sons");
}

#[tokio::test]
async fn a_key_without_the_scope_may_leave_numbers_and_the_account_out() {
    let app = App::setup().set("NMC_TOKEN_KEY", TOKEN_KEY).start().await;
    let sid = new_account_sid();
    let much = with(|b| {
        b["phone_numbers"] = json!([OUR_NUMBER, "+15555551112"]);
        b["twilio"] = json!({ "account_sid": sid });
    });
    app.put_business(BUSINESS, &much).await;
    let (_, key) = app.key(Some(&[BUSINESS]), true).await;
    let path = format!("/businesses/{BUSINESS}");
    assert_eq!(key.put(&path, &much).await.status, 200);
    assert_eq!(key.put(&path, &business()).await.ok()["phone_numbers"], json!([OUR_NUMBER]));
    assert_eq!(key.put(&path, &much).await.status, 403, "and not in again");
}

#[tokio::test]
async fn a_key_with_the_scope_adds_both() {
    let app = App::setup().set("NMC_TOKEN_KEY", TOKEN_KEY).start().await;
    let (_, key) = app.key_with(Some(&[BUSINESS]), true, true).await;
    let much = with(|b| b["phone_numbers"] = json!([OUR_NUMBER, "+15555551112"]));
    let shown = key.put(&format!("/businesses/{BUSINESS}"), &much).await.ok();
    let phones: Vec<&Value> = shown["numbers"].as_array().unwrap().iter().map(|number| &number["phone"]).collect();
    assert_eq!(phones, [OUR_NUMBER, "+15555551112"]);
    assert_eq!(shown["pending_phones"], json!([]));
}

#[tokio::test]
async fn an_answer_that_is_asked_for_twice_is_no_way_around_it() {
    let app = spawn_app().await;
    let (_, key) = app.key(Some(&[BUSINESS]), true).await;
    let (_, scoped) = app.key_with(Some(&[BUSINESS]), true, true).await;
    let much = with(|b| b["phone_numbers"] = json!([OUR_NUMBER, "+15555551112"]));
    let (path, once) = (format!("/businesses/{BUSINESS}"), ("idempotency-key", "one"));
    for (key, status) in [(&key, 403), (&key, 403), (&scoped, 200), (&key, 200)] {
        let answer = key.send_with(Method::PUT, &path, &much, once).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
    app.put_business(BUSINESS, &business()).await;
    let again = scoped.send_with(Method::PUT, &path, &much, once).await;
    assert!(again.headers.contains_key("idempotency-replayed"));
    assert_eq!(app.rest.get(&path).await.ok()["phone_numbers"], json!([OUR_NUMBER]), "told again, not done again");
}

#[tokio::test]
async fn a_business_has_a_hundred_numbers_at_most() {
    let app = spawn_app().await;
    let numbers = |count: usize| (0..count).map(|n| format!("+1555600{n:04}")).collect::<Vec<_>>();
    let put = |count: usize| with(|b| b["phone_numbers"] = json!(numbers(count)));
    assert_eq!(app.rest.put("/businesses/many", &put(100)).await.status, 200);
    let refused = app.rest.put("/businesses/many", &put(101)).await;
    assert_eq!((refused.status, refused.error_code()), (400, "VALIDATION_FAILED"));
    assert!(details(&refused.body).contains("phone_numbers") && details(&refused.body).contains("100"));
    let repeated = with(|b| b["phone_numbers"] = json!(vec![OUR_NUMBER; 101]));
    assert_eq!(app.rest.put(&format!("/businesses/{BUSINESS}"), &repeated).await.status, 400);
    // A business that already has more may keep them or reduce their number.
    let mut sql = app.servers.sql().await;
    let grown = json!(numbers(150));
    sqlx::query("UPDATE businesses SET profile = jsonb_set(profile, '{phone_numbers}', $1) WHERE id = 'many'")
        .bind(&grown)
        .execute(&mut sql)
        .await
        .unwrap();
    sqlx::query("INSERT INTO business_numbers (phone, business_id) SELECT jsonb_array_elements_text($1), 'many' ON CONFLICT DO NOTHING")
        .bind(&grown)
        .execute(&mut sql)
        .await
        .unwrap();
    for (count, status) in [(150, 200), (120, 200), (121, 400)] {
        assert_eq!(app.rest.put("/businesses/many", &put(count)).await.status, status, "{count}");
    }
}
