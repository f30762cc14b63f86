//! The REST API: access, errors, and lists.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{App, BUSINESS, CUSTOMER, OUR_NUMBER, business, customer, query, spawn_app};

#[tokio::test]
async fn nobody_gets_in_without_a_key() {
    let app = spawn_app().await;
    let paths =
        ["/businesses", "/businesses/x", "/conversations", "/conversations/x", "/conversations/x/messages", "/calls/x"];
    for path in paths {
        for key in [None, Some("wrong"), Some("")] {
            let answer = app.rest.with_key(key).get(path).await;
            assert_eq!((answer.status, answer.error_code()), (401, "UNAUTHORIZED"), "{path} with {key:?}");
        }
    }
    let answer = app.rest.with_key(None).put("/businesses/x", &business()).await;
    assert_eq!(answer.status, 401);
}

#[rstest]
#[case::of_no_conversation("/conversations/6e6d6300-7c1e-4f0a-9d53-4e657665724d")]
#[case::of_its_messages("/conversations/6e6d6300-7c1e-4f0a-9d53-4e657665724d/messages")]
#[case::malformed("/conversations/not-a-uuid")]
#[case::malformed_for_messages("/conversations/1/messages")]
#[case::of_no_call("/calls/CA404")]
#[case::of_no_business("/businesses/nobody")]
#[case::of_no_message("/messages?twilio_sid=SM404")]
#[tokio::test]
async fn an_id_that_leads_nowhere_is_404(#[case] path: &str) {
    let app = spawn_app().await;
    let answer = app.rest.get(path).await;
    assert_eq!((answer.status, answer.error_code()), (404, "NOT_FOUND"), "{}", answer.body);
}

#[rstest]
#[case::a_number_that_is_none("forward_to", json!("555"))]
#[case::a_number_of_another_type("forward_to", json!(5))]
#[case::no_numbers_at_all("phone_numbers", json!("none"))]
#[case::one_bad_number("phone_numbers", json!([OUR_NUMBER, "555"]))]
#[case::an_unknown_trade("trade", json!("magic"))]
#[case::a_time_zone_that_is_none("timezone", json!("Mars/Olympus"))]
#[case::an_empty_name("name", json!(""))]
#[case::a_name_with_a_line_break("name", json!("Joe's\nPlumbing"))]
#[case::a_name_of_which_nothing_is_seen("name", json!("\u{200b}"))]
#[case::quiet_hours_of_no_length("user_settings", json!({ "quiet_hours": { "start": "08:00", "end": "08:00" } }))]
#[case::no_name("name", Value::Null)]
#[case::hours_that_are_none("business_hours", json!({ "monday": { "start": "8 o'clock", "end": "18:00" } }))]
#[case::hours_with_a_blank("business_hours", json!({ "monday": { "start": " 8:00", "end": "18:00" } }))]
#[case::a_day_that_is_none("business_hours", json!({ "caturday": null }))]
#[tokio::test]
async fn a_refused_business_is_told_which_field_is_wrong(#[case] field: &str, #[case] value: Value) {
    let app = spawn_app().await;
    let mut bad = business();
    bad[field] = value;
    let answer = app.rest.put("/businesses/bad", &bad).await;
    assert_eq!((answer.status, answer.error_code()), (400, "VALIDATION_FAILED"), "{}", answer.body);
    assert!(answer.body.to_string().contains(field), "{}", answer.body);
    assert_eq!(app.rest.get("/businesses/bad").await.status, 404);
}

