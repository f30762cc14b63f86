//! PostgreSQL's URL as libpq has it: with one host or several, of which one is used.

use std::fmt;
use std::str::FromStr;

use url::{Url, form_urlencoded};

/// Which host of a URL is used: libpq's `target_session_attrs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetSession {
    /// Any that accepts connections.
    Any,
    /// One whose sessions may write.
    ReadWrite,
    /// One whose sessions may not write.
    ReadOnly,
    /// One that is not a replica.
    Primary,
    /// A replica.
    Standby,
    /// A replica, or any other while there is none.
    PreferStandby,
}

/// A URL for each host, and which of the hosts is used.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    hosts: Vec<String>,
    target: TargetSession,
}

const NO_URL: &str = "not a postgres URL";

impl PostgresUrl {
    /// A URL with one host for each host, in their order.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// Which of the hosts is used.
    pub fn target(&self) -> TargetSession {
        self.target
    }
}

impl FromStr for PostgresUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once("://").ok_or(NO_URL)?;
        if !["postgres", "postgresql"].contains(&scheme.to_ascii_lowercase().as_str()) {
            return Err(NO_URL);
        }
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (user, named) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let target = match value(&pairs, "target_session_attrs") {
            Some(name) => named_target(name).ok_or("has an unknown target_session_attrs")?,
            None => TargetSession::Any,
        };
        let listed = |name| value(&pairs, name).map(|list| list.split(',').collect::<Vec<_>>());
        let hosts = listed("hostaddr").or_else(|| listed("host")).unwrap_or_default();
        let ports = listed("port").unwrap_or_default();
        let named: Vec<&str> = named.split(',').collect();
        let count = hosts.len().max(if hosts.is_empty() { named.len() } else { 1 });
        if ports.len() > 1 && ports.len() != count {
            return Err("must have one port, or one for each host");
        }
        let url = |number: usize| {
            let host = if named.len() == count { named[number] } else { named[0] };
            let replaced = pairs.iter().filter(|(name, _)| name != "target_session_attrs").map(|(name, value)| {
                let list = match name.as_str() {
                    "host" | "hostaddr" => &hosts,
                    "port" => &ports,
                    _ => return (name.as_str(), value.as_str()),
                };
                (name.as_str(), list.get(number).or_else(|| list.first()).copied().unwrap_or_default())
            });
            let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(replaced).finish();
            let mark = if query.is_empty() { "" } else { "?" };
            let url = format!("{scheme}://{user}{host}{path}{mark}{query}");
            Url::parse(&url).map_err(|_| NO_URL)?;
            Ok::<_, Self::Err>(url)
        };
        Ok(Self { hosts: (0..count).map(url).collect::<Result<_, _>>()?, target })
    }
}

/// Shows no host: the URLs have passwords.
impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresUrl").field("target", &self.target).finish_non_exhaustive()
    }
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn named_target(name: &str) -> Option<TargetSession> {
    Some(match name {
        "any" => TargetSession::Any,
        "read-write" => TargetSession::ReadWrite,
        "read-only" => TargetSession::ReadOnly,
        "primary" => TargetSession::Primary,
        "standby" => TargetSession::Standby,
        "prefer-standby" => TargetSession::PreferStandby,
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::one_host("postgres://u:p@a:5433/db?sslmode=require", &["postgres://u:p@a:5433/db?sslmode=require"])]
    #[case::several(
        "postgres://u:p%40@a:5432,b/db?target_session_attrs=read-write&sslmode=require",
        &["postgres://u:p%40@a:5432/db?sslmode=require", "postgres://u:p%40@b/db?sslmode=require"]
    )]
    #[case::newer_addresses("postgres://[::1]:1,[::2]:2/db", &["postgres://[::1]:1/db", "postgres://[::2]:2/db"])]
    #[case::in_the_query(
        "postgres://u@localhost/db?host=%2Frun%2Fa,%2Frun%2Fb&port=1,2",
        &["postgres://u@localhost/db?host=%2Frun%2Fa&port=1", "postgres://u@localhost/db?host=%2Frun%2Fb&port=2"]
    )]
    #[case::one_port_for_all(
        "postgresql://localhost/db?host=a,b&port=9",
        &["postgresql://localhost/db?host=a&port=9", "postgresql://localhost/db?host=b&port=9"]
    )]
    fn there_is_a_url_for_each_host(#[case] text: &str, #[case] hosts: &[&str]) {
        assert_eq!(text.parse::<PostgresUrl>().unwrap().hosts(), hosts);
    }

    #[rstest]
    #[case::another_scheme("mysql://a/db")]
    #[case::no_scheme("a:5432")]
    #[case::no_port("postgres://a:b,c:5432/db")]
    #[case::more_ports_than_hosts("postgres://localhost/db?host=a,b&port=1,2,3")]
    #[case::an_unknown_target("postgres://a,b/db?target_session_attrs=writable")]
    fn what_libpq_would_not_understand_is_refused(#[case] text: &str) {
        assert!(text.parse::<PostgresUrl>().is_err());
    }

    #[test]
    fn the_target_is_any_host_unless_the_url_names_one() {
        let target = |text: &str| text.parse::<PostgresUrl>().unwrap().target();
        assert_eq!(target("postgres://a,b/db"), TargetSession::Any);
        assert_eq!(target("postgres://a,b/db?target_session_attrs=read-write"), TargetSession::ReadWrite);
        assert_eq!(target("postgres://a,b/db?target_session_attrs=prefer-standby"), TargetSession::PreferStandby);
    }

    #[test]
    fn debug_shows_no_password() {
        let url: PostgresUrl = "postgres://u:hush@a,b/db".parse().unwrap();
        assert!(!format!("{url:?}").contains("hush"));
    }
}
