//! The HTTP client that all outgoing calls share, and what is common to reading their answers.
//!
//! Fed by nothing; feeds the clients of Twilio and DispatchBot. It guarantees that a request is sent at most once: no
//! redirect is followed and nothing is retried below the caller, who alone knows whether a second try is harmless.

use std::{error::Error, time::Duration};

use chrono::{DateTime, Utc};
use reqwest::{
    Client, ClientBuilder,
    header::{HeaderMap, RETRY_AFTER},
    redirect, retry,
};
use rustls::crypto::{CryptoProvider, ring};

/// How long a connection, its TLS handshake included, may take to come about.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Shorter than the servers keep idle connections: one that they close just as we write leaves an unknown outcome.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

const KEEPALIVE: Duration = Duration::from_secs(15);

/// However long a server wants us to wait, it will be asked again after a day.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Builds the client. Installs a TLS provider for the process where there is none yet.
///
/// # Errors
///
/// Where TLS cannot be set up, for example because the system's root certificates cannot be read.
pub fn build() -> Result<Client, reqwest::Error> {
    builder().build()
}

/// As [`build`], for whoever wants to change something first.
pub(crate) fn builder() -> ClientBuilder {
    if CryptoProvider::get_default().is_none() {
        // An error means that another thread was quicker; any provider will do.
        ring::default_provider().install_default().ok();
    }
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

/// A transport error in one line with its causes, without the URL: it may name phone numbers.
pub(crate) fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let causes = std::iter::successors(Some(&error as &dyn Error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A server for the clients' tests: answers each connection as told, in order.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod loopback {
    use tokio::{
        io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
        net::{TcpListener, TcpStream},
        sync::mpsc,
    };

    /// What to do with a connection, mostly after its request was read.
    pub(crate) enum Reply {
        /// Answer with this status, these header lines and this body.
        Answer(u16, &'static str, String),
        /// Never answer.
        Hang,
        /// Close the connection instead of answering.
        Close,
        /// Begin an answer with this status, then close.
        Break(u16),
    }

    /// A request as it arrived: its head, and its body.
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
    }

    impl Loopback {
        pub(crate) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let (sender, requests) = mpsc::unbounded_channel();
            tokio::spawn(serve(listener, replies.into_iter().collect(), sender));
            Self { url, requests }
        }

        /// The requests so far that were read to their end.
        pub(crate) fn received(&mut self) -> Vec<Received> {
            std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
        }
    }

    /// An address at which nobody listens.
    pub(crate) async fn nobody() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }

    async fn serve(listener: TcpListener, replies: Vec<Reply>, requests: mpsc::UnboundedSender<Received>) {
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

    /// The request, or nothing where it is none, such as a TLS greeting.
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
}
