//! The configuration, one row for each variable: its field and type, its name, its default or an example of a valid
//! value, and its parser.
//!
//! A row is `required`, `optional` (its type's default value if it is not set), `default` (the text that is parsed if it
//! is not set, which is also the example), or a `group` of further rows.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::parse::{self, Parsed};
use super::reader::Reader;
use super::{Dialect, PublicUrl, Rate, Secret, SecretKey};

/// What happens if a variable is not set.
pub(super) enum Absent<T> {
    /// Start-up fails.
    Missing,
    /// This text is used instead.
    Default(&'static str),
    /// This value is used instead.
    Off(fn() -> T),
}

/// One configuration variable.
pub(super) struct Variable<T> {
    pub(super) name: &'static str,
    pub(super) absent: Absent<T>,
    pub(super) example: &'static str,
    pub(super) parse: fn(&str) -> Parsed<T>,
}

/// Declares the structs of the configuration, a function for each variable, and [`is_known`].
macro_rules! configuration {
    ($($(#[$meta:meta])* pub struct $group:ident { $($(#[$doc:meta])* $field:ident: $type:ty = $row:tt,)+ })+) => {
        $(
            $(#[$meta])*
            pub struct $group {
                $($(#[$doc])* pub $field: $type,)+
            }

            impl $group {
                /// Reads all variables before it returns, so that every problem is found.
                pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
                    $(let $field = configuration!(@read reader, $field, $row);)+
                    Some(Self { $($field: $field?,)+ })
                }
            }

            $(configuration!(@variable $(#[$doc])* $field, $type, $row);)+
        )+

        /// Whether a variable of this name exists.
        pub(super) fn is_known(name: &str) -> bool {
            [$($(configuration!(@name $row),)+)+].contains(&Some(name))
        }
    };
    (@read $reader:ident, $field:ident, [group $read:expr]) => { $read($reader) };
    (@read $reader:ident, $field:ident, $row:tt) => { $reader.take(&$field()) };
    (@name [group $read:expr]) => { None };
    (@name [$kind:ident $name:literal, $($rest:tt)+]) => { Some($name) };
    (@variable $(#[$doc:meta])* $field:ident, $type:ty, [group $read:expr]) => {};
    (@variable $(#[$doc:meta])* $field:ident, $type:ty, [required $name:literal, $example:literal, $parse:expr]) => {
        $(#[$doc])*
        pub(super) const fn $field() -> Variable<$type> {
            Variable { name: $name, absent: Absent::Missing, example: $example, parse: $parse }
        }
    };
    (@variable $(#[$doc:meta])* $field:ident, $type:ty, [default $name:literal, $text:literal, $parse:expr]) => {
        $(#[$doc])*
        pub(super) const fn $field() -> Variable<$type> {
            Variable { name: $name, absent: Absent::Default($text), example: $text, parse: $parse }
        }
    };
    (@variable $(#[$doc:meta])* $field:ident, $type:ty, [optional $name:literal, $example:literal, $parse:expr]) => {
        $(#[$doc])*
        pub(super) const fn $field() -> Variable<$type> {
            let parse: fn(&str) -> Parsed<$type> = |text| $parse(text).map(Into::into);
            Variable { name: $name, absent: Absent::Off(Default::default), example: $example, parse }
        }
    };
}

configuration! {
    /// The whole configuration, complete and checked.
    #[derive(Clone)]
    pub struct Config {
        /// Address of the HTTP edge.
        bind: SocketAddr = [default "NMC_BIND", "0.0.0.0:3701", parse::socket_address],
        /// Address of the port for health and metrics; `None`: there is none of its own.
        ops_bind: Option<SocketAddr> = [optional "NMC_OPS_BIND", "127.0.0.1:9464", parse::socket_address],
        /// Whether the edge's own port shows `/metrics`.
        public_metrics: bool = [default "NMC_PUBLIC_METRICS", "on", parse::on_or_off],
        /// How many businesses have metrics of their own.
        business_metrics: usize = [default "NMC_BUSINESS_METRICS", "0", parse::businesses],
        /// How many connections the edge holds at once; `None`: as many as descriptors allow, at most 1,500.
        max_connections: Option<usize> = [optional "NMC_MAX_CONNECTIONS", "2000", parse::connections],
        /// Whether `/docs` is shown.
        docs: bool = [default "NMC_DOCS", "on", parse::on_or_off],
        /// Whether `/console/` is shown.
        console: bool = [default "NMC_CONSOLE", "on", parse::on_or_off],
        /// Base URL under which Twilio reaches the edge.
        public_url: PublicUrl = [required "NMC_PUBLIC_URL", "https://calls.example.com/twilio", parse::public_url],
        /// Proxies whose `X-Forwarded-For` is believed.
        trusted_proxies: Vec<IpNet> = [optional "NMC_TRUSTED_PROXIES", "10.0.0.0/24,192.0.2.7", parse::networks],
        /// PostgreSQL, with its password: one host, or several of which one accepts writes.
        database_url: Secret = [required "DATABASE_URL", "postgres://nmc:password@localhost/nmc", parse::postgres_url],
        /// A replica for REST's reads, with its password; `None`: the primary answers them.
        database_read_url: Option<Secret> =
            [optional "DATABASE_READ_URL", "postgres://nmc:password@replica/nmc?sslmode=verify-full", parse::replica_url],
        /// NATS.
        nats: NatsConfig = [group checked_nats],
        /// How many nodes of the cluster each stream is kept on.
        nats_replicas: u8 = [default "NMC_NATS_REPLICAS", "1", parse::replicas],
        /// How many bytes JetStream may store, if its account has no limit.
        nats_storage: u64 = [default "NMC_NATS_STORAGE", "20GB", parse::bytes],
        /// Redis.
        redis: RedisConfig = [group checked_redis],
        /// Whether connections to other machines may do without TLS.
        allow_cleartext: bool = [default "NMC_ALLOW_CLEARTEXT", "off", parse::on_or_off],
        /// The main Twilio account.
        twilio: TwilioConfig = [group TwilioConfig::read],
        /// The connection to DispatchBot.
        dispatchbot: DispatchBotConfig = [group DispatchBotConfig::read],
        /// Bootstrap keys of the App Server, and whether this is a demo.
        bootstrap: BootstrapConfig = [group checked_bootstrap],
        /// When a window of customer messages closes.
        window: WindowConfig = [group checked_window],
        /// How long a call rings at the business before it counts as missed; whole seconds.
        dial_timeout: Duration = [default "NMC_DIAL_TIMEOUT", "20s", parse::dial_timeout],
        /// How long the result of the dialling may take before Twilio is asked how the call ended.
        call_result_wait: Duration = [default "NMC_CALL_RESULT_WAIT", "15s", parse::duration],
        /// The most inputs that a worker commits in one transaction.
        batch: usize = [default "NMC_BATCH", "64", parse::batch],
        /// SMS segments per sender number.
        send_rate: Rate = [default "NMC_SEND_RATE", "1/s", parse::rate],
        /// The most AI replies per conversation.
        ai_max: Rate = [default "NMC_AI_MAX", "30/h", parse::rate],
        /// Accepted REST requests per API key.
        rate_limit: Rate = [default "NMC_RATE_LIMIT", "1000/min", parse::rate],
        /// How long each person alerted about an emergency has to take over before the next one is alerted.
        alert_every: Duration = [default "NMC_ALERT_EVERY", "60s", parse::duration],
        /// How long alerts to a phone are collected for one text, once it got three in ten minutes.
        alert_bundle: Duration = [default "NMC_ALERT_BUNDLE", "30s", parse::duration],
        /// Cooldown: at most one missed-call text per caller and business in this time.
        missed_call_cooldown: Duration = [default "NMC_MISSED_CALL_COOLDOWN", "30m", parse::duration],
        /// A text within this time after the end reopens the conversation.
        reopen_within: Duration = [default "NMC_REOPEN_WITHIN", "24h", parse::duration],
        /// A conversation without activity for this time ends.
        idle_after: Duration = [default "NMC_IDLE_AFTER", "72h", parse::idle_after],
        /// What a business may use in a day.
        day: DayLimitsConfig = [group DayLimitsConfig::read],
        /// How long after an attempt with unknown outcome the message list may prove that nothing was sent.
        reconcile_after: Duration = [default "NMC_RECONCILE_AFTER", "30s", parse::duration],
        /// Conversations without activity for this time are deleted.
        keep: Duration = [default "NMC_KEEP", "730d", parse::keep],
        /// A message that fails this many times becomes a dead letter.
        max_deliveries: u64 = [default "NMC_MAX_DELIVERIES", "1000", parse::count],
        /// Rate at which queued dead letters are replayed, across all processes.
        replay_rate: Rate = [default "NMC_REPLAY_RATE", "10/s", parse::rate],
        /// How many webhooks may wait to be processed before further ones are answered 503.
        max_backlog: u64 = [default "NMC_MAX_BACKLOG", "100000", parse::count],
        /// Whether to ask Twilio if the numbers of businesses are in their accounts.
        verify_numbers: bool = [default "NMC_VERIFY_NUMBERS", "on", parse::on_or_off],
        /// Encrypts the stored auth tokens of businesses; without it none can be stored.
        token_key: Option<SecretKey> =
            [optional "NMC_TOKEN_KEY", "the output of `openssl rand -base64 32`", parse::token_key],
        /// Also opens stored auth tokens, while the key is rotated; encrypts none.
        token_key_other: Option<SecretKey> =
            [optional "NMC_TOKEN_KEY_OTHER", "the other key, during a rotation of NMC_TOKEN_KEY", parse::token_key],
    }

    /// NATS: its servers, how they are verified, and who we are to them.
    #[derive(Clone)]
    pub struct NatsConfig {
        /// One or more servers, separated by commas; may contain credentials, so never logged.
        servers: String = [required "NATS_URL", "nats://localhost:4222", parse::nats_servers],
        /// A file of credentials (a JWT and its nkey).
        creds_file: Option<PathBuf> = [optional "NATS_CREDS_FILE", "/etc/nevermisscall/worker.creds", parse::file],
        /// A file with the seed of an nkey.
        nkey_file: Option<PathBuf> = [optional "NATS_NKEY_FILE", "/etc/nevermisscall/worker.nk", parse::file],
        /// The authorities that servers' certificates are verified with; otherwise those of the system.
        ca_file: Option<PathBuf> = [optional "NATS_CA_FILE", "/etc/nevermisscall/ca.pem", parse::certificates],
        /// Our own certificate …
        cert_file: Option<PathBuf> = [optional "NATS_CERT_FILE", "/etc/nevermisscall/nats.pem", parse::certificates],
        /// … and its key.
        key_file: Option<PathBuf> = [optional "NATS_KEY_FILE", "/etc/nevermisscall/nats.key", parse::file],
        /// The beginning of the subjects on which replies arrive.
        inbox_prefix: String = [default "NATS_INBOX_PREFIX", "_INBOX", parse::subject_prefix],
    }

    /// Redis: its address with user and password, and how it is verified.
    #[derive(Clone)]
    pub struct RedisConfig {
        /// Its URL.
        redis_url: Secret = [required "REDIS_URL", "redis://localhost:6379", parse::redis_url],
        /// The authorities that its certificate is verified with; otherwise those of the system.
        root_cert_file: Option<PathBuf> = [optional "REDIS_CA_FILE", "/etc/nevermisscall/ca.pem", parse::certificates],
        /// Our own certificate …
        client_cert_file: Option<PathBuf> =
            [optional "REDIS_CERT_FILE", "/etc/nevermisscall/redis.pem", parse::certificates],
        /// … and its key.
        client_key_file: Option<PathBuf> = [optional "REDIS_KEY_FILE", "/etc/nevermisscall/redis.key", parse::file],
    }

    /// The main Twilio account.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct TwilioConfig {
        /// `AC…`.
        account_sid: String = [required "TWILIO_ACCOUNT_SID", "AC followed by 32 hex digits", parse::account_sid],
        /// Signs webhooks and authenticates REST calls.
        auth_token: Secret =
            [required "TWILIO_AUTH_TOKEN", "the 32 hex digits that the Twilio console shows", parse::token],
        /// Also accepted while the token is rotated.
        auth_token_next: Option<Secret> =
            [optional "TWILIO_AUTH_TOKEN_NEXT", "the secondary token of the Twilio console, during a rotation", parse::token],
        /// Base URL of the REST API, without trailing slash.
        api_url: String = [default "TWILIO_API_URL", "https://api.twilio.com", parse::api_url],
        /// Base URL of the API about Messaging Services, without trailing slash; only commands ask it.
        messaging_url: String = [default "TWILIO_MESSAGING_URL", "https://messaging.twilio.com", parse::api_url],
        /// Base URL of Conversations, without trailing slash.
        conversations_url: String =
            [default "TWILIO_CONVERSATIONS_URL", "https://conversations.twilio.com", parse::api_url],
        /// Base URL of the attachments of Conversations, without trailing slash.
        media_url: String = [default "TWILIO_MEDIA_URL", "https://mcs.us1.twilio.com", parse::api_url],
    }

    /// The connection to DispatchBot.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct DispatchBotConfig {
        /// Its base URL, without trailing slash.
        url: String = [required "DISPATCHBOT_URL", "https://dispatchbot.example.com", parse::api_url],
        /// The key that authenticates us.
        api_key: Secret = [required "DISPATCHBOT_API_KEY", "the key that DispatchBot issued", parse::token],
        /// The format of requests and answers.
        dialect: Dialect = [default "DISPATCHBOT_DIALECT", "v1", parse::dialect],
        /// Whether a business's own DispatchBot may be at a private address, and without TLS.
        allows_private: bool = [default "NMC_ALLOW_PRIVATE_DISPATCHBOT", "off", parse::on_or_off],
    }

    /// Keys of the App Server that the configuration contains.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct BootstrapConfig {
        /// The keys.
        api_keys: Vec<Secret> = [optional "NMC_API_KEYS", "the output of `openssl rand -hex 32`", parse::tokens],
        /// Whether this is a demo, whose keys may be short because only this machine or a private network reaches it.
        demo: bool = [default "NMC_DEMO", "off", parse::on_or_off],
    }

    /// What a business may use in a day, unless its `policy` says otherwise. 0 is nothing.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct DayLimitsConfig {
        /// Texts that the service writes to customers.
        texts: u32 = [default "NMC_DAY_TEXTS", "20000", parse::day_limit],
        /// Numbers that it texts for the first time.
        new_numbers: u32 = [default "NMC_DAY_NEW_NUMBERS", "20000", parse::day_limit],
        /// Requests to DispatchBot.
        ai: u32 = [default "NMC_DAY_AI", "20000", parse::day_limit],
        /// Alerts, apart from those about a danger to life.
        alerts: u32 = [default "NMC_DAY_ALERTS", "1000", parse::day_limit],
    }

    /// When a window closes: `max(last message + quiet, opened + hold)`, never after `opened + max`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct WindowConfig {
        /// How long a person has to answer before the AI does.
        hold: Duration = [default "NMC_WINDOW_HOLD", "60s", parse::duration],
        /// Debounce: the pause after the last message.
        quiet: Duration = [default "NMC_WINDOW_QUIET", "2s", parse::duration],
        /// The upper bound; at least `hold` and at least `quiet`.
        max: Duration = [default "NMC_WINDOW_MAX", "90s", parse::duration],
    }
}

/// The variables whose value is a secret, or may contain one. Instead of each, `NAME_FILE` may name a file with the value.
pub(super) const SECRETS: [&str; 10] = [
    "DATABASE_URL",
    "DATABASE_READ_URL",
    "NATS_URL",
    "REDIS_URL",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_AUTH_TOKEN_NEXT",
    "DISPATCHBOT_API_KEY",
    "NMC_API_KEYS",
    "NMC_TOKEN_KEY",
    "NMC_TOKEN_KEY_OTHER",
];

/// The secret variable whose file this variable names.
pub(super) fn secret_of(name: &str) -> Option<&'static str> {
    let secret = name.strip_suffix("_FILE")?;
    SECRETS.into_iter().find(|of| *of == secret)
}

/// Reads what is about NATS, and checks that the files fit together.
pub(super) fn checked_nats(reader: &mut Reader<'_>) -> Option<NatsConfig> {
    let nats = NatsConfig::read(reader)?;
    if nats.creds_file.is_some() && nats.nkey_file.is_some() {
        reader.refuse(&nkey_file(), "NATS_CREDS_FILE is set, too: it contains an nkey".to_owned());
    }
    if nats.cert_file.is_some() != nats.key_file.is_some() {
        reader.refuse(&cert_file(), "NATS_CERT_FILE and NATS_KEY_FILE belong together".to_owned());
    }
    Some(nats)
}

/// Reads what is about Redis, and checks that the files fit together, and the URL to them.
fn checked_redis(reader: &mut Reader<'_>) -> Option<RedisConfig> {
    let redis = RedisConfig::read(reader)?;
    let has_files = redis.root_cert_file.is_some() || redis.client_cert_file.is_some();
    if has_files && !["rediss:", "valkeys:"].iter().any(|scheme| redis.redis_url.expose().starts_with(scheme)) {
        reader.refuse(&root_cert_file(), "certificates are only used if REDIS_URL is rediss://".to_owned());
    }
    if redis.client_cert_file.is_some() != redis.client_key_file.is_some() {
        reader.refuse(&client_cert_file(), "REDIS_CERT_FILE and REDIS_KEY_FILE belong together".to_owned());
    }
    Some(redis)
}

/// A key with fewer characters may be a word that somebody guesses.
const KEY_LENGTH: usize = 32;

/// Reads the bootstrap keys. Short ones are accepted in a demo only, and a demo only where strangers do not reach it.
fn checked_bootstrap(reader: &mut Reader<'_>) -> Option<BootstrapConfig> {
    let bootstrap = BootstrapConfig::read(reader)?;
    if !bootstrap.demo {
        if bootstrap.api_keys.iter().any(|key| key.expose().chars().count() < KEY_LENGTH) {
            let reason = format!("each key must have at least {KEY_LENGTH} characters, outside of a demo (NMC_DEMO=1)");
            reader.refuse(&api_keys(), reason);
        }
    } else if reader.peek(&bind()).is_some_and(|bind| !is_private(bind.ip())) {
        let reason = "a demo (NMC_DEMO=1) must listen on a loopback or private address, not on every one";
        reader.refuse(&bind(), reason.to_owned());
    }
    Some(bootstrap)
}

/// Loopback, RFC 1918, unique local and link-local addresses. `0.0.0.0` and `::` are all addresses of the machine, so
/// they may include a public one.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

/// Reads the window's variables and checks that none is longer than the maximum.
fn checked_window(reader: &mut Reader<'_>) -> Option<WindowConfig> {
    let window = WindowConfig::read(reader)?;
    reader.at_most(&hold(), window.hold, &max(), window.max);
    reader.at_most(&quiet(), window.quiet, &max(), window.max);
    Some(window)
}
