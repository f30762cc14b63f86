//! Customers who wait while a person is silent: events, the reminder of the owner, and the return to the AI.

use futures::future::join_all;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{App, BUSINESS, CUSTOMER, OWNER, business, customer, eventually, spawn_app_with};

/// Makes what happened in a customer's conversation older, and its timer overdue.
const AGE: &str = "UPDATE conversations SET version = version + 1, waiting_since = waiting_since - $2::interval,
    next_timer_at = now() - interval '10 seconds',
    rules_state = jsonb_set(jsonb_set(rules_state, '{memory,person_at}', to_jsonb(now() - $2::interval)),
        '{memory,unanswered,0,since}', to_jsonb(waiting_since - $2::interval))
    WHERE customer_phone = $1";

/// The business as it is, except for its policy; a person has time to take over.
async fn with_policy(policy: Value) -> App {
    let app = spawn_app_with(&[("NMC_WINDOW_HOLD", "60s"), ("NMC_WINDOW_MAX", "90s")]).await;
    let mut business = business();
    business["policy"] = policy.clone();
    assert_eq!(app.put_business(BUSINESS, &business).await["policy"], policy);
    app
}

async fn command(app: &App, id: &str, name: &str, body: Value) -> Value {
    app.rest.send(Method::POST, &format!("/conversations/{id}/{name}"), Some(&body)).await.ok()
}

/// A person has taken the customer's conversation over, and the customer waits. Returns its id.
async fn waits(app: &App, customer: &str) -> String {
    app.text(customer, "My sink is blocked").await;
    let id = app.conversation_of(customer).await["id"].as_str().unwrap().to_owned();
    command(app, &id, "takeover", json!({ "user_id": "joe", "reason": "mine" })).await;
    id
}

async fn age(app: &App, customer: &str, by: &str) {
    let aged = sqlx::query(AGE).bind(customer).bind(by).execute(&mut app.servers.sql().await).await.unwrap();
    assert_eq!(aged.rows_affected(), 1);
}

