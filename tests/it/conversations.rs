//! Twilio Conversations: texts that come by them, or by both of Twilio's ways, and messages that go by them.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use nmc_testbed::sim::{Rule, Span, http_client};
use nmc_testbed::twilio::{
    Callbacks, ConversationText, Fault, Format, Media, PostedMessage, Refusal, TwilioOptions, new_message_sid,
};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{
    API_KEY, App, BUSINESS, CUSTOMER, OUR_NUMBER, OWNER, PATIENCE, PUBLIC_URL, business, customer, eventually, query,
    spawn_app, spawn_app_with,
};
use crate::metrics::wait_for_value;

const PATH: &str = "/webhooks/twilio/conversations";

/// Another program of the account, which uses Twilio's API.
pub struct TwilioRest {
    http: reqwest::Client,
    base: String,
    account_sid: String,
    auth_token: String,
}

impl TwilioRest {
    pub fn new(app: &App) -> Self {
        let TwilioOptions { account_sid, auth_token, .. } = TwilioOptions::default();
        Self::at(&app.servers.twilio.base_url(), &account_sid, &auth_token)
    }

    /// The API at this address.
    pub fn at(base: &str, account_sid: &str, auth_token: &str) -> Self {
        let http = http_client(PATIENCE).unwrap();
        Self { http, base: base.to_owned(), account_sid: account_sid.to_owned(), auth_token: auth_token.to_owned() }
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let answer = self.request(Method::POST, path).form(form).send().await.unwrap();
        assert!(answer.status().is_success(), "{}: {}", answer.status(), answer.text().await.unwrap());
        answer.json().await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.request(Method::GET, path).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.json().await.unwrap()
    }

    pub async fn delete(&self, path: &str) {
        let answer = self.request(Method::DELETE, path).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}/v1/{path}", self.base));
        request.basic_auth(&self.account_sid, Some(&self.auth_token)).header("X-Twilio-Webhook-Enabled", "true")
    }

    /// The conversation of two numbers.
    async fn open(&self, address: &str, proxy_address: &str) -> String {
        let conversation = self.post("Conversations", &[]).await["sid"].as_str().unwrap().to_owned();
        let binding = [("MessagingBinding.Address", address), ("MessagingBinding.ProxyAddress", proxy_address)];
        self.post(&format!("Conversations/{conversation}/Participants"), &binding).await;
        conversation
    }
}

/// The same business, whose texts go by `channel`.
fn by(channel: &str) -> Value {
    let mut business = business();
    business["policy"] = json!({ "channel": channel });
    business
}

/// Twilio's id of a resource.
pub fn sid_of(resource: &Value) -> &str {
    resource["sid"].as_str().expect("a SID")
}

async fn with_conversations(settings: &[(&str, &str)]) -> App {
    let app = spawn_app_with(settings).await;
    app.put_business(BUSINESS, &by("conversations")).await;
    app
}

fn is_ours(message: &PostedMessage) -> bool {
    message.source == "API"
}

/// Waits for messages of ours in Twilio's conversations.
async fn wait_for_posted(app: &App, count: usize) -> Vec<PostedMessage> {
    let enough = |all: &[PostedMessage]| all.iter().filter(|message| is_ours(message)).count() >= count;
    app.servers.twilio.wait_for_posted(enough, PATIENCE).await.expect("messages in conversations");
    posted(app)
}

fn posted(app: &App) -> Vec<PostedMessage> {
    app.servers.twilio.posted().into_iter().filter(is_ours).collect()
}

/// The bodies of a customer's messages, in their order.
async fn texts_of(app: &App, from: &str) -> Vec<String> {
    let messages = app.messages_of(from).await;
    let theirs = messages.iter().filter(|message| message["sender_type"] == "customer");
    theirs.map(|message| message["body"].as_str().unwrap().to_owned()).collect()
}

