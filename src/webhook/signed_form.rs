//! A webhook whose signature held, as the parameters that it came with.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::form::{Form, FormError};
use super::{Inbound, Webhook};
use crate::domain::business::Signer;
use crate::telemetry::WebhookKind;
use crate::trace::Trace;

/// Subjects of letters that the edge has written; the webhook's kind follows.
pub const EDGE_SUBJECT: &str = "nmc.edge.";
/// Header of such a letter: path and query under which the webhook came.
pub const HEADER_PATH: &str = "Nmc-Path";
/// The same: the business's own Twilio account that signed it.
const HEADER_ACCOUNT: &str = "Nmc-Account-Sid";
/// The same: the businesses that this account's token speaks for, separated by commas, which no id has in it.
const HEADER_SIGNED_FOR: &str = "Nmc-Signed-For";

/// The headers of a letter that holds a webhook: what reading it again needs beside its body.
pub fn letter_headers(path: &str, signer: &Signer) -> BTreeMap<String, String> {
    let path = Some((HEADER_PATH.to_owned(), path.to_owned()));
    let account = signer.own_account.clone().map(|sid| (HEADER_ACCOUNT.to_owned(), sid));
    let signed_for = account.is_some().then(|| (HEADER_SIGNED_FOR.to_owned(), signer.signed_for.join(",")));
    path.into_iter().chain(account).chain(signed_for).collect()
}

/// Who signed the webhook that a letter of the edge holds.
pub fn signer_in(headers: &BTreeMap<String, String>) -> Signer {
    let ids = headers.get(HEADER_SIGNED_FOR).map(String::as_str).unwrap_or_default();
    Signer {
        own_account: headers.get(HEADER_ACCOUNT).cloned(),
        signed_for: ids.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect(),
    }
}

/// Twilio's ids have 34 characters, its statuses fewer.
const MAX_WORD: usize = 64;

/// A webhook that is Twilio's and can be read.
pub struct SignedForm {
    /// Which webhook it is.
    pub kind: WebhookKind,
    /// Its parameters.
    pub form: Form,
    /// When the edge received it.
    pub received_at: DateTime<Utc>,
    /// The trace that it belongs to.
    pub trace: Trace,
    /// The account that signed it.
    pub signer: Signer,
    /// Path and query under which it came.
    pub path: String,
}

impl SignedForm {
    /// The webhook as it lies in NMC_INBOUND.
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

    /// An id or a status: becomes part of subjects, message ids and keys, so it has to be the plain word that Twilio
    /// writes.
    ///
    /// # Errors
    /// When it is missing, or something else.
    pub fn word(&self, name: &str) -> Result<String, FormError> {
        let word = self.form.required(name)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if word.len() <= MAX_WORD && word.chars().all(plain) {
            Ok(word.to_owned())
        } else {
            Err(FormError::Malformed { name: name.to_owned() })
        }
    }

    /// The first of several names under which the form has a plain word; the error names the first of them.
    ///
    /// # Errors
    /// As [`word`](Self::word).
    pub fn word_of(&self, names: &[&str]) -> Result<String, FormError> {
        let present = names.iter().find(|name| self.form.required(name).is_ok());
        self.word(present.or(names.first()).copied().unwrap_or_default())
    }

    /// A value of the form as it can be stored.
    pub fn text(&self, name: &str) -> Option<String> {
        self.form.get(name).map(storable)
    }
}

/// PostgreSQL keeps no NUL in text: it becomes the replacement character, as any other that cannot be shown.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
