//! `GET /figures`: exact numbers of calls, answers and bookings per day.

use std::time::Duration;

use nmc_testbed::dispatchbot::Fault as BotFault;
use nmc_testbed::sim::{Rule, Span};
use nmc_testbed::twilio::{Fault, Refusal, new_call_sid};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{App, BUSINESS, CUSTOMER, OUR_NUMBER, customer, query, spawn_app};

async fn figures(app: &App, of: &[(&str, &str)]) -> Value {
    app.rest.get(&query("/figures", of)).await.ok()
}

/// Two missed calls whose customers get their text, late for one of them; one that gets none; an answered call; and a call that
/// still rings.
async fn calls(app: &App) {
    app.miss_call(CUSTOMER).await;
    app.wait_for_sms(CUSTOMER, 1).await;
    let late = customer(1);
    app.servers.twilio.add_rule(Rule::next(1, Fault::Respond(Refusal::status(503))).to(&late));
    app.miss_call(&late).await;
    app.wait_for_sms(&late, 1).await;
    // Texted shortly before.
    app.miss_call(CUSTOMER).await;
    let answered = new_call_sid();
    app.webhook().incoming_call(&answered, &customer(2), OUR_NUMBER, "ringing").await.unwrap();
    app.webhook().call_status(&answered, "completed", Some(&customer(2)), Some(OUR_NUMBER), 30).await.unwrap();
    app.webhook().incoming_call(&new_call_sid(), &customer(3), OUR_NUMBER, "ringing").await.unwrap();
    app.wait_for_event_of(CUSTOMER, 2, "call.missed").await;
    app.wait_for_event_of(&customer(2), 1, "call.answered").await;
    app.wait_for_event_of(&customer(3), 1, "call.received").await;
}

/// One answer of the AI, one of a person, one fallback text, and one without anything.
async fn conversations(app: &App) {
    app.text(CUSTOMER, "My sink is blocked. Can you help?").await;
    app.wait_for_sms(CUSTOMER, 2).await;
    let by_person = customer(4);
    app.servers
        .dispatchbot
        .add_rule(Rule::always(BotFault::Delay(Span::exactly(Duration::from_secs(60)))).to(&by_person));
    app.text(&by_person, "How much is a tap?").await;
    let conversation = app.conversation_of(&by_person).await;
    let path = format!("/conversations/{}/messages", conversation["id"].as_str().unwrap());
    let reply = json!({ "user_id": "user-joe", "body": "It is $20." });
    assert_eq!(app.rest.send(Method::POST, &path, Some(&reply)).await.status, 201);
    app.wait_for_sms(&by_person, 1).await;
    let by_nobody = customer(5);
    app.servers.dispatchbot.add_rule(Rule::always(BotFault::Respond(500)).to(&by_nobody));
    app.text(&by_nobody, "Do you mend boilers?").await;
    app.wait_for_sms(&by_nobody, 1).await;
    let ignored = customer(6);
    let never = format!("/businesses/{BUSINESS}/never-text/{}", ignored.replace('+', "%2B"));
    app.rest.send(Method::PUT, &never, None).await.ok();
    app.text(&ignored, "Hello?").await;
    app.conversation_of(&ignored).await;
}

#[tokio::test]
async fn the_figures_of_a_day_are_exact() {
    let app = spawn_app().await;
    calls(&app).await;
    conversations(&app).await;
    app.settled().await;
    // Twilio accepted this text at once; that of the other customer after 6 s.
    let mut sql = app.servers.sql().await;
    let late = "UPDATE messages SET attempted_at = attempted_at + interval '6 s' WHERE kind = 'missed_call' AND conversation_id IN
                (SELECT id FROM conversations WHERE customer_phone = $1)";
    sqlx::query(late).bind(customer(1)).execute(&mut sql).await.unwrap();
    let found = figures(&app, &[]).await;
    assert_eq!(found["days"].as_array().unwrap().len(), 7);
    let today = &found["days"][6];
    let counts = json!({
        "calls": today["calls"], "answered": today["answered"], "missed": today["missed"],
        "to_text_back": today["to_text_back"], "texted_within_5s": today["texted_within_5s"],
        "conversations": today["conversations"], "first_answer": today["first_answer"], "bookings": today["bookings"],
    });
    let expected = json!({
        "calls": 5, "answered": 1, "missed": 3, "to_text_back": 2, "texted_within_5s": 1,
        "conversations": 4, "first_answer": { "ai": 1, "user": 1, "fallback": 1, "nobody": 1 }, "bookings": 0,
    });
    assert_eq!(counts, expected);
    let mut total = found["total"].clone();
    total["date"] = today["date"].clone();
    assert_eq!(&total, today, "nothing happened on the other days");
    let median = today["answer_seconds"]["median"].as_f64().unwrap();
    let p90 = today["answer_seconds"]["p90"].as_f64().unwrap();
    assert!(0.0 < median && median <= p90 && p90 < 60.0, "{today}");
}

