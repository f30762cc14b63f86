//! A connection over a pipe in memory, with time paused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use poem::endpoint::make;
use poem::{Body, EndpointExt, Route};
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const LARGE: usize = 100 * 1024;
const HELLO: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

fn endpoint() -> impl Endpoint<Output = Response> + 'static {
    let read = async |mut request: Request| match request.take_body().into_bytes().await {
        Ok(body) => Response::builder().body(format!("got {}", body.len())),
        Err(error) => Response::builder().status(poem::http::StatusCode::BAD_REQUEST).body(error.to_string()),
    };
    Route::new()
        .at("/", make(async |_| Response::builder().body("hello")))
        .at("/read", make(read))
        .at("/large", make(async |_| Response::builder().body(Body::from_bytes(vec![b'x'; LARGE].into()))))
        .at(
            "/slow",
            make(async |_| {
                sleep(60 * SECOND).await;
                Response::builder().body("at last")
            }),
        )
        .map_to_response()
}

/// The client side of a connection, and how the connection ends.
struct Client {
    pipe: DuplexStream,
    served: JoinHandle<(ConnectionEnd, Duration)>,
    shutdown: CancellationToken,
}

/// The pipe holds up to `capacity` unread bytes.
fn connect(capacity: usize) -> Client {
    let (pipe, stream) = duplex(capacity);
    let shutdown = CancellationToken::new();
    let register = Register::new(10, Metrics::new());
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let served = tokio::spawn({
        let shutdown = shutdown.clone();
        async move {
            let (began, (ticket, told)) = (Instant::now(), register.enter());
            let ends = Ends { local: anywhere, peer: anywhere };
            let end = serve::serve(stream, ends, Arc::new(endpoint()), ticket.connection(), told, shutdown).await;
            (end, began.elapsed())
        }
    });
    Client { pipe, served, shutdown }
}

impl Client {
    async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.pipe.write_all(text.as_ref()).await.unwrap();
    }

    /// Reads until the text ends with `end`.
    async fn until(&mut self, end: &str) -> String {
        let mut text = String::new();
        while !text.ends_with(end) {
            let byte = timeout(100 * SECOND, self.pipe.read_u8()).await.expect("more");
            text.push(char::from(byte.unwrap_or_else(|_| panic!("the connection ended after {text:?}"))));
        }
        text
    }

    /// How the connection ended, and after how many seconds.
    async fn end(self) -> (ConnectionEnd, u64) {
        let (end, after) = self.served.await.unwrap();
        (end, after.as_secs())
    }

    /// Reads everything that is left.
    async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        self.pipe.read_to_end(&mut rest).await.unwrap();
        String::from_utf8_lossy(&rest).into_owned()
    }
}

/// Sends a byte a second until the connection is closed.
async fn drip(client: &mut Client, text: &str) {
    for byte in text.bytes().cycle() {
        if client.pipe.write_all(&[byte]).await.is_err() {
            return;
        }
        sleep(SECOND).await;
    }
}

#[rstest]
#[case::silence("", ConnectionEnd::Quiet, 30)]
#[case::half_a_head("GET / HTTP/1.1\r\nhost", ConnectionEnd::Head, 10)]
#[case::blank_lines("\r\n", ConnectionEnd::Head, 10)]
#[tokio::test(start_paused = true)]
async fn a_request_that_does_not_come_is_not_waited_for(
    #[case] sent: &str,
    #[case] end: ConnectionEnd,
    #[case] seconds: u64,
) {
    let mut client = connect(1024);
    client.send(sent).await;
    assert_eq!(client.end().await, (end, seconds));
}

#[tokio::test(start_paused = true)]
async fn a_head_that_drips_is_not_waited_for() {
    let mut client = connect(1024);
    client.send("GET / HTTP/1.1\r\n").await;
    drip(&mut client, "a").await;
    assert_eq!(client.end().await, (ConnectionEnd::Head, 10));
}

#[tokio::test(start_paused = true)]
async fn between_two_requests_there_may_be_30_s() {
    let mut client = connect(1024);
    for _ in 0..3 {
        client.send(HELLO).await;
        assert!(client.until("hello").await.starts_with("HTTP/1.1 200"));
        sleep(29 * SECOND).await;
    }
    sleep(2 * SECOND).await;
    assert_eq!(client.end().await, (ConnectionEnd::Quiet, 88));
}

