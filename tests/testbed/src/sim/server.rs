//! The HTTP server of a simulator: starts on a loopback port, can go down and come back on the same port, stops on
//! drop.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use poem::endpoint::BoxEndpoint;
use poem::{EndpointExt, IntoEndpoint, Response, Server};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::connection::{Connections, CuttingAcceptor};
use super::lock;

/// An HTTP server on one fixed address, running or taken down.
pub struct SimServer {
    address: SocketAddr,
    endpoint: Arc<BoxEndpoint<'static, Response>>,
    connections: Connections,
    running: Mutex<Option<Running>>,
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl SimServer {
    /// Binds `bind` (port 0: any free one) and serves what `app` builds. Its handlers cut connections through the
    /// argument of `app`.
    pub async fn start<E>(bind: SocketAddr, app: impl FnOnce(Connections) -> E) -> anyhow::Result<Self>
    where
        E: IntoEndpoint,
        E::Endpoint: 'static,
    {
        let listener = TcpListener::bind(bind).await.with_context(|| format!("cannot listen on {bind}"))?;
        let connections = Connections::default();
        let server = Self {
            address: listener.local_addr()?,
            endpoint: Arc::new(app(connections.clone()).map_to_response().boxed()),
            connections,
            running: Mutex::new(None),
        };
        server.serve(listener);
        Ok(server)
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://host:port`, without a trailing slash.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Closes the port and every connection: clients are refused until [`SimServer::up`].
    pub async fn down(&self) {
        let running = lock(&self.running).take();
        if let Some(running) = running {
            running.stop.cancel();
            let _ = running.task.await;
            // The server closes its connections with a delay; until then it would still answer a request on one of
            // them.
            self.connections.cut_all();
        }
    }

    /// Listens again on the same address, with its state unchanged.
    pub async fn up(&self) -> anyhow::Result<()> {
        if lock(&self.running).is_none() {
            let listener = TcpListener::bind(self.address).await?;
            self.serve(listener);
        }
        Ok(())
    }

    fn serve(&self, listener: TcpListener) {
        let stop = CancellationToken::new();
        let acceptor = CuttingAcceptor { listener, connections: self.connections.clone() };
        let (signal, endpoint) = (stop.clone().cancelled_owned(), self.endpoint.clone());
        let task = tokio::spawn(async move {
            let served = Server::new_with_acceptor(acceptor)
                .run_with_graceful_shutdown(endpoint, signal, Some(Duration::ZERO))
                .await;
            if let Err(error) = served {
                eprintln!("simulator stopped: {error}");
            }
        });
        *lock(&self.running) = Some(Running { stop, task });
    }
}

impl Drop for SimServer {
    fn drop(&mut self) {
        if let Some(running) = lock(&self.running).take() {
            running.stop.cancel();
        }
    }
}
