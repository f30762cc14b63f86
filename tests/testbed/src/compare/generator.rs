//! The load generator: the same for every candidate, and cheap, because it shares the machine with what it measures.

use std::iter::Enumerate;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use futures::future::try_join_all;
use http_body_util::{BodyExt, Full};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use super::requests::Request;
use crate::load::Summary;
use crate::sim::lock;

/// Number of connections, each kept alive, with one request at a time.
pub(super) const CONNECTIONS: usize = 64;
/// A request without an answer fails after this.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of the requests.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    /// When the first was sent.
    pub(super) begun: Instant,
    /// Requests per second, until the last was answered.
    pub(super) rate: f64,
    pub(super) latencies: Summary,
    /// The status codes of answers other than 2xx.
    pub(super) refused: Vec<StatusCode>,
}

type Queue = Arc<Mutex<Enumerate<std::vec::IntoIter<Request>>>>;

/// One answer.
struct Answer {
    status: StatusCode,
    took: Duration,
}

/// Sends the requests, one every `spacing`, or each as soon as a connection is free if that is zero. With a spacing, a
/// latency counts from the intended time.
///
/// # Errors
/// If a connection fails, or an answer takes too long.
pub(super) async fn send(address: SocketAddr, requests: Vec<Request>, spacing: Duration) -> anyhow::Result<Sent> {
    let count = requests.len();
    let connecting = (0..CONNECTIONS.min(count)).map(|_| connect(address));
    let connections = try_join_all(connecting).await.with_context(|| format!("cannot connect to {address}"))?;
    let queue: Queue = Arc::new(Mutex::new(requests.into_iter().enumerate()));
    let begun = Instant::now();
    let senders = connections.into_iter().map(|connection| {
        let sending = send_from(Arc::clone(&queue), connection, begun, spacing);
        async { tokio::spawn(sending).await? }
    });
    let answers: Vec<Answer> = try_join_all(senders).await?.into_iter().flatten().collect();
    Ok(Sent {
        begun,
        rate: count as f64 / begun.elapsed().as_secs_f64(),
        latencies: Summary::of(answers.iter().map(|answer| answer.took)),
        refused: answers.iter().map(|answer| answer.status).filter(|status| !status.is_success()).collect(),
    })
}

async fn connect(address: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // Its error reaches the sender, too.
    tokio::spawn(async { connection.await.ok() });
    Ok(sender)
}

/// Sends requests of the queue, one after the other, until it is empty.
async fn send_from(
    queue: Queue,
    mut connection: SendRequest<Full<Bytes>>,
    begun: Instant,
    spacing: Duration,
) -> anyhow::Result<Vec<Answer>> {
    let mut answers = Vec::new();
    while let Some((number, request)) = { lock(&queue).next() } {
        let mut from = Instant::now();
        if !spacing.is_zero() {
            from = begun + spacing.mul_f64(number as f64);
            sleep_until(from).await;
        }
        let status = timeout(PATIENCE, exchange(&mut connection, request)).await??;
        answers.push(Answer { status, took: from.elapsed() });
    }
    Ok(answers)
}

async fn exchange(connection: &mut SendRequest<Full<Bytes>>, request: Request) -> anyhow::Result<StatusCode> {
    connection.ready().await?;
    let response = connection.send_request(request).await?;
    let status = response.status();
    response.into_body().collect().await?;
    Ok(status)
}

#[cfg(test)]
mod tests {
    use poem::{Route, handler, post};

    use super::super::candidate::Candidate;
    use super::super::requests::texts;
    use super::*;
    use crate::sim::SimServer;

    #[handler]
    fn refuse_the_last(body: String) -> StatusCode {
        if body.contains("%2899%29") { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
    }

    async fn server() -> anyhow::Result<SimServer> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        SimServer::start(any, |_| Route::new().at("/webhooks/twilio/sms", post(refuse_the_last))).await
    }

    fn address(server: &SimServer) -> anyhow::Result<SocketAddr> {
        Ok(server.base_url().trim_start_matches("http://").parse()?)
    }

    #[tokio::test]
    async fn every_request_is_sent_once_and_refusals_are_counted() -> anyhow::Result<()> {
        let server = server().await?;
        let address = address(&server)?;
        let sent = send(address, texts(Candidate::Ours, address, 0..100, 10)?, Duration::ZERO).await?;
        assert_eq!((sent.latencies.count, &sent.refused[..]), (100, &[StatusCode::SERVICE_UNAVAILABLE][..]));
        Ok(())
    }

    #[tokio::test]
    async fn requests_with_a_spacing_are_not_sent_before_their_time() -> anyhow::Result<()> {
        let server = server().await?;
        let address = address(&server)?;
        let requests = texts(Candidate::Ours, address, 0..11, 10)?;
        let sent = send(address, requests, Duration::from_millis(10)).await?;
        assert!(sent.begun.elapsed() >= Duration::from_millis(100), "{sent:?}");
        assert!(sent.rate <= 110.0, "{sent:?}");
        Ok(())
    }
}
