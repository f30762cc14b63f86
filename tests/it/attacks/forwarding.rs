//! Calls forwarded from business to business arrive, and none is forwarded to an expensive number.

use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{App, spawn_app};

fn number(n: usize) -> String {
    format!("+1555700{n:04}")
}

fn forwards(numbers: &[String], to: &str) -> Value {
    let mut business = crate::harness::business();
    business["phone_numbers"] = json!(numbers);
    business["forward_to"] = json!(to);
    business
}

async fn put(app: &App, n: usize, to: &str) -> (u16, Value) {
    let answer = app.rest.put(&format!("/businesses/b{n}"), &forwards(&[number(n)], to)).await;
    (answer.status, answer.body)
}

#[rstest]
#[case::of_two(2)]
#[case::of_three(3)]
#[case::of_nine(9)]
#[tokio::test]
async fn a_loop_is_refused_to_whoever_closes_it(#[case] length: usize) {
    let app = spawn_app().await;
    // 0 → phone, then n → n - 1: so far all calls end at the phone of business 0.
    assert_eq!(put(&app, 0, "+15555559999").await.0, 200);
    for n in 1..length {
        assert_eq!(put(&app, n, &number(n - 1)).await.0, 200, "{n}");
    }
    let (status, body) = put(&app, 0, &number(length - 1)).await;
    assert_eq!(status, 400, "{body}");
    let told = body["error"]["details"].to_string();
    assert!(told.contains("forward_to") && !told.contains(&number(length - 1)[1..]), "{told}");
    assert_eq!(app.rest.get("/businesses/b0").await.ok()["forward_to"], "+15555559999");
}

#[tokio::test]
async fn a_loop_that_a_new_number_closes_is_refused() {
    let app = spawn_app().await;
    assert_eq!(put(&app, 1, &number(9)).await.0, 200);
    assert_eq!(put(&app, 2, &number(1)).await.0, 200);
    let closing = forwards(&[number(2), number(9)], &number(1));
    let refused = app.rest.put("/businesses/b2", &closing).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert!(refused.body["error"]["details"].to_string().contains("phone_numbers"));
    let elsewhere = forwards(&[number(2), number(9)], "+15555559999");
    assert_eq!(app.rest.put("/businesses/b2", &elsewhere).await.status, 200);
}

#[tokio::test]
async fn of_two_who_close_a_loop_at_once_one_is_refused() {
    let app = spawn_app().await;
    for n in [1, 2] {
        assert_eq!(put(&app, n, "+15555559999").await.0, 200);
    }
    for _ in 0..5 {
        let (to_two, to_one) = (number(2), number(1));
        let (one, two) = tokio::join!(put(&app, 1, &to_two), put(&app, 2, &to_one));
        assert_eq!(u8::from(one.0 == 200) + u8::from(two.0 == 200), 1, "{} {}", one.1, two.1);
        for n in [1, 2] {
            assert_eq!(put(&app, n, "+15555559999").await.0, 200);
        }
    }
}

#[tokio::test]
async fn a_chain_is_ten_long_at_most_whichever_end_is_put_last() {
    let app = spawn_app().await;
    for n in 1..=9 {
        assert_eq!(put(&app, n, &number(n + 1)).await.0, 200, "{n}");
    }
    assert_eq!(put(&app, 10, "+15555559999").await.0, 200);
    let (status, body) = put(&app, 0, &number(1)).await;
    assert_eq!(status, 400, "{body}");
    assert_eq!(put(&app, 10, &number(11)).await.0, 200);
    let (status, body) = put(&app, 11, "+15555559998").await;
    assert_eq!(status, 400, "{body}");
}

#[rstest]
#[case::premium("+19005551234")]
#[case::satellite("+881612345678")]
#[case::international_premium("+979123456789")]
#[case::premium_abroad("+449098765432")]
#[tokio::test]
async fn numbers_that_cost_more_are_refused_whoever_puts_them(#[case] phone: &str) {
    let app = spawn_app().await;
    let mut forwarded = crate::harness::business();
    forwarded["forward_to"] = json!(phone);
    let mut alerted = crate::harness::business();
    alerted["emergency_contacts"] = json!(["+15555553333", phone]);
    for (put, field) in [(forwarded, "forward_to"), (alerted, "emergency_contacts")] {
        let refused = app.rest.put("/businesses/joes-plumbing", &put).await;
        assert_eq!((refused.status, refused.error_code()), (400, "VALIDATION_FAILED"), "{}", refused.body);
        assert_eq!(refused.body["error"]["details"][0]["field"], field);
    }
}
