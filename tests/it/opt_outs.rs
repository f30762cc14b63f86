//! Opt-outs over REST: what did not come as a text has the effect of STOP, and is on record.

use std::time::Duration;

use nmc_testbed::dispatchbot::Fault as BotFault;
use nmc_testbed::sim::{Rule, Span};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{Answer, App, BUSINESS, CUSTOMER, OUR_NUMBER, business, customer, query, spawn_app};

fn opt_out(customer: &str) -> Value {
    json!({ "business_id": BUSINESS, "customer_phone": customer, "source": "phone", "note": "told Joe", "user_id": "joe" })
}

async fn record(app: &App, body: &Value) -> Answer {
    app.rest.send(Method::POST, "/opt-outs", Some(body)).await
}

async fn lift(app: &App, id: &str, proof: &str) -> Answer {
    app.rest.send(Method::DELETE, &query(&format!("/opt-outs/{id}"), &[("proof", proof)]), None).await
}

async fn listed(app: &App, of: &[(&str, &str)]) -> Vec<Value> {
    app.rest.get(&query("/opt-outs", of)).await.ok()["opt_outs"].as_array().unwrap().clone()
}

async fn audit(app: &App, id: &str) -> Vec<Value> {
    app.rest.get(&format!("/conversations/{id}/audit?limit=200")).await.ok()["audit"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_opt_out_by_phone_holds_back_the_answer_under_way_and_is_on_record() {
    let app = spawn_app().await;
    app.servers.dispatchbot.add_rule(Rule::next(1, BotFault::Delay(Span::exactly(Duration::from_secs(1)))));
    app.text(CUSTOMER, "my sink is blocked").await;
    app.wait_for_questions(1).await;
    let recorded = record(&app, &opt_out(CUSTOMER)).await;
    assert_eq!(recorded.status, 201, "{}", recorded.body);
    let entry = recorded.ok();
    assert_eq!(
        (&entry["source"], &entry["note"], &entry["customer_phone"]),
        (&json!("phone"), &json!("told Joe"), &json!(CUSTOMER))
    );
    let event = app.wait_for_event("conversation.opted_out").await;
    assert_eq!(event["data"]["by"], "phone");
    app.text(CUSTOMER, "what would it cost?").await;
    app.wait_for_event("conversation.needs_attention").await;
    app.miss_call(CUSTOMER).await;
    app.wait_for_event("call.missed").await;
    app.settled().await;
    assert!(app.sms_to(CUSTOMER).is_empty());
    let conversation = app.conversation_of(CUSTOMER).await;
    let id = conversation["id"].as_str().unwrap();
    assert_eq!(conversation["opted_out"], true);
    let reply = json!({ "user_id": "joe", "body": "Joe here." });
    let refused = app.rest.send(Method::POST, &format!("/conversations/{id}/messages"), Some(&reply)).await;
    assert_eq!((refused.status, refused.error_code()), (409, "OPTED_OUT"));
    let entries = audit(&app, id).await;
    let recorded = entries.iter().find(|entry| entry["action"] == "recorded_an_opt_out").expect("the entry");
    assert_eq!(
        (&recorded["actor"], &recorded["actor_id"], &recorded["data"]["source"]),
        (&json!("user"), &json!("joe"), &json!("phone"))
    );
    assert_eq!(listed(&app, &[("business_id", BUSINESS), ("customer_phone", CUSTOMER)]).await, [entry]);
}

#[tokio::test]
async fn who_has_no_conversation_is_not_texted_until_consent_is_proven() {
    let app = spawn_app().await;
    let entry = record(&app, &opt_out(CUSTOMER)).await.ok();
    assert!(app.conversations_of(CUSTOMER).await.is_empty(), "an opt-out opens none");
    app.miss_call(CUSTOMER).await;
    app.wait_for_event("call.missed").await;
    app.settled().await;
    assert!(app.sms_to(CUSTOMER).is_empty());
    let again = record(&app, &json!({ "business_id": BUSINESS, "customer_phone": CUSTOMER, "source": "letter" })).await;
    assert_eq!((again.status, &again.body["source"]), (200, &json!("phone")), "{}", again.body);

    let id = entry["id"].as_str().unwrap();
    assert_eq!(lift(&app, id, "the form of May 3").await.status, 204);
    let event = app.wait_for_event("conversation.opted_in").await;
    assert_eq!(event["customer_phone"], CUSTOMER);
    assert!(listed(&app, &[]).await.is_empty());
    assert_eq!(lift(&app, id, "the form of May 3").await.status, 404);
    let conversation = app.conversation_of(CUSTOMER).await;
    let entries = audit(&app, conversation["id"].as_str().unwrap()).await;
    let lifted = entries.iter().find(|entry| entry["action"] == "lifted_the_opt_out").expect("the entry");
    assert_eq!(
        (&lifted["data"]["proof"], &lifted["actor_id"]),
        (&json!("the form of May 3"), &json!("a key of NMC_API_KEYS"))
    );
    app.text(CUSTOMER, "my sink is blocked").await;
    app.wait_for_sms(CUSTOMER, 1).await;
}

#[tokio::test]
async fn what_is_recorded_without_a_conversation_is_in_the_audit_by_a_hash() {
    let app = spawn_app().await;
    let entry = record(&app, &opt_out(CUSTOMER)).await.ok();
    assert_eq!(lift(&app, entry["id"].as_str().unwrap(), "the form of May 3").await.status, 204);
    let mut sql = app.servers.sql().await;
    let found: Vec<(String, String, Value)> = sqlx::query_as(
        "SELECT action, actor_id, data FROM audit WHERE conversation_id IS NULL
           AND data->>'customer' = encode(customer_hash($1, $2), 'hex') ORDER BY id",
    )
    .bind(BUSINESS)
    .bind(CUSTOMER)
    .fetch_all(&mut sql)
    .await
    .unwrap();
    let [(out, joe, _), (lifted, key, data)] = &found[..] else { panic!("{found:?}") };
    assert_eq!((out.as_str(), joe.as_str()), ("recorded_an_opt_out", "joe"));
    assert_eq!((lifted.as_str(), key.as_str()), ("lifted_the_opt_out", "a key of NMC_API_KEYS"));
    assert_eq!(data["proof"], "the form of May 3");
    assert!(!data.to_string().contains("2125551234"));
}

#[tokio::test]
async fn an_opt_out_ends_with_start_and_holds_at_every_number_of_the_business() {
    let app = spawn_app().await;
    let mut two_numbers = business();
    two_numbers["phone_numbers"] = json!([OUR_NUMBER, "+15555553333"]);
    app.put_business(BUSINESS, &two_numbers).await;
    app.miss_call(CUSTOMER).await;
    app.wait_for_sms(CUSTOMER, 1).await;
    app.servers.twilio.call(CUSTOMER, "+15555553333", "no-answer").await.unwrap();
    app.wait_for_event_of(CUSTOMER, 2, "call.missed").await;
    record(&app, &opt_out(CUSTOMER)).await.ok();
    let both = app.conversations_of(CUSTOMER).await;
    assert!(both.len() == 2 && both.iter().all(|conversation| conversation["opted_out"] == true), "{both:?}");
    app.text(CUSTOMER, "START").await;
    app.wait_for_event("conversation.opted_in").await;
    assert!(listed(&app, &[]).await.is_empty());
    app.text(CUSTOMER, "my sink is blocked").await;
    app.wait_for_sms(CUSTOMER, 2).await;
}

#[tokio::test]
async fn a_key_of_a_business_sees_and_changes_only_its_own() {
    let app = spawn_app().await;
    let other = json!({ "name": "Other", "user_id": "u", "phone_numbers": ["+15555557777"], "forward_to": "+15555558888",
        "timezone": "America/New_York", "trade": "plumbing" });
    app.put_business("other", &other).await;
    let ours = record(&app, &opt_out(CUSTOMER)).await.ok();
    let mut theirs = opt_out(CUSTOMER);
    theirs["business_id"] = json!("other");
    let theirs = record(&app, &theirs).await.ok();
    let (_, scoped) = app.key(Some(&["other"]), true).await;
    let seen = scoped.get("/opt-outs").await.ok();
    assert_eq!(seen["opt_outs"], json!([theirs]));
    let seen = scoped.get(&query("/opt-outs", &[("business_id", BUSINESS)])).await.ok();
    assert_eq!(seen["opt_outs"], json!([]));
    let path = query(&format!("/opt-outs/{}", ours["id"].as_str().unwrap()), &[("proof", "mine now")]);
    assert_eq!(scoped.send(Method::DELETE, &path, None).await.status, 404);
    assert_eq!(scoped.send(Method::POST, "/opt-outs", Some(&opt_out(CUSTOMER))).await.status, 404);
    let (_, reads) = app.key(None, false).await;
    assert_eq!(reads.send(Method::POST, "/opt-outs", Some(&opt_out(CUSTOMER))).await.status, 403);
    assert_eq!(listed(&app, &[]).await.len(), 2);
}

#[tokio::test]
async fn the_list_goes_page_by_page_and_a_repeated_request_records_once() {
    let app = spawn_app().await;
    for number in 0..5 {
        record(&app, &opt_out(&customer(number))).await.ok();
    }
    let (mut seen, mut path) = (Vec::new(), "/opt-outs?limit=2".to_owned());
    loop {
        let page = app.rest.get(&path).await.ok();
        seen.extend(page["opt_outs"].as_array().unwrap().iter().map(|entry| entry["customer_phone"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = query("/opt-outs", &[("limit", "2"), ("cursor", cursor)]);
    }
    assert_eq!(seen, (0..5).rev().map(|number| json!(customer(number))).collect::<Vec<_>>());

    let (body, header) = (opt_out(CUSTOMER), ("idempotency-key", "k1"));
    let first = app.rest.send_with(Method::POST, "/opt-outs", &body, header).await;
    let second = app.rest.send_with(Method::POST, "/opt-outs", &body, header).await;
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(second.headers["idempotency-replayed"], "true");
    assert_eq!(first.body, second.body);
    let other = app.rest.send_with(Method::POST, "/opt-outs", &opt_out(&customer(9)), header).await;
    assert_eq!(other.status, 409);
}

#[tokio::test]
async fn who_was_erased_is_listed_without_a_number_and_opts_in_by_start_alone() {
    let app = spawn_app().await;
    record(&app, &opt_out(CUSTOMER)).await.ok();
    app.rest.send(Method::DELETE, &format!("/customers/{CUSTOMER}"), None).await.ok();
    let found = listed(&app, &[("customer_phone", CUSTOMER)]).await;
    assert_eq!((found.len(), &found[0]["customer_phone"], &found[0]["note"]), (1, &Value::Null, &Value::Null));
    assert!(listed(&app, &[("customer_phone", &customer(1))]).await.is_empty());
    let refused = lift(&app, found[0]["id"].as_str().unwrap(), "the form of May 3").await;
    assert_eq!((refused.status, refused.error_code()), (409, "CONFLICT"));
    app.text(CUSTOMER, "START").await;
    app.wait_for_event("conversation.opted_in").await;
    assert!(listed(&app, &[]).await.is_empty());
}

#[rstest]
#[case::no_number(json!({ "customer_phone": "555" }), "customer_phone")]
#[case::no_such_source(json!({ "source": "pigeon" }), "source")]
#[case::a_long_note(json!({ "note": "n".repeat(1001) }), "note")]
#[case::nobody(json!({ "user_id": "" }), "user_id")]
#[tokio::test]
async fn what_cannot_be_recorded_is_refused_by_the_name_of_its_field(#[case] change: Value, #[case] field: &str) {
    let app = spawn_app().await;
    let mut body = opt_out(CUSTOMER);
    body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let refused = record(&app, &body).await;
    assert_eq!((refused.status, refused.error_code()), (400, "VALIDATION_FAILED"), "{}", refused.body);
    assert_eq!(refused.body["error"]["details"][0]["field"], field);
    assert!(listed(&app, &[]).await.is_empty());
}

#[tokio::test]
async fn an_end_needs_a_proof_that_does_not_name_the_customer() {
    let app = spawn_app().await;
    let entry = record(&app, &opt_out(CUSTOMER)).await.ok();
    let id = entry["id"].as_str().unwrap();
    for proof in ["", " ", "she called from (212) 555-1234"] {
        let refused = lift(&app, id, proof).await;
        assert_eq!((refused.status, refused.error_code()), (400, "VALIDATION_FAILED"), "{proof:?}");
        assert_eq!(refused.body["error"]["details"][0]["field"], "proof");
    }
    let refused = app.rest.send(Method::DELETE, &format!("/opt-outs/{id}"), None).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    for nothing in ["none", "0b6d3c1e-54c7-4f0a-9a5d-2f6f1c2b7e90"] {
        assert_eq!(lift(&app, nothing, "the form of May 3").await.status, 404);
    }
    let mut nobody = opt_out(CUSTOMER);
    nobody["business_id"] = json!("nobody");
    assert_eq!(record(&app, &nobody).await.status, 404);
    assert_eq!(listed(&app, &[]).await.len(), 1);
}
