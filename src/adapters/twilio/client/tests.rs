//! Tests of the client against a server on the loopback device.

#![allow(clippy::unwrap_used, clippy::panic)]

use rstest::rstest;

use super::*;
use crate::adapters::http_client::{
    self,
    loopback::{Loopback, Reply, nobody},
};

/// Long enough not to matter in tests of something else.
const LONG: Duration = Duration::from_secs(30);
/// Short, for tests in which the server does not answer.
const SHORT: Duration = Duration::from_millis(500);

const SM1: &str = "SM00000000000000000000000000000001";

fn account() -> Account {
    Account { sid: "AC1".into(), token: Secret::new("token") }
}

fn sms() -> OutgoingSms {
    OutgoingSms {
        to: "+15550001111".into(),
        from: "+15552223333".into(),
        body: "Hi! I missed your call & more".into(),
        status_callback: "https://nmc.example/cb?message_id=m1".into(),
        validity: Duration::from_secs(600),
    }
}

fn client(url: &str, timeout: Duration) -> TwilioClient {
    TwilioClient::new(http_client::build().unwrap(), url.to_owned(), timeout)
}

async fn send_to(replies: impl IntoIterator<Item = Reply>, timeout: Duration) -> (SendOutcome, Loopback) {
    let server = Loopback::start(replies).await;
    let outcome = client(&server.url, timeout).send(&account(), &sms()).await;
    (outcome, server)
}

fn accepted() -> Reply {
    Reply::Answer(201, "", format!(r#"{{"sid":"{SM1}","status":"queued","num_segments":"1"}}"#))
}

#[tokio::test]
async fn a_message_is_posted_as_twilio_wants_it() {
    let (outcome, mut server) = send_to([accepted()], LONG).await;
    assert_eq!(outcome, SendOutcome::Accepted { sid: SM1.into(), segments: 1, status: "queued".into() });
    let request = &server.received()[0];
    assert!(request.head.starts_with("POST /2010-04-01/Accounts/AC1/Messages.json HTTP/1.1\r\n"));
    assert_eq!(request.header("authorization"), Some("Basic QUMxOnRva2Vu"));
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    let form: Vec<(String, String)> = form_urlencoded::parse(request.body.as_bytes()).into_owned().collect();
    let sms = sms();
    let validity = "600".to_owned();
    let expected = [
        ("To", sms.to),
        ("From", sms.from),
        ("Body", sms.body),
        ("ValidityPeriod", validity),
        ("StatusCallback", sms.status_callback),
    ];
    assert_eq!(form, expected.map(|(key, value)| (key.to_owned(), value)));
}

#[tokio::test]
async fn a_rejection_carries_twilios_code() {
    let body = r#"{"code":21610,"message":"unsubscribed","status":400}"#;
    let (outcome, _) = send_to([Reply::Answer(400, "", body.into())], LONG).await;
    assert_eq!(outcome, SendOutcome::Rejected { code: Some(21610), message: "unsubscribed".into(), http_status: 400 });
}

/// The status is sufficient.
#[tokio::test]
async fn a_refusal_without_end_is_a_refusal() {
    let (outcome, server) = send_to([Reply::Endless(400, None)], LONG).await;
    assert_eq!(outcome.label(), "rejected", "{outcome:?}");
    assert!(server.poured() < 16_000_000, "{}", server.poured());
}

#[tokio::test]
async fn a_page_of_the_longest_messages_can_be_read() {
    let longest = format!(
        r#"{{"sid":"{SM1}","body":"{}","to":"+1","from":"+2","status":"sent","direction":"outbound-api","uri":"{}",
            "date_created":"Thu, 24 Aug 2023 05:01:59 +0000","date_sent":null}}"#,
        r"\ud83d".repeat(1_600),
        "u".repeat(1_000)
    );
    let longest = longest.replace(r"\ud83d\ud83d", r"\ud83d\ude00");
    let (found, _) = list(vec![page(&vec![longest; MESSAGES_PER_PAGE.parse().unwrap()], None)]).await;
    assert_eq!(found.unwrap(), [SM1]);
}

#[tokio::test]
async fn a_429_says_how_long_to_wait() {
    let (outcome, _) = send_to([Reply::Answer(429, "Retry-After: 12\r\n", String::new())], LONG).await;
    assert!(matches!(outcome, SendOutcome::NotProcessed { retry_after: Some(wait), .. } if wait.as_secs() == 12));
}

