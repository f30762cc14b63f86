//! A link between a process and one of its servers, which can be slow or cut.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How many reads may be on their way.
const IN_FLIGHT: usize = 1_024;

/// Where a link leads.
#[derive(Debug, Clone)]
pub(super) enum Server {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// How much later everything arrives, each way.
    delay: Duration,
    is_cut: bool,
}

/// A listener on loopback that passes on to a server. Dropping it closes it.
pub(super) struct Link {
    pub(super) address: SocketAddr,
    state: watch::Sender<State>,
    _life: DropGuard,
}

impl Link {
    pub(super) async fn to(server: Server) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (state, states) = watch::channel(State::default());
        let life = CancellationToken::new();
        tokio::spawn(life.clone().run_until_cancelled_owned(accept(listener, server, states)));
        Ok(Self { address, state, _life: life.drop_guard() })
    }

    /// From now on everything arrives this much later.
    pub(super) fn delay(&self, delay: Duration) {
        self.state.send_modify(|state| state.delay = delay);
    }

    /// Closes all connections, and every new one.
    pub(super) fn cut(&self) {
        self.state.send_modify(|state| state.is_cut = true);
    }
}

async fn accept(listener: TcpListener, server: Server, states: watch::Receiver<State>) {
    while let Ok((client, _)) = listener.accept().await {
        let (server, mut states) = (server.clone(), states.clone());
        tokio::spawn(async move {
            let mut cut = states.clone();
            tokio::select! {
                _ = cut.wait_for(|state| state.is_cut) => {}
                _ = connect(client, server, &mut states) => {}
            }
        });
    }
}

async fn connect(client: TcpStream, server: Server, states: &mut watch::Receiver<State>) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    match server {
        Server::Tcp(address) => {
            let server = TcpStream::connect(address).await?;
            server.set_nodelay(true)?;
            both_ways(client, server, states).await
        }
        Server::Unix(path) => both_ways(client, UnixStream::connect(path).await?, states).await,
    }
}

async fn both_ways(
    client: TcpStream,
    server: impl AsyncRead + AsyncWrite,
    states: &watch::Receiver<State>,
) -> std::io::Result<()> {
    let (client_read, client_write) = tokio::io::split(client);
    let (server_read, server_write) = tokio::io::split(server);
    // One end closes both ways.
    tokio::select! {
        ended = pass(client_read, server_write, states.clone()) => ended,
        ended = pass(server_read, client_write, states.clone()) => ended,
    }
}

/// Passes everything on, later; what comes next does not wait for what is on its way.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    states: watch::Receiver<State>,
) -> std::io::Result<()> {
    let (sent, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(IN_FLIGHT);
    let read = async {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let length = from.read(&mut buffer).await?;
            let at = Instant::now() + states.borrow().delay;
            if length == 0 || sent.send((at, buffer[..length].to_vec())).await.is_err() {
                return std::io::Result::Ok(());
            }
        }
    };
    let write = async {
        while let Some((at, bytes)) = arriving.recv().await {
            sleep_until(at).await;
            to.write_all(&bytes).await?;
        }
        std::io::Result::Ok(())
    };
    tokio::select! {
        ended = read => ended,
        ended = write => ended,
    }
}
