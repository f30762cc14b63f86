//! A webhook with a valid signature, as its parameters.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::form::{Form, FormError};
use super::{Inbound, Webhook, WebhookKind};
use crate::domain::business::Signer;
use crate::trace::Trace;

/// Prefix of the subjects of dead letters that the edge writes; the webhook's kind follows.
pub const EDGE_SUBJECT: &str = "nmc.edge.";
/// Header of such a dead letter: path and query of the webhook's request.
pub const HEADER_PATH: &str = "Nmc-Path";
/// Header: the business's own Twilio account that signed the webhook.
const HEADER_ACCOUNT: &str = "Nmc-Account-Sid";
/// Header: the businesses that use this account's token, separated by commas, which no id contains.
const HEADER_SIGNED_FOR: &str = "Nmc-Signed-For";

/// The headers of a dead letter that contains a webhook: what is needed besides the body to read it again.
pub fn letter_headers(path: &str, signer: &Signer) -> BTreeMap<String, String> {
    let path = Some((HEADER_PATH.to_owned(), path.to_owned()));
    let account = signer.own_account.clone().map(|sid| (HEADER_ACCOUNT.to_owned(), sid));
    let signed_for = account.is_some().then(|| (HEADER_SIGNED_FOR.to_owned(), signer.signed_for.join(",")));
    path.into_iter().chain(account).chain(signed_for).collect()
}

/// The account that signed the webhook in a dead letter of the edge.
pub fn signer_in(headers: &BTreeMap<String, String>) -> Signer {
    let ids = headers.get(HEADER_SIGNED_FOR).map(String::as_str).unwrap_or_default();
    Signer {
        own_account: headers.get(HEADER_ACCOUNT).cloned(),
        signed_for: ids.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect(),
    }
}

/// Twilio's ids have 34 characters, its statuses fewer.
const MAX_WORD: usize = 64;

/// A webhook that Twilio has signed, with readable parameters.
pub struct SignedForm {
    /// The kind of webhook.
    pub kind: WebhookKind,
    /// Its parameters.
    pub form: Form,
    /// When the edge received it.
    pub received_at: DateTime<Utc>,
    /// The trace that it belongs to.
    pub trace: Trace,
    /// The account that signed it.
    pub signer: Signer,
    /// Path and query of its request.
    pub path: String,
}

impl SignedForm {
    /// The webhook as stored in NMC_INBOUND.
    pub fn inbound(&self, input_id: String, webhook: Webhook) -> Inbound {
        Inbound {
            body_hash: self.form.body_hash(),
            received_at: self.received_at,
            signer: self.signer.clone(),
            params: self.form.iter().map(|(name, value)| (storable(name), storable(value))).collect(),
            input_id,
            webhook,
        }
    }

    /// The last segment of the path.
    pub(super) fn last_segment(&self) -> &str {
        let path = self.path.split_once('?').map_or(self.path.as_str(), |(path, _)| path);
        path.rsplit('/').next().unwrap_or_default()
    }

    /// The query.
    pub(super) fn query(&self) -> Option<&str> {
        self.path.split_once('?').map(|(_, query)| query)
    }

    /// An id or a status. It becomes part of subjects, message ids and keys, so it must be a plain word, as Twilio
    /// writes it.
    ///
    /// # Errors
    /// If it is missing, or not a plain word.
    pub fn word(&self, name: &str) -> Result<String, FormError> {
        let word = self.form.required(name)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if word.len() <= MAX_WORD && word.chars().all(plain) {
            Ok(word.to_owned())
        } else {
            Err(FormError::Malformed { name: name.to_owned() })
        }
    }

    /// The value of the first of several names that the form contains; an error names the first one if none is present.
    ///
    /// # Errors
    /// As for [`word`](Self::word).
    pub fn word_of(&self, names: &[&str]) -> Result<String, FormError> {
        let is_present = |name: &str| !matches!(self.form.required(name), Err(FormError::Missing { .. }));
        let present = names.iter().find(|name| is_present(name));
        self.word(present.or(names.first()).copied().unwrap_or_default())
    }

    /// A value of the form, converted so that it can be stored.
    pub fn text(&self, name: &str) -> Option<String> {
        self.form.get(name).map(storable)
    }
}

/// PostgreSQL cannot store NUL in text, so it is replaced by the replacement character.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
