//! Webhooks, which are kept in `NMC_INBOUND`.

use std::fs;
use std::path::PathBuf;

use futures::future::join_all;
use nmc_testbed::servers::{NatsOptions, NatsServer, Shared, workspace_root};
use nmc_testbed::syscalls::{Exchange, Footprint, Kept, Tracer};
use nmc_testbed::twilio::webhooks::{WebhookAnswer, WebhookClient};
use nmc_testbed::twilio::{TwilioOptions, new_call_sid, new_message_sid};
use uuid::Uuid;

use super::answered::{Operation, kept_at_the_answers, lost};
use crate::harness::{API_KEY, BUSINESS, Child, OUR_NUMBER, PUBLIC_URL, Rest, Servers, business, customer};

/// Customers who text and call at the same time.
const CUSTOMERS: u32 = 8;
/// Of each: a text that Twilio posts twice, a call, its end, and a delivery report.
const ANSWERS: usize = 5 * CUSTOMERS as usize;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_webhook_is_synced_before_its_answer() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let kept = acknowledge_webhooks(&servers).await;
    assert_eq!(kept.len(), ANSWERS);
    assert_eq!(lost(&kept), Vec::<&(String, Kept)>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_default_sync_interval_would_lose_acknowledged_webhooks() {
    let mut servers = Servers::start(TwilioOptions::default()).await;
    let binaries = Shared::from_env().unwrap().binaries().clone();
    let config = without_sync_interval(&servers);
    let options = NatsOptions { config, ..NatsOptions::new(&binaries, servers.dir().join("nats")) };
    servers.nats = NatsServer::start(options).await.unwrap();
    let kept = acknowledge_webhooks(&servers).await;
    assert_eq!(kept.len(), ANSWERS);
    assert!(kept.iter().all(|(_, kept)| *kept == Kept::Written), "{kept:?}");
}

/// The project's configuration, but for the one line.
fn without_sync_interval(servers: &Servers) -> PathBuf {
    let ours = fs::read_to_string(workspace_root().join("nats.conf")).unwrap();
    let (sync, others): (Vec<_>, Vec<_>) = ours.lines().partition(|line| line.trim() == "sync_interval: always");
    assert_eq!(sync.len(), 1, "nats.conf says it once");
    let config = servers.dir().join("default-sync-interval.conf");
    fs::write(&config, others.join("\n")).unwrap();
    config
}

/// Posts webhooks of every kind, many at a time, and judges all answers.
async fn acknowledge_webhooks(servers: &Servers) -> Vec<(String, Kept)> {
    let mut service = Child::start(servers, "service", &["serve"], &servers.settings(&[]));
    let base = format!("http://{}", service.address().await);
    servers.twilio.set_webhook_url(PUBLIC_URL, Some(&base));
    let rest = Rest::new(base, API_KEY);
    rest.ready().await;
    rest.put(&format!("/businesses/{BUSINESS}"), &business()).await.ok();

    let tracer = Tracer::attach(&[servers.nats.pid(), service.pid()], servers.dir()).await;
    let tracer = tracer.unwrap_or_else(|error| panic!("{error:#}"));
    let client = servers.twilio.webhook_client(None).unwrap();
    let markers = join_all((0..CUSTOMERS).map(|number| post_one_of_each(&client, customer(number)))).await;
    let trace = tracer.stop().await.unwrap_or_else(|error| panic!("{error:#}"));

    let operation = |marker: String| Operation { footprint: in_the_stream(servers, &marker), marker };
    let operations: Vec<_> = markers.into_iter().flatten().map(operation).collect();
    kept_at_the_answers(&trace, &operations, Exchange::is_http_success)
}

/// The SIDs of what was posted.
async fn post_one_of_each(client: &WebhookClient, from: String) -> [String; 4] {
    let [text, report] = [new_message_sid(), new_message_sid()];
    let [call, ended] = [new_call_sid(), new_call_sid()];
    let message_id = Uuid::new_v4().to_string();
    let answers = tokio::join!(
        client.sms(&text, &from, OUR_NUMBER, "My sink is blocked"),
        // Twilio's second try may come while we are at the first: its answer is a promise too.
        client.sms(&text, &from, OUR_NUMBER, "My sink is blocked"),
        client.incoming_call(&call, &from, OUR_NUMBER, "ringing"),
        client.call_status(&ended, "no-answer", Some(&from), Some(OUR_NUMBER), 0),
        client.message_status(&message_id, &report, "delivered"),
    );
    let good = |answer: anyhow::Result<WebhookAnswer>| {
        let answer = answer.unwrap();
        assert!((200..300).contains(&answer.status), "{} {}", answer.status, answer.body);
    };
    [answers.0, answers.1, answers.2, answers.3, answers.4].into_iter().for_each(good);
    [text, call, ended, report]
}

/// The message of `NMC_INBOUND` that holds the marker, with all that lies before it in its file: after a power cut
/// nats-server reads a file up to the first message that is not whole.
fn in_the_stream(servers: &Servers, marker: &str) -> Footprint {
    let folder = servers.nats.dir().join("jetstream/$G/streams/NMC_INBOUND/msgs").canonicalize().unwrap();
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "blk")) {
        let bytes = fs::read(&file).unwrap();
        let mut end = 0;
        while let Some(length) = bytes.get(end..end + 4) {
            // Of the length, the highest bit says whether there are headers.
            let length = u32::from_le_bytes(length.try_into().unwrap()) & !(1 << 31);
            let begin = end;
            end += length as usize;
            let record = bytes.get(begin..end).filter(|_| length > 0).expect("whole messages");
            if record.windows(marker.len()).any(|part| part == marker.as_bytes()) {
                return Footprint { file, offset: 0, bytes: bytes[..end].to_vec() };
            }
        }
    }
    panic!("{marker} is not in NMC_INBOUND");
}
