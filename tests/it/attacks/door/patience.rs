//! Timeouts of connections. These tests run as long as the timeouts.

use std::time::Duration;

use nmc_testbed::twilio::TwilioOptions;
use tokio::time::timeout;

use super::connections::call;
use super::{Door, rest_of};
use crate::harness::API_KEY;

/// Each kind of idle connection is closed after its timeout. All run at once to save time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_asks_for_nothing_is_closed_in_time() {
    let door = Door::open(None, &[], TwilioOptions::default()).await;
    let after = async |sends: &str| {
        let mut stream = door.sent(sends.as_bytes()).await;
        let (answer, after) = timeout(Duration::from_secs(34), rest_of(&mut stream)).await.expect("an end");
        (answer.split("\r\n").next().unwrap_or_default().to_owned(), after.as_secs_f64())
    };
    let (body, alive) = (call(10), "GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n");
    let (silence, half, body, alive) = tokio::join!(after(""), after("GET / HT"), after(&body), after(alive));
    let about = |(_, after): &(String, f64), seconds: f64| (seconds - 0.5..seconds + 3.0).contains(after);
    assert!(about(&silence, 30.0) && about(&half, 10.0), "{silence:?} {half:?}");
    assert!(about(&body, 10.0) && body.0 == "HTTP/1.1 400 Bad Request", "{body:?}");
    assert!(about(&alive, 30.0) && alive.0 == "HTTP/1.1 200 OK", "{alive:?}");
    let closed =
        async |reason: &str| door.metric(&format!("nmc_http_connections_closed_total{{reason=\"{reason}\"}}")).await;
    assert!(closed("quiet").await >= 2 && closed("head").await == 1);
}

/// A reader that receives no event for a while is not idle: keep-alives are sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_events_is_not_taken_for_idle() {
    let door = Door::open(None, &[], TwilioOptions::default()).await;
    let request = format!("GET /events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {API_KEY}\r\n\r\n");
    let mut stream = door.sent(request.as_bytes()).await;
    let ended = timeout(Duration::from_secs(33), rest_of(&mut stream)).await;
    assert!(ended.is_err(), "{ended:?}");
}
