//! Which DispatchBot a question goes to: the service's, or the business's own.
//!
//! A business names its own DispatchBot itself, so its requests go through a client that connects to public addresses
//! only, follows no redirect and uses no proxy, whatever the name in the URL resolves to at that moment.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::error::AnalyzeError;
use crate::adapters::http_client;
use crate::config::{Dialect, DispatchBotConfig, Secret};
use crate::domain::business::Profile;
use crate::domain::dispatchbot::{EndpointUrl, OwnDispatchBot, is_public};
use crate::secrets::TokenCipher;

/// A DispatchBot, and how it is spoken to.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its base URL, without trailing slash.
    pub url: String,
    /// The format of requests and answers.
    pub dialect: Dialect,
    /// The key that authenticates us.
    pub api_key: Secret,
}

impl From<&DispatchBotConfig> for Endpoint {
    fn from(config: &DispatchBotConfig) -> Self {
        Self { url: config.url.clone(), dialect: config.dialect, api_key: config.api_key.clone() }
    }
}

/// The DispatchBots that businesses have themselves.
#[derive(Debug, Clone)]
pub struct OwnEndpoints {
    http: reqwest::Client,
    cipher: Option<TokenCipher>,
    allows_private: bool,
}

impl OwnEndpoints {
    /// Opens their keys with the cipher; with `allows_private`, private addresses and URLs without TLS are requested, too.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(cipher: Option<TokenCipher>, allows_private: bool) -> Result<Self, reqwest::Error> {
        // Through a proxy, the proxy would resolve the name.
        let builder = http_client::builder().no_proxy();
        let builder = if allows_private { builder } else { builder.dns_resolver(Arc::new(PublicOnly)) };
        Ok(Self { http: builder.build()?, cipher, allows_private })
    }

    /// The client for requests to them.
    pub(super) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The business's own DispatchBot.
    ///
    /// # Errors
    /// If it must not be called, or its key cannot be opened. The service's own DispatchBot must not be asked instead: the
    /// business has chosen who reads its customers' texts.
    pub(super) fn of(&self, business: &Profile, own: &OwnDispatchBot) -> Result<Endpoint, AnalyzeError> {
        let refused = |why: &str| AnalyzeError::NotConfigured { why: why.to_owned() };
        if let Some(why) = own.url.why_not_public().filter(|_| !self.allows_private) {
            return Err(refused(&format!("policy.dispatchbot.url {why}")));
        }
        let Some(sealed) = &business.dispatchbot_key else {
            return Err(refused("policy.dispatchbot has no api_key"));
        };
        let Some(cipher) = &self.cipher else {
            return Err(refused("NMC_TOKEN_KEY is not set, so its key is unreadable"));
        };
        let api_key = cipher
            .open(sealed, &own.url.key_context(&business.id))
            .map_err(|error| refused(&format!("the key of policy.dispatchbot cannot be opened: {error}")))?;
        Ok(Endpoint { url: own.url.to_string(), dialect: own.dialect, api_key })
    }
}

/// Whether the host of a URL leads to public addresses only, as far as DNS answers now. A name that does not resolve is
/// not refused: each request checks again.
pub async fn resolves_publicly(url: &EndpointUrl) -> bool {
    let Some((name, port)) = url.name_to_resolve() else { return true };
    match tokio::net::lookup_host((name, port)).await {
        Ok(mut addresses) => addresses.all(|address| is_public(address.ip())),
        Err(_unknown) => true,
    }
}

/// Resolves names as the system does, and fails if any of the addresses is not public: a connection is made to an address
/// that was checked, not to what the name resolves to a moment later.
struct PublicOnly;

/// Why a name was not used.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to an address that is not public")]
struct NotPublic;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if addresses.iter().any(|address| !is_public(address.ip())) {
                return Err(NotPublic.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::adapters::http_client::loopback::{Loopback, Reply};

    /// `localhost` stands for any name that resolves to an address inside: the URL itself was checked before.
    #[tokio::test]
    async fn a_name_that_resolves_to_an_address_inside_is_not_connected_to() {
        let mut server = Loopback::start([Reply::Answer(200, "", String::new())]).await;
        let url = server.url.replace("127.0.0.1", "localhost");
        let strict = OwnEndpoints::new(None, false).unwrap();
        let error = http_client::describe(strict.http().get(&url).send().await.unwrap_err());
        assert!(error.contains("not public"), "{error}");
        assert!(server.received().is_empty());
        let lenient = OwnEndpoints::new(None, true).unwrap();
        assert_eq!(lenient.http().get(&url).send().await.unwrap().status(), 200);
    }

    #[tokio::test]
    async fn a_name_inside_is_found_out_before_it_is_stored() {
        let url = |text: &str| text.parse::<EndpointUrl>().unwrap();
        assert!(!resolves_publicly(&url("https://localhost:8443")).await);
        assert!(resolves_publicly(&url("https://nobody.invalid")).await, "checked again at each request");
    }
}