#[tokio::test]
async fn the_times_to_answer_are_those_between_the_texts() {
    let app = spawn_app().await;
    for n in 1..=3 {
        app.text(&customer(n), "My sink is blocked. Can you help?").await;
        app.wait_for_sms(&customer(n), 1).await;
    }
    app.settled().await;
    let mut sql = app.servers.sql().await;
    let apart = "UPDATE messages SET attempted_at = first.created_at + make_interval(secs => 10 * right(c.customer_phone, 1)::int)
                 FROM conversations c, messages first
                 WHERE messages.kind = 'reply' AND messages.conversation_id = c.id
                   AND first.conversation_id = c.id AND first.kind = 'customer'";
    assert_eq!(sqlx::query(apart).execute(&mut sql).await.unwrap().rows_affected(), 3);
    let total = &figures(&app, &[]).await["total"];
    assert_eq!(total["answer_seconds"], json!({ "median": 20.0, "p90": 28.0 }));
}

#[tokio::test]
async fn each_thing_counts_on_its_own_day_in_the_zone_that_is_asked_for() {
    let app = spawn_app().await;
    app.miss_call(CUSTOMER).await;
    app.text(CUSTOMER, "My sink is blocked. Can you help?").await;
    app.wait_for_sms(CUSTOMER, 2).await;
    app.settled().await;
    let mut sql = app.servers.sql().await;
    // 20:30 of March 1 in New York.
    let at = "'2026-03-02T01:30:00Z'::timestamptz";
    for table in ["calls", "conversations"] {
        let moved = format!("UPDATE {table} SET created_at = {at}");
        sqlx::query(sqlx::AssertSqlSafe(moved)).execute(&mut sql).await.unwrap();
    }
    let range = [("from", "2026-03-01"), ("to", "2026-03-02")];
    let of_days = |found: &Value| -> Vec<(i64, i64)> {
        let days = found["days"].as_array().unwrap();
        days.iter().map(|day| (day["calls"].as_i64().unwrap(), day["conversations"].as_i64().unwrap())).collect()
    };
    assert_eq!(of_days(&figures(&app, &range).await), [(0, 0), (1, 1)]);
    let new_york = figures(&app, &[range[0], range[1], ("timezone", "America/New_York")]).await;
    assert_eq!(of_days(&new_york), [(1, 1), (0, 0)]);
    assert_eq!(new_york["timezone"], "America/New_York");
    assert_eq!(figures(&app, &[("from", "2026-03-03"), ("to", "2026-03-04")]).await["total"]["calls"], 0);
}

#[tokio::test]
async fn an_appointment_that_the_customer_agreed_to_is_a_booking() {
    let app = spawn_app().await;
    app.text(CUSTOMER, "My sink is blocked. Can you come today?").await;
    app.wait_for_sms(CUSTOMER, 1).await;
    app.text(CUSTOMER, "Yes, that works").await;
    app.wait_for_event("appointment.requested").await;
    assert_eq!(figures(&app, &[]).await["total"]["bookings"], 1);
    assert_eq!(figures(&app, &[("from", "2026-03-03"), ("to", "2026-03-04")]).await["total"]["bookings"], 0);
}

#[tokio::test]
async fn a_key_counts_what_it_may_see() {
    let app = spawn_app().await;
    app.miss_call(CUSTOMER).await;
    app.wait_for_event("call.missed").await;
    let (_, own) = app.key(Some(&[BUSINESS]), false).await;
    let (_, other) = app.key(Some(&["anns-pipes"]), false).await;
    for (rest, business, calls) in [
        (&app.rest, BUSINESS, 1),
        (&app.rest, "anns-pipes", 0),
        (&own, "", 1),
        (&own, BUSINESS, 1),
        (&own, "anns-pipes", 0),
        (&other, "", 0),
        (&other, BUSINESS, 0),
    ] {
        let of = if business.is_empty() { vec![] } else { vec![("business_id", business)] };
        assert_eq!(rest.get(&query("/figures", &of)).await.ok()["total"]["calls"], calls, "{business}");
    }
}

#[rstest]
#[case::zone(&[("timezone", "Mars/Olympus")], "timezone")]
#[case::order(&[("from", "2026-03-02"), ("to", "2026-03-01")], "from")]
#[case::range(&[("from", "2025-03-02"), ("to", "2026-03-01")], "from")]
#[case::date(&[("from", "yesterday")], "from")]
#[tokio::test]
async fn a_request_that_cannot_be_counted_names_the_field(#[case] of: &[(&str, &str)], #[case] field: &str) {
    let app = spawn_app().await;
    let answer = app.rest.get(&query("/figures", of)).await;
    assert_eq!((answer.status, answer.error_code()), (400, "VALIDATION_FAILED"));
    // A value that is no date at all is named in the message.
    assert!(answer.body["error"].to_string().contains(field), "{}", answer.body);
}
