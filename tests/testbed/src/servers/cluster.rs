//! A cluster of three nats-servers: a message acknowledged by NMC_INBOUND is on at least two of them.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::{Binaries, NatsOptions, NatsServer, nats::Member, ports};
use crate::sim::http_client;

const NODES: usize = 3;
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the nodes may take to find each other.
const FORMING: Duration = Duration::from_secs(30);
const BETWEEN: Duration = Duration::from_millis(50);

/// A running cluster. Dropping it kills all nodes.
pub struct NatsCluster {
    nodes: Vec<NatsServer>,
}

impl NatsCluster {
    /// Starts three nodes; when this returns, they form one cluster.
    pub async fn start(binaries: &Binaries, dir: &std::path::Path) -> anyhow::Result<Self> {
        let ports = (0..NODES).map(|_| ports::free()).collect::<anyhow::Result<Vec<u16>>>()?;
        let nodes = ports.iter().enumerate().map(|(number, port)| {
            let name = format!("node-{number}");
            let options = NatsOptions::new(binaries, dir.join(&name));
            let member = Member { name, port: *port, ports: ports.clone() };
            // A node is healthy only after it has found another.
            NatsServer::start(NatsOptions { member: Some(member), ..options })
        });
        let cluster = Self { nodes: futures::future::try_join_all(nodes).await? };
        let begun = Instant::now();
        while !cluster.is_complete().await? {
            ensure!(begun.elapsed() < FORMING, "the nodes do not form a cluster");
            tokio::time::sleep(BETWEEN).await;
        }
        Ok(cluster)
    }

    /// Whether the node that leads the cluster sees all others online: before that, it places nothing on them.
    async fn is_complete(&self) -> anyhow::Result<bool> {
        for node in &self.nodes {
            let jsz: Value =
                http_client(PATIENCE)?.get(format!("{}/jsz", node.monitor_url())).send().await?.json().await?;
            let cluster = &jsz["meta_cluster"];
            let others = cluster["replicas"].as_array().map(Vec::as_slice).unwrap_or_default();
            let is_online = |other: &Value| other["current"] == true && other["offline"] != true;
            if cluster["leader"].as_str() == node.name()
                && others.iter().filter(|other| is_online(other)).count() + 1 == NODES
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The URLs of all nodes, separated by commas, for clients.
    pub fn url(&self) -> String {
        self.nodes.iter().map(NatsServer::url).collect::<Vec<_>>().join(",")
    }

    /// The nodes, as separate servers.
    pub fn into_nodes(self) -> Vec<NatsServer> {
        self.nodes
    }
}

/// The name of the cluster's meta leader, as reported by one node (by its monitor's URL).
pub async fn meta_leader(monitor_url: &str) -> anyhow::Result<String> {
    let jsz: Value = http_client(PATIENCE)?.get(format!("{monitor_url}/jsz")).send().await?.json().await?;
    match jsz["meta_cluster"]["leader"].as_str() {
        Some(leader) if !leader.is_empty() => Ok(leader.to_owned()),
        _ => bail!("the cluster has no leader"),
    }
}

/// The name of the node that leads a stream.
pub async fn stream_leader(stream: &async_nats::jetstream::stream::Stream) -> anyhow::Result<String> {
    let info = stream.get_info().await?;
    info.cluster.and_then(|cluster| cluster.leader).context("the stream has no leader")
}
