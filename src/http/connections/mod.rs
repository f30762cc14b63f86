//! Connections: accepted, bounded, and closed in time.
//!
//! poem's own server waits for ever for half a head, and turns nobody away until descriptors run out. Here a connection has so
//! long for each step ([`pace`]), there are so many at the most ([`limits`]), and where there are more, one goes that has shown
//! neither signature nor key ([`register`]); never the newest, which may be the call that rings. HTTP/1.1 only: in the
//! clear, nothing that calls us speaks HTTP/2, where one connection may ask for a hundred answers and take none.

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

/// Requests under way have this long once the process is asked to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// How long accepting pauses where descriptors or memory have run out.
const PAUSE: Duration = Duration::from_millis(50);
/// How often that is logged while it lasts.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// Connections that wait to be accepted; more are turned away by the system where it allows so many.
const WAITING: u32 = 4_096;
/// What of an answer waits in the system beyond what is on its way: small, so that a slow reader is seen to make progress.
const UNSENT: u32 = 32 * 1024;

/// The signature or key of this request has held: its connection is not closed for want of room while there are others.
pub(super) fn has_shown_itself(request: &Request) {
    if let Some(connection) = request.extensions().get::<Connection>() {
        connection.has_shown_itself();
    }
}

/// A bound address, at which nothing is accepted yet.
pub(super) struct Door {
    listener: TcpListener,
    local: SocketAddr,
    register: Arc<Register>,
}

impl Door {
    /// Binds the address. `most` connections are open at once, if descriptors allow that many.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub(super) fn open(bind: SocketAddr, most: Option<usize>, metrics: Metrics) -> io::Result<Self> {
        let socket = if bind.is_ipv4() { tokio::net::TcpSocket::new_v4() } else { tokio::net::TcpSocket::new_v6() }?;
        // As tokio's own bind does: a restart need not wait for the connections of the process before.
        socket.set_reuseaddr(true)?;
        socket.bind(bind)?;
        let listener = socket.listen(WAITING)?;
        let local = listener.local_addr()?;
        let bound = limits::bound(most);
        tracing::info!(bound, "so many connections may be open at once");
        Ok(Self { listener, local, register: Register::new(bound, metrics) })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.local
    }

    /// Accepts and serves until `shutdown`; then what is under way has 10 seconds, and idle connections end at once.
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
                    // Whoever knocked has gone again.
                    Err(error) if is_of_one_connection(&error) => {}
                    Err(error) => self.pause(&error, &mut told).await,
                }
            }
        };
        shutdown.run_until_cancelled(accepting).await;
        // From here on whoever knocks is turned away.
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

    /// Descriptors or memory have run out: the first in rank go, and there is a pause, for the same would come again at
    /// once.
    async fn pause(&self, error: &io::Error, told: &mut Option<Instant>) {
        if told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            tracing::warn!(%error, "no connection can be accepted at the moment; the oldest are closed to make room");
            *told = Some(Instant::now());
        }
        self.register.make_room();
        tokio::time::sleep(PAUSE).await;
    }
}

/// Sets what can be set; a connection without it is as good.
fn tune(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let mut results = vec![("TCP_NODELAY", stream.set_nodelay(true))];
    #[cfg(target_os = "linux")]
    results.extend([
        ("TCP_NOTSENT_LOWAT", socket.set_tcp_notsent_lowat(UNSENT)),
        // An answer that was written as far as we see, and that the other side does not take.
        ("TCP_USER_TIMEOUT", socket.set_tcp_user_timeout(Some(pace::WRITE))),
    ]);
    results.push(("SO_KEEPALIVE", socket.set_keepalive(true)));
    for (option, result) in results {
        if let Err(error) = result {
            tracing::debug!(option, %error, "a connection could not be tuned");
        }
    }
}

/// Linux reports on accept what happened to one connection before it was accepted.
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
