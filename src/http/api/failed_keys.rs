//! Slows down who tries one key after another: of requests with keys that the process does not know, each peer may make
//! ten at once and ten a minute; further ones are refused before anything is looked up or read.
//!
//! A valid key never counts. One that was used in the last hour is recognised from memory. Any other, such as after a
//! start, could not be told from a wrong one without a look-up; so where a peer is slowed, all valid keys are read in
//! one query, every five seconds at most, and compared from memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use poem::http::StatusCode;
use poem::{Endpoint, IntoResponse, Request, Response};
use poem_openapi::auth::{Bearer, BearerAuthorization};

use crate::http::Edge;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::secrets::hash_api_key;

/// Failures that a peer may make at once.
const BURST: u32 = 10;
/// The time after which it may make one more.
const EVERY: Duration = Duration::from_secs(6);
/// Peers of the last minute that are remembered: a few megabytes. The one that has been quiet for longest is forgotten
/// first.
const PEERS: u64 = 20_000;

/// The failures that each peer has left, as a token bucket: for each peer, when it may make all of them again.
pub(super) struct FailedKeys {
    full_at: Cache<Peer, Instant>,
}

impl FailedKeys {
    pub(super) fn new() -> Self {
        let cache = Cache::builder().max_capacity(PEERS).eviction_policy(EvictionPolicy::lru());
        // A bucket that is full again need not be remembered.
        Self { full_at: cache.time_to_live(EVERY * BURST).build() }
    }

    /// Takes one failure of the peer in advance.
    ///
    /// # Errors
    /// If none is left: the time until there is one.
    fn take(&self, peer: Peer, now: Instant) -> Result<(), Duration> {
        let mut taken = Ok(());
        self.full_at.entry(peer).and_compute_with(|entry| {
            let full_at = entry.map_or(now, |entry| entry.into_value().max(now)) + EVERY;
            match full_at.duration_since(now).checked_sub(EVERY * BURST) {
                Some(too_early) if !too_early.is_zero() => {
                    taken = Err(too_early);
                    Op::Nop
                }
                _ => Op::Put(full_at),
            }
        });
        taken
    }

    /// Gives back what was taken for a request that did not fail.
    fn give_back(&self, peer: Peer) {
        self.full_at.entry(peer).and_compute_with(|entry| match entry.map(moka::Entry::into_value) {
            Some(full_at) => Op::Put(full_at.checked_sub(EVERY).unwrap_or(full_at)),
            None => Op::Nop,
        });
    }
}

/// Calls the endpoint unless the request has an unknown key and its peer has failed too often.
pub(super) async fn counted<E: Endpoint>(endpoint: Arc<E>, request: Request) -> poem::Result<Response> {
    let peer = match (request.data::<Edge>().cloned(), Bearer::from_request(&request)) {
        (Some(edge), Ok(bearer)) => unknown(edge, &bearer, &request).await?,
        // Refused without a look-up.
        _ => None,
    };
    let answer = endpoint.call(request).await.map(IntoResponse::into_response);
    if let Some((edge, peer)) = peer {
        let status = answer.as_ref().map_or_else(poem::Error::status, Response::status);
        if status != StatusCode::UNAUTHORIZED {
            edge.keys.failed.give_back(peer);
        }
    }
    answer
}

/// The peer of a request whose key is unknown, from which a failure was taken; `None` if the key is valid.
async fn unknown(edge: Edge, bearer: &Bearer, request: &Request) -> Result<Option<(Edge, Peer)>, Problem> {
    let key = hash_api_key(&bearer.token);
    let Some(peer) = Peer::of(request, &edge.trusted_proxies) else { return Ok(None) };
    if edge.keys.is_known(&key) {
        return Ok(None);
    }
    let Err(retry_after) = edge.keys.failed.take(peer, Instant::now()) else { return Ok(Some((edge, peer))) };
    edge.keys.learn().await;
    if edge.keys.is_known(&key) {
        return Ok(None);
    }
    let message = "too many requests with unknown API keys from this address; try again later";
    Err(Problem::new(Code::RateLimited, message).retry_after(retry_after.as_secs() + 1))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn peer(last: u8) -> Peer {
        IpAddr::from(Ipv4Addr::new(192, 0, 2, last)).into()
    }

    #[test]
    fn a_peer_may_fail_ten_times_at_once_and_then_every_six_seconds() {
        let (failed, start) = (FailedKeys::new(), Instant::now());
        for _ in 0..BURST {
            assert_eq!(failed.take(peer(1), start), Ok(()));
        }
        assert_eq!(failed.take(peer(1), start), Err(EVERY));
        assert_eq!(failed.take(peer(1), start + EVERY / 3), Err(EVERY * 2 / 3), "a refusal puts nothing off");
        assert_eq!(failed.take(peer(1), start + EVERY), Ok(()));
        assert_eq!(failed.take(peer(1), start + EVERY), Err(EVERY));
        for _ in 0..BURST {
            assert_eq!(failed.take(peer(1), start + EVERY * 100), Ok(()), "but never more than ten at once");
        }
        assert_eq!(failed.take(peer(1), start + EVERY * 100), Err(EVERY));
    }

    #[test]
    fn one_peers_failures_do_not_count_against_another() {
        let (failed, start) = (FailedKeys::new(), Instant::now());
        while failed.take(peer(1), start).is_ok() {}
        assert_eq!(failed.take(peer(2), start), Ok(()));
    }

    #[test]
    fn what_did_not_fail_is_given_back() {
        let (failed, start) = (FailedKeys::new(), Instant::now());
        for _ in 0..BURST * 10 {
            assert_eq!(failed.take(peer(1), start), Ok(()));
            failed.give_back(peer(1));
        }
    }

    #[test]
    fn only_so_many_peers_are_remembered_and_the_last_is_one_of_them() {
        let (failed, start) = (FailedKeys::new(), Instant::now());
        let peers = |n: u32| Peer::from(IpAddr::from(Ipv4Addr::from_bits(n)));
        let many = u32::try_from(PEERS).unwrap_or(u32::MAX) * 2;
        for n in 0..many {
            while failed.take(peers(n), start).is_ok() {}
        }
        failed.full_at.run_pending_tasks();
        assert!(failed.full_at.entry_count() <= PEERS);
        assert!(failed.take(peers(many - 1), start).is_err());
    }
}
