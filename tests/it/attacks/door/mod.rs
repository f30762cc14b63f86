//! Thousands of connections or requests at once. Every call is still answered within a second, and the process uses
//! little memory.
//!
//! The bounds hold if nothing else runs on the machine. So these tests run alone (`.config/nextest.toml`), and not
//! instrumented for coverage (`scripts/coverage`).

mod connections;
mod http2;
mod patience;
mod places;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nmc_testbed::servers::peak_memory;
use nmc_testbed::twilio::webhooks::WebhookClient;
use nmc_testbed::twilio::{TwilioOptions, new_call_sid};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::harness::{API_KEY, BUSINESS, Child, OUR_NUMBER, OWNER, PUBLIC_URL, Rest, Servers, business, customer};

/// A call is answered within this time, even under attack.
const AT_ONCE: Duration = Duration::from_secs(1);
/// The memory that the process may use, in MB, even under attack.
const MEMORY: u64 = 150;
/// How long calls arrive during an attack.
const LASTS: Duration = Duration::from_secs(4);
/// How soon an attacker reconnects after its connection was closed.
const AGAIN: Duration = Duration::from_secs(1);
/// How many calls this process has made.
static CALLS: AtomicU32 = AtomicU32::new(0);
/// A signature header with a valid form but a wrong value.
pub const FORGED: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// The running program.
pub struct Door {
    pub servers: Servers,
    pub child: Child,
    pub address: String,
    pub rest: Rest,
    http: reqwest::Client,
    /// The attackers' runtime, on a separate thread, so that they delay the service and not the measured caller.
    attackers: Option<Runtime>,
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Some(attackers) = self.attackers.take() {
            attackers.shutdown_background();
        }
    }
}

impl Door {
    /// Starts the program with the document's business and changed settings.
    pub async fn open(descriptors: Option<u32>, settings: &[(&str, &str)], twilio: TwilioOptions) -> Self {
        many_descriptors();
        let servers = Servers::start(twilio).await;
        let changes: Vec<_> = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let environment = servers.settings(&changes);
        let mut child = match descriptors {
            Some(most) => Child::start_with(most, &servers, "door", &["serve"], &environment),
            None => Child::start(&servers, "door", &["serve"], &environment),
        };
        let address = child.address().await;
        let rest = Rest::new(format!("http://{address}"), API_KEY);
        rest.ready().await;
        // Each request uses a new connection, so none profits from what another has shown.
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(10 * AT_ONCE);
        let attackers = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let http = http.build().expect("an HTTP client");
        let door = Self { servers, child, address, rest, http, attackers: Some(attackers) };
        door.put(BUSINESS, &business()).await;
        door.called().await;
        door
    }

    /// The runtime of the attackers.
    pub fn attackers(&self) -> &Handle {
        self.attackers.as_ref().expect("a runtime until the end").handle()
    }

    pub async fn put(&self, id: &str, business: &Value) {
        self.rest.put(&format!("/businesses/{id}"), business).await.ok();
    }

    /// A client that plays Twilio, with a new connection for each request.
    pub fn webhook(&self, account_sid: &str, token: &str) -> WebhookClient {
        WebhookClient::over(self.http.clone(), PUBLIC_URL, account_sid, token)
            .with_target(format!("http://{}", self.address))
    }

    /// A call arrives and is put through in time.
    pub async fn called(&self) {
        let main = TwilioOptions::default();
        self.called_with(&self.webhook(&main.account_sid, &main.auth_token), OUR_NUMBER).await;
    }

    /// The same for a number of another account.
    pub async fn called_with(&self, client: &WebhookClient, number: &str) {
        // A different customer each time: repeated calls of one customer would be treated as a loop.
        let caller = customer(CALLS.fetch_add(1, Ordering::Relaxed));
        let begun = Instant::now();
        let answer = client.incoming_call(&new_call_sid(), &caller, number, "ringing").await;
        let took = begun.elapsed();
        let answer = answer.unwrap_or_else(|error| panic!("no answer after {took:?}: {error:#}\n{}", self.child.log()));
        assert_eq!((answer.status, answer.dial_number().as_deref()), (200, Some(OWNER)), "{}", answer.body);
        assert!(took < AT_ONCE, "a call was answered after {took:?}");
    }

    /// Calls arrive one after another for some seconds; each is put through in time.
    pub async fn stays_open(&self) {
        let begun = Instant::now();
        while begun.elapsed() < LASTS {
            self.called().await;
            sleep(Duration::from_millis(100)).await;
        }
        self.is_small();
    }

    /// Asserts that the process never used too much memory.
    pub fn is_small(&self) {
        let peak = self.memory();
        println!("{peak} MB at the most");
        assert!(peak < MEMORY, "{peak} MB");
    }

    /// The peak memory of the process in MB.
    pub fn memory(&self) -> u64 {
        peak_memory(self.child.pid()).expect("a process") / 1_000_000
    }

    /// The value of a metric.
    pub async fn metric(&self, name: &str) -> u64 {
        let metrics = self.rest.get_as("/metrics", "text/plain").await.body;
        let text = metrics.as_str().expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{text}"));
        line.trim().parse().expect("a number")
    }

    /// Starts `by` attackers. Each connects, sends these bytes and nothing more, and reconnects when the connection is
    /// closed, until the returned set is dropped. With `reads`, they read responses.
    pub fn besieged(&self, by: usize, sends: &[u8], reads: bool) -> JoinSet<()> {
        let mut all = JoinSet::new();
        for _ in 0..by {
            let (address, sends) = (self.address.clone(), sends.to_vec());
            let siege = async move {
                loop {
                    if let Ok(mut stream) = TcpStream::connect(&address).await {
                        let _ = stream.write_all(&sends).await;
                        if reads {
                            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                        } else {
                            closed(&stream).await;
                        }
                    }
                    sleep(AGAIN).await;
                }
            };
            all.spawn_on(siege, self.attackers());
        }
        all
    }

    /// Opens a connection and sends these bytes.
    pub async fn sent(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).await.expect("a connection");
        stream.write_all(bytes).await.expect("sent");
        stream
    }
}

/// Waits until the other side closes the connection, without reading.
async fn closed(stream: &TcpStream) {
    let mut byte = [0];
    loop {
        match stream.peek(&mut byte).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                if stream.ready(tokio::io::Interest::ERROR).await.is_ok_and(|ready| ready.is_error()) {
                    return;
                }
            }
        }
    }
}

/// What is received until the connection is closed, and how long that takes.
pub async fn rest_of(stream: &mut TcpStream) -> (String, Duration) {
    let (begun, mut rest) = (Instant::now(), Vec::new());
    let _reset_or_not = stream.read_to_end(&mut rest).await;
    (String::from_utf8_lossy(&rest).into_owned(), begun.elapsed())
}

/// Raises the descriptor limit: the test itself opens thousands of connections.
fn many_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).expect("descriptors");
}
