//! Log lines of a whole run: their fields, and what they never contain.

use nmc_testbed::dispatchbot::DispatchBotOptions;
use nmc_testbed::sim::Rule;
use nmc_testbed::twilio::{Fault, Refusal, TwilioOptions};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Map, Value, json};

use crate::harness::{API_KEY, BUSINESS, CUSTOMER, OUR_NUMBER, OWNER, Operated, customer, query, settled, stored};
use crate::journey::EVENTS;

const PROBLEM: &str = "Yes, kitchen sink is completely blocked. Need help today!";
const AGREED: &str = "Yes, 3pm today works perfectly";
const EMERGENCY: &str = "basement flooding emergency!";
const LEAVE_IT: &str = "My tap drips a little";
const REPLY: &str = "Hello, this is Joe himself";

/// A run with a missed call and its appointment, an emergency, a takeover, a text that Twilio refuses, and an opt-out.
struct Run {
    service: Operated,
    log: String,
    others: Vec<String>,
}

impl Run {
    async fn play(level: &str) -> Self {
        let mut service = Operated::start(&[("NMC_LOG", "json"), ("RUST_LOG", level)]).await;
        let [emergency, taken, refused] = [1, 2, 3].map(customer);
        service.servers.twilio.call(CUSTOMER, OUR_NUMBER, "no-answer").await.unwrap();
        service.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
        service.text(CUSTOMER, PROBLEM).await;
        service.wait_for_event_of(CUSTOMER, 2, "message.delivered").await;
        service.text(CUSTOMER, AGREED).await;
        service.wait_for_event_of(CUSTOMER, 3, "message.delivered").await;
        service.text(&emergency, EMERGENCY).await;
        service.wait_for_event_of(&emergency, 1, "emergency.detected").await;
        service.text(&taken, LEAVE_IT).await;
        service.wait_for_event_of(&taken, 1, "message.delivered").await;
        let list = service.rest.get(&query("/conversations", &[("customer_phone", &taken)])).await.ok();
        let id = list["conversations"][0]["id"].as_str().expect("an id");
        let reply = json!({ "user_id": "user-joe", "body": REPLY });
        let sent = service.rest.send(Method::POST, &format!("/conversations/{id}/messages"), Some(&reply)).await;
        assert_eq!(sent.status, 201);
        service.wait_for_event_of(&taken, 2, "message.delivered").await;
        // Its path has a number.
        let path = format!("/businesses/{BUSINESS}/never-text/{}", customer(5));
        service.rest.send(Method::PUT, &path, None).await.ok();
        service.servers.twilio.add_rule(Rule::always(Fault::Respond(Refusal::code(21612))).to(&refused));
        service.text(&refused, PROBLEM).await;
        service.wait_for_event_of(&refused, 1, "message.failed").await;
        service.text(&customer(4), "STOP").await;
        service.wait_for_event_of(&customer(4), 1, "conversation.opted_out").await;
        settled(&service.servers).await;
        service.stop().await;
        let log = service.child.log();
        Self { service, log, others: vec![emergency, taken, refused, customer(4), customer(5)] }
    }

    fn lines(&self) -> Vec<Map<String, Value>> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.log.lines().map(parse).collect()
    }

    /// What people wrote, their numbers, and every token.
    fn secrets(&self) -> Vec<String> {
        let texts = [PROBLEM, AGREED, EMERGENCY, LEAVE_IT, REPLY].map(str::to_owned);
        let ours = self.service.servers.twilio.messages().into_iter().map(|sms| sms.body);
        let numbers = self.others.iter().map(String::as_str).chain([CUSTOMER, OUR_NUMBER, OWNER]);
        let digits = numbers.map(|number| number.trim_start_matches('+').to_owned());
        let tokens = [API_KEY.to_owned(), TwilioOptions::default().auth_token, DispatchBotOptions::default().api_key];
        texts.into_iter().chain(ours).chain(digits).chain(tokens).collect()
    }
}

#[rstest]
#[case::at_info("info,async_nats=warn")]
#[case::at_debug("debug")]
#[tokio::test]
async fn no_line_of_a_whole_run_has_a_text_a_number_or_a_token(#[case] level: &str) {
    let run = Run::play(level).await;
    assert!(run.log.lines().count() > 20, "{}", run.log);
    for secret in run.secrets() {
        let found = run.log.lines().find(|line| line.contains(&secret));
        assert_eq!(found, None, "{secret}");
    }
    if level == "debug" {
        for logger in ["nevermisscall::request", "nevermisscall::input"] {
            let lines = run.lines();
            let of_logger: Vec<_> = lines.iter().filter(|line| line["log.logger"] == logger).collect();
            assert!(of_logger.len() > 5 && of_logger.iter().all(|line| line["event.duration"].is_u64()), "{logger}");
        }
    }
}

#[tokio::test]
async fn a_line_has_the_fields_of_the_elastic_common_schema_and_each_step_is_one() {
    let run = Run::play("info,async_nats=warn").await;
    let lines = run.lines();
    for line in &lines {
        for field in
            ["@timestamp", "log.level", "message", "ecs.version", "service.name", "service.version", "log.logger"]
        {
            assert!(line[field].is_string(), "{field}: {line:?}");
        }
        assert!(!line.keys().any(|name| is_object_too(line, name)), "a field that is also an object: {line:?}");
    }
    let list = stored(&run.service.servers, "NMC_EVENTS").await;
    let created =
        list.iter().find(|event| event.json()["customer_phone"] == CUSTOMER && event.subject.contains("created"));
    let created = created.expect("an event");
    let steps: Vec<_> = lines
        .iter()
        .filter(|line| line["log.logger"] == "nevermisscall::step")
        .filter(|line| line.get("nmc.conversation.id") == Some(&created.json()["conversation_id"]))
        .collect();
    let actions: Vec<_> = steps.iter().map(|line| line["event.action"].as_str().unwrap_or_default()).collect();
    assert_eq!(actions, EVENTS, "one line for each step");
    let call = lines.iter().find(|line| line.get("event.action") == Some(&json!("call.received"))).expect("the call");
    assert!(call["nmc.call.sid"].is_string());
    for line in steps.iter().copied().chain([call]) {
        assert!(line["trace.id"].as_str().is_some_and(|id| id.len() == 32), "{line:?}");
    }
    // The trace of a line is the one in the headers of the event.
    let trace = &created.headers["traceparent"][3..35];
    assert_eq!(steps[0]["trace.id"], trace);
}

/// Elasticsearch makes objects of names with dots: a name must not be the beginning of another.
fn is_object_too(line: &Map<String, Value>, name: &str) -> bool {
    line.keys().any(|other| other.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}
