//! The connection to NATS: who we are, how servers are verified, and why none can be reached.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{ConnectOptions, Event, Server};

use super::JetStreamError;
use crate::config::{NatsConfig, NatsLogin};

/// How long the first connection may take before the client reports it as failed. The client keeps trying.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the last attempt to connect failed. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct LastFailure(Arc<Mutex<Option<String>>>);

impl LastFailure {
    /// The reason; `None` while connected, and before the first attempt.
    pub(super) fn reason(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Logs a reason once, however often the client tries.
    fn note(&self, servers: &[Server]) {
        let mut failures = servers.iter().filter_map(|server| {
            let error = server.last_error.as_ref()?;
            Some(format!("{}:{}: {error}", server.addr.host(), server.addr.port()))
        });
        let Some(reason) = failures.next() else { return };
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref() != Some(&reason) {
            tracing::warn!(error = reason, "connecting to NATS failed; retrying");
            *last = Some(reason);
        }
    }

    fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The options of the client. The files of certificates are read again for each connection, so that they can be replaced.
pub(super) async fn options(nats: &NatsConfig, failure: &LastFailure) -> Result<ConnectOptions, JetStreamError> {
    let (failing, connected) = (failure.clone(), failure.clone());
    let mut options = ConnectOptions::new()
        .name("nevermisscall")
        .connection_timeout(CONNECT_TIMEOUT)
        .max_reconnects(None)
        .reconnect_delay_callback(|attempt| Duration::from_millis((50 * attempt as u64).min(1_000)))
        // Called before each attempt; the choice of the server stays the client's.
        .reconnect_to_server_callback(move |servers, _| {
            failing.note(&servers);
            async { None }
        })
        .event_callback(move |event| {
            match event {
                Event::Connected => connected.clear(),
                Event::ServerError(error) => tracing::error!(%error, "NATS refused an operation"),
                event => tracing::debug!(%event, "NATS connection"),
            }
            async {}
        })
        .custom_inbox_prefix(&nats.inbox_prefix);
    match nats.login() {
        Some(NatsLogin::User { name, password }) => {
            options = options.user_and_password(name, password.expose().to_owned());
        }
        Some(NatsLogin::Token(token)) => options = options.token(token.expose().to_owned()),
        None => {}
    }
    if let Some(file) = &nats.creds_file {
        options = options.credentials_file(file).await.map_err(|error| unusable("NATS_CREDS_FILE", &error))?;
    }
    if let Some(file) = &nats.nkey_file {
        let seed = tokio::fs::read_to_string(file).await.map_err(|error| unusable("NATS_NKEY_FILE", &error))?;
        options = options.nkey(seed.trim().to_owned());
    }
    if let Some(file) = &nats.ca_file {
        // Otherwise a server that does not ask for TLS would get the credentials in the clear.
        options = options.require_tls(true).add_root_certificates(file.clone());
    }
    if let (Some(certificate), Some(key)) = (&nats.cert_file, &nats.key_file) {
        options = options.require_tls(true).add_client_certificate(certificate.clone(), key.clone());
    }
    Ok(options)
}

fn unusable(variable: &'static str, error: &std::io::Error) -> JetStreamError {
    JetStreamError::Unusable { variable, why: error.to_string() }
}