#[tokio::test]
async fn a_business_is_put_read_listed_and_deleted() {
    let app = spawn_app().await;
    let mut other = business();
    (other["phone_numbers"], other["name"]) = (json!(["+15555557777"]), json!("Ann's Locks"));
    other["trade"] = json!("locksmith");
    let put = app.put_business("anns-locks", &other).await;
    assert_eq!((&put["id"], &put["name"]), (&json!("anns-locks"), &json!("Ann's Locks")));
    assert_eq!(app.rest.get("/businesses/anns-locks").await.ok(), put);
    let list = app.rest.get("/businesses").await.ok();
    let ids: Vec<_> = list["businesses"].as_array().unwrap().iter().map(|business| &business["id"]).collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert!(ids.contains(&&json!("anns-locks")) && ids.contains(&&json!(BUSINESS)));
    let deleted = app.rest.send(Method::DELETE, "/businesses/anns-locks", None).await;
    assert!((200..300).contains(&deleted.status), "{deleted:?}");
    assert_eq!(app.rest.get("/businesses/anns-locks").await.status, 404);
}

#[tokio::test]
async fn a_number_belongs_to_one_business() {
    let app = spawn_app().await;
    let answer = app.rest.put("/businesses/thief", &business()).await;
    assert_eq!((answer.status, answer.error_code()), (409, "CONFLICT"), "{}", answer.body);
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused_in_the_common_shape() {
    let app = spawn_app().await;
    let url = format!("{}/businesses/bad", app.rest.base());
    let http = nmc_testbed::sim::http_client(crate::harness::PATIENCE).unwrap();
    let request = |content_type: &str, body: &'static str| {
        http.put(&url).bearer_auth(crate::harness::API_KEY).header("content-type", content_type).body(body).send()
    };
    for (content_type, body, status, code) in [
        ("application/json", "{\"name\":", 400, "VALIDATION_FAILED"),
        ("text/plain", "hello", 415, "UNSUPPORTED_MEDIA_TYPE"),
    ] {
        let answer = request(content_type, body).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{content_type}");
        let error: Value = serde_json::from_str(&answer.text().await.unwrap()).expect("JSON");
        assert_eq!(error["error"]["code"], code, "{error}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_in_the_common_shape() {
    let app = spawn_app().await;
    let answer = app.rest.put("/businesses/large", &json!({ "name": "x".repeat(1 << 20) })).await;
    assert_eq!((answer.status, answer.error_code()), (413, "PAYLOAD_TOO_LARGE"), "{}", answer.body);
}

#[rstest]
#[case::read_only("/businesses", Method::POST, "GET, HEAD")]
#[case::a_command("/conversations/1/takeover", Method::GET, "POST")]
#[case::two_groups_share_it("/conversations/1/messages", Method::DELETE, "GET, HEAD, POST")]
#[case::no_key_needed("/health", Method::PATCH, "GET, HEAD")]
#[tokio::test]
async fn a_method_that_a_path_does_not_take_is_told_which_it_takes(
    #[case] path: &str,
    #[case] method: Method,
    #[case] takes: &str,
) {
    let app = spawn_app().await;
    let answer = app.rest.send(method, path, None).await;
    assert_eq!((answer.status, answer.error_code()), (405, "METHOD_NOT_ALLOWED"), "{}", answer.body);
    assert_eq!(answer.headers["allow"], takes);
    let head = app.rest.send(Method::HEAD, "/health", None).await;
    assert_eq!((head.status, head.body), (200, json!("")));
}

#[tokio::test]
async fn a_list_is_read_page_by_page_newest_activity_first() {
    let app = App::setup().set("NMC_WINDOW_HOLD", "60s").set("NMC_WINDOW_MAX", "90s").start().await;
    for number in 0..5 {
        app.text(&customer(number), "Hello").await;
        app.wait_for_event_of(&customer(number), 1, "message.received").await;
    }
    let mut seen = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut pairs = vec![("limit", "2"), ("business_id", BUSINESS)];
        pairs.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = app.rest.get(&query("/conversations", &pairs)).await.ok();
        let conversations = page["conversations"].as_array().expect("conversations");
        assert!(conversations.len() <= 2);
        seen.extend(conversations.iter().filter_map(|c| c["customer_phone"].as_str().map(str::to_owned)));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!(seen, (0..5).rev().map(customer).collect::<Vec<_>>());
}

#[rstest]
#[case::limit_of_nothing("limit", "0")]
#[case::limit_too_high("limit", "201")]
#[case::limit_that_is_none("limit", "many")]
#[case::status("status", "sleepy")]
#[case::ownership("ownership", "nobody")]
#[case::since("since", "yesterday")]
#[case::cursor("cursor", "!")]
#[case::customer_phone("customer_phone", "555")]
#[tokio::test]
async fn a_query_that_makes_no_sense_is_told_so(#[case] name: &str, #[case] value: &str) {
    let app = spawn_app().await;
    let answer = app.rest.get(&query("/conversations", &[(name, value)])).await;
    assert_eq!((answer.status, answer.error_code()), (400, "VALIDATION_FAILED"), "{}", answer.body);
    assert!(answer.body.to_string().contains(name), "{}", answer.body);
}

#[tokio::test]
async fn a_list_can_be_narrowed() {
    let app = App::setup().set("NMC_WINDOW_HOLD", "60s").set("NMC_WINDOW_MAX", "90s").start().await;
    app.text(CUSTOMER, "Hello").await;
    app.wait_for_event("message.received").await;
    for (pairs, count) in [
        (vec![("status", "active")], 1),
        (vec![("status", "completed")], 0),
        (vec![("ownership", "none")], 1),
        (vec![("ownership", "ai")], 0),
        (vec![("since", "2020-01-01T00:00:00Z")], 1),
        (vec![("since", "2100-01-01T00:00:00Z")], 0),
        (vec![("customer_phone", CUSTOMER), ("business_id", BUSINESS)], 1),
        (vec![("customer_phone", "+19995550000")], 0),
        (vec![("business_id", "another")], 0),
    ] {
        let list = app.rest.get(&query("/conversations", &pairs)).await.ok();
        assert_eq!(list["conversations"].as_array().map(Vec::len), Some(count), "{pairs:?}");
    }
}

#[tokio::test]
async fn a_key_that_asks_too_much_is_told_to_wait_and_no_other() {
    const ANOTHER_KEY: &str = "another-key-of-the-app-server-too";
    let keys = format!("{},{ANOTHER_KEY}", crate::harness::API_KEY);
    let app = App::setup().set("NMC_API_KEYS", &keys).set("NMC_RATE_LIMIT", "20/min").start().await;
    let other = app.rest.with_key(Some(ANOTHER_KEY));
    for _ in 0..20 {
        assert_eq!(other.get("/conversations?limit=1").await.status, 200);
    }
    let refused = other.get("/conversations?limit=1").await;
    assert_eq!((refused.status, refused.error_code()), (429, "RATE_LIMITED"));
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(app.rest.get("/conversations?limit=1").await.status, 200);
}

#[rstest]
#[case::of_a_record("/businesses")]
#[case::of_health("/health")]
#[case::of_nothing("/nowhere")]
#[case::of_the_page("/docs")]
#[tokio::test]
async fn no_answer_may_be_cached_or_framed(#[case] path: &str) {
    let app = spawn_app().await;
    let answer = reqwest::get(format!("{}{path}", app.rest.base())).await.unwrap();
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("cache-control").as_deref(), Some("no-store"));
    assert_eq!(header("x-content-type-options").as_deref(), Some("nosniff"));
    assert_eq!(header("x-frame-options").as_deref(), Some("DENY"));
    assert!(header("content-security-policy").unwrap().contains("frame-ancestors 'none'"), "{path}");
}

#[tokio::test]
async fn a_conflict_about_numbers_does_not_tell_which_others_have() {
    let app = spawn_app().await;
    let mut other = business();
    other["phone_numbers"] = json!([OUR_NUMBER, "+15555550099"]);
    let answer = app.rest.put("/businesses/b2", &other).await;
    assert_eq!((answer.status, answer.error_code()), (409, "CONFLICT"), "{}", answer.body);
    assert!(!answer.body.to_string().contains(OUR_NUMBER), "{}", answer.body);
}
