//! Webhooks, which are stored in `NMC_INBOUND`, or in PostgreSQL while JetStream is unavailable.

use std::fs;
use std::path::PathBuf;

use nmc_testbed::servers::{NatsOptions, NatsServer, Shared, workspace_root};
use nmc_testbed::syscalls::{Exchange, Footprint, Kept};
use nmc_testbed::twilio::TwilioOptions;

use super::answered::{Operation, kept_at_the_answers, lost};
use super::commits::{Durable, WAITING_WEBHOOK};
use super::surroundings::{ANSWERS, Counted, follow, post_webhooks, start_service};
use crate::harness::{Servers, eventually, stored};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_webhook_is_synced_before_its_answer() {
    let servers = Servers::start(TwilioOptions::default()).await;
    // How many wait at once is up to the speed of the traced processes, so there are more until some were in a batch.
    let in_batches = async || {
        let stored = stored(&servers, "NMC_INBOUND").await;
        stored.iter().any(|message| message.headers.contains_key("Nats-Batch-Id"))
    };
    let Acknowledged { answers, kept, counted } = acknowledge_webhooks(&servers, in_batches).await;
    // What a traced nats-server does not acknowledge in time is promised by PostgreSQL, which the next test follows.
    let elsewhere = counted.kept_in_postgres + counted.unrecorded_calls;
    let lost = lost(&kept);
    assert!(lost.len() + (answers - kept.len()) <= elsewhere, "{elsewhere} are not promised here; lost are {lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_webhook_acknowledged_without_jetstream_is_synced_before_its_answer() {
    let durable = Durable::start().await;
    let mut servers = Servers::start(TwilioOptions::default()).await;
    let (service, rest) = start_service(&servers, &[("DATABASE_URL", &durable.database_url)]).await;
    durable.turn_the_page().await;
    servers.nats.stop().await.unwrap();
    let tracer = follow(&servers, &[durable.postgres.pid(), service.pid()]).await;
    let since = durable.end_of_log().await;
    let posted = post_webhooks(&servers).await;
    let trace = tracer.stop().await.unwrap_or_else(|error| panic!("{error:#}"));
    let unrecorded = Counted::by(&rest).await.unrecorded_calls;
    let rows = posted.all().map(|marker| (WAITING_WEBHOOK, marker.clone())).collect();
    let operations = durable.operations(&since, rows).await;
    let kept = kept_at_the_answers(&trace, &operations, Exchange::is_http_success);
    let (calls, others): (Vec<_>, Vec<_>) = kept.into_iter().partition(|(marker, _)| posted.calls.contains(marker));
    assert_eq!(others.len(), ANSWERS - posted.calls.len());
    assert_eq!(lost(&others), Vec::<&(String, Kept)>::new());
    let lost_calls = lost(&calls).len() + posted.calls.len() - calls.len();
    assert!(lost_calls <= unrecorded, "{unrecorded} calls are not promised, and {lost_calls} are lost: {calls:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_default_sync_interval_would_lose_acknowledged_webhooks() {
    let mut servers = Servers::start(TwilioOptions::default()).await;
    let binaries = Shared::from_env().unwrap().binaries().clone();
    let config = without_sync_interval(&servers);
    let options = NatsOptions { config, ..NatsOptions::new(&binaries, servers.dir().join("nats")) };
    servers.nats = NatsServer::start(options).await.unwrap();
    let Acknowledged { answers, kept, counted } = acknowledge_webhooks(&servers, async || true).await;
    let written = kept.iter().filter(|(_, kept)| *kept == Kept::Written).count();
    assert!(written + counted.kept_in_postgres + counted.unrecorded_calls >= answers, "{kept:?}");
    assert!(kept.iter().all(|(_, kept)| *kept != Kept::Synced), "{kept:?}");
}

/// The project's NATS configuration without `sync_interval`.
fn without_sync_interval(servers: &Servers) -> PathBuf {
    let ours = fs::read_to_string(workspace_root().join("nats.conf")).unwrap();
    let (sync, others): (Vec<_>, Vec<_>) = ours.lines().partition(|line| line.trim() == "sync_interval: always");
    assert_eq!(sync.len(), 1, "nats.conf says it once");
    let config = servers.dir().join("default-sync-interval.conf");
    fs::write(&config, others.join("\n")).unwrap();
    config
}

/// Webhooks that were answered.
struct Acknowledged {
    answers: usize,
    /// How far each had got in the stream by the time of its answer, without the calls that nothing recorded.
    kept: Vec<(String, Kept)>,
    counted: Counted,
}

/// Posts webhooks of every kind concurrently, until there are enough.
async fn acknowledge_webhooks(servers: &Servers, enough: impl AsyncFn() -> bool) -> Acknowledged {
    let (service, rest) = start_service(servers, &[]).await;
    let tracer = follow(servers, &[servers.nats.pid(), service.pid()]).await;
    let mut posted = post_webhooks(servers).await;
    while !enough().await {
        assert!(posted.answers < 20 * ANSWERS, "not enough of {} webhooks", posted.answers);
        posted.extend(post_webhooks(servers).await);
    }
    let trace = tracer.stop().await.unwrap_or_else(|error| panic!("{error:#}"));
    let counted = Counted::by(&rest).await;
    let found = |sids: &[String]| -> Vec<_> { sids.iter().filter_map(|sid| in_the_stream(servers, sid)).collect() };
    let operations = eventually("the webhooks in the stream", async || {
        let (calls, others) = (found(&posted.calls), found(&posted.others));
        let complete =
            others.len() == posted.others.len() && calls.len() + counted.unrecorded_calls >= posted.calls.len();
        complete.then(|| [others, calls].into_iter().flatten().collect::<Vec<_>>())
    })
    .await;
    let kept = kept_at_the_answers(&trace, &operations, Exchange::is_http_success);
    Acknowledged { answers: posted.answers, kept, counted }
}

/// The message of `NMC_INBOUND` that contains the marker, with everything before it in its file: after a power cut
/// nats-server reads a file up to the first incomplete message.
fn in_the_stream(servers: &Servers, marker: &str) -> Option<Operation> {
    let folder = servers.nats.dir().join("jetstream/$G/streams/NMC_INBOUND/msgs").canonicalize().unwrap();
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "blk")) {
        let bytes = fs::read(&file).unwrap();
        let mut end = 0;
        while let Some(length) = bytes.get(end..end + 4) {
            // The highest bit of the length says whether there are headers.
            let length = u32::from_le_bytes(length.try_into().unwrap()) & !(1 << 31);
            let begin = end;
            end += length as usize;
            assert!(length > 0, "a message of no length");
            // The last one may be just being written.
            let Some(record) = bytes.get(begin..end) else { break };
            if record.windows(marker.len()).any(|part| part == marker.as_bytes()) {
                let footprint = Footprint { file, offset: 0, bytes: bytes[..end].to_vec() };
                return Some(Operation { marker: marker.to_owned(), footprint });
            }
        }
    }
    None
}
