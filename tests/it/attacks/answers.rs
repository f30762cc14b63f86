//! Answers of DispatchBot and Twilio that are endless, or contain what must not be logged.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nmc_testbed::twilio::webhooks::WebhookClient;
use nmc_testbed::twilio::{TwilioOptions, new_message_sid};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use crate::harness::{
    API_KEY, BUSINESS, CUSTOMER, Child, OUR_NUMBER, PUBLIC_URL, Rest, Servers, business, eventually, spawn_app_with,
};

/// How a server answers every request.
#[derive(Clone)]
enum Answers {
    /// With this status and body.
    With(u16, String),
    /// With this status and an endless body, with or without a `Content-Length`.
    Endlessly(u16, Option<u64>),
}

struct Server {
    url: String,
    poured: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Server {
    async fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let poured = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&poured);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(BufReader::new(stream), answers.clone(), Arc::clone(&counted)));
            }
        });
        Self { url, poured, task: task.abort_handle() }
    }

    fn poured(&self) -> usize {
        self.poured.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: BufReader<TcpStream>, answers: Answers, poured: Arc<AtomicUsize>) {
    let (mut line, mut length) = (String::new(), 0);
    loop {
        line.clear();
        if stream.read_line(&mut line).await.unwrap_or_default() == 0 {
            return;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or_default();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).await.is_err() {
        return;
    }
    let head = |status, length: Option<u64>| {
        let length = length.map(|length| format!("content-length: {length}\r\n")).unwrap_or_default();
        format!("HTTP/1.1 {status} -\r\nconnection: close\r\ncontent-type: application/json\r\n{length}\r\n")
    };
    match answers {
        Answers::With(status, body) => {
            let whole = head(status, Some(body.len() as u64)) + &body;
            stream.write_all(whole.as_bytes()).await.ok();
        }
        Answers::Endlessly(status, length) => {
            let mut written = stream.write_all(head(status, length).as_bytes()).await;
            while written.is_ok() {
                written = stream.write_all(&[b' '; 64 * 1024]).await;
                poured.fetch_add(64 * 1024, Ordering::SeqCst);
            }
        }
    }
}

#[rstest::rstest]
#[case::of_a_told_length(Some(400_000_000))]
#[case::of_no_length(None)]
#[tokio::test]
async fn an_answer_of_dispatchbots_without_end_is_none_and_the_customer_gets_the_fallback_text(
    #[case] length: Option<u64>,
) {
    let dispatchbot = Server::start(Answers::Endlessly(200, length)).await;
    let app = spawn_app_with(&[("DISPATCHBOT_URL", &dispatchbot.url)]).await;
    app.text(CUSTOMER, "my sink is blocked").await;
    let sms = app.wait_for_sms(CUSTOMER, 1).await;
    assert!(sms[0].body.contains("received your message"), "{}", sms[0].body);
    // What was read, plus what the socket buffers held.
    assert!(dispatchbot.poured() < 40_000_000, "{}", dispatchbot.poured());
}

#[tokio::test]
async fn an_answer_of_twilios_without_end_is_an_unknown_outcome_and_no_second_message() {
    let twilio = Server::start(Answers::Endlessly(201, None)).await;
    let app = spawn_app_with(&[("TWILIO_API_URL", &twilio.url)]).await;
    app.miss_call(CUSTOMER).await;
    let mut sql = app.servers.sql().await;
    // The message list is endless too, so it never proves that the message is absent, and nothing is sent again.
    let reads =
        eventually("a list that was given up", async || (twilio.poured() > 3 * 1024 * 1024).then(|| twilio.poured()));
    assert!(reads.await < 400_000_000);
    // Other requests to Twilio get such an answer, too, so the message may still be on its way.
    eventually("one claimed message", async || {
        let statuses: Vec<String> = sqlx::query_scalar("SELECT status FROM messages WHERE kind = 'missed_call'")
            .fetch_all(&mut sql)
            .await
            .unwrap();
        (statuses == ["sending"]).then_some(())
    })
    .await;
    let attempts: Vec<i32> = sqlx::query_scalar("SELECT attempts FROM messages WHERE kind = 'missed_call'")
        .fetch_all(&mut sql)
        .await
        .unwrap();
    assert_eq!(attempts, [1]);
}

#[tokio::test]
async fn no_log_line_quotes_an_answer() {
    const NUMBER: &str = "2125557777";
    const WORDS: &str = "crocodile";
    let said = format!("{WORDS} {NUMBER}");
    let dispatchbot = Server::start(Answers::With(
        200,
        format!(
            r#"{{"success":true,"urgency_level":"{said}","emergency_detected":"{said}","message_to_customer":{NUMBER}}}"#
        ),
    ));
    let twilio = Server::start(Answers::With(
        201,
        format!(
            r#"{{"sid":"{said}","messages":[{{"sid":"SM1","status":"{said}","direction":"x","date_created":"{said}"}}]}}"#
        ),
    ));
    let (dispatchbot, twilio) = tokio::join!(dispatchbot, twilio);
    let servers = Servers::start(TwilioOptions::default()).await;
    let changes = [
        ("DISPATCHBOT_URL", dispatchbot.url.as_str()),
        ("TWILIO_API_URL", &twilio.url),
        ("RUST_LOG", "info,nevermisscall=trace"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut child = Child::start(&servers, "service", &["serve"], &servers.settings(&changes));
    let base = format!("http://{}", child.address().await);
    let rest = Rest::new(base.clone(), API_KEY);
    rest.ready().await;
    rest.put(&format!("/businesses/{BUSINESS}"), &business()).await.ok();
    let options = TwilioOptions::default();
    let client = WebhookClient::new(PUBLIC_URL, &options.account_sid, &options.auth_token).unwrap().with_target(base);
    let customer = format!("+1{NUMBER}");
    let text = format!("my {WORDS} is in the sink");
    assert_eq!(client.sms(&new_message_sid(), &customer, OUR_NUMBER, &text).await.unwrap().status, 200);
    for told in ["DispatchBot gave no usable answer", "Twilio's message list is malformed"] {
        eventually(told, async || child.log().contains(told).then_some(())).await;
    }
    let log = child.log();
    for line in log.lines() {
        assert!(!line.contains(NUMBER) && !line.contains(WORDS), "{line}");
    }
}
