//! A tenant names its own DispatchBot: where the service must not send requests, and who may decide it.

use rstest::rstest;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::{App, BUSINESS, CUSTOMER, business};
use crate::signatures::TOKEN_KEY;

const KEY: &str = "the-key-of-their-own-dispatchbot";

fn with_own(url: &str, dialect: &str, api_key: Option<&str>) -> Value {
    let mut business = business();
    business["policy"] = json!({ "dispatchbot": { "url": url, "dialect": dialect } });
    if let Some(api_key) = api_key {
        business["policy"]["dispatchbot"]["api_key"] = json!(api_key);
    }
    business
}

async fn put(app: &App, business: &Value) -> (u16, String) {
    let answer = app.rest.put(&format!("/businesses/{BUSINESS}"), business).await;
    (answer.status, answer.body.to_string())
}

#[rstest]
#[case::in_the_clear("http://ai.example.com", "https")]
#[case::loopback("https://127.0.0.1:8443", "private")]
#[case::loopback_in_other_digits("https://0x7f000001", "private")]
#[case::metadata("https://169.254.169.254", "private")]
#[case::a_private_address("https://10.0.0.5", "private")]
#[case::a_name_of_this_machine("https://localhost", "private")]
#[case::with_a_password("https://user:hush@ai.example.com", "password")]
#[case::no_url("ai.example.com", "URL")]
#[tokio::test]
async fn a_url_that_leads_inside_is_refused_by_its_field(#[case] url: &str, #[case] named: &str) {
    let app = App::setup().set("NMC_TOKEN_KEY", TOKEN_KEY).start().await;
    let (status, body) = put(&app, &with_own(url, "v1", Some(KEY))).await;
    assert_eq!(status, 400, "{body}");
    assert!(body.contains("policy.dispatchbot.url") && body.contains(named) && !body.contains("hush"), "{body}");
}

#[tokio::test]
async fn what_was_stored_before_is_not_asked_once_private_addresses_are_not_allowed() {
    let app = App::setup().set("NMC_TOKEN_KEY", TOKEN_KEY).start().await;
    let url = app.servers.dispatchbot.base_url();
    let own = json!({ "dispatchbot": { "url": url, "dialect": "v1" } });
    let inside = sqlx::query("UPDATE businesses SET profile = jsonb_set(profile, '{policy}', $1)").bind(own);
    inside.execute(&mut app.servers.sql().await).await.unwrap();
    app.text(CUSTOMER, "my sink is blocked").await;
    let told = app.events.nth(1, "conversation.needs_attention", |_| true).await;
    assert_eq!(told["data"]["reason"], "not_configured");
    assert!(app.sms_to(CUSTOMER).iter().all(|sms| sms.body.contains("received your message")));
    assert!(app.servers.dispatchbot.requests().is_empty(), "neither there nor at the service's own");
}

#[tokio::test]
async fn a_redirect_of_a_businesss_own_dispatchbot_is_not_followed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let settings = [("NMC_TOKEN_KEY", TOKEN_KEY), ("NMC_ALLOW_PRIVATE_DISPATCHBOT", "on")];
    let app = settings.iter().fold(App::setup(), |setup, (name, value)| setup.set(name, value)).start().await;
    let inside = format!("{}/v1/conversations/analyze", app.servers.dispatchbot.base_url());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 16 * 1024];
            if stream.read(&mut request).await.unwrap_or_default() == 0 {
                continue;
            }
            let head =
                format!("HTTP/1.1 307 -\r\nlocation: {inside}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).await.ok();
        }
    });
    assert_eq!(put(&app, &with_own(&url, "v1", Some(KEY))).await.0, 200);
    app.text(CUSTOMER, "my sink is blocked").await;
    assert!(app.wait_for_sms(CUSTOMER, 1).await[0].body.contains("received your message"));
    assert!(app.servers.dispatchbot.requests().is_empty());
}

