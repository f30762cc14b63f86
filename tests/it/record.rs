//! The record of a conversation: why it went as it did, and who did what.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{App, CUSTOMER, spawn_app, spawn_app_with};

async fn explained(app: &App, id: &str) -> Value {
    app.rest.get(&format!("/conversations/{id}/explain")).await.ok()
}

#[tokio::test]
async fn an_answered_window_is_explained() {
    let app = spawn_app().await;
    app.text(CUSTOMER, "My kitchen sink is blocked").await;
    app.text(CUSTOMER, "Please hurry").await;
    app.wait_for_event("message.delivered").await;
    app.settled().await;
    let id = app.conversation_of(CUSTOMER).await["id"].as_str().unwrap().to_owned();
    let explained = explained(&app, &id).await;
    let [window] = &explained["windows"].as_array().unwrap()[..] else { panic!("{explained}") };
    assert_eq!((&window["state"], &window["closed_because"]), (&json!("answered"), &json!("deadline")));
    assert_eq!(window["opened_by"]["body"], "My kitchen sink is blocked");
    assert_eq!(window["joined_by"][0]["body"], "Please hurry");
    let said = &window["dispatchbot"][0]["said"];
    assert_eq!(said["text"], window["sent"][0]["body"]);
    assert_eq!((&window["sent"][0]["status"], &window["dropped"]), (&json!("delivered"), &json!([])));
    let steps: Vec<_> = window["steps"].as_array().unwrap().iter().map(|step| step["state"].clone()).collect();
    assert_eq!(steps, ["open", "claimed", "answered"]);
    let story = window["story"].to_string();
    for words in ["My kitchen sink is blocked", "The window closed", "DispatchBot rated the request", "was delivered"] {
        assert!(story.contains(words), "{words}: {story}");
    }
}

#[tokio::test]
async fn what_was_dropped_is_explained_with_its_reason() {
    let app = spawn_app().await;
    let slow =
        nmc_testbed::dispatchbot::Fault::Delay(nmc_testbed::sim::Span::exactly(std::time::Duration::from_secs(1)));
    app.servers.dispatchbot.add_rule(nmc_testbed::sim::Rule::next(1, slow));
    app.text(CUSTOMER, "My kitchen sink is blocked").await;
    app.wait_for_questions(1).await;
    let id = app.conversation_of(CUSTOMER).await["id"].as_str().unwrap().to_owned();
    let body = json!({ "user_id": "u1", "reason": "mine" });
    app.rest.send(Method::POST, &format!("/conversations/{id}/takeover"), Some(&body)).await.ok();
    app.settled().await;
    let explained = explained(&app, &id).await;
    let window = &explained["windows"][0];
    assert_eq!((&window["state"], &window["sent"]), (&json!("superseded"), &json!([])));
    assert_eq!(window["dispatchbot"][0]["dropped_because"], "overtaken");
    let story = window["story"].to_string();
    assert!(story.contains("a person took over") && story.contains("It was not used"), "{story}");
    assert_eq!(explained["windows"][1]["state"], "open", "what nobody has answered waits for them");
}

#[tokio::test]
async fn who_did_what_is_on_record_page_by_page_without_texts_and_numbers() {
    let app = spawn_app_with(&[("NMC_WINDOW_HOLD", "6s"), ("NMC_WINDOW_MAX", "9s")]).await;
    app.text(CUSTOMER, "My kitchen sink is blocked").await;
    let id = app.conversation_of(CUSTOMER).await["id"].as_str().unwrap().to_owned();
    let body = json!({ "user_id": "joe", "body": "On my way." });
    app.rest.send(Method::POST, &format!("/conversations/{id}/messages"), Some(&body)).await.ok();
    app.wait_for_event("message.delivered").await;
    app.settled().await;
    let path = format!("/conversations/{id}/audit");
    let all = app.rest.get(&path).await.ok();
    let entries = all["audit"].as_array().unwrap();
    let who: Vec<_> = entries.iter().map(|e| (e["actor"].as_str().unwrap(), e["action"].as_str().unwrap())).collect();
    assert_eq!(who[..2], [("customer", "wrote"), ("user", "wrote")]);
    assert!(who[2..].iter().all(|entry| *entry == ("twilio", "reported")) && who.len() > 2, "{who:?}");
    assert_eq!((&entries[1]["actor_id"], &entries[1]["data"]["ownership"]), (&json!("joe"), &json!("user")));
    let text = all.to_string();
    assert!(!text.contains("sink") && !text.contains("On my way") && !text.contains("+1212"), "{text}");
    let first = app.rest.get(&format!("{path}?limit=1")).await.ok();
    let rest = app.rest.get(&format!("{path}?cursor={}", first["next_cursor"].as_str().unwrap())).await.ok();
    assert_eq!((&first["audit"][0], &rest["audit"][0]), (&entries[0], &entries[1]));
}

/// Neither the service's role nor the owner of the table can change or delete entries.
#[tokio::test]
async fn the_record_can_only_be_added_to() {
    let app = spawn_app().await;
    app.text(CUSTOMER, "My kitchen sink is blocked").await;
    app.wait_for_event("message.delivered").await;
    let mut sql = app.servers.sql().await;
    for role in ["nevermisscall_service", "NONE"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("SET ROLE {role}"))).execute(&mut sql).await.unwrap();
        for attempt in ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit", "TRUNCATE audit"] {
            let error = sqlx::query(attempt).execute(&mut sql).await.unwrap_err();
            let code = error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
            assert_eq!(code.as_deref(), Some("42501"), "{role}: {attempt}: {error}");
        }
    }
    let working: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT usename::text FROM pg_stat_activity WHERE application_name = 'nevermisscall'",
    )
    .fetch_all(&mut sql)
    .await
    .unwrap();
    assert!(!working.is_empty());
    sqlx::query("SET ROLE nevermisscall_service").execute(&mut sql).await.unwrap();
    let error = sqlx::query("DROP TRIGGER audit_is_append_only ON audit").execute(&mut sql).await.unwrap_err();
    assert!(error.to_string().contains("must be owner"), "{error}");
}
