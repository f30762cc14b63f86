//! The process is killed at each of its failpoints, started again, and the journey goes on: the same conversation, every
//! SMS once, every event once.

use std::sync::Arc;

use nevermisscall::failpoint::NAMES;
use nmc_testbed::twilio::webhooks::{WebhookAnswer, WebhookClient};
use nmc_testbed::twilio::{TwilioOptions, new_call_sid, new_message_sid};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::harness::{
    API_KEY, BUSINESS, CUSTOMER, Child, Events, OUR_NUMBER, OWNER, PUBLIC_URL, Rest, Servers, business, eventually,
    query, settled,
};
use crate::journey::EVENTS;

/// The service as a supervisor keeps it: started again when it ends, then without its failpoint.
struct Supervised {
    servers: Arc<Servers>,
    address: watch::Receiver<Option<String>>,
    crashes: watch::Receiver<Vec<String>>,
    supervisor: JoinHandle<()>,
}

impl Supervised {
    fn start(servers: Arc<Servers>, failpoint: Option<&str>) -> Self {
        let (address_now, address) = watch::channel(None);
        let (crashed, crashes) = watch::channel(Vec::new());
        let mut settings = servers.settings(&[]);
        settings.extend(failpoint.map(|failpoint| ("NMC_FAILPOINT".to_owned(), failpoint.to_owned())));
        let seen = Arc::clone(&servers);
        let supervisor = tokio::spawn(async move {
            for start in 0.. {
                let mut child = Child::start(&seen, &format!("service-{start}"), &["serve"], &settings);
                let address = child.address().await;
                seen.twilio.set_webhook_url(PUBLIC_URL, Some(&format!("http://{address}")));
                address_now.send_replace(Some(address));
                let status = child.wait().await;
                address_now.send_replace(None);
                crashed.send_modify(|crashes| crashes.push(format!("{status}\n{}", child.log())));
                settings.retain(|(name, _)| name != "NMC_FAILPOINT");
            }
        });
        Self { servers, address, crashes, supervisor }
    }

    fn rest(&self) -> Option<Rest> {
        let address = self.address.borrow().clone()?;
        Some(Rest::new(format!("http://{address}"), API_KEY))
    }

    fn crashes(&self) -> Vec<String> {
        self.crashes.borrow().clone()
    }

    async fn get(&self, path: &str) -> Value {
        eventually(path, async || {
            let answer = self.rest()?.try_send(reqwest::Method::GET, path, None).await.ok()?;
            (answer.status == 200).then_some(answer.body)
        })
        .await
    }

    async fn put_business(&self) {
        let path = format!("/businesses/{BUSINESS}");
        eventually("a business", async || {
            let answer = self.rest()?.try_send(reqwest::Method::PUT, &path, Some(&business())).await.ok()?;
            (answer.status < 300).then_some(())
        })
        .await;
    }

