//! Redis: a channel for current subscribers, and a log for those who were offline (docs/contract.md, section 5).
//!
//! One script writes both, for many events. It records their ids, so that a redelivered event is forwarded only once,
//! and the last sequence of each conversation, so that several workers may forward events at once. Another one counts the
//! requests of API keys.

mod forward;
mod rate_limit;

use std::path::PathBuf;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::streams::StreamRangeReply;
use redis::{AsyncCommands, ClientTlsConfig, Script, TlsCertificates};
use serde_json::Value;

pub use forward::{ForwardError, Forwarded, Order, OutgoingEvent};
pub use rate_limit::{CountError, CountedRequest};

use crate::config::RedisConfig;
use crate::domain::phone::PhoneNumber;

/// The channel on which each event is published.
pub const CHANNEL: &str = "conversation.events";
/// The stream that keeps the events.
pub const LOG: &str = "conversation.events:log";
/// How long the log keeps events; the same time as NMC_EVENTS.
const LOG_KEEPS: TimeDelta = TimeDelta::days(30);
/// How many log entries are read at once.
const PAGE: usize = 1_000;
/// How many times one call reads the log; if few entries match, it returns those of this part.
const PAGES: usize = 20;
/// How long Redis may take before it counts as unreachable.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The log of events could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the log of events in Redis could not be read: {0}")]
pub struct EventLogError(#[from] redis::RedisError);

/// Forwards events to Redis.
pub struct RedisSink {
    connection: ConnectionManager,
    script: Script,
    rate_limit: Script,
}

impl RedisSink {
    /// Creates a sink that connects on first use.
    ///
    /// # Errors
    /// If the URL is not a Redis URL, or a certificate cannot be read.
    pub fn lazy(redis: &RedisConfig) -> Result<Self, redis::RedisError> {
        super::tls::install_provider();
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT))
            .set_number_of_retries(0);
        let connection = ConnectionManager::new_lazy_with_config(client(redis)?, config)?;
        let (script, rate_limit) = (Script::new(forward::SCRIPT), Script::new(rate_limit::SCRIPT));
        Ok(Self { connection, script, rate_limit })
    }

    /// Checks that Redis answers.
    ///
    /// # Errors
    /// If it does not.
    pub async fn ping(&self) -> Result<(), redis::RedisError> {
        redis::cmd("PING").query_async(&mut self.connection.clone()).await
    }

    /// The version of the server; `None` if our user may not read it.
    ///
    /// # Errors
    /// If Redis is unreachable.
    pub async fn server_version(&self) -> Result<Option<String>, redis::RedisError> {
        let info = redis::cmd("INFO").arg("server").query_async::<String>(&mut self.connection.clone()).await;
        match info {
            Ok(info) => Ok(info
                .lines()
                .find_map(|line| line.strip_prefix("redis_version:"))
                .map(|found| found.trim().to_owned())),
            Err(error) if error.code() == Some("NOPERM") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes entries older than the log keeps events.
    ///
    /// # Errors
    /// If Redis is unreachable.
    pub async fn trim(&self) -> Result<(), redis::RedisError> {
        let oldest = (Utc::now() - LOG_KEEPS).timestamp_millis();
        redis::cmd("XTRIM").arg(LOG).arg("MINID").arg(oldest).query_async(&mut self.connection.clone()).await
    }

    /// A customer's events in the log, those with the given businesses or with all, after the entry `after`: at most
    /// `limit`. With them, the entry after which to go on, if there may be more.
    ///
    /// # Errors
    /// If Redis is unreachable.
    pub async fn events_of(
        &self,
        customer: &PhoneNumber,
        business_ids: Option<&[String]>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Value>, Option<String>), EventLogError> {
        let mut connection = self.connection.clone();
        let (mut events, mut last) = (Vec::new(), after.map(str::to_owned));
        for _ in 0..PAGES {
            let from = last.as_ref().map_or_else(|| "-".to_owned(), |last| format!("({last}"));
            let page: StreamRangeReply = connection.xrange_count(LOG, &from, "+", PAGE).await?;
            if page.ids.is_empty() {
                return Ok((events, None));
            }
            for entry in page.ids {
                let envelope = entry.get::<String>("event");
                if is_about(envelope.as_deref(), customer, business_ids) {
                    events.extend(envelope.and_then(|envelope| serde_json::from_str(&envelope).ok()));
                }
                last = Some(entry.id);
                if events.len() == limit {
                    return Ok((events, last));
                }
            }
        }
        Ok((events, last))
    }

    /// Deletes a customer's events from the log: those with the given businesses, or with all. Returns the number of
    /// deleted events.
    ///
    /// # Errors
    /// If Redis is unreachable. Events read before that are deleted already.
    pub async fn erase(
        &self,
        customer: &PhoneNumber,
        business_ids: Option<&[String]>,
    ) -> Result<u64, redis::RedisError> {
        let mut connection = self.connection.clone();
        let (mut erased, mut from) = (0, "-".to_owned());
        loop {
            let page: StreamRangeReply = connection.xrange_count(LOG, &from, "+", PAGE).await?;
            let Some(last) = page.ids.last() else { return Ok(erased) };
            from = format!("({}", last.id);
            let theirs: Vec<&str> = page
                .ids
                .iter()
                .filter(|entry| is_about(entry.get::<String>("event").as_deref(), customer, business_ids))
                .map(|entry| entry.id.as_str())
                .collect();
            if !theirs.is_empty() {
                erased += connection.xdel::<_, _, u64>(LOG, &theirs).await?;
            }
        }
    }
}

/// A client that trusts the authority of the configuration, if it names one, and shows our certificate.
fn client(config: &RedisConfig) -> Result<redis::Client, redis::RedisError> {
    let url = config.redis_url.expose();
    if config.root_cert_file.is_none() && config.client_cert_file.is_none() {
        return redis::Client::open(url);
    }
    let read = |file: &Option<PathBuf>| file.as_ref().map(std::fs::read).transpose();
    let client_tls = match (read(&config.client_cert_file)?, read(&config.client_key_file)?) {
        (Some(client_cert), Some(client_key)) => Some(ClientTlsConfig { client_cert, client_key }),
        _ => None,
    };
    let root_cert = read(&config.root_cert_file)?;
    redis::Client::build_with_tls(url, TlsCertificates { client_tls, root_cert })
}

/// Whether an event is about this customer and, if given, one of these businesses.
fn is_about(envelope: Option<&str>, customer: &PhoneNumber, business_ids: Option<&[String]>) -> bool {
    let Some(Ok(event)) = envelope.map(serde_json::from_str::<Value>) else { return false };
    let of = |field: &str| event.get(field).and_then(Value::as_str);
    of("customer_phone") == Some(customer.as_str())
        && business_ids.is_none_or(|ids| of("business_id").is_some_and(|id| ids.iter().any(|own| own == id)))
}
