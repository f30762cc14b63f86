//! Picks loopback ports for servers.
//!
//! From below the kernel's ephemeral range (32768 and up): a server that is killed and restarted must find its port
//! free again, while clients that reconnect all the time draw their own ports from the ephemeral range, and on
//! loopback may even connect to themselves on the port that they wait for.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::bail;

const FIRST: u16 = 11_000;
const LAST: u16 = 31_999;
const TRIES: usize = 200;

/// A port that nobody listens on right now. Someone may take it before its user does, so starting a server retries.
pub(crate) fn free() -> anyhow::Result<u16> {
    for _ in 0..TRIES {
        let port = rand::random_range(FIRST..=LAST);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free loopback port between {FIRST} and {LAST} after {TRIES} tries")
}