#[tokio::test]
async fn a_key_without_the_scope_neither_sets_nor_changes_nor_removes_it() {
    let app = App::setup().set("NMC_TOKEN_KEY", TOKEN_KEY).start().await;
    let (_, key) = app.key(Some(&[BUSINESS]), true).await;
    let path = format!("/businesses/{BUSINESS}");
    let own = with_own("https://ai.example.com", "v1", Some(KEY));
    let refused = key.put(&path, &own).await;
    assert_eq!((refused.status, refused.error_code()), (403, "UNAUTHORIZED"), "{}", refused.body);
    assert!(refused.body.to_string().contains("policy.dispatchbot"), "{}", refused.body);
    assert_eq!(put(&app, &own).await.0, 200);
    for changed in [
        with_own("https://other.example.com", "v1", Some(KEY)),
        with_own("https://ai.example.com", "v1", Some("another-key")),
        business(),
    ] {
        assert_eq!(key.put(&path, &changed).await.status, 403, "{changed}");
    }
    let mut renamed = with_own("https://ai.example.com", "v1", None);
    renamed["name"] = json!("Joe & Sons");
    assert_eq!(key.put(&path, &renamed).await.ok()["name"], "Joe & Sons");
    let (_, with_scope) = app.key_with(Some(&[BUSINESS]), true, true).await;
    assert_eq!(with_scope.put(&path, &business()).await.ok()["policy"]["dispatchbot"], Value::Null);
}

#[tokio::test]
async fn the_key_is_encrypted_never_shown_and_kept_for_its_url_alone() {
    let app = App::setup().set("NMC_TOKEN_KEY", TOKEN_KEY).start().await;
    let own = with_own("https://ai.example.com/", "v1", Some(KEY));
    let shown = app.rest.put(&format!("/businesses/{BUSINESS}"), &own).await.ok();
    assert_eq!(shown["policy"]["dispatchbot"], json!({ "url": "https://ai.example.com", "dialect": "v1" }));
    let mut sql = app.servers.sql().await;
    let stored: String =
        sqlx::query_scalar("SELECT businesses::text FROM businesses").fetch_one(&mut sql).await.unwrap();
    let hex: String = KEY.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(!stored.contains(KEY) && !stored.contains(&hex), "{stored}");
    assert_eq!(put(&app, &with_own("https://ai.example.com", "v1", None)).await.0, 200, "it is kept");
    let (status, body) = put(&app, &with_own("https://elsewhere.example.com", "v1", None)).await;
    assert_eq!(status, 400, "or it would be sent there");
    assert!(body.contains("policy.dispatchbot.api_key"), "{body}");
}

#[rstest]
#[case::without_an_address("dispatch-bot-ai", Some(KEY), "user_settings.business_address")]
#[case::an_unknown_dialect("v2", Some(KEY), "policy.dispatchbot.dialect")]
#[case::no_key("v1", None, "policy.dispatchbot.api_key")]
#[case::a_key_of_two_lines("v1", Some("a\r\nX-Other: b"), "policy.dispatchbot.api_key")]
#[tokio::test]
async fn what_is_missing_or_wrong_is_told_when_the_business_is_put(
    #[case] dialect: &str,
    #[case] api_key: Option<&str>,
    #[case] field: &str,
) {
    let app = App::setup().set("NMC_TOKEN_KEY", TOKEN_KEY).start().await;
    let (status, body) = put(&app, &with_own("https://ai.example.com", dialect, api_key)).await;
    assert_eq!(status, 400, "{body}");
    assert!(body.contains(field), "{body}");
}

#[tokio::test]
async fn without_a_key_to_encrypt_it_none_is_stored() {
    let app = App::setup().start().await;
    let (status, body) = put(&app, &with_own("https://ai.example.com", "v1", Some(KEY))).await;
    assert_eq!(status, 400, "{body}");
    assert!(body.contains("NMC_TOKEN_KEY"), "{body}");
}
