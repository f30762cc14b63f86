//! HTTP/2 without TLS. 9 kB on one connection once cost 280 MB of memory.

use std::time::Duration;

use nmc_testbed::twilio::TwilioOptions;
use tokio::time::timeout;

use super::{Door, rest_of};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_STREAM_AND_HEADERS: u8 = 0x5;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a small one").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// This many requests for the page on one connection that accepts no response data.
fn requests(count: u32) -> Vec<u8> {
    // SETTINGS_INITIAL_WINDOW_SIZE: 0.
    let mut sent = [PREFACE, &frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])].concat();
    for n in 0..count {
        // GET and http; the path and the authority are literals.
        let headers = [&[0x82, 0x86, 0x04, 5][..], b"/docs", &[0x01, 1], b"x"].concat();
        sent.extend(frame(HEADERS, END_STREAM_AND_HEADERS, 2 * n + 1, &headers));
    }
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_pages_asked_for_on_one_connection_cost_nothing() {
    let door = Door::open(None, &[], TwilioOptions::default()).await;
    let mut stream = door.sent(&requests(150)).await;
    let (answer, _) = timeout(Duration::from_secs(5), rest_of(&mut stream)).await.expect("it is refused");
    assert!(!answer.contains("swagger"), "{answer}");
    let besiegers = door.besieged(100, &requests(150), false);
    door.stays_open().await;
    drop(besiegers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_to_go_on_in_http_2_is_answered_in_http_1() {
    let door = Door::open(None, &[], TwilioOptions::default()).await;
    let asks =
        b"GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: upgrade, http2-settings, close\r\nupgrade: h2c\r\n\
                 http2-settings: AAQAAAAA\r\n\r\n";
    let mut stream = door.sent(asks).await;
    let (answer, _) = timeout(Duration::from_secs(5), rest_of(&mut stream)).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_can_be_switched_off() {
    let door = Door::open(None, &[("NMC_DOCS", "off")], TwilioOptions::default()).await;
    for (path, status) in [("/docs", 404), ("/docs/", 404), ("/twilio/docs", 404), ("/openapi.json", 200)] {
        assert_eq!(door.rest.get(path).await.status, status, "{path}");
    }
}
