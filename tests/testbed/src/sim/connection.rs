//! TCP connections that a handler can cut: the client then sees a closed socket and no answer.
//!
//! The server accepts through [`CuttingAcceptor`]; handlers cut through [`Connections`], which finds a connection by
//! the peer's address.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use poem::http::uri::Scheme;
use poem::listener::Acceptor;
use poem::web::{LocalAddr, RemoteAddr};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::lock;

/// The open connections of one server, by the peer's address.
#[derive(Clone, Default)]
pub struct Connections {
    open: Arc<Mutex<HashMap<SocketAddr, CancellationToken>>>,
}

impl Connections {
    /// Closes the connection of this request; nothing more is written to it.
    pub fn cut(&self, peer: &RemoteAddr) {
        if let Some(token) = peer.as_socket_addr().and_then(|addr| lock(&self.open).get(addr).cloned()) {
            token.cancel();
        }
    }

    pub(super) fn cut_all(&self) {
        lock(&self.open).values().for_each(CancellationToken::cancel);
    }
}

/// Accepts TCP connections and registers them in [`Connections`].
pub(super) struct CuttingAcceptor {
    pub(super) listener: TcpListener,
    pub(super) connections: Connections,
}

impl Acceptor for CuttingAcceptor {
    type Io = CutStream;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.listener.local_addr().map(|addr| LocalAddr(addr.into())).into_iter().collect()
    }

    async fn accept(&mut self) -> io::Result<(CutStream, LocalAddr, RemoteAddr, Scheme)> {
        let local = self.listener.local_addr()?;
        let (inner, peer) = self.listener.accept().await?;
        inner.set_nodelay(true)?;
        let token = CancellationToken::new();
        lock(&self.connections.open).insert(peer, token.clone());
        let stream = CutStream {
            inner,
            peer,
            cut: Box::pin(token.clone().cancelled_owned()),
            token,
            connections: self.connections.clone(),
        };
        Ok((stream, LocalAddr(local.into()), RemoteAddr(peer.into()), Scheme::HTTP))
    }
}

/// A TCP stream that fails every read and write once it has been cut.
pub(super) struct CutStream {
    inner: TcpStream,
    peer: SocketAddr,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    token: CancellationToken,
    connections: Connections,
}

impl CutStream {
    fn alive(&self) -> io::Result<()> {
        if self.token.is_cancelled() { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }
}

impl Drop for CutStream {
    fn drop(&mut self) {
        lock(&self.connections.open).remove(&self.peer);
    }
}

impl AsyncRead for CutStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for CutStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.alive()?;
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
