//! The process is killed at each failpoint and restarted, and the journey continues: the same conversation, every SMS
//! once, every event once.

use std::cell::RefCell;

use nevermisscall::internals::FAILPOINTS;
use nmc_testbed::twilio::webhooks::{WebhookAnswer, WebhookClient};
use nmc_testbed::twilio::{TwilioOptions, new_call_sid, new_message_sid};
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{
    API_KEY, BUSINESS, CUSTOMER, Child, Events, OUR_NUMBER, OWNER, PUBLIC_URL, Rest, Servers, business, customer,
    eventually, query, settled,
};
use crate::journey::EVENTS;

/// The service under a supervisor, which restarts it without the failpoint when it ends.
struct Supervised {
    servers: Servers,
    changes: Vec<(String, String)>,
    address: RefCell<Option<String>>,
    crashes: RefCell<Vec<String>>,
}

impl Supervised {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With these settings.
    async fn with(changes: &[(&str, &str)]) -> Self {
        let servers = Servers::start(TwilioOptions::default()).await;
        let changes = changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { servers, changes, address: RefCell::default(), crashes: RefCell::default() }
    }

    /// Keeps it running while this future is polled.
    async fn keep(&self, failpoint: Option<&str>) {
        let mut settings = self.servers.settings(&self.changes);
        settings.extend(failpoint.map(|failpoint| ("NMC_FAILPOINT".to_owned(), failpoint.to_owned())));
        for start in 0.. {
            let mut child = Child::start(&self.servers, &format!("service-{start}"), &["serve"], &settings);
            let address = child.address().await;
            self.servers.twilio.set_webhook_url(PUBLIC_URL, Some(&format!("http://{address}")));
            self.address.replace(Some(address));
            let status = child.wait().await;
            self.address.replace(None);
            self.crashes.borrow_mut().push(format!("{status}\n{}", child.log()));
            settings.retain(|(name, _)| name != "NMC_FAILPOINT");
        }
    }

    fn rest(&self) -> Option<Rest> {
        let address = self.address.borrow().clone()?;
        Some(Rest::new(format!("http://{address}"), API_KEY))
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

    /// Texts the business.
    async fn text(&self, from: &str, body: &str) {
        let sid = new_message_sid();
        self.post(async |client| client.sms(&sid, from, OUR_NUMBER, body).await).await;
    }

    /// Posts a webhook again until it is answered, like Twilio.
    async fn post(&self, send: impl AsyncFn(WebhookClient) -> anyhow::Result<WebhookAnswer>) -> WebhookAnswer {
        eventually("an answer to a webhook", async || {
            let answer = send(self.servers.twilio.webhook_client(None).ok()?).await.ok()?;
            assert!(answer.status == 200 || answer.status == 503, "{} {}", answer.status, answer.body);
            (answer.status == 200).then_some(answer)
        })
        .await
    }
}

/// The result of the journey, without ids and times.
#[derive(Debug, PartialEq)]
struct Outcome {
    conversation: Value,
    messages: Vec<Value>,
    sms: Vec<String>,
    events: Vec<String>,
    sequences: Vec<u64>,
    call: Value,
}

/// The result of a journey without a crash.
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

/// Names our messages by their beginning. Any other text is returned unchanged, so it shows up in the comparison.
fn which(body: &str) -> String {
    let known =
        [("Hi! I missed your call", "1"), ("Thanks for reaching", "2"), ("Perfect, your plumbing appointment", "3")];
    known.iter().find(|(begins, _)| body.starts_with(begins)).map_or(body, |(_, name)| name).to_owned()
}

async fn journey(service: &Supervised, events: &Events) -> Outcome {
    service.put_business().await;
    let call_sid = new_call_sid();
    let of_customer = |event: &Value| event["customer_phone"] == CUSTOMER;
    let ringing =
        service.post(async |client| client.incoming_call(&call_sid, CUSTOMER, OUR_NUMBER, "ringing").await).await;
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
    let shape = |m: &Value| {
        json!([m["sender_type"], m["direction"], m["status"], which(m["body"].as_str().unwrap_or_default())])
    };
    let call = service.get(&format!("/calls/{call_sid}")).await;
    let mut log = events.log().await;
    // On a busy machine a service sometimes counts as down; drop the events about that.
    log.retain(|event| event["data"]["service"].is_null());
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
    let service = Supervised::new().await;
    let events = Events::subscribe(&service.servers.redis.url()).await;
    let outcome = tokio::select! {
        outcome = journey(&service, &events) => outcome,
        () = service.keep(failpoint) => unreachable!("it is kept for ever"),
    };
    (outcome, service.crashes.take())
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
        "after_owner_plan",
        "before_commit",
        "after_commit",
        "before_owner_notice",
        "before_effect_published",
        "after_claim",
        "after_twilio_accepted",
        "before_ack",
    ];
    assert_eq!(FAILPOINTS, crashed_at);
}