#[tokio::test]
async fn the_owner_of_a_silent_person_is_reminded_once_and_it_can_be_explained() {
    let app = with_policy(json!({})).await;
    let id = waits(&app, CUSTOMER).await;
    age(&app, CUSTOMER, "11 minutes").await;
    let reminder = app.wait_for_sms(OWNER, 1).await.remove(0);
    assert!(
        reminder.body.starts_with("Reminder for Joe's Plumbing: +12125551234 has waited 11 minutes"),
        "{reminder:?}"
    );
    let waiting = app.wait_for_event("conversation.waiting").await;
    assert_eq!(waiting["data"]["minutes"], 5, "{waiting}");
    assert_eq!((&waiting["data"]["ownership"], &waiting["data"]["owned_by"]), (&json!("user"), &json!("joe")));
    let needed = app.wait_for_event("conversation.needs_attention").await;
    assert_eq!((&needed["data"]["reason"], &needed["conversation_id"]), (&json!("person_silent"), &json!(id)));
    age(&app, CUSTOMER, "20 minutes").await;
    let waiting = app.wait_for_event_of(CUSTOMER, 2, "conversation.waiting").await;
    assert_eq!(waiting["data"]["minutes"], 30, "{waiting}");
    app.settled().await;
    assert_eq!(app.sms_to(OWNER).len(), 1);
    assert!(app.messages(&id).await.iter().all(|message| message["kind"] == "customer"), "it is no message of hers");
    let explained = app.rest.get(&format!("/conversations/{id}/explain")).await.ok();
    let told: Vec<&str> = explained["waiting"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let told: Vec<&str> = told.iter().filter_map(|line| Some(line.split_once(": ")?.1)).collect();
    assert_eq!(
        told,
        [
            "The customer had waited for an answer for 5 minutes.",
            "The person who owned the conversation was silent.",
            "The owner was reminded by SMS.",
            "The customer had waited for an answer for 30 minutes.",
        ]
    );
}

#[tokio::test]
async fn a_silent_person_loses_the_conversation_and_the_ai_answers() {
    let app = with_policy(json!({ "return_to_ai_after": "5m" })).await;
    let id = waits(&app, CUSTOMER).await;
    age(&app, CUSTOMER, "6 minutes").await;
    let released = app.wait_for_event("conversation.released").await;
    assert_eq!((&released["data"]["by"], &released["conversation_id"]), (&json!("timer"), &json!(id)));
    app.wait_for_sms(CUSTOMER, 1).await;
    let audit = app.rest.get(&format!("/conversations/{id}/audit")).await.ok();
    let by_timer = |entry: &&Value| entry["data"]["waiting"]["released"] == true;
    let entry = audit["audit"].as_array().unwrap().iter().find(by_timer).unwrap();
    assert_eq!((&entry["actor"], &entry["action"]), (&json!("service"), &json!("looked_at_the_clock")));
    let explained = app.rest.get(&format!("/conversations/{id}/explain")).await.ok();
    assert!(explained["waiting"].to_string().contains("the AI got the conversation back"), "{explained}");
}

/// Whichever comes first: after a person's message is answered, the conversation is theirs, and the AI is silent.
#[tokio::test]
async fn a_person_who_writes_while_the_ai_gets_the_conversation_back_keeps_it() {
    let app = with_policy(json!({ "return_to_ai_after": "5m" })).await;
    let customers: Vec<String> = (0..24).map(customer).collect();
    let ids = join_all(customers.iter().map(|customer| waits(&app, customer))).await;
    for (place, (customer, id)) in customers.iter().zip(&ids).enumerate() {
        age(&app, customer, "6 minutes").await;
        if place % 2 == 0 {
            // The sweeper finds it within a second or so.
            eventually("a return, or nearly", async || {
                let events = app.rest.get(&format!("/conversations/{id}/audit")).await.ok();
                let is_near = events["audit"].as_array().is_some_and(|entries| entries.len() > 2) || place % 4 == 0;
                is_near.then_some(())
            })
            .await;
        }
        command(&app, id, "messages", json!({ "user_id": "joe", "body": "On my way" })).await;
        let said = app.messages(id).await;
        let of_the_ai = |messages: &[Value]| {
            messages.iter().filter(|m| m["sender_type"] == "ai" && m["status"] != "superseded").count()
        };
        assert_eq!(app.conversation(id).await["ownership"], "user");
        let before = of_the_ai(&said);
        assert!(before <= 1, "{said:?}");
    }
    let before: Vec<usize> = customers
        .iter()
        .map(|customer| app.sms_to(customer).iter().filter(|sms| sms.body != "On my way").count())
        .collect();
    app.settled().await;
    let after: Vec<usize> = customers
        .iter()
        .map(|customer| app.sms_to(customer).iter().filter(|sms| sms.body != "On my way").count())
        .collect();
    assert_eq!(before, after, "the AI wrote after a person");
    for id in &ids {
        assert_eq!(app.conversation(id).await["ownership"], "user");
    }
}

#[rstest]
#[case::remind("remind_after", json!("30s"))]
#[case::give_back("return_to_ai_after", json!("4m"))]
#[case::hold("after_hours.hold", json!({ "hold": "2h" }))]
#[case::template("after_hours.template", json!({ "template": "" }))]
#[case::spanish("after_hours.es.template", json!({ "es": { "template": " " } }))]
#[case::quiet("owner_quiet_hours", json!({ "start": "9 pm", "end": "08:00" }))]
#[tokio::test]
async fn settings_that_are_none_are_refused_by_their_field(#[case] field: &str, #[case] value: Value) {
    let app = spawn_app_with(&[]).await;
    let mut bad = business();
    bad["policy"] = json!({ field.split('.').next().unwrap(): value });
    let answer = app.rest.put("/businesses/bad", &bad).await;
    assert_eq!((answer.status, answer.error_code()), (400, "VALIDATION_FAILED"), "{}", answer.body);
    assert_eq!(answer.body["error"]["details"][0]["field"], format!("policy.{field}"), "{}", answer.body);
}

#[tokio::test]
async fn the_settings_are_shown_as_they_were_written() {
    with_policy(json!({
        "after_hours": { "hold": "30s", "template": "Closed until {opens}. {opt_out}", "es": { "template": "Cerrado." } },
        "owner_quiet_hours": { "start": "21:00", "end": "08:00" },
        "remind_after": "off",
        "return_to_ai_after": "1h",
    }))
    .await;
}

/// The business is open for a minute in the week that is never now.
#[tokio::test]
async fn outside_the_hours_the_ai_answers_at_once_and_a_caller_is_told_when_the_business_opens() {
    let app = spawn_app_with(&[("NMC_WINDOW_HOLD", "60s"), ("NMC_WINDOW_MAX", "90s")]).await;
    let mut closed = business();
    let opens = chrono::Utc::now() + chrono::TimeDelta::days(3);
    let day = opens.format("%A").to_string();
    closed["timezone"] = json!("UTC");
    closed["business_hours"] =
        json!({ day.to_lowercase(): [{ "start": "08:00", "end": "12:00" }, { "start": "13:00", "end": "17:00" }] });
    closed["policy"] = json!({ "after_hours": { "template": "We are closed until {opens}." } });
    app.put_business(BUSINESS, &closed).await;
    app.miss_call(CUSTOMER).await;
    let told = app.wait_for_sms(CUSTOMER, 1).await;
    assert_eq!(told[0].body, format!("We are closed until {day} 8:00 AM."));
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_sms(CUSTOMER, 2).await;
}
