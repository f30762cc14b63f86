//! What a business may use in a day, and alerts that come in a flood.

use nmc_testbed::sim::Rule;
use nmc_testbed::twilio::{Fault, Refusal};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{App, BUSINESS, OWNER, business, customer, eventually, spawn_app_with};

/// What the service told about limits that were reached.
async fn told(app: &App) -> Vec<Value> {
    let told =
        |event: &Value| event["event_type"] == "conversation.needs_attention" && event["data"]["reason"] == "limit";
    app.events.log().await.into_iter().filter(told).map(|event| event["data"]["limit"].clone()).collect()
}

#[tokio::test]
async fn calls_of_strangers_beyond_the_limit_are_kept_and_told_once() {
    let app = spawn_app_with(&[("NMC_DAY_NEW_NUMBERS", "3"), ("NMC_SEND_RATE", "100/s")]).await;
    let callers: Vec<String> = (0..12).map(customer).collect();
    futures::future::join_all(callers.iter().map(|caller| app.miss_call(caller))).await;
    app.settled().await;
    let texts: usize = callers.iter().map(|caller| app.sms_to(caller).len()).sum();
    assert_eq!(texts, 3);
    assert_eq!(told(&app).await, ["new_numbers"]);
    let metrics = app.rest.get_as("/metrics", "text/plain").await.body;
    let metrics = metrics.as_str().unwrap();
    assert!(metrics.contains("nmc_stopped_by_limit_total{limit=\"new_numbers\"} 9"), "{metrics}");
    for caller in &callers {
        assert_eq!(app.conversations_of(caller).await.len(), 1, "{caller} is kept");
    }
}

#[tokio::test]
async fn a_business_sets_its_own_limits_and_windows_beyond_them_are_handed_over() {
    let app = spawn_app_with(&[("NMC_DAY_AI", "0"), ("NMC_SEND_RATE", "100/s")]).await;
    let mut own = business();
    own["policy"] = json!({ "day_ai": 2 });
    assert_eq!(app.put_business(BUSINESS, &own).await["policy"], own["policy"]);
    for number in 0..2 {
        app.text(&customer(number), "My sink is blocked").await;
        app.wait_for_sms(&customer(number), 1).await;
    }
    app.text(&customer(2), "My sink is blocked").await;
    let needed = app.wait_for_event_of(&customer(2), 1, "conversation.needs_attention").await;
    assert_eq!((&needed["data"]["reason"], &needed["data"]["limit"]), (&json!("limit"), &json!("ai")));
    let conversation = app.conversation_of(&customer(2)).await;
    let id = conversation["id"].as_str().unwrap();
    let story = app.rest.get(&format!("/conversations/{id}/explain")).await.ok().to_string();
    assert!(story.contains("used up a limit of the day"), "{story}");
    app.text(&customer(3), "I smell gas in the kitchen!").await;
    app.wait_for_questions(3).await;
    app.settled().await;
    assert_eq!(app.sms_to(&customer(2)).len(), 0);
    assert_eq!(app.sms_to(&customer(3)).len(), 2, "danger to life: the notice and the answer");
}

#[tokio::test]
async fn a_limit_that_is_none_is_refused() {
    let app = spawn_app_with(&[]).await;
    for day_texts in [json!(1.5), json!(-1), json!(1_000_001), json!("many")] {
        let mut wrong = business();
        wrong["policy"] = json!({ "day_texts": day_texts });
        let answer = app.rest.put(&format!("/businesses/{BUSINESS}"), &wrong).await;
        assert_eq!((answer.status, answer.error_code()), (400, "VALIDATION_FAILED"), "{}", answer.body);
        assert_eq!(answer.body["error"]["details"][0]["field"], "policy.day_texts", "{}", answer.body);
    }
}

/// Ten floods at once, and then one danger to life.
#[tokio::test]
async fn alerts_after_the_third_are_bundled_and_each_is_named() {
    let app = spawn_app_with(&[("NMC_ALERT_BUNDLE", "3s"), ("NMC_SEND_RATE", "100/s")]).await;
    let callers: Vec<String> = (0..10).map(customer).collect();
    futures::future::join_all(callers.iter().map(|caller| app.text(caller, "The basement is flooding!"))).await;
    app.wait_for_sms(OWNER, 3).await;
    app.text(&customer(10), "I smell gas in the kitchen!").await;
    let alerts = eventually("all alerts", async || {
        let alerts = app.sms_to(OWNER);
        let all = alerts.iter().map(|sms| sms.body.as_str()).collect::<Vec<_>>().join("\n");
        callers.iter().all(|caller| all.contains(caller.as_str())).then_some(alerts)
    })
    .await;
    app.settled().await;
    assert!(alerts.len() <= 6, "three alone, the danger, and at most two bundles: {alerts:?}");
    let bundled: Vec<&str> =
        alerts.iter().map(|sms| sms.body.as_str()).filter(|body| body.contains(" more ")).collect();
    assert!(bundled.iter().all(|body| body.contains("(flooding)")), "{bundled:?}");
    let in_danger: Vec<&str> =
        alerts.iter().map(|sms| sms.body.as_str()).filter(|body| body.contains(&customer(10))).collect();
    assert!(in_danger.len() == 1 && in_danger[0].contains("I smell gas"), "by itself: {alerts:?}");
}

#[tokio::test]
async fn a_customer_who_is_erased_is_named_in_no_bundle_any_more() {
    let app = spawn_app_with(&[("NMC_ALERT_BUNDLE", "1s")]).await;
    let callers: Vec<String> = (0..5).map(customer).collect();
    for caller in &callers {
        app.text(caller, "The basement is flooding!").await;
    }
    let bundle = async || {
        let mut sql = app.servers.sql().await;
        let of_bundle = "SELECT body FROM messages WHERE id IN (SELECT bundled_into FROM messages)";
        sqlx::query_scalar::<_, String>(of_bundle).fetch_optional(&mut sql).await.unwrap()
    };
    let named = eventually("a bundle", async || bundle().await.filter(|_| app.sms_to(OWNER).len() == 4)).await;
    app.settled().await;
    let erased = callers.iter().rfind(|caller| named.contains(caller.as_str())).unwrap();
    let answer = app.rest.send(Method::DELETE, &format!("/customers/{erased}"), None).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(bundle().await.as_deref(), Some(""));
}

/// The owner's phone takes three texts. The bundle fails, and so each of its emergencies is told to the next contact.
#[tokio::test]
async fn when_a_bundle_is_lost_the_next_person_learns_of_each_emergency() {
    let contact = "+15555553333";
    let app =
        spawn_app_with(&[("NMC_ALERT_BUNDLE", "1s"), ("NMC_SEND_RATE", "100/s"), ("NMC_ALERT_EVERY", "1h")]).await;
    let mut with_contact = business();
    with_contact["emergency_contacts"] = json!([contact]);
    app.put_business(BUSINESS, &with_contact).await;
    for number in 0..3 {
        app.text(&customer(number), "The basement is flooding!").await;
        app.wait_for_sms(OWNER, number as usize + 1).await;
    }
    app.servers.twilio.add_rule(Rule::always(Fault::Respond(Refusal::code(21610))).to(OWNER));
    for number in 3..5 {
        app.text(&customer(number), "The basement is flooding!").await;
    }
    for number in 3..5 {
        eventually("an alert to the contact", async || {
            app.sms_to(contact).iter().any(|sms| sms.body.contains(&customer(number))).then_some(())
        })
        .await;
    }
}
