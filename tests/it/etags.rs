//! `If-Match`: a command is carried out only if its person has seen the newest state of the conversation.

use futures::future::join;
use nevermisscall::internals::Role;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{API_KEY, Answer, App, CUSTOMER, Rest, business, customer, eventually, spawn_app_with};

const HELD: [(&str, &str); 2] = [("NMC_WINDOW_HOLD", "300s"), ("NMC_WINDOW_MAX", "600s")];

/// The conversation of a customer who has just texted, and its ETag.
async fn texted(app: &App) -> (String, String) {
    app.text(CUSTOMER, "My sink is blocked").await;
    let id = app.conversation_of(CUSTOMER).await["id"].as_str().unwrap().to_owned();
    let etag = etag(app, &id).await;
    (id, etag)
}

async fn etag(app: &App, id: &str) -> String {
    let answer = app.rest.get(&format!("/conversations/{id}")).await;
    let etag = answer.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.len() > 2, "{etag}");
    etag
}

async fn command(rest: &Rest, id: &str, name: &str, if_match: &str) -> Answer {
    let body = match name {
        "takeover" => json!({ "user_id": "u1", "reason": "r" }),
        "messages" => json!({ "user_id": "u1", "body": "On my way." }),
        "complete" => json!({ "user_id": "u1", "outcome": "booked" }),
        _ => json!({ "user_id": "u1" }),
    };
    rest.send_with(Method::POST, &format!("/conversations/{id}/{name}"), &body, ("if-match", if_match)).await
}

/// What is new, by a 412.
fn news(answer: &Answer) -> Vec<String> {
    assert_eq!((answer.status, answer.error_code()), (412, "PRECONDITION_FAILED"), "{}", answer.body);
    let details = answer.body["error"]["details"].as_array().unwrap();
    assert!(details.iter().all(|detail| detail["field"] == "If-Match"), "{details:?}");
    let word = |detail: &Value| detail["reason"].as_str().unwrap().split(':').next().unwrap().to_owned();
    details.iter().map(word).collect()
}

#[tokio::test]
async fn a_person_acts_on_what_they_have_seen() {
    let app = spawn_app_with(&HELD).await;
    let (id, seen) = texted(&app).await;
    let taken = command(&app.rest, &id, "takeover", &seen).await;
    assert_eq!(taken.status, 200, "{}", taken.body);
    assert_eq!(taken.header("etag"), etag(&app, &id).await);
    let late = command(&app.rest, &id, "messages", &seen).await;
    assert_eq!(news(&late), ["ownership"]);
    assert_eq!(late.header("etag"), taken.header("etag"));
    let mut seen = taken.header("etag").to_owned();
    for name in ["messages", "messages", "release", "takeover", "complete"] {
        let done = command(&app.rest, &id, name, &seen).await;
        assert!((200..300).contains(&done.status), "{name}: {}", done.body);
        assert_ne!(done.header("etag"), seen, "{name}");
        seen = done.header("etag").to_owned();
    }
    assert_eq!(news(&command(&app.rest, &id, "takeover", taken.header("etag")).await), ["ownership"]);
    assert_eq!(command(&app.rest, &id, "takeover", &seen).await.error_code(), "CONFLICT", "it is completed");
}

#[tokio::test]
async fn a_delivery_report_changes_no_etag_and_a_text_does() {
    let app = spawn_app_with(&HELD).await;
    let (id, seen) = texted(&app).await;
    let sent = command(&app.rest, &id, "messages", &seen).await;
    assert_eq!(sent.status, 201, "{}", sent.body);
    app.wait_for_event("message.delivered").await;
    assert_eq!(etag(&app, &id).await, sent.header("etag"));
    app.text(CUSTOMER, "And the tub").await;
    app.wait_for_event_of(CUSTOMER, 2, "message.received").await;
    for name in ["messages", "takeover", "release", "complete"] {
        assert_eq!(news(&command(&app.rest, &id, name, sent.header("etag")).await), ["message"], "{name}");
    }
    assert_eq!(news(&command(&app.rest, &id, "complete", &seen).await), ["ownership", "message"]);
    assert_eq!(app.conversation(&id).await["ownership"], "user", "nothing was done");
    assert_eq!(app.sms_to(CUSTOMER).len(), 1);
}

