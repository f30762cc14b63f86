//! express + BullMQ on Redis: `benches/compare/express.mjs`. At the edge nothing works the queue.

use std::net::SocketAddr;
use std::path::Path;

use super::ground::{Ground, Purpose};
use super::running::{Running, Source};
use crate::program::{Program, answers};
use crate::servers::free_port;
use crate::twilio::TwilioOptions;

pub(super) async fn start(ground: &Ground, dir: &Path, purpose: Purpose) -> anyhow::Result<Running> {
    let peers = ground.peers()?;
    let redis = ground.redis(dir, purpose.fsync()).await?;
    let port = free_port()?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut settings = vec![
        ("NODE_ENV".to_owned(), "production".to_owned()),
        ("PORT".to_owned(), port.to_string()),
        ("PUBLIC_URL".to_owned(), format!("http://{address}")),
        ("REDIS_URL".to_owned(), redis.url()),
        ("TWILIO_AUTH_TOKEN".to_owned(), TwilioOptions::default().auth_token),
    ];
    if purpose == Purpose::Burst {
        settings.push(("WORKER".to_owned(), "1".to_owned()));
    }
    let script = peers.dir.join("express.mjs").display().to_string();
    let service = Program::new(dir, "express", &peers.node, &[&script], &settings)?;
    let progress = format!("http://{address}/progress");
    answers(&progress).await?;
    Ok(Running { address, source: Source::Url(progress), programs: vec![service], _nats: None, _redis: Some(redis) })
}