    /// Posts as Twilio does whose webhook got no answer: the same again.
    async fn post(&self, send: impl AsyncFn(WebhookClient) -> anyhow::Result<WebhookAnswer>) -> WebhookAnswer {
        eventually("an answer to a webhook", async || {
            let answer = send(self.servers.twilio.webhook_client(None).ok()?).await.ok()?;
            assert!(answer.status == 200 || answer.status == 503, "{} {}", answer.status, answer.body);
            (answer.status == 200).then_some(answer)
        })
        .await
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}

/// What the journey left behind, without ids and times.
#[derive(Debug, PartialEq)]
struct Outcome {
    conversation: Value,
    messages: Vec<Value>,
    sms: Vec<String>,
    events: Vec<String>,
    sequences: Vec<u64>,
    call: Value,
}

/// What an undisturbed journey leaves behind.
fn expected() -> Outcome {
    let ours = |kind: &str| json!(["ai", "outbound", "delivered", kind]);
    let theirs = |body: &str| json!(["customer", "inbound", "received", body]);
    Outcome {
        conversation: json!(["completed", "ai", true, "appointment_requested"]),
        messages: vec![ours("1"), theirs(PROBLEM), ours("2"), theirs(AGREED), ours("3")],
        sms: ["1", "2", "3"].map(str::to_owned).into(),
        events: EVENTS.map(str::to_owned).into(),
        sequences: (1..=EVENTS.len() as u64).collect(),
        call: json!(["missed", "no-answer"]),
    }
}

const PROBLEM: &str = "Yes, kitchen sink is completely blocked. Need help today!";
const AGREED: &str = "Yes, 3pm today works perfectly";

/// Ours by what they begin with; whatever is sent twice, or is something else, shows.
fn which(body: &str) -> String {
    let known = [("Hi! I missed your call", "1"), ("Thanks for reaching", "2"), ("Perfect, your plumbing appointment", "3")];
    known.iter().find(|(begins, _)| body.starts_with(begins)).map_or(body, |(_, name)| name).to_owned()
}

async fn journey(service: &Supervised, events: &Events) -> Outcome {
    service.put_business().await;
    let call_sid = new_call_sid();
    let of_customer = |event: &Value| event["customer_phone"] == CUSTOMER;
    let ringing = service
        .post(async |client| client.incoming_call(&call_sid, CUSTOMER, OUR_NUMBER, "ringing").await)
        .await;
    assert_eq!(ringing.dial_number().as_deref(), Some(OWNER));
    service
        .post(async |client| client.call_status(&call_sid, "no-answer", Some(CUSTOMER), Some(OUR_NUMBER), 0).await)
        .await;
    events.nth(1, "message.delivered", of_customer).await;
    for (count, text) in [(2, PROBLEM), (3, AGREED)] {
        let sid = new_message_sid();
        service.post(async |client| client.sms(&sid, CUSTOMER, OUR_NUMBER, text).await).await;
        events.nth(count, "message.delivered", of_customer).await;
    }
    outcome(service, events, &call_sid).await
}

async fn outcome(service: &Supervised, events: &Events, call_sid: &str) -> Outcome {
    service.get("/health").await;
    settled(&service.servers).await;
    let list = service.get(&query("/conversations", &[("customer_phone", CUSTOMER)])).await;
    let [conversation] = list["conversations"].as_array().expect("conversations").as_slice() else {
        panic!("not one conversation: {list}");
    };
    let id = conversation["id"].as_str().expect("an id");
    let messages = service.get(&format!("/conversations/{id}/messages")).await;
    let shape = |m: &Value| json!([m["sender_type"], m["direction"], m["status"], which(m["body"].as_str().unwrap_or_default())]);
    let call = service.get(&format!("/calls/{call_sid}")).await;
    let log = events.log().await;
    let told: Vec<_> = log.iter().filter(|event| event["conversation_id"] == id).collect();
    assert_eq!(log.len(), told.len() + 1, "and one of the call: {log:?}");
    Outcome {
        conversation: json!(["status", "ownership", "ai_timer_started", "outcome"].map(|field| &conversation[field])),
        messages: messages["messages"].as_array().expect("messages").iter().map(shape).collect(),
        sms: service.servers.twilio.messages().iter().map(|sms| which(&sms.body)).collect(),
        events: told.iter().filter_map(|event| event["event_type"].as_str().map(str::to_owned)).collect(),
        sequences: told.iter().filter_map(|event| event["sequence"].as_u64()).collect(),
        call: json!([call["status"], call["dial_status"]]),
    }
}

async fn play(failpoint: Option<&str>) -> (Outcome, Vec<String>) {
    let servers = Arc::new(Servers::start(TwilioOptions::default()).await);
    let events = Events::subscribe(&servers.redis.url()).await;
    let service = Supervised::start(servers, failpoint);
    let outcome = journey(&service, &events).await;
    (outcome, service.crashes())
}

#[tokio::test]
async fn no_failpoint_leaves_the_expected_behind() {
    let (outcome, crashes) = play(None).await;
    assert_eq!(outcome, expected());
    assert!(crashes.is_empty(), "{crashes:?}");
}

#[test]
fn no_failpoint_is_left_out() {
    let crashed_at = [
        "after_publish_ack",
        "before_commit",
        "after_commit",
        "before_effect_published",
        "after_claim",
        "after_twilio_accepted",
        "before_ack",
    ];
    assert_eq!(NAMES, crashed_at);
}

/// A failpoint, and which passing of it: the journey passes each of them so often at least.
#[rstest]
#[case::after_publish_ack("after_publish_ack", &[1, 2, 3, 5])]
#[case::before_commit("before_commit", &[1, 2, 3, 5, 6, 7, 8])]
#[case::after_commit("after_commit", &[1, 2, 3, 5, 6, 7, 8])]
#[case::before_effect_published("before_effect_published", &[1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 15, 18, 19])]
#[case::after_claim("after_claim", &[1, 2, 3])]
#[case::after_twilio_accepted("after_twilio_accepted", &[1, 2, 3])]
#[case::before_ack("before_ack", &[1, 2, 3, 5, 8, 10])]
fn placeholder(#[case] _name: &str, #[case] _nth: &[u32]) {}
