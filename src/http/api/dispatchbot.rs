//! A business's own DispatchBot in a PUT: its URL, and its key, which is encrypted and never returned.

use std::time::Duration;

use poem_openapi::Object;

use super::failure::Failure;
use super::validation::Problems;
use crate::adapters::dispatchbot::resolves_publicly;
use crate::adapters::postgres::{BusinessRecord, DispatchBotKeyWrite};
use crate::config::Dialect;
use crate::domain::business::Profile;
use crate::domain::business_policy::BusinessPolicy;
use crate::domain::dispatchbot::{self as domain, BusinessAddress, EndpointUrl};
use crate::http::Edge;
use crate::http::problem::Problem;
use crate::secrets::constant_time_eq;

/// The most characters of a key.
const MAX_KEY: usize = 500;
/// How long DNS may take. What it does not answer in time is checked at each request.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);

/// A DispatchBot that the business has itself. Its customers' texts go there and not to the service's. Setting, changing
/// or removing it needs a key with the scope `numbers`.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none, deny_unknown_fields)]
pub(super) struct OwnDispatchBot {
    /// Its base URL: https, without user, query and fragment. Private, loopback and link-local addresses are refused, also
    /// if the name resolves to one (unless the operator allows them with `NMC_ALLOW_PRIVATE_DISPATCHBOT`). Redirects are not
    /// followed.
    url: String,
    /// The format of its requests and answers: `v1` or `dispatch-bot-ai`. The latter needs
    /// `user_settings.business_address`.
    dialect: String,
    /// The key with which it knows us, at most 500 visible ASCII characters. It is encrypted at rest and never returned. If
    /// omitted, the stored key is kept, if the URL is the same.
    #[oai(write_only)]
    api_key: Option<String>,
}

impl OwnDispatchBot {
    /// The key in the request.
    pub(super) fn api_key(&self) -> Option<&str> {
        self.api_key.as_deref()
    }

    /// Validates the fields on their own.
    pub(super) fn validated(&self, problems: &mut Problems, edge: &Edge) -> Option<domain::OwnDispatchBot> {
        let url: Option<EndpointUrl> = problems.parsed("policy.dispatchbot.url", Some(&self.url));
        let why = url.as_ref().and_then(EndpointUrl::why_not_public);
        if let Some(why) = why.filter(|_| !edge.allows_private_dispatchbot) {
            problems.add("policy.dispatchbot.url", why);
        }
        let dialect: Option<Dialect> = self.dialect.parse().ok();
        if dialect.is_none() {
            problems.add("policy.dispatchbot.dialect", "must be v1 or dispatch-bot-ai");
        }
        let is_key = |key: &str| (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        match &self.api_key {
            Some(key) if !is_key(key) => {
                problems.add("policy.dispatchbot.api_key", format!("must be 1 to {MAX_KEY} visible ASCII characters"));
            }
            Some(_) if edge.cipher.is_none() => problems.add("policy.dispatchbot.api_key", WITHOUT_TOKEN_KEY),
            _ => {}
        }
        Some(domain::OwnDispatchBot { url: url?, dialect: dialect? })
    }
}

impl From<domain::OwnDispatchBot> for OwnDispatchBot {
    fn from(own: domain::OwnDispatchBot) -> Self {
        Self { url: own.url.into(), dialect: own.dialect.to_string(), api_key: None }
    }
}

const WITHOUT_TOKEN_KEY: &str = "cannot be stored: the server has no NMC_TOKEN_KEY to encrypt it";

/// Checks that the business has an address, if the dialect of its DispatchBot needs one.
pub(super) fn validate_address(
    problems: &mut Problems,
    edge: &Edge,
    policy: &BusinessPolicy,
    user_settings: Option<&serde_json::Value>,
) {
    let dialect = policy.dispatchbot.as_ref().map_or(edge.dialect, |own| own.dialect);
    if dialect == Dialect::DispatchBotAi
        && let Err(why) = BusinessAddress::of_settings(user_settings.unwrap_or_default())
    {
        problems.add("user_settings.business_address", why);
    }
}

/// The business's own DispatchBot as it is stored.
pub(super) fn stored(record: &BusinessRecord) -> Option<domain::OwnDispatchBot> {
    serde_json::from_value(record.profile.get("policy")?.get("dispatchbot")?.clone()).ok()
}

/// What to store of the key.
pub(super) enum KeyChoice {
    Remove,
    Keep,
    Set(Vec<u8>),
}

impl KeyChoice {
    pub(super) fn write(&self) -> DispatchBotKeyWrite<'_> {
        match self {
            Self::Remove => DispatchBotKeyWrite::Remove,
            Self::Keep => DispatchBotKeyWrite::Keep,
            Self::Set(sealed) => DispatchBotKeyWrite::Set(sealed),
        }
    }
}

/// Determines what to store of the key in a request, and refuses a name that leads to an address inside.
pub(super) async fn choose_key(edge: &Edge, profile: &Profile, given: Option<&str>) -> Result<KeyChoice, Failure> {
    let Some(own) = &profile.policy.dispatchbot else { return Ok(KeyChoice::Remove) };
    if !edge.allows_private_dispatchbot {
        let resolved = tokio::time::timeout(LOOKUP_TIMEOUT, resolves_publicly(&own.url)).await;
        if resolved == Ok(false) {
            return Err(invalid("url", "must not lead to a private, loopback or link-local address"));
        }
    }
    let record = edge.store.business(&profile.id).await?;
    let is_same_url = record.as_ref().and_then(stored).is_some_and(|before| before.url == own.url);
    let sealed = record.and_then(|record| record.dispatchbot_api_key).filter(|_| is_same_url);
    let context = own.url.key_context(&profile.id);
    let Some(given) = given else {
        return match sealed {
            Some(_) => Ok(KeyChoice::Keep),
            None => Err(invalid("api_key", "is needed: there is none stored for this URL")),
        };
    };
    let Some(cipher) = &edge.cipher else { return Err(invalid("api_key", WITHOUT_TOKEN_KEY)) };
    let is_known = sealed.is_some_and(|sealed| {
        let known = cipher.open(&sealed, &context);
        known.is_ok_and(|known| constant_time_eq(known.expose().as_bytes(), given.as_bytes()))
    });
    Ok(if is_known { KeyChoice::Keep } else { KeyChoice::Set(cipher.seal(given, &context)) })
}

fn invalid(field: &str, reason: &str) -> Failure {
    Problem::invalid([(format!("policy.dispatchbot.{field}"), reason.to_owned())]).into()
}
