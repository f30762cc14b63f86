//! One HTTP/1.1 connection, from its first byte to its end.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::body::{Arriving, Boxed, Leaving, Request};
use super::pace::Pace;
use super::register::Connection;
use super::stream::Paced;
use crate::telemetry::ConnectionEnd;

/// Maximum size of a head, and of the read buffer: each of over a thousand connections may hold this much.
const BUFFER: usize = 16 * 1024;

/// The local and remote address of a connection.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
}

/// Serves a connection and returns how it ended. The connection is closed when this future completes or is dropped.
pub(super) async fn serve<S, E>(
    stream: S,
    ends: Ends,
    endpoint: Arc<E>,
    connection: Connection,
    mut told: oneshot::Receiver<ConnectionEnd>,
    shutdown: CancellationToken,
) -> ConnectionEnd
where
    S: AsyncRead + AsyncWrite + Unpin,
    E: Endpoint<Output = Response>,
{
    connection.started();
    let pace = Pace::new(Instant::now());
    let service = service_fn(|request| answer(request, ends, &endpoint, &pace, &connection));
    let served = http1::Builder::new()
        // Our own timer covers an incomplete head, because it distinguishes it from silence.
        .header_read_timeout(None)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(Paced::new(stream, pace.clone())), service);
    let mut served = pin!(served);
    let mut sleep = pin!(sleep_until(Instant::now()));
    let mut stopping = false;
    loop {
        tokio::select! {
            biased;
            // A client that sends an invalid request or disconnects is not an error of ours.
            _ended = served.as_mut() => return ConnectionEnd::Done,
            // Polled after each step of the connection, so that it always uses the current deadline.
            why = overdue(&pace, sleep.as_mut()) => return why,
            why = &mut told => return why.unwrap_or(ConnectionEnd::Bound),
            () = shutdown.cancelled(), if !stopping => {
                // An idle connection ends now, a busy one after its response.
                served.as_mut().graceful_shutdown();
                stopping = true;
            }
        }
    }
}

async fn overdue(pace: &Pace, mut sleep: Pin<&mut Sleep>) -> ConnectionEnd {
    poll_fn(|cx| {
        loop {
            let Some(deadline) = pace.deadline() else { return Poll::Pending };
            if sleep.deadline() != deadline {
                sleep.as_mut().reset(deadline);
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if let Some(why) = pace.overdue(Instant::now()) {
                return Poll::Ready(why);
            }
        }
    })
    .await
}

async fn answer<E: Endpoint<Output = Response>>(
    request: hyper::Request<Incoming>,
    ends: Ends,
    endpoint: &E,
    pace: &Pace,
    connection: &Connection,
) -> Result<hyper::Response<Leaving>, Infallible> {
    let until_it_ends = Request::begin(pace, connection);
    let has_a_body = !request.body().is_end_stream();
    let (local, peer) = (LocalAddr(ends.local.into()), RemoteAddr(ends.peer.into()));
    let mut request = poem::Request::from((request, local, peer, Scheme::HTTP));
    request.extensions_mut().insert(connection.clone());
    if has_a_body {
        let body = Boxed::from(request.take_body());
        request.set_body(Arriving::new(body, connection.clone()).boxed());
    }
    // Boxed, and only while there is a request: hyper reserves space for this future on every idle connection.
    let handled = Box::pin(endpoint.get_response(request));
    let response = hyper::Response::<Boxed>::from(handled.await);
    connection.release();
    Ok(response.map(|body| Leaving::new(body, until_it_ends)))
}
