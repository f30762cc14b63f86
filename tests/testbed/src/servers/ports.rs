//! Picks loopback ports for servers.
//!
//! They are below the kernel's ephemeral range (32768 and up). A server that is killed and restarted must find its port
//! free again. Clients that keep reconnecting draw their own ports from the ephemeral range; on loopback they may even
//! connect to themselves on the port that they wait for.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::bail;

const FIRST: u16 = 11_000;
const LAST: u16 = 31_999;
const TRIES: usize = 200;

/// A port on which nothing listens now. Another process may take it before the caller does, so starting a server
/// retries.
pub(crate) fn free() -> anyhow::Result<u16> {
    for _ in 0..TRIES {
        let port = rand::random_range(FIRST..=LAST);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free loopback port between {FIRST} and {LAST} after {TRIES} tries")
}