#[rstest]
#[case::any("*", 200)]
#[case::one_of_a_list("\"other\", TAG", 200)]
#[case::weak("W/TAG", 412)]
#[case::another("\"other\"", 412)]
#[case::no_tag("other", 400)]
#[tokio::test]
async fn conditions_are_those_of_rfc_9110(#[case] value: &str, #[case] status: u16) {
    let app = spawn_app_with(&HELD).await;
    let (id, seen) = texted(&app).await;
    let answer = command(&app.rest, &id, "takeover", &value.replace("TAG", &seen)).await;
    assert_eq!(answer.status, status, "{}", answer.body);
    if status == 400 {
        assert_eq!(answer.body["error"]["details"][0]["field"], "If-Match");
    }
    let lines = [("if-match", "\"other\""), ("if-match", "\"this\"")];
    let body = json!({ "user_id": "u1" });
    let refused = app.rest.send_with_all(Method::POST, &format!("/conversations/{id}/release"), &body, &lines).await;
    assert_eq!(refused.status, 412, "several lines are one list");
}

#[tokio::test]
async fn a_false_alarm_may_have_a_condition_too() {
    let app = spawn_app_with(&HELD).await;
    app.text(CUSTOMER, "I smell gas in the kitchen").await;
    app.wait_for_event("emergency.detected").await;
    let id = app.conversation_of(CUSTOMER).await["id"].as_str().unwrap().to_owned();
    let seen = etag(&app, &id).await;
    app.text(CUSTOMER, "It was the neighbour").await;
    app.wait_for_event_of(CUSTOMER, 2, "message.received").await;
    assert!(news(&command(&app.rest, &id, "false-alarm", &seen).await).contains(&"message".to_owned()));
    assert_eq!(app.conversation(&id).await["emergency_detected"], true);
    let seen = etag(&app, &id).await;
    let done = command(&app.rest, &id, "false-alarm", &seen).await;
    assert_eq!((done.status, &done.body["emergency_detected"]), (200, &json!(false)));
}

#[tokio::test]
async fn a_kept_answer_comes_before_the_condition_and_a_412_is_not_kept() {
    let app = spawn_app_with(&[("NMC_WINDOW_HOLD", "6s"), ("NMC_WINDOW_MAX", "9s")]).await;
    let (id, seen) = texted(&app).await;
    let (path, body) = (format!("/conversations/{id}/messages"), json!({ "user_id": "u1", "body": "On my way." }));
    let send = |if_match: String| {
        let (rest, path, body) = (app.rest.clone(), path.clone(), body.clone());
        async move {
            let headers = [("if-match", if_match.as_str()), ("idempotency-key", "k1")];
            rest.send_with_all(Method::POST, &path, &body, &headers).await
        }
    };
    assert_eq!(send("\"old\"".to_owned()).await.status, 412);
    let first = send(seen.clone()).await;
    assert_eq!(first.status, 201, "the 412 was not kept: {}", first.body);
    let again = send(seen).await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.header("idempotency-replayed"), "true");
    // As if the process had died before it kept the answer.
    sqlx::query("DELETE FROM idempotency").execute(&mut app.servers.sql().await).await.unwrap();
    let repeated = send("\"old\"".to_owned()).await;
    assert_eq!((repeated.status, &repeated.body["id"]), (201, &first.body["id"]), "{}", repeated.body);
    assert_eq!(repeated.header("etag"), "", "what came since is not seen");
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 1);
}

