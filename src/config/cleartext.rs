//! Connections without TLS to another machine: anybody on the network between them could read texts and passwords.

use std::net::IpAddr;

use url::{Host, Url};

use super::parse::nats_url;
use super::postgres_url::PostgresUrl;

/// Whether the connection of this variable leaves the machine without TLS. The text has been parsed: it is an address of
/// the variable's kind.
pub(super) fn is_exposed(variable: &str, text: &str) -> bool {
    match variable {
        "DATABASE_URL" | "DATABASE_READ_URL" => {
            text.parse::<PostgresUrl>().is_ok_and(|url| url.hosts().iter().any(|host| is_exposed_postgres(host)))
        }
        "NATS_URL" => text.split(',').map(str::trim).any(is_exposed_nats),
        "REDIS_URL" => {
            let is_plain = ["redis", "valkey"].contains(&text.split(':').next().unwrap_or_default());
            is_plain && Url::parse(text).is_ok_and(|url| is_elsewhere(&url))
        }
        _ => false,
    }
}

/// PostgreSQL's own modes; `prefer`, the default, and `allow` do without TLS if the server has none.
fn is_exposed_postgres(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let option = |wanted: &[&str]| url.query_pairs().filter(|(name, _)| wanted.contains(&&**name)).last();
    let mode = option(&["sslmode", "ssl-mode"]).map(|(_, mode)| mode.into_owned());
    if mode.is_some_and(|mode| matches!(mode.as_str(), "require" | "verify-ca" | "verify-full")) {
        return false;
    }
    match option(&["host", "hostaddr"]) {
        Some((_, host)) => !host.starts_with('/') && !is_loopback(&host),
        None => is_elsewhere(&url),
    }
}

fn is_exposed_nats(server: &str) -> bool {
    nats_url(server).is_ok_and(|url| url.scheme() != "tls" && is_elsewhere(&url))
}

/// Whether the host of a URL is another machine. Without a host, or with the path of a socket, it is this one.
fn is_elsewhere(url: &Url) -> bool {
    match url.host() {
        None => false,
        Some(Host::Ipv4(address)) => !address.is_loopback(),
        Some(Host::Ipv6(address)) => !is_loopback_address(address.into()),
        Some(Host::Domain(name)) => !name.is_empty() && !name.starts_with("%2F") && !is_loopback(name),
    }
}

fn is_loopback(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || name.parse().is_ok_and(is_loopback_address)
}

fn is_loopback_address(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::this_machine("DATABASE_URL", "postgres://u:p@localhost/nmc", false)]
    #[case::this_machine_by_address("DATABASE_URL", "postgres://u:p@127.0.0.2:5433/nmc", false)]
    #[case::this_machine_by_its_newer_address("DATABASE_URL", "postgres://u:p@[::1]/nmc", false)]
    #[case::a_socket("DATABASE_URL", "postgres:///nmc?host=/var/run/postgresql", false)]
    #[case::a_socket_in_the_host("DATABASE_URL", "postgres://%2Fvar%2Frun%2Fpostgresql/nmc", false)]
    #[case::one_of_two_machines(
        "DATABASE_URL",
        "postgres://localhost,10.0.0.5/nmc?target_session_attrs=read-write",
        true
    )]
    #[case::a_replica("DATABASE_READ_URL", "postgres://10.0.0.5/nmc", true)]
    #[case::another_machine("DATABASE_URL", "postgres://u:p@db.example.com/nmc", true)]
    #[case::another_machine_of_the_query("DATABASE_URL", "postgres://localhost/nmc?host=10.0.0.5", true)]
    #[case::if_the_server_likes("DATABASE_URL", "postgres://db/nmc?sslmode=prefer", true)]
    #[case::encrypted("DATABASE_URL", "postgres://db/nmc?sslmode=require", false)]
    #[case::encrypted_and_verified("DATABASE_URL", "postgres://db/nmc?sslmode=verify-full", false)]
    #[case::nats_here("NATS_URL", "nats://127.0.0.1:4222,localhost", false)]
    #[case::one_of_several("NATS_URL", "nats://localhost:4222, nats://b:4222", true)]
    #[case::a_bare_host("NATS_URL", "b:4222", true)]
    #[case::nats_encrypted("NATS_URL", "tls://a:4222,tls://b:4222", false)]
    #[case::redis_here("REDIS_URL", "redis://localhost:6379", false)]
    #[case::redis_elsewhere("REDIS_URL", "redis://:p@cache:6379", true)]
    #[case::valkey_elsewhere("REDIS_URL", "valkey://10.1.2.3", true)]
    #[case::redis_encrypted("REDIS_URL", "rediss://cache:6379", false)]
    #[case::redis_by_socket("REDIS_URL", "redis+unix:///run/redis.sock", false)]
    #[case::another_variable("TWILIO_API_URL", "http://api.example.com", false)]
    fn what_leaves_the_machine_without_tls_is_exposed(
        #[case] variable: &str,
        #[case] text: &str,
        #[case] exposed: bool,
    ) {
        assert_eq!(is_exposed(variable, text), exposed);
    }
}
