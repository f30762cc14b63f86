//! Tests of the whole configuration.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use rstest::rstest;

use super::variables::WindowConfig;
use super::*;

const COMPLETE: &[(&str, &str)] = &[
    ("NMC_PUBLIC_URL", "https://calls.example.com/twilio/"),
    ("DATABASE_URL", "postgres://nmc:hush@db/nmc?sslmode=require"),
    ("NATS_URL", "tls://a:4222, tls://b:4222"),
    ("REDIS_URL", "rediss://cache:6379"),
    ("TWILIO_ACCOUNT_SID", "AC00000000000000000000000000000000"),
    ("TWILIO_AUTH_TOKEN", "hush"),
    ("DISPATCHBOT_URL", "https://ai.example.com/"),
    ("DISPATCHBOT_API_KEY", "hush"),
];

fn config(changes: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let pairs = COMPLETE.iter().chain(changes);
    let env = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_settings(&Settings::read(None, env)?)
}

fn names(error: &ConfigError) -> Vec<&str> {
    error.problems().iter().map(|problem| problem.name.as_str()).collect()
}

#[test]
fn what_is_not_required_has_the_documented_default() {
    let config = config(&[]).unwrap();
    assert_eq!(config.bind.to_string(), "0.0.0.0:3701");
    assert_eq!((config.max_connections, config.docs, config.console), (None, true, true));
    assert_eq!((config.ops_bind, config.public_metrics, config.business_metrics), (None, true, 0));
    assert_eq!(config.nats_storage, 20 << 30);
    let of_the_server = include_str!("../../nats.conf");
    assert!(of_the_server.contains("max_file_store: 20GB"), "the default is what nats.conf allows");
    assert_eq!(config.public_url.as_str(), "https://calls.example.com/twilio");
    assert_eq!(config.nats.servers, "tls://a:4222,tls://b:4222");
    assert_eq!(config.nats_replicas, 1);
    assert_eq!(config.twilio.api_url, "https://api.twilio.com");
    assert_eq!(config.twilio.messaging_url, "https://messaging.twilio.com");
    assert_eq!(config.twilio.conversations_url, "https://conversations.twilio.com");
    assert_eq!(config.twilio.media_url, "https://mcs.us1.twilio.com");
    assert_eq!(config.twilio.auth_token_next, None);
    assert_eq!(config.dispatchbot.url, "https://ai.example.com");
    assert_eq!((config.dispatchbot.dialect, config.dispatchbot.allows_private), (Dialect::V1, false));
    assert_eq!((config.bootstrap.api_keys, config.bootstrap.demo), (Vec::new(), false));
    let seconds = Duration::from_secs;
    assert_eq!(config.window, WindowConfig { hold: seconds(60), quiet: seconds(2), max: seconds(90) });
    assert_eq!(config.dial_timeout, seconds(20));
    assert_eq!(config.send_rate.to_string(), "1/s");
    assert_eq!(config.ai_max.to_string(), "30/h");
    assert_eq!(config.rate_limit.to_string(), "1000/min");
    assert_eq!(config.reconcile_after, seconds(30));
    assert_eq!(config.alert_every, seconds(60));
    assert_eq!(config.idle_after, seconds(72 * 3_600));
    assert_eq!(config.token_key, None);
}

#[test]
fn another_machine_is_reached_in_the_clear_only_if_that_is_allowed() {
    let exposed =
        [("DATABASE_URL", "postgres://nmc:hush@db/nmc"), ("NATS_URL", "nats://a:4222"), ("REDIS_URL", "redis://cache")];
    let error = config(&exposed).unwrap_err();
    assert_eq!(names(&error), ["DATABASE_URL", "NATS_URL", "REDIS_URL"]);
    assert!(error.to_string().contains("NMC_ALLOW_CLEARTEXT=1"), "{error}");
    let allowed = [&exposed[..], &[("NMC_ALLOW_CLEARTEXT", "1")]].concat();
    assert!(config(&allowed).is_ok());
}

