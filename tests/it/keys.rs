//! API keys: what each may read and change, and how often.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{App, BUSINESS, CUSTOMER, Rest, business, query, run, spawn_app, spawn_app_with};

/// The usual business and another one, each with a conversation.
async fn two_businesses() -> (App, String, String) {
    let app = spawn_app_with(&[("NMC_WINDOW_HOLD", "60s"), ("NMC_WINDOW_MAX", "90s")]).await;
    let mut other = business();
    other["phone_numbers"] = json!(["+15555551199"]);
    app.put_business("other", &other).await;
    app.text(CUSTOMER, "My sink is blocked").await;
    let ours = app.conversation_of(CUSTOMER).await["id"].as_str().unwrap().to_owned();
    let webhook = app.webhook();
    webhook.sms("SMother", "+12125550177", "+15555551199", "Hello other").await.unwrap();
    let theirs = app.conversation_of("+12125550177").await["id"].as_str().unwrap().to_owned();
    (app, ours, theirs)
}

fn ids(list: &Value, of: &str, field: &str) -> Vec<String> {
    list[of].as_array().unwrap().iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_key_of_one_business_sees_nothing_of_another() {
    let (app, ours, theirs) = two_businesses().await;
    let (_, scoped) = app.key(Some(&[BUSINESS]), true).await;
    for path in ["businesses/other", "businesses/other/emergency-rules", "messages?twilio_sid=SMother"] {
        let answer = scoped.get(&format!("/{path}")).await;
        assert_eq!((answer.status, answer.error_code()), (404, "NOT_FOUND"), "{path}");
    }
    for part in ["", "/messages", "/explain", "/audit"] {
        assert_eq!(scoped.get(&format!("/conversations/{theirs}{part}")).await.status, 404, "{part}");
        assert_eq!(scoped.get(&format!("/conversations/{ours}{part}")).await.status, 200, "{part}");
    }
    for (command, body) in [
        ("takeover", json!({ "user_id": "u1", "reason": "r" })),
        ("messages", json!({ "user_id": "u1", "body": "b" })),
        ("release", json!({ "user_id": "u1" })),
        ("complete", json!({ "user_id": "u1", "outcome": "o" })),
        ("false-alarm", json!({ "user_id": "u1" })),
    ] {
        let answer = scoped.send(Method::POST, &format!("/conversations/{theirs}/{command}"), Some(&body)).await;
        assert_eq!((answer.status, answer.error_code()), (404, "NOT_FOUND"), "{command}");
    }
    assert_eq!(scoped.send(Method::DELETE, "/businesses/other", None).await.status, 404);
    assert_eq!(scoped.put("/businesses/third", &business()).await.status, 404);
    assert_eq!(ids(&scoped.get("/businesses").await.ok(), "businesses", "id"), [BUSINESS]);
    assert_eq!(ids(&scoped.get("/conversations").await.ok(), "conversations", "id"), [ours]);
    assert!(scoped.get("/conversations?business_id=other").await.ok()["conversations"].as_array().unwrap().is_empty());
    assert_eq!(app.conversation(&theirs).await["ownership"], "none", "and has changed nothing");
}

#[tokio::test]
async fn a_key_of_one_business_sees_its_calls_only() {
    let app = spawn_app().await;
    let sid = app.miss_call(CUSTOMER).await;
    app.wait_for_event("call.missed").await;
    let (_, scoped) = app.key(Some(&["other"]), true).await;
    assert_eq!(scoped.get(&format!("/calls/{sid}")).await.status, 404);
    assert!(scoped.get("/calls").await.ok()["calls"].as_array().unwrap().is_empty());
    assert_eq!(app.rest.get("/calls").await.ok()["calls"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_key_that_may_only_read_changes_nothing() {
    let (app, ours, _) = two_businesses().await;
    let (_, reads) = app.key(None, false).await;
    assert_eq!(reads.get(&format!("/conversations/{ours}")).await.status, 200);
    let body = json!({ "user_id": "u1", "reason": "r" });
    let refused = reads.send(Method::POST, &format!("/conversations/{ours}/takeover"), Some(&body)).await;
    assert_eq!((refused.status, refused.error_code()), (403, "UNAUTHORIZED"));
    assert_eq!(reads.put(&format!("/businesses/{BUSINESS}"), &business()).await.status, 403);
    assert_eq!(app.conversation(&ours).await["ownership"], "none");
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_from_that_moment_on() {
    let app = spawn_app().await;
    let (id, rest) = app.key(None, true).await;
    assert_eq!(rest.get("/businesses").await.status, 200);
    let store = nevermisscall::internals::Store::owner(app.servers.database_url()).unwrap();
    assert!(store.revoke_api_key(id).await.unwrap());
    let refused = rest.get("/businesses").await;
    assert_eq!((refused.status, refused.error_code()), (401, "UNAUTHORIZED"));
}

/// The user's document: 1,001 requests at once with one key.
#[tokio::test]
async fn document_test_12_should_implement_rate_limiting() {
    let app = spawn_app_with(&[("NMC_RATE_LIMIT", "1000/min")]).await;
    let (_, rest) = app.key(None, true).await;
    let ask = |rest: Rest| async move { rest.get("/conversations/123").await };
    let answers = futures::future::join_all((0..1001).map(|_| ask(rest.clone()))).await;
    let limited: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert_eq!(limited.len(), 1, "a thousand are accepted");
    assert_eq!(limited[0].error_code(), "RATE_LIMITED");
    let header = |name: &str| limited[0].headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let seconds: u64 = header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!((header("ratelimit-limit"), header("ratelimit-remaining")), ("1000", "0"));
    assert!(answers.iter().filter(|answer| answer.status != 429).all(|answer| answer.status == 404));
    // Webhooks of Twilio are not rate-limited.
    assert_eq!(app.text(CUSTOMER, "Hello").await.len(), 34);
}

#[rstest]
#[case::accepted("/businesses", 200)]
#[case::of_nothing("/conversations/1", 404)]
#[tokio::test]
async fn every_answer_says_how_much_is_left(#[case] path: &str, #[case] status: u16) {
    let app = spawn_app_with(&[("NMC_RATE_LIMIT", "10/min")]).await;
    let (_, rest) = app.key(None, true).await;
    rest.get(path).await;
    let answer = rest.get(path).await;
    let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    assert_eq!((answer.status, header("ratelimit-limit"), header("ratelimit-remaining")), (status, "10", "8"));
    assert!((1..=60).contains(&header("ratelimit-reset").parse::<u64>().unwrap()));
    let of_nobody = app.rest.with_key(Some("wrong")).get(path).await;
    assert!(of_nobody.headers.get("ratelimit-limit").is_none());
    assert_eq!(rest.get(&query(path, &[("limit", "0")])).await.headers["ratelimit-remaining"], "7");
}

#[tokio::test]
async fn the_scope_numbers_is_given_by_an_option_and_told_in_the_list() {
    let app = spawn_app().await;
    let env = [("DATABASE_URL".to_owned(), app.servers.database_url().to_owned())];
    for args in [
        &["keys", "create", "--name", "plain", "--business", BUSINESS][..],
        &["keys", "create", "--name", "trusted", "--business", BUSINESS, "--numbers"],
        &["keys", "create", "--name", "whole"],
    ] {
        assert!(run(args, &env).await.status.success(), "{args:?}");
    }
    let both = run(&["keys", "create", "--name", "odd", "--read-only", "--numbers"], &env).await;
    assert!(!both.status.success(), "who may only read manages no numbers");
    for unseen in ["", "\u{200b}", "app\u{1b}[2J", "one\ntwo"] {
        assert!(!run(&["keys", "create", "--name", unseen], &env).await.status.success(), "{unseen:?}");
    }
    let listed = String::from_utf8(run(&["keys", "list"], &env).await.stdout).unwrap();
    let manages: Vec<bool> = listed.lines().map(|line| line.contains("manages numbers")).collect();
    assert_eq!(manages, [false, true, true], "{listed}");
}

/// What the record of a conversation says about people.
async fn acts(app: &App, id: &str) -> Vec<(String, String)> {
    let record = app.rest.get(&format!("/conversations/{id}/audit")).await.ok();
    let entries = record["audit"].as_array().unwrap().iter().filter(|entry| entry["actor"] == "user");
    let word = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    entries.map(|entry| (word(entry, "actor_id"), word(entry, "action"))).collect()
}

#[tokio::test]
async fn a_key_that_belongs_to_a_person_acts_as_that_person() {
    let (app, id, _) = two_businesses().await;
    let anns = app.key_of_user("user-ann").await;
    let send = async |rest: &Rest, name: &str, body: Value| {
        rest.send(Method::POST, &format!("/conversations/{id}/{name}"), Some(&body)).await
    };
    assert_eq!(send(&anns, "takeover", json!({ "reason": "r" })).await.status, 200);
    assert_eq!(app.conversation(&id).await["owned_by"], "user-ann");
    let sent = send(&anns, "messages", json!({ "user_id": "user-ann", "body": "On my way." })).await;
    assert_eq!((sent.status, &sent.body["user_id"]), (201, &json!("user-ann")));
    for (name, mut body) in [
        ("takeover", json!({ "reason": "r" })),
        ("messages", json!({ "body": "b" })),
        ("release", json!({})),
        ("complete", json!({ "outcome": "o" })),
        ("false-alarm", json!({})),
    ] {
        let unnamed = send(&app.rest, name, body.clone()).await;
        assert_eq!((unnamed.status, &unnamed.body["error"]["details"][0]["field"]), (400, &json!("user_id")), "{name}");
        body["user_id"] = json!("user-joe");
        let other = send(&anns, name, body).await;
        assert_eq!((other.status, &other.body["error"]["details"][0]["field"]), (400, &json!("user_id")), "{name}");
    }
    assert_eq!(send(&anns, "release", json!({})).await.status, 200);
    assert_eq!(send(&anns, "complete", json!({ "outcome": "booked" })).await.status, 200);
    let opt_out = json!({ "business_id": BUSINESS, "customer_phone": CUSTOMER, "source": "phone" });
    let mut of_joe = opt_out.clone();
    of_joe["user_id"] = json!("user-joe");
    assert_eq!(anns.send(Method::POST, "/opt-outs", Some(&of_joe)).await.status, 400);
    assert_eq!(anns.send(Method::POST, "/opt-outs", Some(&opt_out)).await.status, 201);
    let expected = ["took_over", "wrote", "released", "completed", "recorded_an_opt_out"];
    assert_eq!(acts(&app, &id).await, expected.map(|action| ("user-ann".to_owned(), action.to_owned())));
}

#[tokio::test]
async fn keys_are_bound_to_a_person_by_an_option_and_listed_with_them() {
    let app = spawn_app().await;
    let env = [("DATABASE_URL".to_owned(), app.servers.database_url().to_owned())];
    let made = run(&["keys", "create", "--name", "anns phone", "--user", "user-ann"], &env).await;
    assert!(made.status.success());
    let key = String::from_utf8(made.stdout).unwrap().lines().last().unwrap().to_owned();
    assert!(run(&["keys", "create", "--name", "plain"], &env).await.status.success());
    for unusable in ["", " ", "user\nann", &"u".repeat(201)] {
        assert!(!run(&["keys", "create", "--name", "x", "--user", unusable], &env).await.status.success());
    }
    let listed = String::from_utf8(run(&["keys", "list"], &env).await.stdout).unwrap();
    let of_ann: Vec<bool> = listed.lines().map(|line| line.ends_with("  user user-ann")).collect();
    assert_eq!(of_ann, [true, false], "{listed}");
    app.text(CUSTOMER, "My sink is blocked").await;
    let id = app.conversation_of(CUSTOMER).await["id"].as_str().unwrap().to_owned();
    let body = json!({ "reason": "r" });
    let rest = app.rest.with_key(Some(&key));
    assert_eq!(rest.send(Method::POST, &format!("/conversations/{id}/takeover"), Some(&body)).await.status, 200);
    assert_eq!(app.conversation(&id).await["owned_by"], "user-ann");
}
