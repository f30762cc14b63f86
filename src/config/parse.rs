//! Parsers of single values: from text to a typed value, or the reason why not.
//!
//! [`super::settings`] passes trimmed, non-empty text. A reason is a fixed text and never repeats the value, which may
//! be a secret.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ipnet::IpNet;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use url::Url;

use super::Dialect;
use super::postgres_url::{PostgresUrl, TargetSession};
use super::public_url::{PublicUrl, web_url};
use super::rate::Rate;
use super::secret::{Secret, SecretKey};

/// A value, or the reason why the text is invalid.
pub(super) type Parsed<T> = Result<T, String>;

/// Longer durations are rejected as mistakes: nothing here waits for more than a day.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
const SHORTEST_KEPT: Duration = Duration::from_secs(100 * 24 * 60 * 60);
const LONGEST_KEPT: Duration = Duration::from_secs(36_500 * 24 * 60 * 60);

/// After which time without activity a conversation may end.
pub const IDLE_AFTER: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(365 * 24 * 60 * 60);

/// Redis and Valkey, over TCP, TLS and Unix sockets.
const REDIS_SCHEMES: &[&str] = &["redis", "rediss", "valkey", "valkeys", "redis+unix", "valkey+unix", "unix"];

const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

pub(super) fn socket_address(text: &str) -> Parsed<SocketAddr> {
    text.parse().map_err(|_| "not an IP address and port".to_owned())
}

pub(super) fn public_url(text: &str) -> Parsed<PublicUrl> {
    text.parse().map_err(|error: super::PublicUrlError| error.to_string())
}

/// The base URL of an API that we call. Credentials have separate variables.
pub(super) fn api_url(text: &str) -> Parsed<String> {
    let url = web_url(text).ok_or("not an http or https URL with a host")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain a user name or password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query or fragment".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// The parameters of a PostgreSQL URL that name files, as libpq has them.
const POSTGRES_FILES: [&str; 3] = ["sslrootcert", "sslcert", "sslkey"];

/// A PostgreSQL URL, whose files are there.
fn with_files(text: &str) -> Parsed<PostgresUrl> {
    let url: PostgresUrl = text.parse()?;
    for host in url.hosts() {
        let host = Url::parse(host).map_err(|error| error.to_string())?;
        for (name, path) in host.query_pairs() {
            if POSTGRES_FILES.contains(&&*name) {
                file(&path).map_err(|why| format!("its {name}: {why}"))?;
            }
        }
    }
    Ok(url)
}

/// The primary's URL. Of several hosts, only one may be written to.
pub(super) fn postgres_url(text: &str) -> Parsed<Secret> {
    let url = with_files(text)?;
    match url.target() {
        TargetSession::ReadWrite | TargetSession::Primary => Ok(Secret::new(text)),
        TargetSession::Any if url.hosts().len() == 1 => Ok(Secret::new(text)),
        TargetSession::Any => Err("with several hosts, needs target_session_attrs=read-write".to_owned()),
        _ => Err("needs a session that may write: target_session_attrs=read-write".to_owned()),
    }
}

/// A replica's URL, or that of several.
pub(super) fn replica_url(text: &str) -> Parsed<Secret> {
    with_files(text)?;
    Ok(Secret::new(text))
}

/// A file that can be read and is not empty. It is read again where it is used.
pub(super) fn file(text: &str) -> Parsed<PathBuf> {
    match std::fs::read(text) {
        Ok(bytes) if bytes.is_empty() => Err("the file is empty".to_owned()),
        Ok(_) => Ok(text.into()),
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}

/// A file of certificates in PEM. The libraries would take a file without any for one that trusts nobody.
pub(super) fn certificates(text: &str) -> Parsed<PathBuf> {
    let path = file(text)?;
    let first = CertificateDer::pem_file_iter(&path).ok().and_then(|mut found| found.next());
    match first {
        Some(Ok(_)) => Ok(path),
        Some(Err(_)) | None => Err("has no certificate in PEM".to_owned()),
    }
}

/// The beginning of a subject: tokens separated by dots, without wildcards.
pub(super) fn subject_prefix(text: &str) -> Parsed<String> {
    let is_token =
        |token: &str| !token.is_empty() && !token.contains(['*', '>']) && !token.contains(char::is_whitespace);
    if text.split('.').all(is_token) {
        Ok(text.to_owned())
    } else {
        Err("not the beginning of a subject: tokens separated by dots, without wildcards".to_owned())
    }
}

pub(super) fn redis_url(text: &str) -> Parsed<Secret> {
    with_scheme(text, REDIS_SCHEMES).ok_or_else(|| "not a redis URL".to_owned())
}

/// Comma-separated servers, each `host`, `host:port`, `nats://…` or `tls://…`; returned without blanks.
pub(super) fn nats_servers(text: &str) -> Parsed<String> {
    let servers: Vec<&str> = text.split(',').map(str::trim).collect();
    if servers.iter().all(|server| is_nats_server(server)) {
        Ok(servers.join(","))
    } else {
        Err("not a list of nats:// or tls:// servers, separated by commas".to_owned())
    }
}

/// An account SID is part of the path of REST calls, so only harmless characters are allowed.
pub(super) fn account_sid(text: &str) -> Parsed<String> {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if text.starts_with("AC") && text.bytes().all(harmless) {
        Ok(text.to_owned())
    } else {
        Err("not an account SID: must be AC followed by letters and digits".to_owned())
    }
}

/// A token that is sent in an HTTP header.
pub(super) fn token(text: &str) -> Parsed<Secret> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(Secret::new(text))
    } else {
        Err("must consist of visible ASCII characters".to_owned())
    }
}