#[tokio::test]
async fn a_malformed_condition_is_refused_and_not_kept() {
    let app = spawn_app_with(&HELD).await;
    let (id, seen) = texted(&app).await;
    let (path, body) = (format!("/conversations/{id}/messages"), json!({ "user_id": "u1", "body": "On my way." }));
    for (if_match, status) in [("no tag", 400), (seen.as_str(), 201)] {
        let headers = [("if-match", if_match), ("idempotency-key", "k1")];
        let answer = app.rest.send_with_all(Method::POST, &path, &body, &headers).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
}

/// What races with a command that has a condition.
#[derive(Debug, Clone, Copy)]
enum Rival {
    Text,
    Command(&'static str),
}

/// Hundreds of pairs over HTTP, with two services: a command on a state, and something that its person has not seen. If the
/// command is accepted, it was committed first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_pairs_never_accept_both_if_the_newest_state_was_not_seen() {
    let setup = HELD.iter().fold(App::setup(), |setup, (name, value)| setup.set(name, value));
    let app = setup.set("NMC_RATE_LIMIT", "1000000/min").roles([Role::Serve, Role::Serve]).start().await;
    let other = Rest::new(format!("http://{}", app.addresses()[1]), API_KEY);
    let mut limits = business();
    limits["policy"] = json!({ "day_texts": 100_000, "day_new_numbers": 100_000 });
    app.put_business(crate::harness::BUSINESS, &limits).await;
    let rivals =
        [Rival::Text, Rival::Command("takeover"), Rival::Text, Rival::Command("messages"), Rival::Command("complete")];
    let (mut accepted, mut refused) = (0, 0);
    for n in 0..400 {
        let customer = customer(7_000 + n);
        app.text(&customer, "My sink is blocked").await;
        let id = app.conversation_of(&customer).await["id"].as_str().unwrap().to_owned();
        let seen = etag(&app, &id).await;
        let ours = ["messages", "takeover", "complete"][n as usize % 3];
        let rival = rivals[n as usize % rivals.len()];
        let theirs = async {
            match rival {
                Rival::Text => {
                    app.text(&customer, "And the tub").await;
                    None
                }
                Rival::Command(name) => Some(command(&other, &id, name, &seen).await.status),
            }
        };
        let (ours, theirs) = join(command(&app.rest, &id, ours, &seen), theirs).await;
        let is_accepted = (200..300).contains(&ours.status);
        assert!(is_accepted || ours.status == 412, "pair {n}: {} {}", ours.status, ours.body);
        match theirs {
            // Both had seen the same.
            Some(status) => {
                let both = is_accepted && (200..300).contains(&status);
                assert!(!both, "pair {n}: both commands were accepted, {rival:?}");
                assert!(is_accepted || (200..300).contains(&status), "pair {n}: neither was accepted, {rival:?}");
            }
            None => {
                let acts = ["wrote", "took_over", "completed"];
                let path = format!("/conversations/{id}/audit");
                let order = eventually("both in the record", async || {
                    let record = app.rest.get(&path).await.ok();
                    let entries = record["audit"].as_array().unwrap().clone();
                    let texts: Vec<usize> = (0..entries.len())
                        .filter(|n| entries[*n]["actor"] == "customer" && entries[*n]["action"] == "wrote")
                        .collect();
                    let act = entries.iter().position(|entry| {
                        entry["actor"] == "user" && acts.contains(&entry["action"].as_str().unwrap())
                    });
                    (texts.len() == 2).then(|| (texts[1], act))
                });
                let (second_text, act) = order.await;
                assert_eq!(act.is_some(), is_accepted, "pair {n}");
                assert!(act.is_none_or(|act| act < second_text), "pair {n}: accepted after a text that was not seen");
            }
        }
        accepted += u32::from(is_accepted);
        refused += u32::from(!is_accepted);
    }
    println!("{accepted} accepted, {refused} refused");
    assert!(accepted > 0 && refused > 0, "{accepted} accepted, {refused} refused: no race");
}
