//! `forward_to` as a list: what is accepted and shown, who belongs to the business's own side, and which new phones count.

use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{App, BUSINESS, OUR_NUMBER, OWNER, PATIENCE, business, eventually, spawn_app};

const PATH: &str = "/businesses/joes-plumbing";
const SECOND: &str = "+15555553399";
const THIRD: &str = "+15555553398";

fn forwards_to(phones: Value) -> Value {
    let mut document = business();
    document["forward_to"] = phones;
    document
}

#[rstest]
#[case::one(json!(OWNER), json!(OWNER))]
#[case::a_list_of_one(json!([OWNER]), json!(OWNER))]
#[case::three(json!([OWNER, SECOND, THIRD]), json!([OWNER, SECOND, THIRD]))]
#[tokio::test]
async fn a_phone_or_a_list_is_shown_as_it_was_put(#[case] put: Value, #[case] shown: Value) {
    let app = spawn_app().await;
    assert_eq!(app.put_business(BUSINESS, &forwards_to(put)).await["forward_to"], shown);
    assert_eq!(app.rest.get(PATH).await.ok()["forward_to"], shown);
    // One phone again: nothing of the list is left.
    assert_eq!(app.put_business(BUSINESS, &business()).await["forward_to"], OWNER);
    let mut sql = app.servers.sql().await;
    let stored: Value = sqlx::query_scalar("SELECT profile FROM businesses").fetch_one(&mut sql).await.unwrap();
    assert_eq!((&stored["forward_to"], stored.get("forward_to_next")), (&json!(OWNER), None));
}

#[rstest]
#[case::no_phone(json!([]), "forward_to")]
#[case::six(json!((0..6).map(|n| format!("+1555555900{n}")).collect::<Vec<_>>()), "forward_to")]
#[case::twice(json!([OWNER, OWNER]), "forward_to")]
#[case::no_number(json!([OWNER, "soon"]), "forward_to[1]")]
#[case::a_number_of_the_business(json!([OWNER, OUR_NUMBER]), "forward_to")]
#[case::premium(json!([OWNER, "+19005550123"]), "forward_to")]
#[case::an_object(json!({}), "forward_to")]
#[case::a_number_in_the_list(json!([1]), "forward_to[0]")]
#[tokio::test]
async fn a_list_that_cannot_be_used_is_refused_by_its_name(#[case] put: Value, #[case] field: &str) {
    let app = spawn_app().await;
    let refused = app.rest.put(PATH, &forwards_to(put)).await;
    assert_eq!(
        (refused.status, &refused.body["error"]["details"][0]["field"]),
        (400, &json!(field)),
        "{}",
        refused.body
    );
}

#[tokio::test]
async fn every_phone_belongs_to_the_business_and_a_call_that_it_forwards_is_not_dialled() {
    let app = spawn_app().await;
    app.put_business(BUSINESS, &forwards_to(json!([OWNER, SECOND]))).await;
    app.miss_call(SECOND).await;
    app.settled().await;
    assert!(app.sms_to(SECOND).is_empty(), "it is no customer");
    let sid = nmc_testbed::twilio::new_call_sid();
    let form = [("CallSid", sid.as_str()), ("From", "+12125559999"), ("To", OUR_NUMBER), ("ForwardedFrom", SECOND)];
    let answer = app.webhook().post("/webhooks/twilio/call", &form).await.unwrap();
    assert!(answer.body.contains("<Reject reason=\"busy\"/>"), "{}", answer.body);
}

#[tokio::test]
async fn a_loop_by_any_phone_of_a_list_is_refused() {
    let app = spawn_app().await;
    let other = |to: Value| {
        let mut document = forwards_to(to);
        document["phone_numbers"] = json!(["+15557000001"]);
        document
    };
    assert_eq!(app.rest.put("/businesses/other", &other(json!(["+15557000009", OUR_NUMBER]))).await.status, 200);
    let refused = app.rest.put(PATH, &forwards_to(json!([OWNER, "+15557000001"]))).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert_eq!(refused.body["error"]["details"][0]["field"], "forward_to");
    assert_eq!(app.rest.put("/businesses/other", &other(json!(["+15557000009"]))).await.status, 200);
    assert_eq!(app.rest.put(PATH, &forwards_to(json!([OWNER, "+15557000001"]))).await.status, 200);
}

/// The code in the newest text to this phone.
async fn code(app: &App, phone: &str) -> String {
    let asks = |sms: &nmc_testbed::twilio::SentMessage| sms.to == phone && sms.body.contains("NeverMissCall");
    let all = app.servers.twilio.wait_for(|all| all.iter().any(asks), PATIENCE).await.unwrap();
    let body = &all.iter().rev().find(|sms| asks(sms)).unwrap().body;
    body.split(|c: char| !c.is_ascii_digit()).find(|run| run.len() == 6).unwrap().to_owned()
}

#[tokio::test]
async fn each_new_phone_of_a_list_counts_once_it_has_answered_its_code() {
    let app = spawn_app().await;
    let (_, key) = app.key(Some(&[BUSINESS]), true).await;
    let shown = key.put(PATH, &forwards_to(json!([SECOND, OWNER, THIRD]))).await.ok();
    assert_eq!(shown["forward_to"], OWNER);
    let pending: Vec<_> = shown["pending_phones"].as_array().unwrap().iter().map(|p| p["phone"].clone()).collect();
    assert_eq!(pending, [SECOND, THIRD]);
    let code_of_third = code(&app, THIRD).await;
    app.text(THIRD, &code_of_third).await;
    let becomes = async |phones: Value| {
        eventually("the phones count", async || (app.rest.get(PATH).await.ok()["forward_to"] == phones).then_some(()))
            .await;
    };
    becomes(json!([OWNER, THIRD])).await;
    let code_of_second = code(&app, SECOND).await;
    app.text(SECOND, &code_of_second).await;
    becomes(json!([SECOND, OWNER, THIRD])).await;
    assert_eq!(app.rest.get(PATH).await.ok()["pending_phones"], json!([]));
}