/// A screened call: the owner presses the key, and Twilio reports that the two were connected.
async fn screened_call(service: &Supervised) -> (Value, usize) {
    service.put_business().await;
    let path = format!("/businesses/{BUSINESS}");
    let mut document = business();
    document["policy"] = json!({ "screening": true });
    let put = service.rest().expect("an edge").put(&path, &document).await;
    assert_eq!(put.status, 200, "{}", put.body);
    let (call_sid, leg) = (new_call_sid(), new_call_sid());
    let ringing =
        service.post(async |client| client.incoming_call(&call_sid, CUSTOMER, OUR_NUMBER, "ringing").await).await;
    let (_, after) = ringing.body.split_once("<Number url=\"").expect("a screened dial");
    let screen = after.split_once('"').expect("an end").0.replace("&amp;", "&");
    let action = ringing.dial_action().expect("an action");
    let key = [("CallSid", leg.as_str()), ("ParentCallSid", call_sid.as_str()), ("Digits", "1")];
    service.post(async |client| client.post_url(&screen, &key).await).await;
    let result = [
        ("CallSid", call_sid.as_str()),
        ("DialCallStatus", "completed"),
        ("DialBridged", "true"),
        ("DialCallDuration", "42"),
        ("From", CUSTOMER),
        ("To", OUR_NUMBER),
    ];
    service.post(async |client| client.post_url(&action, &result).await).await;
    service.get("/health").await;
    settled(&service.servers).await;
    (service.get(&format!("/calls/{call_sid}")).await, service.servers.twilio.messages().len())
}

/// The first webhook that is stored is the ringing call, the second the key, the third the result.
#[rstest]
#[case::before_it_is_decided_that_it_rings("before_commit:1")]
#[case::after_the_key_is_stored("after_publish_ack:2")]
#[case::before_the_key_is_decided_on("before_commit:2")]
#[case::after_the_result_is_stored("after_publish_ack:3")]
#[tokio::test]
async fn a_crash_between_the_key_and_the_result_of_a_screened_call_changes_nothing(#[case] failpoint: &str) {
    let service = Supervised::new().await;
    let (call, sms) = tokio::select! {
        ended = screened_call(&service) => ended,
        () = service.keep(Some(failpoint)) => unreachable!("it is kept for ever"),
    };
    assert_eq!(service.crashes.take().len(), 1, "it was to be hit once");
    assert_eq!((&call["status"], &call["settled_by"], sms), (&json!("answered"), &json!("dial_result"), 0), "{call}");
}