/// Comma-separated tokens; blank ones are skipped.
pub(super) fn tokens(text: &str) -> Parsed<Vec<Secret>> {
    text.split(',').map(str::trim).filter(|key| !key.is_empty()).map(token).collect()
}

/// Comma-separated IP addresses and networks in CIDR notation; blank ones are skipped.
pub(super) fn networks(text: &str) -> Parsed<Vec<IpNet>> {
    let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
    let network = |text: &str| text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    let networks: Option<_> = texts.map(network).collect();
    networks.ok_or_else(|| "not a list of IP addresses and networks (CIDR), separated by commas".to_owned())
}

pub(super) fn dialect(text: &str) -> Parsed<Dialect> {
    text.parse().map_err(|_| "must be v1 or dispatch-bot-ai".to_owned())
}

pub(super) fn duration(text: &str) -> Parsed<Duration> {
    within(text, Duration::ZERO..=LONGEST, "must not be longer than a day")
}

/// How long conversations are kept. Dead letters can be replayed for 90 days, and must find what was processed then.
pub(super) fn keep(text: &str) -> Parsed<Duration> {
    within(text, SHORTEST_KEPT..=LONGEST_KEPT, "must be from 100d to 36500d")
}

pub(super) fn idle_after(text: &str) -> Parsed<Duration> {
    within(text, IDLE_AFTER, "must be from 1s to 365d")
}

fn within(text: &str, bounds: RangeInclusive<Duration>, otherwise: &str) -> Parsed<Duration> {
    match humantime::parse_duration(text) {
        Ok(duration) if bounds.contains(&duration) => Ok(duration),
        Ok(_) => Err(otherwise.to_owned()),
        Err(_) => Err("not a duration: must be a number with a unit".to_owned()),
    }
}

pub(super) fn dial_timeout(text: &str) -> Parsed<Duration> {
    let timeout = duration(text)?;
    if timeout.subsec_nanos() == 0 && (5..=600).contains(&timeout.as_secs()) {
        Ok(timeout)
    } else {
        Err("must be whole seconds from 5s to 600s".to_owned())
    }
}

pub(super) fn replicas(text: &str) -> Parsed<u8> {
    whole_number(text, 1..=5)
}

pub(super) fn batch(text: &str) -> Parsed<usize> {
    whole_number(text, 1..=256)
}

fn whole_number<T: FromStr + PartialOrd + Display>(text: &str, range: RangeInclusive<T>) -> Parsed<T> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
}

pub(super) fn rate(text: &str) -> Parsed<Rate> {
    text.parse().map_err(|error: super::RateError| error.to_string())
}

/// At least 16: a proxy and a few event streams would use up fewer.
pub(super) fn connections(text: &str) -> Parsed<usize> {
    text.parse().ok().filter(|count| *count >= 16).ok_or_else(|| "must be a whole number, at least 16".to_owned())
}

/// The most businesses that may have metrics of their own: each has about ten time series in every process.
const MAX_BUSINESSES: usize = 1_000;

pub(super) fn businesses(text: &str) -> Parsed<usize> {
    let count = text.parse().ok().filter(|count| *count <= MAX_BUSINESSES);
    count.ok_or_else(|| format!("must be a whole number, at most {MAX_BUSINESSES}"))
}

/// A size as in nats-server's own configuration: `512MB`, `20GB`.
pub(super) fn bytes(text: &str) -> Parsed<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let doublings = match unit.trim_end_matches('B') {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err("must be a whole number with KB, MB, GB or TB".to_owned()),
    };
    let size = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << doublings));
    size.filter(|size| *size > 0).ok_or_else(|| "must be a whole number above zero with KB, MB, GB or TB".to_owned())
}

/// Accepts words and TOML's booleans.
pub(super) fn on_or_off(text: &str) -> Parsed<bool> {
    match text {
        "on" | "true" | "1" => Ok(true),
        "off" | "false" | "0" => Ok(false),
        _ => Err("must be on or off".to_owned()),
    }
}

pub(super) fn count(text: &str) -> Parsed<u64> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "must be a whole number above zero".to_owned())
}

