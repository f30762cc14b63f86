//! The DispatchBot that a business has itself: `policy.dispatchbot`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::is_public;
use crate::config::Dialect;

/// A longer URL is a mistake.
const MAX_URL: usize = 500;

/// A business's own DispatchBot. Its key is stored beside the document, encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OwnDispatchBot {
    /// Its base URL.
    pub url: EndpointUrl,
    /// The format of requests and answers.
    pub dialect: Dialect,
}

/// The base URL of a DispatchBot: http or https, with a host, and without credentials, query, fragment and trailing
/// slash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EndpointUrl(String);

impl EndpointUrl {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the encryption of its key is bound to: the business and the URL. A key that was put for one server opens for
    /// no other, however it came into the row.
    pub fn key_context(&self, business_id: &str) -> String {
        format!("{business_id} dispatchbot {self}")
    }

    fn parsed(&self) -> Option<Url> {
        Url::parse(&self.0).ok()
    }

    /// Why requests must not be sent there, as far as the URL itself says; `None` if they may. A name is resolved, and its
    /// addresses are checked, when a request is made.
    pub fn why_not_public(&self) -> Option<&'static str> {
        let url = self.parsed()?;
        if url.scheme() != "https" {
            return Some("must be an https URL");
        }
        let is_fine = match url.host() {
            Some(Host::Ipv4(address)) => is_public(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => is_public(IpAddr::V6(address)),
            Some(Host::Domain(name)) => !is_private_name(name),
            None => false,
        };
        (!is_fine).then_some("must not lead to a private, loopback or link-local address")
    }

    /// The host, if it is a name, and the port.
    pub fn name_to_resolve(&self) -> Option<(String, u16)> {
        let url = self.parsed()?;
        let port = url.port_or_known_default()?;
        match url.host()? {
            Host::Domain(name) => Some((name.to_owned(), port)),
            Host::Ipv4(_) | Host::Ipv6(_) => None,
        }
    }
}

/// Names that no public DNS has: single words, and the endings that RFC 6761, RFC 6762 and ICANN keep for private use.
fn is_private_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let ending = name.rsplit('.').next().unwrap_or_default();
    !name.contains('.') || matches!(ending, "localhost" | "local" | "internal" | "localdomain" | "lan" | "home")
}

impl FromStr for EndpointUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = |why: &str| Err(why.to_owned());
        if text.len() > MAX_URL {
            return Err(format!("must not be longer than {MAX_URL} characters"));
        }
        // As requests read it: `https://0x7f.1` is 127.0.0.1.
        let Ok(url) = Url::parse(text) else { return refused("must be a URL, such as https://ai.example.com") };
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return refused("must be an https URL with a host");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refused("must not contain a user name or password");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return refused("must not have a query or fragment");
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for EndpointUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<EndpointUrl> for String {
    fn from(url: EndpointUrl) -> Self {
        url.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://ai.example.com/", "https://ai.example.com")]
    #[case("https://AI.example.com:8443/bot/", "https://ai.example.com:8443/bot")]
    #[case("https://203.0.114.9", "https://203.0.114.9")]
    fn a_public_url_is_kept_in_one_notation(#[case] written: &str, #[case] kept: &str) {
        let url: EndpointUrl = written.parse().unwrap();
        assert_eq!((url.as_str(), url.why_not_public()), (kept, None));
    }

    #[rstest]
    #[case::in_the_clear("http://ai.example.com")]
    #[case::loopback("https://127.0.0.1")]
    #[case::loopback_in_hexadecimal("https://0x7f.1/")]
    #[case::loopback_as_a_number("https://2130706433/")]
    #[case::loopback_by_name("https://localhost:8443")]
    #[case::loopback_by_a_name_below("https://ai.localhost.")]
    #[case::a_mapped_address("https://[::ffff:10.0.0.1]")]
    #[case::metadata("https://169.254.169.254/latest")]
    #[case::metadata_by_name("https://metadata.google.internal")]
    #[case::a_service_beside_us("https://dispatchbot")]
    fn a_url_of_the_operators_network_is_not_public(#[case] written: &str) {
        assert!(written.parse::<EndpointUrl>().unwrap().why_not_public().is_some(), "{written}");
    }

    #[rstest]
    #[case::no_url("ai.example.com")]
    #[case::another_scheme("ftp://ai.example.com")]
    #[case::a_file("file:///etc/passwd")]
    #[case::a_password("https://nmc:hush@ai.example.com")]
    #[case::a_query("https://ai.example.com/?to=x")]
    #[case::a_fragment("https://ai.example.com/#x")]
    fn what_is_no_base_url_is_refused(#[case] written: &str) {
        assert!(written.parse::<EndpointUrl>().is_err(), "{written}");
    }

    #[test]
    fn only_a_name_has_to_be_resolved() {
        let named = |text: &str| text.parse::<EndpointUrl>().unwrap().name_to_resolve();
        assert_eq!(named("https://ai.example.com"), Some(("ai.example.com".to_owned(), 443)));
        assert_eq!(named("https://203.0.114.9:8443"), None);
    }
}
