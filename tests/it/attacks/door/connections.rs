//! Connections that send no request, or read no response. A thousand of them once stopped every call.

use std::time::Duration;

use nmc_testbed::twilio::TwilioOptions;
use rstest::rstest;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Door, FORGED, rest_of};
use crate::harness::{API_KEY, eventually};

const THOUSAND: usize = 1_000;
/// More than the limit of connections.
const BESIEGERS: usize = 1_700;

/// The head of a call webhook with this body length and a forged signature.
pub fn call(length: usize) -> String {
    format!(
        "POST /webhooks/twilio/call HTTP/1.1\r\nhost: x\r\nx-twilio-signature: {FORGED}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// An incomplete head of nearly the maximum length.
fn long_head() -> String {
    format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}", "a".repeat(15_000))
}

#[rstest]
#[case::silence(String::new(), None)]
#[case::half_a_head("GET / HTTP/1.1\r\nhost".to_owned(), None)]
#[case::half_a_long_head(long_head(), None)]
#[case::idle_keep_alive("GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), None)]
#[case::a_body_that_does_not_come(call(1_000), None)]
#[case::half_a_body(call(64 * 1024) + &"a".repeat(32 * 1024), None)]
#[case::silence_and_few_descriptors(String::new(), Some(256))]
#[case::half_a_body_and_few_descriptors(call(1_000) + "a", Some(256))]
#[case::keep_alive_and_the_usual_descriptors("GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), Some(1_024))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_that_ask_for_nothing_stop_no_call(
    #[case] sends: String,
    #[case] descriptors: Option<u32>,
) {
    let door = Door::open(descriptors, &[], TwilioOptions::default()).await;
    let besiegers = door.besieged(if descriptors.is_some() { THOUSAND } else { BESIEGERS }, sends.as_bytes(), true);
    door.stays_open().await;
    drop(besiegers);
    door.called().await;
}

#[rstest]
#[case::large_ones(2_000_000, 200)]
#[case::that_never_end(1_000_000_000, 200)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_that_come_slowly_do_not_fill_the_memory(#[case] length: usize, #[case] senders: usize) {
    let door = Door::open(None, &[], TwilioOptions::default()).await;
    let sends = call(length) + &"a".repeat(1_900_000);
    let besiegers = door.besieged(senders, sends.as_bytes(), true);
    door.stays_open().await;
    drop(besiegers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_that_are_to_be_judged_leave_calls_their_time() {
    let door = Door::open(None, &[], TwilioOptions::default()).await;
    // The most expensive body possible: every byte is escaped, and there are very many parameters.
    let body = "a=%41%41%41%41%41%41%41%41%41%41%41%41%41%41%41%41%41%41&".repeat(1_900) + &"%41".repeat(500_000);
    let besiegers = door.besieged(30, (call(body.len()) + &body).as_bytes(), true);
    door.stays_open().await;
    drop(besiegers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_that_nobody_reads_do_not_fill_the_memory() {
    let door = Door::open(None, &[], TwilioOptions::default()).await;
    let asks = "GET /docs HTTP/1.1\r\nhost: x\r\n\r\n".repeat(20);
    let besiegers = door.besieged(THOUSAND, asks.as_bytes(), false);
    door.stays_open().await;
    drop(besiegers);
}

/// Two thousand connections a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_come_and_go_stop_no_call() {
    let door = Door::open(Some(256), &[], TwilioOptions::default()).await;
    let mut storm = JoinSet::new();
    for _ in 0..20 {
        let address = door.address.clone();
        let comes_and_goes = async move {
            loop {
                drop(tokio::net::TcpStream::connect(&address).await);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        storm.spawn_on(comes_and_goes, door.attackers());
    }
    door.stays_open().await;
    drop(storm);
}

/// At the limit, connections that have shown a key or a signature stay open; the others are closed, oldest first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_shown_a_key_stays_where_others_have_to_go() {
    let door = Door::open(None, &[("NMC_MAX_CONNECTIONS", "20")], TwilioOptions::default()).await;
    let request = format!("GET /events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {API_KEY}\r\n\r\n");
    let mut known = door.sent(request.as_bytes()).await;
    let mut oldest = door.sent(b"").await;
    let mut others = Vec::new();
    for _ in 0..40 {
        others.push(door.sent(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").await);
    }
    // The newest one is answered, and the oldest is closed.
    let mut last = others.pop().expect("one");
    let mut answer = [0; 15];
    tokio::io::AsyncReadExt::read_exact(&mut last, &mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    let (_, after) = timeout(Duration::from_secs(5), rest_of(&mut oldest)).await.expect("it was closed");
    assert!(after < Duration::from_secs(5));
    door.called().await;
    let ended = timeout(Duration::from_secs(2), rest_of(&mut known)).await;
    assert!(ended.is_err(), "{ended:?}");
}

/// Descriptors can run out below the connection limit, because other parts of the process need them too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_descriptors_run_out_calls_are_answered_and_it_is_logged_once() {
    let door = Door::open(None, &[], TwilioOptions::default()).await;
    let pid = Pid::from_raw(door.child.pid().try_into().expect("a pid"));
    let open = std::fs::read_dir(format!("/proc/{}/fd", door.child.pid())).expect("descriptors").count() as u64;
    let most = Some(open + 100);
    prlimit(pid, Resource::Nofile, Rlimit { current: most, maximum: most }).expect("a limit");
    let besiegers = door.besieged(THOUSAND / 2, b"", true);
    let told = || door.child.log().matches("connections cannot be accepted").count();
    eventually("it runs out", async || (told() > 0).then_some(())).await;
    let before = cpu_seconds(door.child.pid());
    door.stays_open().await;
    let busy = cpu_seconds(door.child.pid()) - before;
    assert!(busy < 6.0, "{busy} s of CPU: it spins");
    assert_eq!(told(), 1);
    drop(besiegers);
}

/// The CPU time of the process in seconds.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    let ticks = |n: usize| fields[n].parse::<f64>().expect("ticks");
    (ticks(11) + ticks(12)) / 100.0
}
