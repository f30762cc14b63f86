//! The clients of `docs/clients/`, as their readers run them: killed in the middle, started again, cut off from their
//! server, and told of events twice. Each event is handled once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Stdio;

use async_nats::{HeaderMap, jetstream};
use futures::future::join_all;
use nmc_testbed::servers::{connect_redis, workspace_root};
use redis::aio::MultiplexedConnection;
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::harness::{App, customer, eventually, spawn_app};

/// How many customers write at once.
const CUSTOMERS: u32 = 4;

/// A client, and its database.
struct Client {
    script: &'static str,
    server: (&'static str, String),
    database: PathBuf,
    running: Option<Child>,
}

/// What a client has handled.
#[derive(Debug, PartialEq)]
struct Handled {
    ids: BTreeSet<String>,
    /// How often it handled a type of event of a conversation.
    tally: BTreeMap<(String, String), u64>,
}

impl Client {
    async fn start(app: &App, script: &'static str, server: (&'static str, String)) -> Self {
        let made = Command::new("scripts/get-venv")
            .args([".run/clients", "docs/clients/requirements.txt"])
            .current_dir(workspace_root())
            .status()
            .await;
        assert!(made.expect("scripts/get-venv").success());
        let mut client = Self { script, server, database: app.servers.dir().join("inbox.db"), running: None };
        client.run();
        client
    }

    /// Starts it, again if it was killed.
    fn run(&mut self) {
        let (variable, url) = &self.server;
        let running = python(self.script)
            .arg(&self.database)
            .env(variable, url)
            // An event that was not acknowledged comes again after this time.
            .env("ACK_WAIT", "1")
            .kill_on_drop(true)
            .spawn();
        self.running = Some(running.expect("a client"));
    }

    /// Kills it as a crash would.
    async fn kill(&mut self) {
        let mut running = self.running.take().expect("a running client");
        assert!(running.try_wait().expect("its state").is_none(), "{} has ended by itself", self.script);
        running.kill().await.expect("its end");
    }

    async fn handled(&self) -> Handled {
        let printed = python("inbox.py").arg(&self.database).stdout(Stdio::piped()).output().await.expect("an output");
        let printed: Value = serde_json::from_slice(&printed.stdout).expect("JSON");
        let tally = printed["tally"].as_array().expect("a tally").iter().map(|row| {
            let text = |column: usize| row[column].as_str().expect("text").to_owned();
            ((text(0), text(1)), row[2].as_u64().expect("a count"))
        });
        let ids: Vec<String> = serde_json::from_value(printed["handled"].clone()).expect("ids");
        Handled { ids: ids.into_iter().collect(), tally: tally.collect() }
    }

    /// Waits until it has handled so many.
    async fn handles(&self, count: usize) {
        eventually("a client in the middle", async || (self.handled().await.ids.len() >= count).then_some(())).await;
    }
}

fn python(script: &str) -> Command {
    let root = workspace_root();
    let mut command = Command::new(root.join(".run/clients/bin/python"));
    command.arg(root.join("docs/clients").join(script)).env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null());
    command
}

/// What a client must have handled in the end.
async fn published(app: &App) -> Handled {
    let mut all = Handled { ids: BTreeSet::new(), tally: BTreeMap::new() };
    for event in app.stored("NMC_EVENTS").await.iter().map(crate::harness::Stored::json) {
        let text = |field: &str| event[field].as_str().unwrap_or("-").to_owned();
        if all.ids.insert(text("event_id")) {
            *all.tally.entry((text("conversation_id"), text("event_type"))).or_default() += 1;
        }
    }
    all
}

async fn texts(app: &App, from: u32) {
    join_all((from..from + CUSTOMERS).map(async |number| app.text(&customer(number), "My sink is blocked").await))
        .await;
}

/// Kills the client in the middle, and starts it again; cuts it off; and tells it of everything `again`.
async fn survives(
    app: &mut App,
    client: &mut Client,
    cut_off: impl AsyncFnOnce(&mut App),
    again: impl AsyncFnOnce(&App),
) {
    texts(app, 0).await;
    client.handles(3).await;
    client.kill().await;
    let before = client.handled().await.ids.len();
    texts(app, 100).await;
    app.wait_for_event_of(&customer(100), 1, "message.delivered").await;
    client.run();
    client.handles(before + 1).await;
    cut_off(app).await;
    texts(app, 200).await;
    for number in 200..200 + CUSTOMERS {
        app.wait_for_event_of(&customer(number), 1, "message.delivered").await;
    }
    app.settled().await;
    again(app).await;
    let expected = published(app).await;
    assert!(expected.ids.len() > 3 * 5 * CUSTOMERS as usize, "{expected:?}");
    eventually("every event handled", async || (client.handled().await.ids == expected.ids).then_some(())).await;
    // What was delivered again must not be handled again, and is behind everything that is waited for.
    texts(app, 300).await;
    app.settled().await;
    let expected = published(app).await;
    eventually("every event handled", async || (client.handled().await.ids == expected.ids).then_some(())).await;
    assert_eq!(client.handled().await.tally, expected.tally, "each once");
    client.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_of_jetstream_handles_each_event_once() {
    let mut app = spawn_app().await;
    let url = app.servers.nats.url();
    let mut client = Client::start(&app, "jetstream_client.py", ("NATS_URL", url)).await;
    let cut_off = async |app: &mut App| app.servers.nats.restart().await.expect("NATS again");
    survives(&mut app, &mut client, cut_off, async |app| {
        let context = jetstream::new(async_nats::connect(app.servers.nats.url()).await.unwrap());
        for (nth, event) in app.stored("NMC_EVENTS").await.into_iter().enumerate() {
            let mut headers: HeaderMap = HeaderMap::new();
            for (name, value) in event.headers.iter().filter(|(name, _)| *name != "Nats-Msg-Id") {
                headers.insert(name.as_str(), value.as_str());
            }
            // Under another message id, so that JetStream keeps it a second time.
            headers.insert("Nats-Msg-Id", format!("again-{nth}"));
            let sent = context.publish_with_headers(event.subject, headers, event.payload).await.unwrap();
            assert!(!sent.await.unwrap().duplicate);
        }
    })
    .await;
}

async fn connection(app: &App) -> MultiplexedConnection {
    connect_redis(&redis::Client::open(app.servers.redis.url()).unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_of_redis_handles_each_event_once() {
    let mut app = spawn_app().await;
    let url = app.servers.redis.url();
    let mut client = Client::start(&app, "redis_client.py", ("REDIS_URL", url)).await;
    // A test's Redis loses its data when it stops, so only the connections are cut.
    let cut_off = async |app: &mut App| {
        let mut kill = redis::cmd("CLIENT");
        let killed = kill.arg("KILL").arg("TYPE").arg("normal").query_async(&mut connection(app).await).await;
        let killed: i64 = killed.expect("connections");
        assert!(killed >= 2, "the service's and the client's");
    };
    survives(&mut app, &mut client, cut_off, async |app| {
        let mut redis = connection(app).await;
        for event in app.events.log().await {
            let mut add = redis::cmd("XADD");
            add.arg("conversation.events:log").arg("*").arg("event_id").arg(event["event_id"].as_str());
            let _id: String = add.arg("event").arg(event.to_string()).query_async(&mut redis).await.unwrap();
        }
    })
    .await;
}
