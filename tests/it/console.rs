//! What the console needs of the API beyond what others use: the pages themselves, the key, texts that did not arrive, open
//! emergencies, and last words. scripts/check-console has the tests in a browser.

use nmc_testbed::sim::Rule;
use nmc_testbed::twilio::{Fault, Faults, Refusal, TwilioOptions};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{App, BUSINESS, CUSTOMER, OUR_NUMBER, customer, eventually, query, spawn_app, spawn_app_with};

async fn list(app: &App, of: &[(&str, &str)]) -> Vec<Value> {
    app.rest.get(&query("/conversations", of)).await.ok()["conversations"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_pages_need_no_key_and_allow_no_script_of_others() {
    let app = spawn_app().await;
    let page = app.rest.with_key(None).get("/console/").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").to_owned();
    for needed in
        ["default-src 'none'", "script-src 'self'", "require-trusted-types-for 'script'", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(needed), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    let page_headers =
        [("referrer-policy", "no-referrer"), ("x-content-type-options", "nosniff"), ("cache-control", "no-cache")];
    for (name, value) in page_headers {
        assert_eq!(page.header(name), value, "{name}");
    }
    assert!(page.header("set-cookie").is_empty());
    let script = app.rest.with_key(None).get("/console/pages/inbox.js").await;
    assert_eq!((script.status, script.header("content-type")), (200, "text/javascript; charset=utf-8"));
    assert_eq!(app.rest.get("/console/pages/none.js").await.status, 404);
}

#[tokio::test]
async fn the_pages_are_below_the_prefix_of_the_public_url_too_and_can_be_switched_off() {
    let app = spawn_app_with(&[("NMC_PUBLIC_URL", "https://calls.example.com/twilio")]).await;
    assert_eq!(app.rest.get("/twilio/console/").await.status, 200);
    assert_eq!(app.rest.get("/twilio/console").await.header("location"), "console/");
    let without = spawn_app_with(&[("NMC_CONSOLE", "off")]).await;
    assert_eq!(without.rest.get("/console/").await.status, 404);
    assert_eq!(without.rest.get("/conversations").await.status, 200);
}

#[tokio::test]
async fn a_key_says_what_it_may_do_and_nothing_of_others() {
    let app = spawn_app().await;
    let whole = app.rest.get("/key").await.ok();
    let all = json!({
        "name": null, "user_id": null, "business_ids": null, "may_write": true, "may_manage_numbers": true,
        "rate": whole["rate"],
    });
    assert_eq!(whole, all);
    let (_, reader) = app.key(Some(&[BUSINESS]), false).await;
    let own = reader.get("/key").await.ok();
    assert_eq!((&own["name"], &own["business_ids"]), (&json!("test"), &json!([BUSINESS])));
    assert_eq!((&own["may_write"], &own["may_manage_numbers"]), (&json!(false), &json!(false)));
    assert_eq!(app.key_of_user("user-ann").await.get("/key").await.ok()["user_id"], "user-ann");
    assert_eq!(app.rest.with_key(None).get("/key").await.status, 401);
}

#[tokio::test]
async fn keys_are_listed_newest_first_and_only_those_within_the_businesses_of_the_key() {
    let app = spawn_app().await;
    let (ours, reader) = app.key(Some(&[BUSINESS]), false).await;
    let (both, _) = app.key(Some(&[BUSINESS, "anns-pipes"]), true).await;
    let (all, _) = app.key(None, true).await;
    let ids = |list: &Value| -> Vec<String> {
        list["keys"].as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap().to_owned()).collect()
    };
    let whole = app.rest.get("/keys").await.ok();
    assert_eq!(ids(&whole), [&all, &both, &ours].map(ToString::to_string));
    let newest = &whole["keys"][0];
    assert_eq!((&newest["business_ids"], &newest["may_manage_numbers"]), (&Value::Null, &json!(true)));
    assert_eq!((&newest["name"], &newest["revoked_at"]), (&json!("test"), &Value::Null));
    assert!(!whole.to_string().contains("hash"), "{whole}");
    assert_eq!(ids(&reader.get("/keys").await.ok()), [ours.to_string()]);
    let first = app.rest.get("/keys?limit=2").await.ok();
    let next = app.rest.get(&query("/keys", &[("cursor", first["next_cursor"].as_str().unwrap())])).await.ok();
    assert_eq!((ids(&next), &next["next_cursor"]), (vec![ours.to_string()], &Value::Null));
    assert_eq!(app.rest.with_key(None).get("/keys").await.status, 401);
}

/// The main account has the business's number, with these URLs.
fn set_number(app: &App, voice_url: &str, fallback: &str) {
    let account = TwilioOptions::default().account_sid;
    let twilio = &app.servers.twilio;
    twilio.change_numbers(|all| drop(all.of_account.insert(account.clone(), [OUR_NUMBER.to_owned()].into())));
    let settings = [("voice_url", voice_url), ("voice_fallback_url", fallback), ("voice_fallback_method", "POST")];
    twilio.set_number(&account, OUR_NUMBER, &settings);
}

#[tokio::test]
async fn a_business_is_checked_at_twilio_and_no_key_checks_another_one() {
    let app = spawn_app().await;
    let path = format!("/businesses/{BUSINESS}/twilio-check");
    set_number(&app, "https://old.example/call", "https://calls-b.example.com/webhooks/twilio/call");
    let checked = app.rest.get(&path).await.ok();
    let found =
        |name: &str| checked["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).cloned().unwrap();
    assert_eq!((&found("account")["result"], &checked["ok"]), (&json!("ok"), &json!(false)));
    let webhooks = found("webhooks");
    assert_eq!((&webhooks["result"], &webhooks["of"]), (&json!("FAILED"), &json!(OUR_NUMBER)));
    let message = webhooks["message"].as_str().unwrap();
    assert!(message.contains("voice_url") && !message.contains("fallback"), "any fallback URL is right: {message}");
    assert_eq!(webhooks["advice"], "run `nevermisscall twilio configure`");
    let (_, reader) = app.key(Some(&[BUSINESS]), false).await;
    let own = reader.get(&path).await.ok();
    assert!(own.to_string().contains("voice_url") && !own.to_string().contains("AC0"), "{own}");
    let (_, other) = app.key(Some(&["anns-pipes"]), true).await;
    assert_eq!(other.get(&path).await.status, 404);
    assert_eq!(app.rest.get("/businesses/nobody/twilio-check").await.status, 404);
}

#[tokio::test]
async fn a_check_at_twilio_says_what_could_not_be_asked_and_ends_in_time() {
    let app = spawn_app().await;
    let path = format!("/businesses/{BUSINESS}/twilio-check");
    app.servers.twilio.add_rule(Rule::always(Fault::RespondToNumbers(Refusal::status(503))));
    let failed = app.rest.get(&path).await.ok();
    assert!(failed.to_string().contains("not checked"), "{failed}");
    app.servers.twilio.set_faults(Faults::default());
    let several = futures::future::join_all((0..5).map(|_| app.rest.get(&path))).await;
    assert!(several.iter().all(|answer| answer.status == 200));
}

#[tokio::test]
async fn a_text_that_did_not_arrive_is_listed_with_its_reason_until_retention_ends() {
    let app = spawn_app().await;
    let undelivered = Fault::Deliver { status: "undelivered".to_owned(), error_code: Some(30003) };
    for n in 1..=3 {
        app.servers.twilio.add_rule(Rule::next(1, undelivered.clone()).to(customer(n)));
        app.miss_call(&customer(n)).await;
        app.wait_for_event_of(&customer(n), 1, "message.failed").await;
    }
    app.miss_call(CUSTOMER).await;
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    let first = app.rest.get("/messages/undelivered?limit=2").await.ok();
    let messages = first["messages"].as_array().unwrap();
    let phones: Vec<&Value> = messages.iter().map(|message| &message["customer_phone"]).collect();
    assert_eq!(phones, [&json!(customer(3)), &json!(customer(2))]);
    assert_eq!((&messages[0]["error_code"], &messages[0]["business_id"]), (&json!(30003), &json!(BUSINESS)));
    assert_eq!(messages[0]["error_message"], "The customer's phone is off or out of reach.");
    let next = [("limit", "2"), ("cursor", first["next_cursor"].as_str().unwrap())];
    let last = app.rest.get(&query("/messages/undelivered", &next)).await.ok();
    assert_eq!(last["messages"][0]["customer_phone"], customer(1));
    assert_eq!((last["messages"].as_array().unwrap().len(), &last["next_cursor"]), (1, &Value::Null));
    let (_, other) = app.key(Some(&["anns-pipes"]), false).await;
    assert_eq!(other.get("/messages/undelivered").await.ok()["messages"], json!([]));
    let of_other = app.rest.get("/messages/undelivered?business_id=anns-pipes").await.ok();
    assert_eq!(of_other["messages"], json!([]));
}

#[tokio::test]
async fn emergencies_are_listed_until_they_are_over() {
    let app = spawn_app().await;
    app.text(CUSTOMER, "My sink is blocked").await;
    let burst = [customer(1), customer(2)];
    for customer in &burst {
        app.text(customer, "The basement is flooding!").await;
        app.wait_for_event_of(customer, 1, "emergency.detected").await;
    }
    // What is under way would move a conversation to another page.
    app.settled().await;
    let found = list(&app, &[("sort", "emergencies")]).await;
    let phones: Vec<&str> = found.iter().map(|each| each["customer_phone"].as_str().unwrap()).collect();
    assert_eq!((phones.len(), phones.contains(&&*burst[0]), phones.contains(&&*burst[1])), (2, true, true));
    let first = app.rest.get("/conversations?sort=emergencies&limit=1").await.ok();
    let next = [("sort", "emergencies"), ("limit", "1"), ("cursor", first["next_cursor"].as_str().unwrap())];
    assert_ne!(list(&app, &next).await[0]["id"], first["conversations"][0]["id"]);
    let (_, other) = app.key(Some(&["anns-pipes"]), false).await;
    assert_eq!(other.get("/conversations?sort=emergencies").await.ok()["conversations"], json!([]));
    let ids = [found[0]["id"].as_str().unwrap(), found[1]["id"].as_str().unwrap()];
    let user = json!({ "user_id": "user-joe" });
    app.rest.send(Method::POST, &format!("/conversations/{}/false-alarm", ids[0]), Some(&user)).await.ok();
    let done = json!({ "user_id": "user-joe", "outcome": "done" });
    app.rest.send(Method::POST, &format!("/conversations/{}/complete", ids[1]), Some(&done)).await.ok();
    assert!(list(&app, &[("sort", "emergencies")]).await.is_empty());
}

#[tokio::test]
async fn a_list_has_the_last_words_of_each_conversation_if_it_is_asked_for_them() {
    let app = spawn_app().await;
    app.text(CUSTOMER, &"é".repeat(200)).await;
    app.conversation_of(CUSTOMER).await;
    let wanted = [("last_message", "true"), ("customer_phone", CUSTOMER)];
    let answered = eventually("an answer", async || {
        let found = list(&app, &wanted).await.remove(0);
        (found["last_message"]["direction"] == "outbound").then_some(found)
    })
    .await;
    assert_eq!(answered["last_message"]["sender_type"], "ai");
    app.text(CUSTOMER, &"ñ".repeat(200)).await;
    let last = eventually("the second text", async || {
        let found = list(&app, &wanted).await.remove(0)["last_message"].clone();
        (found["direction"] == "inbound").then_some(found)
    })
    .await;
    assert_eq!(last["body"], "ñ".repeat(160));
    assert_eq!(list(&app, &[]).await[0]["last_message"], Value::Null);
    let id = answered["id"].as_str().unwrap();
    let one = app.rest.get(&format!("/conversations/{id}?last_message=true")).await.ok();
    assert!(one["last_message"]["body"].is_string(), "{one}");
    assert_eq!(app.conversation(id).await["last_message"], Value::Null);
}
