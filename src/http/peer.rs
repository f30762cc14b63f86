//! Who sends a request: the address by which a client's failures are counted.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use poem::Request;
use poem::http::HeaderName;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The part of an IPv6 address that is one customer's: the rest is chosen by the client.
const SITE: u128 = !0 << 64;

/// A client's IPv4 address, or the /64 network of its IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Peer(IpAddr);

impl Peer {
    /// The client that sends the request; `None` if the connection has no IP address.
    ///
    /// Behind proxies of the `trusted` networks it is the right-most address of `X-Forwarded-For` that is none of
    /// theirs. What stands further left was written by the client, and is not used.
    pub(super) fn of(request: &Request, trusted: &[IpNet]) -> Option<Self> {
        let connected = request.remote_addr().as_socket_addr()?.ip();
        let forwarded = request.headers().get_all(FORWARDED_FOR);
        let forwarded = forwarded.iter().map(|value| value.to_str().unwrap_or_default());
        Some(Self::behind(connected, &forwarded.collect::<Vec<_>>(), trusted))
    }

    fn behind(connected: IpAddr, forwarded: &[&str], trusted: &[IpNet]) -> Self {
        let mut address = connected.to_canonical();
        for text in forwarded.iter().rev().flat_map(|value| value.rsplit(',')) {
            if !trusted.iter().any(|network| network.contains(&address)) {
                break;
            }
            // A proxy that passes on what is no address stands for its clients itself.
            let Some(next) = ip(text.trim()) else { break };
            address = next;
        }
        Self::from(address)
    }
}

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & SITE).into(),
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// An address, as proxies write it: alone, in brackets, or with a port.
fn ip(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let parsed = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    parsed.map(|address| address.to_canonical())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::straight("203.0.113.9", &[], "203.0.113.9")]
    #[case::from_nobody_we_trust("203.0.113.9", &["198.51.100.1"], "203.0.113.9")]
    #[case::behind_a_proxy("10.0.0.1", &["198.51.100.1"], "198.51.100.1")]
    #[case::behind_two("10.0.0.1", &["198.51.100.1, 10.0.0.2"], "198.51.100.1")]
    #[case::behind_two_with_a_header_each("10.0.0.1", &["198.51.100.1", "10.0.0.2"], "198.51.100.1")]
    #[case::with_what_the_client_wrote("10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1")]
    #[case::with_a_proxy_that_the_client_wrote("10.0.0.1", &["10.0.0.7, 198.51.100.1, 10.0.0.2"], "198.51.100.1")]
    #[case::with_a_port("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1")]
    #[case::from_inside("10.0.0.1", &["10.0.0.9"], "10.0.0.9")]
    #[case::without_the_header("10.0.0.1", &[], "10.0.0.1")]
    #[case::with_no_address("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1")]
    #[case::with_an_empty_header("10.0.0.1", &[""], "10.0.0.1")]
    #[case::mapped("::ffff:10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1")]
    #[case::of_a_site("2001:db8:1:2:3:4:5:6", &[], "2001:db8:1:2::")]
    #[case::of_a_site_behind_a_proxy("10.0.0.1", &["[2001:db8:1:2::7]:443"], "2001:db8:1:2::")]
    #[case::in_brackets("10.0.0.1", &["[2001:db8:1:2::7]"], "2001:db8:1:2::")]
    fn a_peer_is_who_connects_or_whom_a_trusted_proxy_names(
        #[case] connected: &str,
        #[case] forwarded: &[&str],
        #[case] expected: &str,
    ) {
        let trusted = ["10.0.0.0/24".parse().unwrap()];
        let peer = Peer::behind(connected.parse().unwrap(), forwarded, &trusted);
        assert_eq!(peer, Peer(expected.parse().unwrap()));
    }
}
