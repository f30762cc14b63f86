//! Accepts connections, bounds their number, and closes them in time.
//!
//! poem's own server waits for ever for an incomplete head, and accepts connections until descriptors run out. Here
//! each step of a connection has a timeout ([`pace`]) and the number of connections is bounded ([`limits`]). At the
//! bound, an unauthenticated connection is closed first ([`register`]), but never the newest, which may be a call that
//! rings. HTTP/1.1 only: no client uses HTTP/2 without TLS, and one HTTP/2 connection could request a hundred responses
//! and read none.

mod body;
mod limits;
mod pace;
mod register;
mod serve;
mod stream;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use poem::{Endpoint, Request, Response};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::register::{Connection, Register};
use self::serve::Ends;
use crate::telemetry::{ConnectionEnd, Metrics};

/// Time for requests in progress to finish after the process is asked to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// Pause before the next accept after descriptors or memory ran out.
const PAUSE: Duration = Duration::from_millis(50);
/// Minimum interval between log messages about that.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// Backlog of connections waiting to be accepted; the system may allow fewer, and refuses more.
const WAITING: u32 = 4_096;
/// Limit on unsent bytes of a response in the socket buffer: small, so that the progress of a slow reader is visible.
const UNSENT: u32 = 32 * 1024;

/// Marks the connection of this request as authenticated, because its signature or key is valid: it is closed at the
/// bound only if there is no other.
pub(super) fn has_shown_itself(request: &Request) {
    if let Some(connection) = request.extensions().get::<Connection>() {
        connection.has_shown_itself();
    }
}

/// A bound address that does not accept connections yet.
pub(super) struct Door {
    listener: TcpListener,
    local: SocketAddr,
    register: Arc<Register>,
}

impl Door {
    /// Binds the address. At most `most` connections are open at once, fewer if the limit of descriptors requires it.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub(super) fn open(bind: SocketAddr, most: Option<usize>, metrics: Metrics) -> io::Result<Self> {
        let socket = if bind.is_ipv4() { tokio::net::TcpSocket::new_v4() } else { tokio::net::TcpSocket::new_v6() }?;
        // As tokio's own bind does: after a restart, the connections of the previous process do not block the address.
        socket.set_reuseaddr(true)?;
        socket.bind(bind)?;
        let listener = socket.listen(WAITING)?;
        let local = listener.local_addr()?;
        let bound = limits::bound(most);
        tracing::info!(bound, "maximum number of open connections");
        Ok(Self { listener, local, register: Register::new(bound, metrics) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.local
    }

    /// Accepts and serves until `shutdown`. Then requests in progress have 10 seconds, and idle connections are closed
    /// at once.
    pub(super) async fn serve<E: Endpoint<Output = Response> + 'static>(
        self,
        endpoint: E,
        shutdown: CancellationToken,
    ) {
        let (endpoint, under_way, cut) = (Arc::new(endpoint), TaskTracker::new(), CancellationToken::new());
        let accepting = async {
            let mut told = None;
            loop {
                match self.listener.accept().await {
                    Ok((stream, peer)) => self.take(stream, peer, &endpoint, &under_way, &shutdown, &cut).await,
                    // The client has closed the connection already.
                    Err(error) if is_of_one_connection(&error) => {}
                    Err(error) => self.pause(&error, &mut told).await,
                }
            }
        };
        shutdown.run_until_cancelled(accepting).await;
        // From here on new connections are refused.
        drop(self.listener);
        under_way.close();
        if tokio::time::timeout(DRAIN, under_way.wait()).await.is_err() {
            cut.cancel();
            under_way.wait().await;
        }
    }

    async fn take<E: Endpoint<Output = Response> + 'static>(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        endpoint: &Arc<E>,
        under_way: &TaskTracker,
        shutdown: &CancellationToken,
        cut: &CancellationToken,
    ) {
        tune(&stream);
        self.register.room().await;
        let (ticket, told) = self.register.enter();
        let ends = Ends { local: stream.local_addr().unwrap_or(self.local), peer };
        let served = serve::serve(stream, ends, Arc::clone(endpoint), ticket.connection(), told, shutdown.clone());
        let cut = cut.clone();
        under_way.spawn(async move {
            let ended = cut.run_until_cancelled_owned(served).await;
            ticket.ended(ended.unwrap_or(ConnectionEnd::Shutdown));
        });
    }

    /// Handles an accept error from a lack of descriptors or memory: closes the first connections in the closing order,
    /// and pauses, because the next accept would fail in the same way.
    async fn pause(&self, error: &io::Error, told: &mut Option<Instant>) {
        if told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            tracing::warn!(%error, "connections cannot be accepted; closing a quarter of them to make room");
            *told = Some(Instant::now());
        }
        self.register.make_room();
        tokio::time::sleep(PAUSE).await;
    }
}

/// Sets socket options; a connection works without them, too.
fn tune(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let mut results = vec![("TCP_NODELAY", stream.set_nodelay(true))];
    #[cfg(target_os = "linux")]
    results.extend([
        ("TCP_NOTSENT_LOWAT", socket.set_tcp_notsent_lowat(UNSENT)),
        // Bounds the time for a response that we have written completely but the client does not acknowledge.
        ("TCP_USER_TIMEOUT", socket.set_tcp_user_timeout(Some(pace::WRITE))),
    ]);
    results.push(("SO_KEEPALIVE", socket.set_keepalive(true)));
    for (option, result) in results {
        if let Err(error) = result {
            tracing::debug!(option, %error, "a socket option of a connection could not be set");
        }
    }
}

/// Whether the error is about a single connection: on Linux, accept also returns errors of the connection it accepts.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::ConnectionRefused
            | Kind::Interrupted
            | Kind::TimedOut
            | Kind::NetworkDown
            | Kind::NetworkUnreachable
            | Kind::HostUnreachable
    )
}