#[tokio::test(start_paused = true)]
async fn half_a_head_behind_an_answer_is_no_way_to_stay() {
    let mut client = connect(1024);
    client.send(HELLO).await;
    client.until("hello").await;
    sleep(5 * SECOND).await;
    client.send("GET").await;
    assert_eq!(client.end().await, (ConnectionEnd::Head, 15));
}

#[rstest]
#[case::that_does_not_come("content-length: 5\r\n\r\n", false)]
#[case::that_comes_half("content-length: 5\r\n\r\nab", false)]
#[case::in_chunks_that_do_not_end("transfer-encoding: chunked\r\n\r\n1\r\na\r\n", false)]
#[case::that_drips("content-length: 5000\r\n\r\n", true)]
#[tokio::test(start_paused = true)]
async fn a_body_is_waited_for_10_s(#[case] sent: &str, #[case] drips: bool) {
    let mut client = connect(1024);
    client.send(format!("POST /read HTTP/1.1\r\nhost: x\r\n{sent}")).await;
    if drips {
        drip(&mut client, "a").await;
    }
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("within 10 seconds"), "{answer}");
    assert_eq!(client.end().await, (ConnectionEnd::Done, 10));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_in_time_is_read() {
    let mut client = connect(1024);
    client.send("POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n").await;
    assert_eq!(client.until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    sleep(9 * SECOND).await;
    client.send("abcde").await;
    client.until("got 5").await;
    client.send("POST /read HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").await;
    client.until("got 3").await;
}

#[tokio::test(start_paused = true)]
async fn requests_in_one_piece_are_answered_one_after_the_other() {
    let mut client = connect(4096);
    client.send(HELLO.repeat(20)).await;
    for _ in 0..20 {
        assert!(client.until("hello").await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_takes_is_not_kept() {
    let mut client = connect(1024);
    client.send("GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(client.end().await, (ConnectionEnd::Write, 15));
}

#[tokio::test(start_paused = true)]
async fn who_takes_a_byte_now_and_then_is_not_waited_for() {
    let mut client = connect(1);
    client.send("GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    while client.pipe.read_u8().await.is_ok() {
        sleep(SECOND).await;
    }
    assert_eq!(client.end().await, (ConnectionEnd::Write, 15));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_all_of_it() {
    let mut client = connect(1024);
    client.send("GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let (mut taken, mut some) = (0, [0; 2048]);
    loop {
        match client.pipe.read(&mut some).await.unwrap() {
            0 => break,
            bytes => taken += bytes,
        }
        sleep(SECOND / 2).await;
    }
    assert!(taken > LARGE, "{taken}");
    let (end, after) = client.end().await;
    assert!(end == ConnectionEnd::Done && after > 30, "{end} after {after} s");
}

#[tokio::test(start_paused = true)]
async fn who_is_worked_on_is_waited_for() {
    let mut client = connect(1024);
    client.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    client.until("at last").await;
    assert_eq!(client.end().await, (ConnectionEnd::Quiet, 90));
}

#[rstest]
#[case::of_http_2("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned())]
#[case::that_is_none("hello\r\n\r\n".to_owned())]
#[case::that_is_too_long(format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(20_000)))]
#[case::of_too_many_lines(format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(200)))]
#[tokio::test(start_paused = true)]
async fn a_head_is_refused(#[case] head: String) {
    let mut client = connect(64 * 1024);
    client.send(head).await;
    let answer = client.rest().await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_eq!(client.end().await, (ConnectionEnd::Done, 0));
}

#[tokio::test(start_paused = true)]
async fn asked_to_stop_what_is_idle_ends_at_once_and_what_is_under_way_when_it_is_done() {
    let (idle, mut under_way, mut between) = (connect(1024), connect(1024), connect(1024));
    under_way.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    between.send(HELLO).await;
    between.until("hello").await;
    for client in [&idle, &under_way, &between] {
        client.shutdown.cancel();
    }
    assert_eq!(idle.end().await, (ConnectionEnd::Done, 0));
    assert_eq!(between.end().await, (ConnectionEnd::Done, 0));
    assert!(under_way.rest().await.ends_with("at last"));
    assert_eq!(under_way.end().await, (ConnectionEnd::Done, 60));
}
