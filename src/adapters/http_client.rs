//! The HTTP client for all outgoing calls, and helpers to read answers.
//!
//! Used by the clients of Twilio and DispatchBot. It sends a request at most once: it follows no redirect and retries
//! nothing, because only the caller knows whether a retry is harmless.

use std::{error::Error, time::Duration};

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use reqwest::{
    Client, ClientBuilder, Response, StatusCode,
    header::{HeaderMap, RETRY_AFTER},
    redirect, retry,
};
use tracing::{Span, field::Empty};
use url::Url;

use crate::trace;

/// How long connecting may take, including the TLS handshake.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Shorter than the servers keep idle connections: if a server closes a connection while we write, the outcome is
/// unknown.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

const KEEPALIVE: Duration = Duration::from_secs(15);

/// The upper bound on `Retry-After`: a longer wait is cut to a day.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Builds the client. Installs a TLS provider for the process unless one is installed.
///
/// # Errors
///
/// If TLS cannot be set up, for example because the system's root certificates cannot be read.
pub fn build() -> Result<Client, reqwest::Error> {
    builder().build()
}

/// Like [`build`], but returns the builder, so that the caller can change settings.
pub(crate) fn builder() -> ClientBuilder {
    super::tls::install_provider();
    Client::builder()
        .user_agent(concat!("nevermisscall/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .tcp_keepalive(KEEPALIVE)
}

/// How long the server asks us to wait: `Retry-After` in seconds or as a date, at most a day.
pub(crate) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match value.parse().map(Duration::from_secs) {
        Ok(wait) => wait,
        Err(_) => {
            let until = DateTime::parse_from_rfc2822(value).ok()?;
            (until.to_utc() - now).to_std().unwrap_or(Duration::ZERO)
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

/// A transport error with its causes, in one line. Without the URL, which may contain phone numbers.
pub(crate) fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let causes = std::iter::successors(Some(&error as &dyn Error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The span of a request for OpenTelemetry. The query is left out, because it may contain phone numbers.
pub(crate) fn request_span(method: &'static str, url: &str) -> Span {
    let span = tracing::trace_span!(
        target: trace::TARGET,
        "request",
        otel.name = method,
        otel.kind = "client",
        http.request.method = method,
        http.request.resend_count = Empty,
        http.response.status_code = Empty,
        url.full = Empty,
        url.template = Empty,
        server.address = Empty,
        server.port = Empty,
        error.type = Empty,
        otel.status_code = Empty,
    );
    if !span.is_disabled()
        && let Ok(url) = Url::parse(url)
    {
        let template: Vec<&str> = url.path().split('/').map(|part| if is_sid(part) { "{sid}" } else { part }).collect();
        let template = template.join("/");
        span.record("otel.name", format!("{method} {template}")).record("url.template", template);
        span.record("url.full", format!("{}{}", url.origin().ascii_serialization(), url.path()));
        span.record("server.address", url.host_str()).record("server.port", url.port_or_known_default().map(i64::from));
    }
    span
}

/// Whether a part of a path is one of Twilio's ids, perhaps with an extension.
fn is_sid(part: &str) -> bool {
    let id = part.split('.').next().unwrap_or_default();
    id.len() == 34 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Records a request's result in its span.
pub(crate) fn record_result(span: &Span, result: Result<StatusCode, &reqwest::Error>) {
    match result {
        Ok(status) => {
            span.record("http.response.status_code", i64::from(status.as_u16()));
            if status.is_client_error() || status.is_server_error() {
                trace::failed(span, status.as_str());
            }
        }
        Err(error) if error.is_timeout() => trace::failed(span, "timeout"),
        Err(error) if error.is_connect() => trace::failed(span, "connect"),
        Err(_) => trace::failed(span, "transport"),
    }
}

/// Why a body could not be read.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// It is larger than the limit. The connection is closed.
    TooLarge,
    /// The connection broke, or the timeout expired.
    Transport(reqwest::Error),
}

/// Reads the body of an answer, of at most `limit` bytes. Gives up as soon as the body is known to be larger, from its
/// declared length or from the bytes read so far; the rest is not read, and the connection is closed.
///
/// # Errors
///
/// If the body is larger, or does not arrive completely.
pub(crate) async fn read_body(mut answer: Response, limit: usize) -> Result<Bytes, BodyError> {
    let too_large = |length: u64| usize::try_from(length).is_ok_and(|length| length > limit);
    let told = answer.content_length();
    if told.is_some_and(too_large) {
        return Err(BodyError::TooLarge);
    }
    let told = told.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    let mut body = BytesMut::with_capacity(told.min(limit));
    while let Some(piece) = answer.chunk().await.map_err(BodyError::Transport)? {
        if body.len() + piece.len() > limit {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// Describes why an answer is not the expected JSON: the kind of mistake and its position, or the name of one of our
/// fields that is missing. Serde's own message is not used, because it quotes the answer, which may contain a
/// customer's text.
pub(crate) fn describe_json(error: &serde_json::Error, fields: &[&'static str]) -> String {
    use serde_json::error::Category;
    let what = match error.classify() {
        Category::Io | Category::Eof => "the JSON ends unexpectedly",
        Category::Syntax => "not valid JSON",
        Category::Data => {
            // Serde's message starts with these words only if it names one of our fields; content of the answer comes
            // later.
            let written = error.to_string();
            let missing = written.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
            match missing.and_then(|name| fields.iter().find(|field| **field == name)) {
                Some(field) => return format!("missing field `{field}`"),
                None => "a field has an unexpected type or value",
            }
        }
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

/// A server for the clients' tests: gives each connection the next of the prepared replies.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod loopback {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::{
        io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
        net::{TcpListener, TcpStream},
        sync::mpsc,
    };

    /// What to do with a connection, usually after its request was read.
    pub(crate) enum Reply {
        /// Answer with this status, these header lines and this body.
        Answer(u16, &'static str, String),
        /// Never answer.
        Hang,
        /// Close the connection instead of answering.
        Close,
        /// Start an answer with this status, then close the connection.
        Break(u16),
        /// Answer with this status and a body that goes on as long as the client reads; with this `content-length`, if
        /// any.
        Endless(u16, Option<u64>),
    }

    /// A request as received.
    pub(crate) struct Received {
        pub(crate) head: String,
        pub(crate) body: String,
    }

    impl Received {
        pub(crate) fn header(&self, name: &str) -> Option<&str> {
            let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
            lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        }
    }

    pub(crate) struct Loopback {
        pub(crate) url: String,
        requests: mpsc::UnboundedReceiver<Received>,
        poured: Arc<AtomicUsize>,
    }

    impl Loopback {
        pub(crate) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let (sender, requests) = mpsc::unbounded_channel();
            let poured = Arc::new(AtomicUsize::new(0));
            tokio::spawn(serve(listener, replies.into_iter().collect(), sender, Arc::clone(&poured)));
            Self { url, requests, poured }
        }

        /// How many bytes of endless answers were written.
        pub(crate) fn poured(&self) -> usize {
            self.poured.load(Ordering::SeqCst)
        }

        /// The requests so far that were read completely.
        pub(crate) fn received(&mut self) -> Vec<Received> {
            std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
        }
    }

    /// An address on which no server listens.
    pub(crate) async fn nobody() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }

    async fn serve(
        listener: TcpListener,
        replies: Vec<Reply>,
        requests: mpsc::UnboundedSender<Received>,
        poured: Arc<AtomicUsize>,
    ) {
        let mut hanging = Vec::new();
        for reply in replies {
            let mut stream = BufReader::new(listener.accept().await.unwrap().0);
            if let Some(request) = read(&mut stream).await {
                requests.send(request).ok();
            }
            let answer = match reply {
                Reply::Close => continue,
                Reply::Hang => {
                    hanging.push(stream);
                    continue;
                }
                Reply::Endless(status, length) => {
                    tokio::spawn(pour(stream, status, length, Arc::clone(&poured)));
                    continue;
                }
                Reply::Break(status) => format!("HTTP/1.1 {status} -\r\ncontent-length: 100\r\n\r\n{{"),
                Reply::Answer(status, headers, body) => {
                    let length = body.len();
                    format!(
                        "HTTP/1.1 {status} -\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
                    )
                }
            };
            stream.write_all(answer.as_bytes()).await.ok();
        }
        std::future::pending().await
    }

    /// Writes until the client closes the connection.
    async fn pour(mut stream: BufReader<TcpStream>, status: u16, length: Option<u64>, poured: Arc<AtomicUsize>) {
        let length = length.map(|length| format!("content-length: {length}\r\n")).unwrap_or_default();
        let head = format!("HTTP/1.1 {status} -\r\nconnection: close\r\n{length}\r\n");
        let mut written = stream.write_all(head.as_bytes()).await;
        while written.is_ok() {
            written = stream.write_all(&[b' '; 8 * 1024]).await;
            poured.fetch_add(8 * 1024, Ordering::SeqCst);
        }
    }

    /// Reads a request; `None` if it is not HTTP, such as a TLS handshake.
    async fn read(stream: &mut BufReader<TcpStream>) -> Option<Received> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.ok()? == 0 {
                return None;
            }
        }
        let mut request = Received { head, body: String::new() };
        let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        request.body = String::from_utf8(body).unwrap();
        Some(request)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::{
        loopback::{Loopback, Reply, nobody},
        *,
    };

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())])
    }

    #[rstest]
    #[case::seconds("7", Some(7))]
    #[case::none("0", Some(0))]
    #[case::a_date("Sun, 06 Nov 1994 08:49:37 GMT", Some(37))]
    #[case::a_date_gone_by("Sun, 06 Nov 1994 08:00:00 GMT", Some(0))]
    #[case::absurd("18446744073709551615", Some(86_400))]
    #[case::negative("-1", None)]
    #[case::nonsense("soon", None)]
    fn retry_after_is_read_as_seconds_or_as_a_date(#[case] value: &str, #[case] seconds: Option<u64>) {
        let now = DateTime::parse_from_rfc3339("1994-11-06T08:49:00Z").unwrap().to_utc();
        assert_eq!(retry_after(&headers(value), now), seconds.map(Duration::from_secs));
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[tokio::test]
    async fn it_names_itself_and_follows_no_redirect() {
        let redirected = Reply::Answer(302, "location: /elsewhere\r\n", String::new());
        let mut server = Loopback::start([redirected]).await;
        let answer = build().unwrap().get(&server.url).send().await.unwrap();
        assert_eq!(answer.status(), 302);
        let agent = concat!("nevermisscall/", env!("CARGO_PKG_VERSION"));
        assert_eq!(server.received()[0].header("user-agent"), Some(agent));
    }

    #[tokio::test]
    async fn a_described_error_names_its_causes_and_not_its_url() {
        let url = nobody().await + "/?To=%2B15550001111";
        let error = build().unwrap().get(url).send().await.unwrap_err();
        let description = describe(error);
        assert!(description.contains("onnect") && !description.contains("1555"), "{description}");
    }

    #[rstest]
    #[case::told_to_be(Some(400_000_000))]
    #[case::told_to_be_just_larger(Some(100_001))]
    #[case::without_a_length(None)]
    #[tokio::test]
    async fn of_a_body_without_end_no_more_is_read_than_the_limit(#[case] length: Option<u64>) {
        let server = Loopback::start([Reply::Endless(200, length)]).await;
        let answer = build().unwrap().get(&server.url).send().await.unwrap();
        assert!(matches!(read_body(answer, 100_000).await, Err(BodyError::TooLarge)));
        // Beside what was read, the sockets' buffers may hold some.
        assert!(server.poured() < 16_000_000, "{}", server.poured());
    }

    #[rstest]
    #[case::at_the_limit(5, true)]
    #[case::beyond_it(4, false)]
    #[tokio::test]
    async fn a_body_is_read_whole_or_not_at_all(#[case] limit: usize, #[case] read: bool) {
        let server = Loopback::start([Reply::Answer(200, "", "hello".into())]).await;
        let answer = build().unwrap().get(&server.url).send().await.unwrap();
        assert_eq!(read_body(answer, limit).await.ok().as_deref(), read.then_some(b"hello".as_slice()));
    }

    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code)]
    struct Shape {
        kind: Kind,
        count: u8,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        One,
    }

    #[rstest]
    #[case::an_unknown_word(r#"{"kind": "+12125551234 my sink leaks", "count": 1}"#, "unexpected type or value")]
    #[case::a_text_for_a_number(
        r#"{"kind": "one", "count": "+12125551234 my sink leaks"}"#,
        "unexpected type or value"
    )]
    #[case::a_number_too_large(r#"{"kind": "one", "count": 12125551234}"#, "unexpected type or value")]
    #[case::a_missing_field(r#"{"kind": "one"}"#, "`count`")]
    #[case::a_missing_field_in_its_words(r#"{"kind": "missing field `count` 2125551234"}"#, "unexpected type or value")]
    #[case::half_of_it(r#"{"kind": "+12125551234 my sink"#, "ends unexpectedly")]
    #[case::no_json("+12125551234 my sink leaks", "not valid JSON")]
    fn a_mistake_in_json_is_told_without_quoting_it(#[case] body: &str, #[case] told: &str) {
        let error = serde_json::from_str::<Shape>(body).unwrap_err();
        let described = describe_json(&error, &["kind", "count"]);
        assert!(described.contains(told), "{described}");
        assert!(!described.contains("2125551234") && !described.contains("sink"), "{described}");
    }
}
