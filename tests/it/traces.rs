//! Traces as an OpenTelemetry collector receives them.

use std::collections::BTreeSet;
use std::time::Duration;

use nmc_testbed::dispatchbot::DispatchBotOptions;
use nmc_testbed::twilio::TwilioOptions;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use crate::harness::{
    API_KEY, BUSINESS, CUSTOMER, Collector, OUR_NUMBER, OWNER, Operated, Servers, Span, query, stored,
};

const PROBLEM: &str = "Yes, kitchen sink is completely blocked. Need help today!";
/// Longer than the test: spans are exported only because the process is asked to stop.
const NO_SCHEDULE: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "600000");

/// Spans of a trace with their parents, by name.
struct Tree<'a>(Vec<&'a Span>);

impl<'a> Tree<'a> {
    fn of(spans: &'a [Span], trace_id: &str) -> Self {
        Self(spans.iter().filter(|span| span.trace_id == trace_id).collect())
    }

    fn parent(&self, span: &Span) -> Option<&'a Span> {
        self.0.iter().copied().find(|other| other.span_id == span.parent_span_id)
    }

    /// Each span's name, kind, and its parent's name.
    fn shape(&self) -> BTreeSet<(&str, &str, &str)> {
        let parent = |span| self.parent(span).map_or("", |parent| parent.name.as_str());
        self.0.iter().map(|span| (span.name.as_str(), span.kind.as_str(), parent(span))).collect()
    }

    fn named(&self, name: &str) -> &'a Span {
        self.0.iter().copied().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {:?}", self.shape()))
    }
}

fn attribute<'a>(span: &'a Span, name: &str) -> &'a str {
    span.attributes.get(name).and_then(|value| value.as_str()).unwrap_or_default()
}

#[tokio::test]
async fn one_text_is_one_trace_from_the_webhook_to_the_answer_and_its_events() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let collector = Collector::start(&servers).await;
    let mut service = Operated::beside(
        servers,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()),
            ("OTEL_SERVICE_NAME", "calls"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
            NO_SCHEDULE,
        ],
    )
    .await;
    service.text(CUSTOMER, PROBLEM).await;
    service.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    service.stop().await;

    let spans = collector.spans();
    let root = spans.iter().find(|span| span.name == "POST /webhooks/twilio/sms").expect("the webhook's span");
    let trace = Tree::of(&spans, &root.trace_id);
    let shape = trace.shape();
    for expected in [
        ("POST /webhooks/twilio/sms", "SERVER", ""),
        ("publish nmc.inbound.sms", "PRODUCER", "POST /webhooks/twilio/sms"),
        ("process nmc.inbound.sms", "CONSUMER", "publish nmc.inbound.sms"),
        ("engine.batch", "INTERNAL", "process nmc.inbound.sms"),
        ("SELECT conversations", "CLIENT", "engine.batch"),
        ("COMMIT conversations", "CLIENT", "engine.batch"),
        ("publish effects", "PRODUCER", "process nmc.inbound.sms"),
        ("process nmc.event.message.received", "CONSUMER", "process nmc.inbound.sms"),
        ("process nmc.window.due", "CONSUMER", "process nmc.inbound.sms"),
        ("process nmc.task.analyze", "CONSUMER", "process nmc.window.due"),
        ("POST /v1/conversations/analyze", "CLIENT", "process nmc.task.analyze"),
        ("process nmc.task.send_sms", "CONSUMER", "process nmc.task.analyze"),
        ("UPDATE messages", "CLIENT", "process nmc.task.send_sms"),
        ("POST /2010-04-01/Accounts/{sid}/Messages.json", "CLIENT", "process nmc.task.send_sms"),
        ("process nmc.event.message.sent", "CONSUMER", "process nmc.task.send_sms"),
        ("EVALSHA", "CLIENT", "process nmc.event.message.sent"),
    ] {
        assert!(shape.contains(&expected), "{expected:?} is missing in {shape:#?}");
    }
    let roots: Vec<_> = trace.0.iter().filter(|span| trace.parent(span).is_none()).map(|span| &span.name).collect();
    assert_eq!(roots, ["POST /webhooks/twilio/sms"], "every other span has its parent in the trace");
    for (name, attributes) in [
        ("POST /webhooks/twilio/sms", &[("http.route", "/webhooks/twilio/sms"), ("http.request.method", "POST")][..]),
        ("process nmc.inbound.sms", &[("messaging.system", "nats"), ("messaging.operation.type", "process")]),
        ("COMMIT conversations", &[("db.system.name", "postgresql"), ("db.operation.name", "COMMIT")]),
        ("POST /v1/conversations/analyze", &[("server.address", "127.0.0.1")]),
        ("EVALSHA", &[("db.system.name", "redis")]),
    ] {
        for (attribute_name, expected) in attributes {
            assert_eq!(&attribute(trace.named(name), attribute_name), expected, "{name}");
        }
    }
    let twilio = trace.named("POST /2010-04-01/Accounts/{sid}/Messages.json");
    assert_eq!((&twilio.attributes["http.response.status_code"], twilio.status.as_str()), (&201.into(), "UNSET"));
    assert_eq!(
        (&root.resource["service.name"], &root.resource["deployment.environment.name"]),
        (&"calls".into(), &"test".into())
    );

    let analyze = trace.named("POST /v1/conversations/analyze");
    let asked = service.servers.dispatchbot.requests();
    assert_eq!(asked[0]["traceparent"], format!("00-{}-{}-01", analyze.trace_id, analyze.span_id));
    let events = stored(&service.servers, "NMC_EVENTS").await;
    let received =
        events.iter().find(|event| event.subject.starts_with("nmc.event.message.received")).expect("an event");
    let decided = trace.named("process nmc.inbound.sms");
    assert_eq!(received.headers["traceparent"], format!("00-{}-{}-01", decided.trace_id, decided.span_id));
    says_nothing_about_people(&collector, &service);
}