#[rstest]
#[case::as_a_form(Format::Form)]
#[case::as_json(Format::Json)]
#[tokio::test]
async fn a_text_of_a_conversation_is_answered_like_an_sms(#[case] format: Format) {
    let app = spawn_app().await;
    app.servers.twilio.set_conversation_webhooks(format);
    let sent = app.servers.twilio.converse(CUSTOMER, OUR_NUMBER, "My sink is blocked").await.unwrap();
    assert_eq!(sent.webhook.status, 204, "{}", sent.webhook.twiml);
    assert!(!app.wait_for_sms(CUSTOMER, 1).await[0].body.is_empty());
    assert_eq!(texts_of(&app, CUSTOMER).await, ["My sink is blocked"]);
    let found = app.rest.get(&query("/messages", &[("twilio_sid", &sent.message_sid)])).await.ok();
    assert_eq!(found["body"], "My sink is blocked");
    let again = app.servers.twilio.converse(CUSTOMER, OUR_NUMBER, "Hello?").await.unwrap();
    assert_eq!(again.conversation_sid, sent.conversation_sid);
    app.wait_for_event_of(CUSTOMER, 2, "message.received").await;
    assert_eq!(app.servers.twilio.requests()["participant_fetched"], 1, "then it is known");
}

#[tokio::test]
async fn json_is_accepted_only_with_a_signature_that_covers_it() {
    let app = spawn_app().await;
    let body =
        json!({ "EventType": "onMessageAdded", "ConversationSid": "CH1", "MessageSid": "IM1", "Author": CUSTOMER });
    let body = body.to_string();
    let client = app.webhook().with_header("content-type", "application/json");
    let hash = "0".repeat(64);
    for query in [String::new(), format!("?bodySHA256={hash}")] {
        // The URL alone is signed, and the body is not the one of the hash.
        let signature = client.sign::<&str, &str>(&format!("{PUBLIC_URL}{PATH}{query}"), &[]);
        let answer = client.post_raw(&format!("{PATH}{query}"), &signature, body.clone()).await.unwrap();
        assert_eq!(answer.status, 401, "{query}");
    }
    let unsigned = app.webhook().with_header("x-twilio-signature", "invalid-signature");
    assert_eq!(unsigned.post(PATH, &[("EventType", "onMessageAdded")]).await.unwrap().status, 401);
    app.settled().await;
    assert!(app.stored("NMC_INBOUND").await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_as_a_dead_letter() {
    let app = spawn_app().await;
    let form = [("EventType", "onMessageAdded"), ("ConversationSid", "CH1"), ("MessageSid", "IM1")];
    assert_eq!(app.webhook().post(PATH, &form).await.unwrap().status, 200);
    assert_eq!(app.wait_for_dead(1).await[0].subject, "nmc.dead.missing_field", "it has no author");
}

#[rstest]
#[case::the_sms_first(true)]
#[case::the_conversation_first(false)]
#[tokio::test]
async fn a_text_that_comes_both_ways_is_one_message(#[case] sms_first: bool) {
    let app = spawn_app().await;
    let by_conversation = async || {
        let sent = app.servers.twilio.converse(CUSTOMER, OUR_NUMBER, "My sink is blocked").await.unwrap();
        eventually("the message", async || {
            let path = query("/messages", &[("twilio_sid", &sent.message_sid)]);
            (app.rest.get(&path).await.status == 200).then_some(())
        })
        .await;
        sent.message_sid
    };
    let by_sms = async || {
        let sid = app.text(CUSTOMER, "My sink is blocked").await;
        eventually("the message", async || {
            (app.rest.get(&query("/messages", &[("twilio_sid", &sid)])).await.status == 200).then_some(())
        })
        .await;
        sid
    };
    let (one, other) = if sms_first {
        (by_sms().await, by_conversation().await)
    } else {
        let first = by_conversation().await;
        (first, by_sms().await)
    };
    app.settled().await;
    assert_eq!(texts_of(&app, CUSTOMER).await.len(), 1);
    let find = async |sid: &str| app.rest.get(&query("/messages", &[("twilio_sid", sid)])).await.ok()["id"].clone();
    assert_eq!(find(&one).await, find(&other).await, "both of Twilio's ids find it");
}

/// By the times at the edge, whenever the worker decides.
#[rstest]
#[case::the_second_just_in_time(59_900, 1)]
#[case::the_second_too_late(60_100, 2)]
#[case::the_first_just_in_time(-59_900, 1)]
#[case::the_first_too_late(-60_100, 2)]
#[tokio::test]
async fn a_text_that_comes_both_ways_within_a_minute_is_one(#[case] millis_after: i64, #[case] texts: usize) {
    let app = spawn_app().await;
    app.servers.twilio.converse(CUSTOMER, OUR_NUMBER, "My sink is blocked").await.unwrap();
    app.wait_for_event_of(CUSTOMER, 1, "message.received").await;
    let is_text = |message: &Value| message["webhook"].to_string().contains("My sink is blocked");
    let stored: Vec<Value> = app.stored("NMC_INBOUND").await.iter().map(|message| message.json()).collect();
    let first = stored.iter().find(|message| is_text(message)).unwrap();
    let first: DateTime<Utc> = first["received_at"].as_str().unwrap().parse().unwrap();
    let sid = new_message_sid();
    let second = json!({
        "input_id": format!("sms:{sid}"), "body_hash": "one", "params": [],
        "received_at": first + TimeDelta::milliseconds(millis_after),
        "webhook": {
            "kind": "sms", "message_sid": sid, "from": CUSTOMER, "to": OUR_NUMBER, "body": "My sink is blocked",
            "media": [],
        },
    });
    let context = async_nats::jetstream::new(async_nats::connect(app.servers.nats.url()).await.unwrap());
    context.publish("nmc.inbound.sms.key", second.to_string().into()).await.unwrap().await.unwrap();
    eventually("the second", async || {
        (app.rest.get(&query("/messages", &[("twilio_sid", &sid)])).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(texts_of(&app, CUSTOMER).await.len(), texts);
}

#[tokio::test]
async fn webhooks_of_both_ways_that_race_do_not_double_a_text() {
    const TEXTS: usize = 12;
    let app = spawn_app().await;
    let app_of_all = &app;
    let race = |from: String| async move {
        for number in 0..TEXTS {
            let body = format!("Text {number}");
            let by_conversation = app_of_all.servers.twilio.converse(&from, OUR_NUMBER, &body);
            let (_, by_conversation) = tokio::join!(app_of_all.text(&from, &body), by_conversation);
            assert_eq!(by_conversation.unwrap().webhook.status, 204);
        }
    };
    futures::future::join_all((0..4).map(|number| race(customer(number)))).await;
    app.settled().await;
    for number in 0..4 {
        let texts = texts_of(&app, &customer(number)).await;
        let different: BTreeSet<&String> = texts.iter().collect();
        assert_eq!((texts.len(), different.len()), (TEXTS, TEXTS), "{texts:?}");
    }
    assert!(app.stored("NMC_DEAD").await.is_empty());
}

#[tokio::test]
async fn two_equal_texts_by_one_way_stay_two() {
    let app = spawn_app().await;
    for _ in 0..2 {
        app.servers.twilio.converse(CUSTOMER, OUR_NUMBER, "Hello?").await.unwrap();
    }
    app.wait_for_event_of(CUSTOMER, 2, "message.received").await;
    assert_eq!(texts_of(&app, CUSTOMER).await.len(), 2);
    // The same two by the other way.
    for _ in 0..2 {
        app.text(CUSTOMER, "Hello?").await;
    }
    app.settled().await;
    assert_eq!(texts_of(&app, CUSTOMER).await.len(), 2);
    app.text(CUSTOMER, "Hello?").await;
    app.wait_for_event_of(CUSTOMER, 3, "message.received").await;
    assert_eq!(texts_of(&app, CUSTOMER).await.len(), 3, "the third has no counterpart");
}

/// Mexico's mobile numbers are written in two ways, and Twilio keeps either in a conversation.
#[tokio::test]
async fn a_customer_with_the_old_prefix_of_mexico_is_one_customer() {
    const KNOWN: &str = "+525512345678";
    const WRITTEN: &str = "+5215512345678";
    let app = spawn_app().await;
    let mut ours = by("conversations");
    ours["policy"]["regions"] = json!(["US", "MX"]);
    app.put_business(BUSINESS, &ours).await;
    let sent = app.servers.twilio.converse(WRITTEN, OUR_NUMBER, "My sink is blocked").await.unwrap();
    let answer = wait_for_posted(&app, 1).await.remove(0);
    assert_eq!(answer.conversation_sid, sent.conversation_sid, "it is answered where it came from");
    app.text(KNOWN, "My sink is blocked").await;
    app.settled().await;
    assert_eq!(texts_of(&app, KNOWN).await.len(), 1, "it came both ways");
    let path = format!("/customers/{KNOWN}");
    let export = app.rest.get(&format!("{path}/export")).await.ok();
    let kept_in = export["export"].as_array().unwrap().iter().map(|item| item["kept_in"].as_str().unwrap());
    assert!(kept_in.collect::<BTreeSet<_>>().contains("twilio_participants"));
    app.rest.send(Method::DELETE, &path, None).await.ok();
    let left = "SELECT count(*) FROM twilio_participants";
    let left: i64 = sqlx::query_scalar(left).fetch_one(&mut app.servers.sql().await).await.unwrap();
    assert_eq!(left, 0, "the erasure reaches it");
}

#[tokio::test]
async fn a_text_waits_for_as_long_as_twilio_does_not_say_who_wrote_it() {
    let app = spawn_app().await;
    let refusals = Rule::next(3, Fault::RespondToParticipants(Refusal::status(503)));
    app.servers.twilio.add_rule(refusals);
    app.servers.twilio.converse(CUSTOMER, OUR_NUMBER, "My sink is blocked").await.unwrap();
    app.wait_for_event("message.received").await;
    assert_eq!(app.servers.twilio.requests()["participant_fetched"], 4);
    app.settled().await;
    assert!(app.stored("NMC_DEAD").await.is_empty());
}

#[tokio::test]
async fn a_message_of_somebody_who_does_not_text_is_a_dead_letter() {
    let app = spawn_app().await;
    let twilio = TwilioRest::new(&app);
    let conversation = twilio.open(CUSTOMER, OUR_NUMBER).await;
    let path = format!("Conversations/{conversation}");
    twilio.post(&format!("{path}/Participants"), &[("Identity", "anna")]).await;
    let words = [("Author", "anna"), ("Body", "I look after this customer.")];
    twilio.post(&format!("{path}/Messages"), &words).await;
    let of_nobody = [("Body", "Ticket 12 was opened.")];
    twilio.post(&format!("{path}/Messages"), &of_nobody).await;
    let dead = app.wait_for_dead(2).await;
    assert!(dead.iter().all(|letter| letter.subject == "nmc.dead.unknown_participant"), "{dead:?}");
    assert!(app.conversations_of(CUSTOMER).await.is_empty(), "it is not the customer's");
}

#[tokio::test]
async fn a_window_waits_for_a_text_whose_sender_is_not_known_yet() {
    let settings = [("NMC_WINDOW_HOLD", "1s"), ("NMC_WINDOW_QUIET", "300ms"), ("NMC_WINDOW_MAX", "60s")];
    let app = spawn_app_with(&settings).await;
    app.text(CUSTOMER, "Hi").await;
    app.wait_for_event_of(CUSTOMER, 1, "message.received").await;
    app.servers.twilio.add_rule(Rule::always(Fault::RespondToParticipants(Refusal::status(503))));
    app.servers.twilio.converse(CUSTOMER, OUR_NUMBER, "my sink is blocked").await.unwrap();
    let overdue = "SELECT next_timer_at < now() - interval '1 second' FROM conversations WHERE customer_phone = $1";
    eventually("a window that has been due for a second", async || {
        let mut sql = app.servers.sql().await;
        let due: Option<bool> = sqlx::query_scalar(overdue).bind(CUSTOMER).fetch_one(&mut sql).await.unwrap();
        due.unwrap_or_default().then_some(())
    })
    .await;
    assert!(app.servers.dispatchbot.requests().is_empty(), "it waits");
    app.servers.twilio.change_faults(|faults| *faults = Default::default());
    let asked = app.wait_for_questions(1).await;
    let bodies: Vec<&str> =
        asked[0]["messages"].as_array().unwrap().iter().filter_map(|message| message["body"].as_str()).collect();
    assert_eq!(bodies, ["Hi", "my sink is blocked"]);
}

#[tokio::test]
async fn texts_of_a_business_that_has_chosen_conversations_go_by_one() {
    let app = with_conversations(&[]).await;
    app.miss_call(CUSTOMER).await;
    let first = wait_for_posted(&app, 1).await.remove(0);
    assert_eq!((&*first.to, &*first.author), (&[CUSTOMER.to_owned()][..], OUR_NUMBER));
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    let stored = app.rest.get(&query("/messages", &[("twilio_sid", &first.sid)])).await.ok();
    assert_eq!((&stored["kind"], &stored["status"]), (&json!("missed_call"), &json!("delivered")));
    let attributes: Value = serde_json::from_str(&first.attributes).unwrap();
    assert_eq!(attributes["nmc_message_id"], stored["id"]);

    app.servers.twilio.converse(CUSTOMER, OUR_NUMBER, "My sink is blocked").await.unwrap();
    let answer = wait_for_posted(&app, 2).await.remove(1);
    assert_eq!(answer.conversation_sid, first.conversation_sid);
    let conversation = app.conversation_of(CUSTOMER).await;
    let path = format!("/conversations/{}/messages", conversation["id"].as_str().unwrap());
    let reply = json!({ "user_id": "user-joe", "body": "I am on my way." });
    assert_eq!(app.rest.send(Method::POST, &path, Some(&reply)).await.status, 201);
    assert_eq!(wait_for_posted(&app, 3).await[2].body, "I am on my way.");
    app.wait_for_event_of(CUSTOMER, 3, "message.delivered").await;
    app.settled().await;
    assert_eq!(texts_of(&app, CUSTOMER).await, ["My sink is blocked"], "our own messages came back, and are known");
    assert!(app.sms_to(CUSTOMER).is_empty() && app.stored("NMC_DEAD").await.is_empty());
    assert_eq!(app.servers.twilio.requests()["conversation_created"], 1);
}

#[tokio::test]
async fn alerts_are_sms_all_the_same() {
    let app = with_conversations(&[]).await;
    app.text(CUSTOMER, "I smell gas in the basement").await;
    app.wait_for_sms(OWNER, 1).await;
    wait_for_posted(&app, 1).await;
    app.settled().await;
    assert!(app.sms_to(CUSTOMER).is_empty());
    assert!(posted(&app).iter().all(|message| message.to == [CUSTOMER]));
}

#[tokio::test]
async fn the_conversation_that_has_the_two_numbers_already_is_used() {
    let app = with_conversations(&[]).await;
    let conversation = TwilioRest::new(&app).open(CUSTOMER, OUR_NUMBER).await;
    app.miss_call(CUSTOMER).await;
    let message = wait_for_posted(&app, 1).await.remove(0);
    assert_eq!(message.conversation_sid, conversation);
    assert_eq!(app.servers.twilio.requests()["refused_50416"], 1);
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
}

#[rstest]
#[case::twilio_says_so(true)]
#[case::nobody_says_so(false)]
#[tokio::test]
async fn another_conversation_is_opened_after_one_was_closed(#[case] is_told: bool) {
    let app = with_conversations(&[("NMC_MISSED_CALL_COOLDOWN", "1s")]).await;
    app.miss_call(CUSTOMER).await;
    let first = wait_for_posted(&app, 1).await.remove(0);
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    if !is_told {
        app.servers.twilio.set_conversation_webhooks(Format::Off);
    }
    let twilio = TwilioRest::new(&app);
    twilio.post(&format!("Conversations/{}", first.conversation_sid), &[("State", "closed")]).await;
    app.settled().await;
    app.text(CUSTOMER, "My sink is blocked").await;
    let second = wait_for_posted(&app, 2).await.remove(1);
    assert_ne!(second.conversation_sid, first.conversation_sid);
}

#[rstest]
#[case::a_rate_limit(Fault::Respond(Refusal::too_many(0)))]
#[case::an_error(Fault::Respond(Refusal::status(503)))]
#[case::cut_off(Fault::DropBefore)]
#[tokio::test]
async fn a_conversation_whose_participant_was_not_added_does_not_stay(#[case] fault: Fault) {
    let app = with_conversations(&[]).await;
    app.servers.twilio.add_rule(Rule::next(3, Fault::AddParticipant(Box::new(fault))));
    app.miss_call(CUSTOMER).await;
    let message = wait_for_posted(&app, 1).await.remove(0);
    app.settled().await;
    assert_eq!(posted(&app).len(), 1);
    assert_eq!(app.servers.twilio.requests()["conversation_created"], 4);
    let left = TwilioRest::new(&app).get("Conversations").await;
    let left: Vec<&str> = left["conversations"].as_array().unwrap().iter().map(sid_of).collect();
    assert_eq!(left, [message.conversation_sid]);
}

#[rstest]
#[case::an_error(Fault::RespondAfter(Refusal::status(502)))]
#[case::cut_off(Fault::DropAfter)]
#[tokio::test]
async fn a_conversation_whose_participant_was_added_without_an_answer_is_used(#[case] fault: Fault) {
    let app = with_conversations(&[]).await;
    app.servers.twilio.add_rule(Rule::next(1, Fault::AddParticipant(Box::new(fault))));
    app.miss_call(CUSTOMER).await;
    wait_for_posted(&app, 1).await;
    app.settled().await;
    assert_eq!((posted(&app).len(), app.servers.twilio.requests()["conversation_created"]), (1, 1));
}

#[rstest]
#[case::a_rate_limit(Fault::RespondToNewConversations(Refusal::too_many(1)))]
#[case::an_error(Fault::RespondToNewConversations(Refusal::status(503)))]
#[case::a_rate_limit_of_messages(Fault::Respond(Refusal::too_many(1)))]
#[tokio::test]
async fn a_message_waits_while_twilio_takes_none(#[case] fault: Fault) {
    let app = with_conversations(&[]).await;
    app.servers.twilio.add_rule(Rule::next(2, fault));
    app.miss_call(CUSTOMER).await;
    app.wait_for_event("message.delivered").await;
    app.settled().await;
    assert_eq!((posted(&app).len(), app.servers.twilio.requests()["conversation_created"]), (1, 1));
    assert!(app.sms_to(CUSTOMER).is_empty());
}

#[tokio::test]
async fn health_says_that_no_conversation_can_be_opened() {
    let app = with_conversations(&[]).await;
    app.servers.twilio.add_rule(Rule::always(Fault::RespondToNewConversations(Refusal::status(503))));
    app.miss_call(CUSTOMER).await;
    let twilio_is = async |state: &str| {
        eventually("the state of Twilio", async || {
            (app.rest.get("/health").await.body["services"]["twilio"] == state).then_some(())
        })
        .await;
    };
    twilio_is("degraded").await;
    app.servers.twilio.change_faults(|faults| *faults = Default::default());
    wait_for_posted(&app, 1).await;
    twilio_is("healthy").await;
}

#[rstest]
#[case::an_error(Refusal::status(503))]
#[case::a_rate_limit(Refusal::too_many(1))]
#[tokio::test]
async fn a_message_to_a_closed_conversation_is_not_lost_while_twilio_does_not_say_so(#[case] refusal: Refusal) {
    let app = with_conversations(&[]).await;
    app.miss_call(CUSTOMER).await;
    let first = wait_for_posted(&app, 1).await.remove(0);
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    app.servers.twilio.set_conversation_webhooks(Format::Off);
    let twilio = TwilioRest::new(&app);
    twilio.post(&format!("Conversations/{}", first.conversation_sid), &[("State", "closed")]).await;
    app.servers.twilio.add_rule(Rule::next(1, Fault::RespondToConversations(refusal)));
    app.text(CUSTOMER, "My sink is blocked").await;
    let second = wait_for_posted(&app, 2).await.remove(1);
    assert_ne!(second.conversation_sid, first.conversation_sid);
    app.settled().await;
    assert_eq!(posted(&app).len(), 2);
}

/// No webhook says what became of a message.
fn no_reports(app: &App) {
    let callbacks = Callbacks { enabled: false, ..Callbacks::default() };
    app.servers.twilio.change_faults(|faults| faults.callbacks = callbacks);
}

/// It may overtake the record of its message, so it is tried again for some minutes.
#[rstest]
#[case::of_a_conversation(true)]
#[case::of_an_sms(false)]
#[tokio::test]
async fn a_report_about_a_message_that_is_not_known_changes_nothing_until_it_is(#[case] by_conversation: bool) {
    let app = if by_conversation { with_conversations(&[]).await } else { spawn_app().await };
    no_reports(&app);
    app.miss_call(CUSTOMER).await;
    app.wait_for_event_of(CUSTOMER, 1, "message.sent").await;
    app.settled().await;
    let before = app.messages_of(CUSTOMER).await;
    let sid = before[0]["twilio_sid"].as_str().unwrap();
    let is_now_of = async |known: &str, sid: &str| {
        let change = sqlx::query("UPDATE messages SET twilio_sid = $2 WHERE twilio_sid = $1").bind(known).bind(sid);
        assert_eq!(change.execute(&mut app.servers.sql().await).await.unwrap().rows_affected(), 1);
    };
    is_now_of(sid, "not-recorded-yet").await;
    let (path, form) = if by_conversation {
        let event = [("EventType", "onDeliveryUpdated"), ("ConversationSid", "CH1"), ("Status", "delivered")];
        (PATH, [&event[..], &[("MessageSid", sid)]].concat())
    } else {
        ("/webhooks/twilio/message-status", vec![("MessageSid", sid), ("MessageStatus", "delivered")])
    };
    assert_eq!(app.webhook().post(path, &form).await.unwrap().status, 204);
    let tried = r#"nmc_sms_deliveries_total{status="delivered"}"#;
    wait_for_value(&app.rest, tried, |times| times >= 2.0).await;
    let after = app.messages_of(CUSTOMER).await;
    assert_eq!((after.len(), &after[0]["status"]), (before.len(), &before[0]["status"]));
    assert!(app.stored("NMC_DEAD").await.is_empty(), "it waits");
    is_now_of("not-recorded-yet", sid).await;
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
}

#[rstest]
#[case::cut_off(Fault::DropAfter)]
#[case::an_error(Fault::RespondAfter(Refusal::status(502)))]
#[tokio::test]
async fn a_message_whose_answer_was_lost_is_found_in_its_conversation(#[case] fault: Fault) {
    let app = with_conversations(&[]).await;
    no_reports(&app);
    app.servers.twilio.add_rule(Rule::next(1, fault));
    app.miss_call(CUSTOMER).await;
    app.wait_for_event("message.sent").await;
    app.settled().await;
    let posted = posted(&app);
    assert_eq!(posted.len(), 1);
    assert_eq!(app.messages_of(CUSTOMER).await[0]["twilio_sid"], posted[0].sid);
    assert!(app.servers.twilio.requests()["messages_listed"] >= 1);
}

#[tokio::test]
async fn a_message_that_comes_back_is_known_to_be_sent() {
    let app = with_conversations(&[("NMC_RECONCILE_AFTER", "20s")]).await;
    app.servers.twilio.add_rule(Rule::next(1, Fault::DropAfter));
    app.servers.twilio.add_rule(Rule::always(Fault::RespondToList(Refusal::status(503))));
    app.miss_call(CUSTOMER).await;
    app.wait_for_event("message.delivered").await;
    app.settled().await;
    assert_eq!(posted(&app).len(), 1);
    assert_eq!(app.messages_of(CUSTOMER).await.len(), 1, "it is not the customer's");
}

/// A message comes back as Twilio has it, but without `Attributes`.
async fn come_back(app: &App, message: &PostedMessage) {
    let webhook = [
        ("EventType", "onMessageAdded"),
        ("ConversationSid", &*message.conversation_sid),
        ("MessageSid", &*message.sid),
        ("Author", &*message.author),
        ("Body", &*message.body),
        ("Source", "API"),
    ];
    assert_eq!(app.webhook().post(PATH, &webhook).await.unwrap().status, 204);
}

#[rstest]
#[case::after_the_answer(None)]
#[case::before_the_answer(Some(Fault::Hold(Span::exactly(Duration::from_secs(1)))))]
#[tokio::test]
async fn a_message_that_comes_back_without_its_attributes_is_ours_all_the_same(#[case] fault: Option<Fault>) {
    let app = with_conversations(&[]).await;
    no_reports(&app);
    let is_known_first = fault.is_none();
    if let Some(fault) = fault {
        app.servers.twilio.add_rule(Rule::next(1, fault));
    }
    app.miss_call(CUSTOMER).await;
    let message = wait_for_posted(&app, 1).await.remove(0);
    if is_known_first {
        app.wait_for_event("message.sent").await;
    }
    come_back(&app, &message).await;
    app.wait_for_event("message.sent").await;
    app.settled().await;
    assert!(app.stored("NMC_DEAD").await.is_empty());
    assert_eq!(app.messages_of(CUSTOMER).await.len(), 1, "it is not the customer's");
}

#[tokio::test]
async fn a_message_that_twilio_did_not_get_is_posted_again_once() {
    let app = with_conversations(&[]).await;
    app.servers.twilio.add_rule(Rule::next(1, Fault::DropBefore));
    app.miss_call(CUSTOMER).await;
    app.wait_for_event("message.delivered").await;
    app.settled().await;
    assert_eq!(posted(&app).len(), 1);
    assert!(app.servers.twilio.requests()["messages_listed"] >= 2, "absence takes two reads");
}

#[tokio::test]
async fn an_attachment_of_a_conversation_is_fetched_with_the_accounts_token() {
    let app = spawn_app().await;
    let picture = Media { content_type: "image/png".to_owned(), body: b"\x89PNG".to_vec(), ..Media::default() };
    let (from, to) = (CUSTOMER.to_owned(), OUR_NUMBER.to_owned());
    let text = ConversationText { from, to, media: vec![picture], ..ConversationText::default() };
    app.servers.twilio.deliver_to_conversation(text).await.unwrap();
    app.wait_for_event("message.received").await;
    let message = app.messages_of(CUSTOMER).await.remove(0);
    let id = |field: &str| message[field].as_str().unwrap().to_owned();
    let path = format!("/conversations/{}/messages/{}/media/0", id("conversation_id"), id("id"));
    let url = format!("{}{path}", app.rest.base());
    let fetched = http_client(PATIENCE).unwrap().get(url).bearer_auth(API_KEY).send().await.unwrap();
    assert_eq!(fetched.status(), 200);
    assert_eq!(fetched.bytes().await.unwrap(), &b"\x89PNG"[..]);
    let asked = app.servers.twilio.media_requests();
    assert!(asked[0].account_sid.is_some() && asked[1].account_sid.is_none(), "{asked:?}");
}

/// Texts come all the time, by either way or by both, while the business is switched back and forth.
#[tokio::test]
async fn a_business_that_is_switched_while_texts_come_loses_and_doubles_nothing() {
    const CUSTOMERS: u32 = 8;
    const TEXTS: usize = 6;
    let app = spawn_app().await;
    let app_of_all = &app;
    let write = |number: u32| async move {
        let app = app_of_all;
        let from = customer(number);
        for text in 0..TEXTS {
            let body = format!("Text {text}");
            if !(number as usize + text).is_multiple_of(3) {
                app.webhook().sms(&new_message_sid(), &from, OUR_NUMBER, &body).await.unwrap();
            }
            if (number as usize + text) % 3 != 1 {
                app.servers.twilio.converse(&from, OUR_NUMBER, &body).await.unwrap();
            }
            app.wait_for_event_of(&from, text + 1, "message.received").await;
        }
    };
    let switch = async {
        for (text, channel) in ["conversations", "messaging", "conversations", "messaging"].into_iter().enumerate() {
            app.wait_for_event_of(&customer(0), text + 1, "message.received").await;
            app.put_business(BUSINESS, &by(channel)).await;
        }
    };
    tokio::join!(futures::future::join_all((0..CUSTOMERS).map(write)), switch);
    app.settled().await;
    for number in 0..CUSTOMERS {
        let mut texts = texts_of(&app, &customer(number)).await;
        texts.sort();
        let sent: Vec<String> = (0..TEXTS).map(|text| format!("Text {text}")).collect();
        assert_eq!(texts, sent, "customer {number}");
    }
    let mut sql = app.servers.sql().await;
    let by_sid = "SELECT twilio_sid FROM messages WHERE direction = 'outbound' AND recipient IS NULL
                    AND status IN ('sent', 'delivered')";
    let recorded: Vec<String> = sqlx::query_scalar(by_sid).fetch_all(&mut sql).await.unwrap();
    let by_sms = app.servers.twilio.messages().into_iter().map(|message| message.sid);
    let at_twilio: BTreeSet<String> = by_sms.chain(posted(&app).into_iter().map(|message| message.sid)).collect();
    assert_eq!(recorded.len(), at_twilio.len());
    assert_eq!(recorded.into_iter().collect::<BTreeSet<_>>(), at_twilio, "each was sent once");
    let open = "SELECT count(*) FROM windows WHERE state IN ('open', 'claimed')";
    let open: i64 = sqlx::query_scalar(open).fetch_one(&mut sql).await.unwrap();
    assert_eq!(open, 0, "nobody waits for an answer");
    assert!(app.stored("NMC_DEAD").await.is_empty());
}