/// The owner answers the only customer without a code, and after the crash there are two. Returns the texts to the first
/// customer, to the second one, and those by which the owner's words are confirmed.
async fn owners_words(service: &Supervised) -> [Vec<String>; 3] {
    service.put_business().await;
    let mut document = business();
    document["policy"]["owner_sms"] = json!("all");
    let put = service.rest().expect("an edge").put(&format!("/businesses/{BUSINESS}"), &document).await;
    assert_eq!(put.status, 200, "{}", put.body);
    let texts_to = |to: &str| -> Vec<String> {
        let sent = service.servers.twilio.messages();
        sent.into_iter().filter(|sms| sms.to == to).map(|sms| sms.body).collect()
    };
    service.text(CUSTOMER, "My sink leaks").await;
    eventually("a relay", async || (texts_to(OWNER).len() == 1).then_some(())).await;
    service.text(OWNER, "On my way").await;
    eventually("the crash", async || (service.crashes.borrow().len() == 1).then_some(())).await;
    // From now on the owner's words alone would not say whom they are for.
    let second = customer(1);
    service.text(&second, "No heat").await;
    let confirmed = || texts_to(OWNER).into_iter().filter(|sms| sms.starts_with("Sent to ")).collect::<Vec<_>>();
    eventually("a confirmation", async || (!confirmed().is_empty()).then_some(())).await;
    service.get("/health").await;
    settled(&service.servers).await;
    [texts_to(CUSTOMER), texts_to(&second), confirmed()]
}

#[rstest]
#[case::between_the_plan_and_its_input("after_owner_plan")]
#[case::between_the_input_and_the_notice("before_owner_notice")]
#[tokio::test]
async fn a_crash_while_the_owners_words_are_carried_out_sends_them_once_and_to_nobody_else(#[case] failpoint: &str) {
    let service = Supervised::with(&[("NMC_WINDOW_HOLD", "120s"), ("NMC_WINDOW_MAX", "180s")]).await;
    let [first, second, confirmed] = tokio::select! {
        texts = owners_words(&service) => texts,
        () = service.keep(Some(failpoint)) => unreachable!("it is kept for ever"),
    };
    let crashes = service.crashes.take();
    assert_eq!(crashes.len(), 1, "it was to be hit once: {crashes:?}");
    assert!(crashes[0].contains(&format!("failpoint {failpoint} hit")), "{}", crashes[0]);
    assert_eq!((first, second), (vec!["On my way".to_owned()], Vec::new()));
    assert_eq!(confirmed.len(), 1, "{confirmed:?}");
    assert!(confirmed[0].contains(CUSTOMER), "{confirmed:?}");
}

/// Plays the journey and aborts when a failpoint is passed for the `nth` time.
async fn survives(failpoint: &str, nth: u32) {
    let (outcome, crashes) = play(Some(&format!("{failpoint}:{nth}"))).await;
    assert_eq!(crashes.len(), 1, "it was to be hit once: {crashes:?}");
    assert!(crashes[0].contains(&format!("failpoint {failpoint} hit")), "{}", crashes[0]);
    assert_eq!(outcome, expected());
}

#[rstest]
#[tokio::test]
async fn a_crash_at_failpoint_after_publish_ack_changes_nothing(#[values(1, 2, 3, 5)] nth: u32) {
    survives("after_publish_ack", nth).await;
}

#[rstest]
#[tokio::test]
async fn a_crash_at_failpoint_before_commit_changes_nothing(#[values(1, 2, 5, 7)] nth: u32) {
    survives("before_commit", nth).await;
}

#[rstest]
#[tokio::test]
async fn a_crash_at_failpoint_after_commit_changes_nothing(#[values(1, 2, 5, 7)] nth: u32) {
    survives("after_commit", nth).await;
}

#[rstest]
#[tokio::test]
async fn a_crash_at_failpoint_before_effect_published_changes_nothing(
    #[values(1, 2, 3, 4, 6, 8, 9, 12, 15, 18)] nth: u32,
) {
    survives("before_effect_published", nth).await;
}

#[rstest]
#[tokio::test]
async fn a_crash_at_failpoint_after_claim_changes_nothing(#[values(1, 2, 3)] nth: u32) {
    survives("after_claim", nth).await;
}

#[rstest]
#[tokio::test]
async fn a_crash_at_failpoint_after_twilio_accepted_changes_nothing(#[values(1, 2, 3)] nth: u32) {
    survives("after_twilio_accepted", nth).await;
}

#[rstest]
#[tokio::test]
async fn a_crash_at_failpoint_before_ack_changes_nothing(#[values(1, 2, 5, 8)] nth: u32) {
    survives("before_ack", nth).await;
}