/// A file that is deleted when the test ends.
fn file_with(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

/// Every secret of a configuration.
fn secrets_of(pairs: &[(&str, &str)]) -> String {
    let env = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let config = Config::from_settings(&Settings::read(None, env).unwrap()).unwrap();
    let (twilio, keys) = (config.twilio, config.bootstrap.api_keys);
    let next = twilio.auth_token_next.into_iter();
    let secrets: Vec<Secret> =
        [config.database_url, config.redis.redis_url, twilio.auth_token, config.dispatchbot.api_key]
            .into_iter()
            .chain(config.database_read_url)
            .chain(next)
            .chain(keys)
            .collect();
    let secrets: Vec<&str> = secrets.iter().map(Secret::expose).collect();
    let keys = [config.token_key, config.token_key_other].map(|key| key.map(|key| *key.expose()));
    format!("{secrets:?} {} {keys:?}", config.nats.servers)
}

#[test]
fn each_secret_may_come_from_a_file() {
    for secret in super::variables::SECRETS {
        let value = match secret {
            "DATABASE_READ_URL" => "postgres://nmc:hush@localhost/replica",
            "NMC_TOKEN_KEY" | "NMC_TOKEN_KEY_OTHER" => "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "NMC_API_KEYS" => "an-other-key-of-the-app-server-ok",
            _ => COMPLETE.iter().find(|(name, _)| *name == secret).map_or("another-token", |(_, value)| value),
        };
        let file = file_with(&format!("{value}\n"));
        let (variable, path) = (format!("{secret}_FILE"), file.path().to_str().unwrap());
        let others: Vec<_> = COMPLETE.iter().copied().filter(|(name, _)| *name != secret).collect();
        let by_file = secrets_of(&[&others[..], &[(variable.as_str(), path)]].concat());
        assert_eq!(by_file, secrets_of(&[&others[..], &[(secret, value)]].concat()), "{secret}");
        assert!(by_file.contains(value.split(',').next().unwrap()) || secret.starts_with("NMC_TOKEN_KEY"), "{secret}");
    }
}

#[test]
fn a_secret_is_given_once_in_a_file_that_can_be_read_and_all_problems_are_reported_together() {
    let empty = file_with("\n");
    let error = config(&[
        ("TWILIO_AUTH_TOKEN_FILE", empty.path().to_str().unwrap()),
        ("NMC_API_KEYS_FILE", empty.path().to_str().unwrap()),
        ("NMC_TOKEN_KEY_FILE", "/nonexistent/key"),
        ("NMC_BIND", "nowhere"),
    ])
    .unwrap_err();
    assert_eq!(names(&error), ["NMC_BIND", "TWILIO_AUTH_TOKEN", "NMC_API_KEYS_FILE", "NMC_TOKEN_KEY_FILE"]);
    let shown = error.to_string();
    assert!(shown.contains("TWILIO_AUTH_TOKEN: TWILIO_AUTH_TOKEN_FILE is set, too"), "{shown}");
    assert!(shown.contains("NMC_API_KEYS_FILE: the file is empty"), "{shown}");
    assert!(shown.contains("NMC_TOKEN_KEY_FILE: cannot be read: No such file"), "{shown}");
}

#[test]
fn a_secret_that_only_the_environment_has_may_come_from_a_file() {
    let (file, empty) = (file_with("https://key@sentry.example.com/42\n"), file_with("\n"));
    let (path, empty) = (file.path().to_str().unwrap(), empty.path().to_str().unwrap());
    let read = |pairs: &[(&str, &str)]| {
        let env = |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        super::secret_in_env("SENTRY_DSN", env).map(|secret| secret.map(|secret| secret.expose().to_owned()))
    };
    assert_eq!(read(&[]).unwrap(), None);
    assert_eq!(read(&[("SENTRY_DSN", " "), ("SENTRY_DSN_FILE", "")]).unwrap(), None);
    assert_eq!(read(&[("SENTRY_DSN", " a\n")]).unwrap().as_deref(), Some("a"));
    let of_file = Some("https://key@sentry.example.com/42");
    assert_eq!(read(&[("SENTRY_DSN_FILE", path)]).unwrap().as_deref(), of_file);
    assert_eq!(read(&[("SENTRY_DSN", " "), ("SENTRY_DSN_FILE", path)]).unwrap().as_deref(), of_file);
    for (pairs, reason) in [
        (&[("SENTRY_DSN", "hush"), ("SENTRY_DSN_FILE", path)][..], "SENTRY_DSN: SENTRY_DSN_FILE is set, too"),
        (&[("SENTRY_DSN_FILE", empty)], "SENTRY_DSN_FILE: the file is empty"),
        (&[("SENTRY_DSN_FILE", "/nonexistent/dsn")], "SENTRY_DSN_FILE: cannot be read: No such file"),
    ] {
        let error = read(pairs).unwrap_err().to_string();
        assert!(error.contains(reason) && !error.contains("hush"), "{error}");
    }
}

#[test]
fn a_toml_file_may_name_the_file_of_a_secret_but_of_nothing_else() {
    let secret = file_with("a-token\n");
    let toml = file_with(&format!("TWILIO_AUTH_TOKEN_FILE = {:?}\n", secret.path().to_str().unwrap()));
    let settings = Settings::read(Some(toml.path()), []).unwrap();
    assert_eq!(settings.auth_token().unwrap().expose(), "a-token");
    let toml = file_with("NMC_BIND_FILE = \"x\"\n");
    assert_eq!(names(&Settings::read(Some(toml.path()), []).unwrap_err()), ["NMC_BIND_FILE"]);
}

#[test]
fn files_of_certificates_and_credentials_are_checked_at_start() {
    let text = file_with("no certificate\n");
    let path = text.path().to_str().unwrap();
    let database = format!("postgres://nmc@db/nmc?sslmode=verify-full&sslrootcert={path}.gone");
    let error = config(&[
        ("DATABASE_URL", &database),
        ("NATS_CA_FILE", path),
        ("NATS_CREDS_FILE", "/nonexistent.creds"),
        ("NATS_INBOX_PREFIX", "_INBOX.>"),
        ("REDIS_CA_FILE", path),
    ])
    .unwrap_err();
    let expected = ["DATABASE_URL", "NATS_CREDS_FILE", "NATS_CA_FILE", "NATS_INBOX_PREFIX", "REDIS_CA_FILE"];
    assert_eq!(names(&error), expected, "{error}");
    assert!(error.to_string().contains("its sslrootcert: cannot be read: No such file"), "{error}");
    let error = config(&[("NATS_CREDS_FILE", path), ("NATS_NKEY_FILE", path), ("NATS_KEY_FILE", path)]).unwrap_err();
    assert_eq!(names(&error), ["NATS_NKEY_FILE", "NATS_CERT_FILE"], "{error}");
}

#[test]
fn every_missing_variable_is_reported_at_once() {
    let error = Config::from_settings(&Settings::default()).unwrap_err();
    let expected: Vec<_> = COMPLETE.iter().map(|(name, _)| *name).collect();
    assert_eq!(names(&error), expected);
    assert_eq!(error.to_string().lines().count(), expected.len());
}

#[rstest]
#[case::bind("NMC_BIND", "localhost")]
#[case::ops_bind("NMC_OPS_BIND", "9464")]
#[case::public_metrics("NMC_PUBLIC_METRICS", "no")]
#[case::nats_storage("NMC_NATS_STORAGE", "20 GB")]
#[case::no_nats_storage("NMC_NATS_STORAGE", "0GB")]
#[case::business_metrics("NMC_BUSINESS_METRICS", "1001")]
#[case::max_connections("NMC_MAX_CONNECTIONS", "15")]
#[case::docs("NMC_DOCS", "yes")]
#[case::console("NMC_CONSOLE", "yes")]
#[case::idle_after("NMC_IDLE_AFTER", "400d")]
#[case::allow_cleartext("NMC_ALLOW_CLEARTEXT", "perhaps")]
#[case::public_url("NMC_PUBLIC_URL", "calls.example.com")]
#[case::database("DATABASE_URL", "mysql://db")]
#[case::nats("NATS_URL", "http://nats")]
#[case::nats_replicas("NMC_NATS_REPLICAS", "none")]
#[case::redis("REDIS_URL", "localhost")]
#[case::account("TWILIO_ACCOUNT_SID", "../AC1")]
#[case::auth_token("TWILIO_AUTH_TOKEN", "a b")]
#[case::next_auth_token("TWILIO_AUTH_TOKEN_NEXT", "a b")]
#[case::twilio_url("TWILIO_API_URL", "api.twilio.com")]
#[case::dispatchbot_url("DISPATCHBOT_URL", "ai")]
#[case::dispatchbot_key("DISPATCHBOT_API_KEY", "a b")]
#[case::dialect("DISPATCHBOT_DIALECT", "v2")]
#[case::api_keys("NMC_API_KEYS", "0123456789abcdef0123456789abcdef,b d")]
#[case::short_api_key("NMC_API_KEYS", "0123456789abcdef0123456789abcdef,0123456789abcdef0123456789abcde")]
#[case::demo("NMC_DEMO", "perhaps")]
#[case::trusted_proxies("NMC_TRUSTED_PROXIES", "10.0.0.1,proxy.example.com")]
#[case::trusted_network("NMC_TRUSTED_PROXIES", "10.0.0.0/33")]
#[case::hold("NMC_WINDOW_HOLD", "60")]
#[case::hold_longer_than_max("NMC_WINDOW_HOLD", "91s")]
#[case::quiet("NMC_WINDOW_QUIET", "soon")]
#[case::quiet_longer_than_max("NMC_WINDOW_QUIET", "2m")]
#[case::max("NMC_WINDOW_MAX", "-1s")]
#[case::dial_timeout("NMC_DIAL_TIMEOUT", "1s")]
#[case::send_rate("NMC_SEND_RATE", "1")]
#[case::ai_max("NMC_AI_MAX", "0/h")]
#[case::rate_limit("NMC_RATE_LIMIT", "many")]
#[case::reconcile_after("NMC_RECONCILE_AFTER", "later")]
#[case::token_key("NMC_TOKEN_KEY", "c2hvcnQ=")]
fn a_bad_value_is_reported_by_name_and_never_shown(#[case] name: &str, #[case] value: &str) {
    let error = config(&[(name, value)]).unwrap_err();
    assert_eq!(names(&error), [name]);
    let reason = &error.problems()[0].reason;
    assert!(value.len() < 4 || !reason.contains(value), "{reason}");
    assert!(error.problems()[0].example.is_some());
}

#[test]
fn bad_values_of_different_parts_are_reported_together() {
    let error = config(&[("NMC_BIND", "x"), ("TWILIO_API_URL", "x"), ("NMC_SEND_RATE", "x")]).unwrap_err();
    assert_eq!(names(&error), ["NMC_BIND", "TWILIO_API_URL", "NMC_SEND_RATE"]);
}

#[test]
fn optional_values_are_taken_when_given() {
    let config = config(&[
        ("TWILIO_AUTH_TOKEN_NEXT", "next"),
        ("NMC_API_KEYS", "0123456789abcdef0123456789abcdef, fedcba9876543210fedcba9876543210"),
        ("NMC_TRUSTED_PROXIES", "10.0.0.0/24, 192.0.2.7,2001:db8::/32"),
        ("NMC_TOKEN_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("NMC_WINDOW_HOLD", "0s"),
    ])
    .unwrap();
    assert_eq!(config.twilio.auth_token_next, Some(Secret::new("next")));
    assert_eq!(config.bootstrap.api_keys.len(), 2);
    let trusted: Vec<_> = config.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(trusted, ["10.0.0.0/24", "192.0.2.7/32", "2001:db8::/32"]);
    assert_eq!(config.token_key, Some(SecretKey::new([0; 32])));
    assert_eq!(config.window.hold, Duration::ZERO);
}

#[rstest]
#[case::loopback("127.0.0.1:3701", true)]
#[case::loopback_of_ipv6("[::1]:3701", true)]
#[case::private("192.168.1.7:3701", true)]
#[case::link_local("169.254.1.1:3701", true)]
#[case::unique_local("[fd00::1]:3701", true)]
#[case::public("203.0.113.9:3701", false)]
#[case::public_of_ipv6("[2001:db8::1]:3701", false)]
#[case::mapped("[::ffff:203.0.113.9]:3701", false)]
#[case::all_addresses("0.0.0.0:3701", false)]
#[case::all_addresses_of_ipv6("[::]:3701", false)]
fn a_demo_has_short_keys_and_listens_where_no_stranger_comes(#[case] bind: &str, #[case] accepted: bool) {
    let settings = [("NMC_API_KEYS", "short"), ("NMC_DEMO", "1"), ("NMC_BIND", bind)];
    match config(&settings) {
        Ok(config) => assert!(accepted && config.bootstrap.demo),
        Err(error) => assert!(!accepted && names(&error) == ["NMC_BIND"], "{error}"),
    }
    let error = config(&[("NMC_API_KEYS", "short"), ("NMC_BIND", bind)]).unwrap_err();
    assert_eq!(names(&error), ["NMC_API_KEYS"], "outside of a demo it does not matter where");
}

#[test]
fn debug_output_shows_no_secret() {
    let config = config(&[("NATS_URL", "tls://user:hush@a")]).unwrap();
    let shown = format!("{config:?} {:?} {:?}", config.twilio, config.dispatchbot);
    assert!(!shown.contains("hush"), "{shown}");
}
