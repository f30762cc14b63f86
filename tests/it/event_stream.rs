//! The event stream of the REST API (Server-Sent Events).

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use crate::harness::{App, CUSTOMER, PATIENCE, business, contract, run, spawn_app};

/// One event as it was sent.
#[derive(Debug, Clone, PartialEq)]
struct Sent {
    id: String,
    event: String,
    data: Value,
}

/// Reads events from a response.
struct Reader {
    response: reqwest::Response,
    text: String,
}

impl Reader {
    async fn open(app: &App, path: &str, last: Option<&str>) -> Self {
        Self::of(app.rest.follow(path, last).await)
    }

    fn of(response: reqwest::Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next event; `None` if the stream has ended.
    async fn next(&mut self) -> Option<Sent> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let sent = parsed(event);
                self.text = rest.to_owned();
                if let Some(sent) = sent {
                    return Some(sent);
                }
                continue;
            }
            let chunk = timeout(PATIENCE, self.response.chunk()).await.expect("an event in time").ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
    }

    async fn take(&mut self, count: usize) -> Vec<Sent> {
        let mut all = Vec::new();
        while all.len() < count {
            all.push(self.next().await.expect("an event"));
        }
        all
    }
}

fn parsed(event: &str) -> Option<Sent> {
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let data = serde_json::from_str(&field("data: ")?).expect("JSON");
    let sent = Sent { id: field("id: ")?, event: field("event: ")?, data };
    let allowed = contract::committed().server_sent(&sent.id, &sent.event, &sent.data);
    allowed.unwrap_or_else(|error| panic!("{error:#}"));
    Some(sent)
}

fn types(events: &[Sent]) -> Vec<&str> {
    events.iter().map(|sent| sent.event.as_str()).collect()
}

#[tokio::test]
async fn events_come_as_they_happen_and_are_the_same_envelopes() {
    let app = spawn_app().await;
    let mut reader = Reader::open(&app, "/events", None).await;
    app.text(CUSTOMER, "My sink is blocked").await;
    let events = reader.take(3).await;
    assert_eq!(types(&events), ["conversation.created", "message.received", "conversation.ai_timer_started"]);
    let forwarded = app.wait_for_event("conversation.ai_timer_started").await;
    assert_eq!(events[2].data, forwarded);
}

#[tokio::test]
async fn a_reader_resumes_where_it_has_got_to() {
    let app = spawn_app().await;
    let mut reader = Reader::open(&app, "/events", None).await;
    app.text(CUSTOMER, "My sink is blocked").await;
    let first = reader.take(2).await;
    drop(reader);
    app.wait_for_event("message.delivered").await;
    let mut again = Reader::open(&app, "/events", Some(&first[1].id)).await;
    let rest = again.take(3).await;
    assert_eq!(rest[0].event, "conversation.ai_timer_started", "the very next one");
    let mut from_the_start = Reader::open(&app, "/events", Some("0")).await;
    assert_eq!(from_the_start.take(2).await, first);
}

#[tokio::test]
async fn a_reader_of_one_conversation_hears_of_no_other() {
    let app = spawn_app().await;
    app.text(CUSTOMER, "My sink is blocked").await;
    app.text("+12125550177", "Mine, too").await;
    let id = app.conversation_of(CUSTOMER).await["id"].as_str().unwrap().to_owned();
    app.wait_for_event_of("+12125550177", 1, "message.delivered").await;
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    let mut reader = Reader::open(&app, &format!("/events?conversation_id={id}"), Some("0")).await;
    let events = reader.take(6).await;
    assert!(events.iter().all(|sent| sent.data["conversation_id"] == id), "{:?}", types(&events));
    let missing = app.rest.get("/events?conversation_id=11111111-1111-5111-8111-111111111111").await;
    assert_eq!((missing.status, missing.error_code()), (404, "NOT_FOUND"));
}

#[tokio::test]
async fn a_key_of_one_business_hears_of_no_other() {
    let app = spawn_app().await;
    let mut other = business();
    other["phone_numbers"] = serde_json::json!(["+15555551199"]);
    app.put_business("other", &other).await;
    let (_, scoped) = app.key(Some(&["other"]), false).await;
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_event("message.delivered").await;
    app.webhook().sms("SMother", "+12125550177", "+15555551199", "Mine, too").await.unwrap();
    let mut reader = Reader::of(scoped.follow("/events", Some("0")).await);
    let events = reader.take(2).await;
    assert!(events.iter().all(|sent| sent.data["business_id"] == "other"), "{events:?}");
}

#[tokio::test]
async fn every_key_hears_of_an_outage() {
    let mut app = spawn_app().await;
    let (_, scoped) = app.key(Some(&["other"]), false).await;
    let mut reader = Reader::of(scoped.follow("/events", None).await);
    app.servers.redis.kill().await.unwrap();
    let told = reader.next().await.unwrap();
    assert_eq!((told.event.as_str(), &told.data["data"]["service"]), ("service.degraded", &"redis".into()));
    assert_eq!((&told.data["business_id"], &told.data["user_id"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_drain_ends_the_stream_cleanly() {
    let mut app = spawn_app().await;
    let mut reader = Reader::open(&app, "/events", None).await;
    app.text(CUSTOMER, "My sink is blocked").await;
    reader.take(1).await;
    let (ended, ()) = tokio::join!(
        async {
            while reader.next().await.is_some() {}
            true
        },
        app.stop()
    );
    assert!(ended);
}

#[tokio::test]
async fn a_revoked_key_is_cut_off() {
    let app = spawn_app().await;
    let (id, rest) = app.key(None, false).await;
    let mut reader = Reader::of(rest.follow("/events", None).await);
    let store = nevermisscall::internals::Store::owner(app.servers.database_url()).unwrap();
    store.revoke_api_key(id).await.unwrap();
    let ended = timeout(Duration::from_secs(20), reader.next()).await.expect("an end");
    assert_eq!(ended, None);
}

#[tokio::test]
async fn a_key_reads_so_many_streams_at_once_and_no_more() {
    let app = spawn_app().await;
    let mut readers = Vec::new();
    for _ in 0..16 {
        readers.push(Reader::open(&app, "/events", None).await);
    }
    let refused = app.rest.get("/events").await;
    assert_eq!((refused.status, refused.error_code()), (429, "RATE_LIMITED"));
    let (_, other) = app.key(None, false).await;
    drop(Reader::of(other.follow("/events", None).await));
}

#[tokio::test]
async fn a_place_that_is_none_is_told() {
    let app = spawn_app().await;
    let answer = app.rest.follow("/events", Some("yesterday")).await;
    assert_eq!(answer.status(), 400);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"]["details"][0]["field"], "Last-Event-ID");
}

#[tokio::test]
async fn probes_are_no_events_for_the_app_server() {
    let app = spawn_app().await;
    let token = nmc_testbed::twilio::TwilioOptions::default().auth_token;
    let settings = [("NMC_PUBLIC_URL", crate::harness::PUBLIC_URL), ("TWILIO_AUTH_TOKEN", &token)];
    let probed = run(&["probe", app.rest.base()], &settings.map(|(name, value)| (name.into(), value.into()))).await;
    assert!(probed.status.success(), "{}", String::from_utf8_lossy(&probed.stderr));
    app.text(CUSTOMER, "My sink is blocked").await;
    let events = Reader::open(&app, "/events", Some("0")).await.take(1).await;
    assert_eq!(types(&events), ["conversation.created"]);
}