/// The largest limit of a day.
const DAY_LIMIT: u32 = 1_000_000;

pub(super) fn day_limit(text: &str) -> Parsed<u32> {
    whole_number(text, 0..=DAY_LIMIT)
}

/// 32 bytes in base64, standard or URL-safe, padded or not.
pub(super) fn token_key(text: &str) -> Parsed<SecretKey> {
    let alphabet = if text.contains(['-', '_']) { alphabet::URL_SAFE } else { alphabet::STANDARD };
    GeneralPurpose::new(&alphabet, ANY_PADDING)
        .decode(text)
        .ok()
        .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
        .map(SecretKey::new)
        .ok_or_else(|| "must be 32 bytes in base64".to_owned())
}

fn with_scheme(text: &str, schemes: &[&str]) -> Option<Secret> {
    let url = Url::parse(text).ok()?;
    schemes.contains(&url.scheme()).then(|| Secret::new(text))
}

fn is_nats_server(text: &str) -> bool {
    nats_url(text)
        .is_ok_and(|url| matches!(url.scheme(), "nats" | "tls") && url.host_str().is_some_and(|host| !host.is_empty()))
}

/// The URL of a NATS server, which may be written without its scheme.
pub(super) fn nats_url(text: &str) -> Result<Url, url::ParseError> {
    match text.split_once("://") {
        Some(_) => Url::parse(text),
        None => Url::parse(&format!("nats://{text}")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::one("nats://localhost:4222", "nats://localhost:4222")]
    #[case::several("nats://a:1, tls://b:2", "nats://a:1,tls://b:2")]
    #[case::bare_host("nats-1", "nats-1")]
    #[case::with_credentials("nats://u:p@a", "nats://u:p@a")]
    fn nats_servers_are_separated_by_commas(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(nats_servers(text).unwrap(), expected);
    }

    #[rstest]
    #[case::http("http://localhost:4222")]
    #[case::empty_member("nats://a,,nats://b")]
    #[case::no_host("nats://")]
    fn what_is_no_nats_server_is_refused(#[case] text: &str) {
        assert!(nats_servers(text).is_err());
    }

    #[rstest]
    #[case::one_host("postgres://a/db", true)]
    #[case::several_hosts_one_of_which_is_written_to("postgres://a,b/db?target_session_attrs=read-write", true)]
    #[case::several_hosts("postgres://a,b/db", false)]
    #[case::a_replica("postgres://a/db?target_session_attrs=standby", false)]
    fn the_primary_is_the_only_host_or_the_one_that_accepts_writes(#[case] text: &str, #[case] good: bool) {
        assert_eq!(postgres_url(text).is_ok(), good);
    }

    #[rstest]
    #[case::over_tcp("redis://:p@localhost:6379/0", true)]
    #[case::over_tls("rediss://localhost", true)]
    #[case::over_a_socket("redis+unix:///run/redis.sock", true)]
    #[case::other_scheme("http://localhost", false)]
    #[case::no_scheme("localhost", false)]
    fn a_redis_url_is_known_by_its_scheme(#[case] text: &str, #[case] good: bool) {
        assert_eq!(redis_url(text).is_ok(), good);
    }

    #[rstest]
    #[case::shortest("5s", true)]
    #[case::longest("10m", true)]
    #[case::too_short("4s", false)]
    #[case::too_long("601s", false)]
    #[case::not_whole("5500ms", false)]
    #[case::without_unit("20", false)]
    fn a_dial_timeout_is_whole_seconds_within_bounds(#[case] text: &str, #[case] good: bool) {
        assert_eq!(dial_timeout(text).is_ok(), good);
    }

    #[rstest]
    #[case::standard("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", true)]
    #[case::unpadded("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", true)]
    #[case::url_safe("__________________________________________8", true)]
    #[case::too_short("AAAA", false)]
    #[case::not_base64("!", false)]
    fn a_token_key_is_32_bytes_in_base64(#[case] text: &str, #[case] good: bool) {
        assert_eq!(token_key(text).is_ok(), good);
    }

    #[rstest]
    #[case::trailing_slash("https://api.twilio.com/", Some("https://api.twilio.com"))]
    #[case::path("http://127.0.0.1:9/x", Some("http://127.0.0.1:9/x"))]
    #[case::credentials("https://key:hush@api.example.com", None)]
    #[case::query("https://api.example.com?a", None)]
    #[case::not_a_url("api.example.com", None)]
    fn an_api_url_is_a_plain_base(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(api_url(text).ok().as_deref(), expected);
    }

    #[test]
    fn blank_api_keys_are_skipped() {
        assert_eq!(tokens("a, b,,").unwrap(), [Secret::new("a"), Secret::new("b")]);
    }

    #[test]
    fn a_duration_beyond_a_day_is_taken_for_a_mistake() {
        assert!(duration("24h").is_ok());
        assert!(duration("25h").is_err());
    }
}
