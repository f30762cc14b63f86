//! Restate: its server with its defaults, and `benches/compare/restate.mjs`. Its log is fsynced before an invocation is
//! accepted. It has no edge without a worker: what it accepts, it begins to handle.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::ensure;
use serde_json::json;

use super::ground::Ground;
use super::running::{Running, Source};
use crate::program::{Program, answers};
use crate::servers::free_port;

pub(super) async fn start(ground: &Ground, dir: &Path) -> anyhow::Result<Running> {
    let peers = ground.peers()?;
    let address = || anyhow::Ok(SocketAddr::from(([127, 0, 0, 1], free_port()?)));
    let (ingress, admin, node, service, progress) = (address()?, address()?, address()?, address()?, address()?);

    let script = peers.dir.join("restate.mjs").display().to_string();
    let settings = owned(&[("PORT", service.port().to_string()), ("PROGRESS_PORT", progress.port().to_string())]);
    let handlers = Program::new(dir, "restate-service", &peers.node, &[&script], &settings)?;
    let settings = owned(&[
        ("RESTATE_BASE_DIR", dir.join("restate").display().to_string()),
        ("RESTATE_LISTEN_MODE", "tcp".to_owned()),
        ("RESTATE_BIND_ADDRESS", node.to_string()),
        ("RESTATE_ADVERTISED_ADDRESS", format!("http://{node}")),
        ("RESTATE_INGRESS__BIND_ADDRESS", ingress.to_string()),
        ("RESTATE_ADMIN__BIND_ADDRESS", admin.to_string()),
        ("RESTATE_DISABLE_TELEMETRY", "true".to_owned()),
    ]);
    let server = Program::new(dir, "restate-server", &peers.restate_server(), &["--no-logo"], &settings)?;

    let progress = format!("http://{progress}");
    for url in [&progress, &format!("http://{admin}/health"), &format!("http://{ingress}/restate/health")] {
        answers(url).await?;
    }
    register(admin, service).await?;
    let programs = vec![server, handlers];
    Ok(Running { address: ingress, source: Source::Url(progress), programs, _nats: None, _redis: None })
}

/// Tells the server where its handlers are.
async fn register(admin: SocketAddr, service: SocketAddr) -> anyhow::Result<()> {
    let deployment = json!({ "uri": format!("http://{service}") });
    let answer = reqwest::Client::new().post(format!("http://{admin}/deployments")).json(&deployment).send().await?;
    ensure!(answer.status().is_success(), "Restate does not accept the service: {}", answer.text().await?);
    Ok(())
}

fn owned(settings: &[(&str, String)]) -> Vec<(String, String)> {
    settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}
