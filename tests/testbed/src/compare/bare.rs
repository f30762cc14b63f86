//! The bare handler, `bare-handler`, on the same nats-server.

use std::net::SocketAddr;
use std::path::Path;

use super::ground::{Ground, Purpose};
use super::running::{Running, Source};
use crate::program::{Program, ready};
use crate::servers::free_port;

pub(super) async fn start(ground: &Ground, dir: &Path, purpose: Purpose) -> anyhow::Result<Running> {
    let nats = ground.nats(dir, purpose.fsync()).await?;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let arguments = ["--bind", &address.to_string(), "--nats", &nats.url()];
    let handler = Program::new(dir, "bare-handler", &ground.options.bare_handler, &arguments, &[])?;
    ready(&format!("http://{address}")).await?;
    Ok(Running { address, source: Source::None, programs: vec![handler], _nats: Some(nats), _redis: None })
}
