//! NATS as the configuration describes it: what its URL says besides the servers.

use percent_encoding::percent_decode_str;
use url::Url;

use super::parse::nats_url;
use super::secret::Secret;
use super::variables::NatsConfig;

/// Who we are to NATS, as its URL says.
pub enum NatsLogin {
    /// `nats://user:password@host`.
    User { name: String, password: Secret },
    /// `nats://token@host`.
    Token(Secret),
}

impl NatsConfig {
    /// The servers alone, without credentials: they may be logged.
    pub fn addresses(&self) -> Vec<String> {
        let urls = self.servers.split(',').filter_map(|server| nats_url(server.trim()).ok());
        let bare = urls.map(|mut url| {
            // Only a URL without a host refuses this, and it has neither.
            let _ = url.set_username("").and_then(|()| url.set_password(None));
            url.to_string()
        });
        bare.collect()
    }

    /// The credentials of the first server that has some.
    pub fn login(&self) -> Option<NatsLogin> {
        let mut urls = self.servers.split(',').filter_map(|server| nats_url(server.trim()).ok());
        urls.find_map(|url| login_of(&url))
    }
}

fn login_of(url: &Url) -> Option<NatsLogin> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    match (url.username(), url.password()) {
        ("", _) => None,
        (token, None) => Some(NatsLogin::Token(Secret::new(decoded(token)))),
        (name, Some(password)) => {
            Some(NatsLogin::User { name: decoded(name), password: Secret::new(decoded(password)) })
        }
    }
}

/// These servers, with nothing else that is not in their URLs.
impl From<&str> for NatsConfig {
    fn from(servers: &str) -> Self {
        Self {
            servers: servers.to_owned(),
            creds_file: None,
            nkey_file: None,
            ca_file: None,
            cert_file: None,
            key_file: None,
            inbox_prefix: "_INBOX".to_owned(),
        }
    }
}

impl From<&String> for NatsConfig {
    fn from(servers: &String) -> Self {
        servers.as_str().into()
    }
}

impl From<&NatsConfig> for NatsConfig {
    fn from(nats: &NatsConfig) -> Self {
        nats.clone()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::nobody("nats://a:4222", None)]
    #[case::a_user("tls://edge:p%40ss@a:4222", Some("edge p@ss"))]
    #[case::a_token("nats://t0ken@a", Some("t0ken"))]
    #[case::the_second_server("a:4222,nats://edge:pass@b", Some("edge pass"))]
    fn credentials_are_read_from_the_urls(#[case] servers: &str, #[case] expected: Option<&str>) {
        let nats = NatsConfig::from(servers);
        let found = nats.login().map(|login| match login {
            NatsLogin::User { name, password } => format!("{name} {}", password.expose()),
            NatsLogin::Token(token) => token.expose().to_owned(),
        });
        assert_eq!(found.as_deref(), expected);
        assert!(nats.addresses().iter().all(|address| !address.contains('@')), "{:?}", nats.addresses());
    }

    #[test]
    fn addresses_keep_scheme_and_port() {
        let nats = NatsConfig::from("tls://edge:pass@a:4222,b");
        assert_eq!(nats.addresses(), ["tls://a:4222", "nats://b"]);
    }
}