/// No span of any trace has a body, a phone number, a name or a token.
fn says_nothing_about_people(collector: &Collector, service: &Operated) {
    let text = collector.text();
    assert!(text.lines().count() > 20, "{text}");
    let ours = service.servers.twilio.messages().into_iter().map(|sms| sms.body);
    let digits = [CUSTOMER, OUR_NUMBER, OWNER].map(|number| number.trim_start_matches('+').to_owned());
    let tokens = [API_KEY.to_owned(), TwilioOptions::default().auth_token, DispatchBotOptions::default().api_key];
    for secret in [PROBLEM.to_owned(), "Joe's".to_owned()].into_iter().chain(ours).chain(digits).chain(tokens) {
        assert!(!text.contains(&secret), "{secret} is in a span");
    }
}

#[tokio::test]
async fn the_answer_to_two_texts_belongs_to_the_trace_of_one_and_is_linked_to_the_other() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let collector = Collector::start(&servers).await;
    let window = [("NMC_WINDOW_HOLD", "3s"), ("NMC_WINDOW_MAX", "10s")];
    let exporter = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()), NO_SCHEDULE];
    let mut service = Operated::beside(servers, &[window, exporter].concat()).await;
    service.text(CUSTOMER, PROBLEM).await;
    service.text(CUSTOMER, "And the bath, too").await;
    service.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    service.stop().await;

    let asked = service.servers.dispatchbot.requests();
    assert_eq!(asked.iter().map(|asked| asked["messages"].as_array().map_or(0, Vec::len)).collect::<Vec<_>>(), [2]);
    let spans = collector.spans();
    let texts: Vec<&Span> = spans.iter().filter(|span| span.name == "process nmc.inbound.sms").collect();
    assert_eq!(texts.len(), 2);
    assert_ne!(texts[0].trace_id, texts[1].trace_id);
    let analysis: Vec<&Span> = spans.iter().filter(|span| span.name == "process nmc.task.analyze").collect();
    let [analysis] = analysis[..] else { panic!("not one analysis: {analysis:?}") };
    let (own, other): (Vec<&Span>, Vec<&Span>) = texts.iter().partition(|text| text.trace_id == analysis.trace_id);
    assert_eq!((own.len(), other.len()), (1, 1), "{analysis:?}");
    let linked: Vec<_> = analysis.links.iter().map(|link| (&link.trace_id, &link.span_id)).collect();
    assert_eq!(linked, [(&other[0].trace_id, &other[0].span_id)]);
}

#[tokio::test]
async fn a_command_of_a_person_and_its_message_are_one_trace() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let collector = Collector::start(&servers).await;
    let exporter = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()), NO_SCHEDULE];
    let mut service = Operated::beside(servers, &exporter).await;
    service.text(CUSTOMER, PROBLEM).await;
    service.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    let list = service.rest.get(&query("/conversations", &[("business_id", BUSINESS)])).await.ok();
    let id = list["conversations"][0]["id"].as_str().expect("a conversation").to_owned();
    let reply = serde_json::json!({ "user_id": "user-joe", "body": "I am on my way" });
    let sent = service.rest.send(reqwest::Method::POST, &format!("/conversations/{id}/messages"), Some(&reply)).await;
    assert_eq!(sent.status, 201);
    service.wait_for_event_of(CUSTOMER, 2, "message.delivered").await;
    service.stop().await;

    let spans = collector.spans();
    let root = spans.iter().find(|span| span.name == "POST /conversations/{param0}/messages");
    let names: BTreeSet<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    let root = root.unwrap_or_else(|| panic!("{names:?}"));
    assert_eq!((root.kind.as_str(), root.parent_span_id.as_str()), ("SERVER", ""));
    let trace = Tree::of(&spans, &root.trace_id);
    trace.named("POST /2010-04-01/Accounts/{sid}/Messages.json");
    assert!(!collector.text().contains("I am on my way"));
}

#[tokio::test]
async fn a_collector_that_does_not_answer_holds_up_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap(); // accepts no connection, but the kernel does
    let url = format!("http://{}", silent.local_addr().unwrap());
    let mut service =
        Operated::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &url), ("OTEL_BSP_SCHEDULE_DELAY", "100")]).await;
    service.text(CUSTOMER, PROBLEM).await;
    service.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    let (connection, _) = timeout(Duration::from_secs(30), silent.accept()).await.expect("an export").unwrap();
    let begun = Instant::now();
    service.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}\n{}", begun.elapsed(), service.child.log());
    drop(connection);
}

#[tokio::test]
async fn what_is_not_sampled_is_not_exported_but_keeps_its_trace() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let collector = Collector::start(&servers).await;
    let exporter = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()), ("OTEL_TRACES_SAMPLER", "always_off")];
    let mut service = Operated::beside(servers, &exporter).await;
    service.text(CUSTOMER, PROBLEM).await;
    service.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    service.stop().await;
    assert_eq!(collector.text(), "");
    let events = stored(&service.servers, "NMC_EVENTS").await;
    let of_text = events.iter().filter(|event| event.subject.starts_with("nmc.event.message."));
    let traces: BTreeSet<(&str, &str)> = of_text
        .filter(|event| !event.subject.contains("delivered"))
        .map(|event| event.headers["traceparent"].as_str())
        .map(|header| (&header[3..35], &header[53..]))
        .collect();
    assert_eq!(traces.len(), 1, "the text and its answer have one trace: {traces:?}");
    assert!(traces.iter().all(|(_, flags)| *flags == "00"), "{traces:?}");
}