#[rstest]
#[case::no_answer(Reply::Hang, SHORT)]
#[case::closed_after_the_request(Reply::Close, LONG)]
#[case::closed_within_a_201(Reply::Break(201), LONG)]
#[case::closed_within_a_400(Reply::Break(400), LONG)]
#[case::a_server_error(Reply::Answer(500, "", String::new()), LONG)]
#[case::a_redirect(Reply::Answer(307, "location: /elsewhere\r\n", String::new()), LONG)]
#[case::garbage(Reply::Answer(201, "", "<html>".into()), LONG)]
#[case::an_answer_told_to_be_too_large(Reply::Endless(201, Some(400_000_000)), LONG)]
#[case::an_answer_without_end(Reply::Endless(201, None), LONG)]
#[tokio::test]
async fn what_may_have_been_accepted_is_unknown_and_not_tried_again(#[case] reply: Reply, #[case] timeout: Duration) {
    let (outcome, mut server) = send_to([reply, accepted()], timeout).await;
    assert_eq!(outcome.label(), "unknown", "{outcome:?}");
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_refused_connection_was_not_processed() {
    let outcome = client(&nobody().await, LONG).send(&account(), &sms()).await;
    assert_eq!(outcome.label(), "not_processed", "{outcome:?}");
}

#[tokio::test]
async fn a_tls_handshake_that_fails_was_not_processed() {
    let server = Loopback::start([Reply::Answer(201, "", String::new())]).await;
    let url = server.url.replace("http:", "https:");
    // The server waits for the end of a line, which a TLS ClientHello does not contain: the handshake hangs.
    let http = http_client::builder().connect_timeout(SHORT).build().unwrap();
    let outcome = TwilioClient::new(http, url, LONG).send(&account(), &sms()).await;
    assert_eq!(outcome.label(), "not_processed", "{outcome:?}");
}

#[tokio::test]
async fn an_address_that_is_none_was_not_processed() {
    let outcome = client("twilio", LONG).send(&account(), &sms()).await;
    assert_eq!(outcome.label(), "not_processed", "{outcome:?}");
}

fn listed(sid: &str, second: u32) -> String {
    format!(
        r#"{{"sid":"{sid}","body":"b","to":"+1","from":"+2","status":"sent","direction":"outbound-api",
            "date_created":"Thu, 24 Aug 2023 05:01:{second:02} +0000","date_sent":null}}"#
    )
}

fn page(messages: &[String], next: Option<&str>) -> Reply {
    let next = next.map_or("null".to_owned(), |next| format!("{next:?}"));
    Reply::Answer(200, "", format!(r#"{{"messages":[{}],"next_page_uri":{next}}}"#, messages.join(",")))
}

async fn list(replies: Vec<Reply>) -> (Result<Vec<String>, ListError>, Loopback) {
    let server = Loopback::start(replies).await;
    let since = DateTime::parse_from_rfc3339("2023-08-24T05:01:30.9Z").unwrap().to_utc();
    let list = client(&server.url, LONG).list_sent(&account(), "+15550001111", "+15552223333", since).await;
    (list.map(|list| list.into_iter().map(|message| message.sid).collect()), server)
}

#[tokio::test]
async fn every_page_is_read_and_only_what_was_created_since_is_returned() {
    let next = "/2010-04-01/Accounts/AC1/Messages.json?PageToken=PA1";
    let first = page(&[listed("new", 59), listed("same second", 30)], Some(next));
    let second = page(&[listed("same second", 30), listed("old", 29)], None);
    let (found, mut server) = list(vec![first, second]).await;
    assert_eq!(found.unwrap(), ["new", "same second"]);
    let lines: Vec<_> =
        server.received().iter().map(|request| request.head.lines().next().unwrap().to_owned()).collect();
    assert_eq!(
        lines,
        [
            "GET /2010-04-01/Accounts/AC1/Messages.json?To=%2B15550001111&From=%2B15552223333&PageSize=80 HTTP/1.1",
            "GET /2010-04-01/Accounts/AC1/Messages.json?PageToken=PA1 HTTP/1.1",
        ]
    );
}

#[rstest]
#[case::no_answer_to_the_second_page(vec![page(&[], Some("/next")), Reply::Close], "unreachable")]
#[case::half_a_page(vec![Reply::Break(200)], "unreachable")]
#[case::a_page_elsewhere(vec![page(&[], Some("https://elsewhere.example/"))], "foreign_page")]
#[case::a_page_elsewhere_in_disguise(vec![page(&[], Some("//elsewhere.example/"))], "foreign_page")]
#[case::pages_without_end((0..=MAX_PAGES).map(|_| page(&[], Some("/next"))).collect(), "too_many_pages")]
#[case::a_page_told_to_be_too_large(vec![Reply::Endless(200, Some(400_000_000))], "too_large")]
#[case::a_page_without_end(vec![Reply::Endless(200, None)], "too_large")]
#[case::an_error_without_end(vec![Reply::Endless(503, None)], "refused")]
#[case::too_many_requests(vec![Reply::Answer(429, "", String::new())], "too_many_requests")]
#[case::bad_credentials(vec![Reply::Answer(401, "", String::new())], "refused")]
#[tokio::test]
async fn a_list_that_was_not_read_to_its_end_is_an_error(#[case] replies: Vec<Reply>, #[case] label: &str) {
    assert_eq!(list(replies).await.0.unwrap_err().label(), label);
}

#[test]
fn nothing_printed_holds_a_text_a_number_or_a_token() {
    let printed = format!("{:?} {:?}", sms(), account());
    assert!(!printed.contains("missed") && !printed.contains("1555") && !printed.contains("token\""), "{printed}");
}
