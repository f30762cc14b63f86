//! Verifies that a webhook comes from Twilio, and decodes its form.
//!
//! The signature is checked first, whatever the content type, size or content: until it is valid, the only answer is
//! 401. A signed webhook is never lost: if its form cannot be used, it is kept in NMC_DEAD.

use std::io;

use chrono::{DateTime, Utc};
use poem::error::ReadBodyError;
use poem::{Body, Request};

use super::signature::{SignedContent, is_well_formed, verify};
use super::{Answer, path_prefix, twiml};
use crate::clock::now;
use crate::dead_letters::dead_letter;
use crate::domain::business::Signer;
use crate::http::problem::{Code, Problem};
use crate::http::{Edge, connections};
use crate::stream::{DeadLetter, DeadReason};
use crate::trace::Trace;
use crate::webhook::form::{Form, FormError, RawParams, parse, parse_json};
use crate::webhook::{EDGE_SUBJECT, SignedForm, WebhookKind, letter_headers};

/// Twilio's forms are small; a larger one is refused after its signature was checked.
pub(super) const MAX_FORM: usize = 64 * 1024;
/// A larger body is not read to its end, so its signature is not checked and it is refused.
const MAX_JUDGED: usize = 2 * 1024 * 1024;
/// A body with this many parameters or more is not parsed, because parsing takes many times its size; it is refused.
const MAX_PARAMETERS: usize = 2_000;

const UNDECODABLE: DeadReason = DeadReason::new("undecodable_form");
const MISSING_FIELD: DeadReason = DeadReason::new("missing_field");
const MALFORMED_FIELD: DeadReason = DeadReason::new("malformed_field");

/// A webhook that is not processed further.
pub(super) enum Refusal {
    /// An error response.
    Problem(Problem),
    /// Signed but unusable: kept, and answered as if it were valid, because a retry by Twilio would not help.
    Dead { reason: DeadReason, detail: String, letter: Letter },
}

/// The parts of an unusable webhook that are kept.
pub(super) struct Letter {
    pub(super) kind: WebhookKind,
    pub(super) hash: String,
    pub(super) body: bytes::Bytes,
    pub(super) received_at: DateTime<Utc>,
    pub(super) path: String,
    pub(super) signer: Signer,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl Refusal {
    /// A webhook with a required field that is missing or malformed.
    pub(super) fn unusable(signed: &SignedForm, error: &FormError) -> Self {
        let letter = Letter {
            kind: signed.kind,
            hash: signed.form.body_hash(),
            body: signed.form.encoded().into(),
            received_at: signed.received_at,
            path: signed.path.clone(),
            signer: signed.signer.clone(),
        };
        let reason = match error {
            FormError::InvalidUtf8 { .. } | FormError::NotJson => UNDECODABLE,
            FormError::Malformed { .. } => MALFORMED_FIELD,
            FormError::Missing { .. } => MISSING_FIELD,
        };
        Self::Dead { reason, detail: error.to_string(), letter }
    }

    /// Keeps an unusable webhook, and returns the answer.
    pub(super) async fn answer(self, edge: &Edge) -> Result<Answer, Problem> {
        match self {
            Self::Problem(problem) => Err(problem),
            Self::Dead { reason, detail, letter } => to_dead_letters(edge, reason, detail, letter).await,
        }
    }
}

/// Keeps an unusable webhook as a dead letter, and returns the answer.
async fn to_dead_letters(edge: &Edge, reason: DeadReason, detail: String, letter: Letter) -> Result<Answer, Problem> {
    let dead = DeadLetter {
        subject: format!("{EDGE_SUBJECT}{}", letter.kind),
        stream_sequence: 0,
        delivery_count: 1,
        reason,
        detail,
        headers: letter_headers(&letter.path, &letter.signer),
        payload: letter.body,
        first_seen: letter.received_at,
    };
    let id = format!("dead:edge:{}:{}", letter.kind, letter.hash);
    let business_id = edge.attribution.business_of(&dead).await;
    edge.durable.publish(dead_letter(&dead, business_id, id)).await.map_err(|error| Problem::unavailable(&error))?;
    edge.metrics.dead_letter(reason.code());
    Ok(Answer::Twiml(twiml::empty()))
}

/// Checks the signature and decodes the form.
pub(super) async fn admit(
    edge: &Edge,
    kind: WebhookKind,
    request: &Request,
    body: Body,
) -> Result<SignedForm, Refusal> {
    let received_at = now();
    let refused = || {
        edge.metrics.signature_refused(kind);
        Refusal::Problem(Problem::new(Code::InvalidSignature, "X-Twilio-Signature is missing or does not match"))
    };
    // A malformed signature is refused before anything is read or looked up.
    let signature = request.header("x-twilio-signature").filter(|signature| is_well_formed(signature));
    let Some(signature) = signature else { return Err(refused()) };
    // A body too large to be checked counts as unsigned.
    let Some(body) = read(body).await? else { return Err(refused()) };
    let _turn = edge.signers.turn(body.len()).await;
    let is_form = request.content_type().is_none_or(is_form_type);
    let is_json = kind == WebhookKind::Conversation && request.content_type().is_some_and(is_json_type);
    // A body announced as JSON that is not JSON cannot be used; its signature is checked nevertheless.
    let object = if is_json { Some(parse_json(&body)) } else { None };
    let is_unreadable = matches!(object, Some(None));
    let params = object.flatten().unwrap_or_else(|| parse(&body));
    let own_account = own_account(edge, &params);
    let own = own_account.as_deref();
    let posted = Posted { request, params: &params, body: &body, is_form, is_json, own_account: own };
    let Some(signer) = posted.signer(edge, signature).await? else {
        return Err(refused());
    };
    connections::has_shown_itself(request);
    if body.len() > MAX_FORM {
        let message = format!("a webhook may have at most {MAX_FORM} bytes; this one has {}", body.len());
        return Err(Problem::new(Code::PayloadTooLarge, message).into());
    }
    if !(is_form || is_json) || (request.content_type().is_none() && !body.is_empty()) {
        let message = match kind {
            WebhookKind::Conversation => {
                "the Content-Type must be application/x-www-form-urlencoded or application/json"
            }
            _ => "the Content-Type must be application/x-www-form-urlencoded",
        };
        return Err(Problem::new(Code::UnsupportedMediaType, message).into());
    }
    let path = request.original_uri().path_and_query().map_or_else(String::new, ToString::to_string);
    let form = Form::decode(params);
    let trace = Trace::from_header(request.header("traceparent"));
    let signed = SignedForm { kind, form, received_at, trace, signer, path };
    if is_unreadable { Err(Refusal::unusable(&signed, &FormError::NotJson)) } else { Ok(signed) }
}

/// Checks the signature of a request without a body.
pub(super) async fn check_signature(edge: &Edge, request: &Request) -> Result<(), Problem> {
    let refused = || Problem::new(Code::InvalidSignature, "X-Twilio-Signature is missing or does not match");
    let signature = request.header("x-twilio-signature").filter(|signature| is_well_formed(signature));
    let signature = signature.ok_or_else(refused)?;
    let params = &RawParams::new();
    let posted = Posted { request, params, body: &[], is_form: true, is_json: false, own_account: None };
    posted.signer(edge, signature).await?.ok_or_else(refused)?;
    connections::has_shown_itself(request);
    Ok(())
}

/// The body; `None` if it has too many bytes or parameters for its signature to be checked.
async fn read(body: Body) -> Result<Option<bytes::Bytes>, Problem> {
    match body.into_bytes_limit(MAX_JUDGED).await {
        Ok(body) => Ok((body.iter().filter(|byte| **byte == b'&').count() < MAX_PARAMETERS).then_some(body)),
        Err(ReadBodyError::PayloadTooLarge) => Ok(None),
        Err(ReadBodyError::Io(error)) if error.kind() == io::ErrorKind::TimedOut => {
            Err(Problem::new(Code::ValidationFailed, "the body did not arrive in time"))
        }
        Err(_) => Err(Problem::new(Code::ValidationFailed, "the body is incomplete")),
    }
}

fn is_form_type(content_type: &str) -> bool {
    is_type(content_type, "application/x-www-form-urlencoded")
}

/// Twilio sends some webhooks of Conversations as JSON, with the hash of the body in the signed URL.
fn is_json_type(content_type: &str) -> bool {
    is_type(content_type, "application/json")
}

fn is_type(content_type: &str, wanted: &str) -> bool {
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(wanted)
}

/// The account that the webhook names, if it is not the main one. It is not trusted until the signature is valid.
fn own_account(edge: &Edge, params: &RawParams) -> Option<String> {
    let (_, sid) = params.iter().find(|(name, _)| name == b"AccountSid")?;
    let sid = String::from_utf8_lossy(sid).into_owned();
    (!sid.is_empty() && !edge.accounts.is_main(&sid)).then_some(sid)
}

/// The request whose signature is checked.
struct Posted<'a> {
    request: &'a Request,
    params: &'a RawParams,
    body: &'a [u8],
    is_form: bool,
    /// JSON that may be used: only a signature that covers the body counts.
    is_json: bool,
    own_account: Option<&'a str>,
}

impl Posted<'_> {
    /// Returns the signer if the signature is valid for the account that the webhook names, with every business whose
    /// token signed it. A content type other than a form's is refused in any case, but only after the signature was
    /// valid in one of the ways in which Twilio signs.
    async fn signer(&self, edge: &Edge, signature: &str) -> Result<Option<Signer>, Problem> {
        let tokens = edge.with_lookup_timeout(edge.signers.tokens(&edge.accounts, self.own_account)).await?;
        let url = public_url_of(edge, self.request);
        let holds = |token: &str| {
            let holds = |content: SignedContent<'_>| verify(&[token], &url, content, signature);
            if self.is_json {
                return holds(SignedContent::Raw(self.body));
            }
            holds(SignedContent::Form(self.params))
                || (!self.is_form && (holds(SignedContent::Raw(self.body)) || holds(SignedContent::Form(&[]))))
        };
        let held: Vec<_> = tokens.iter().filter(|signing| holds(signing.token.expose())).collect();
        let is_signed = !held.is_empty();
        let signed_for = held.into_iter().filter_map(|signing| signing.business_id.clone()).collect();
        Ok(is_signed.then(|| Signer { own_account: self.own_account.map(str::to_owned), signed_for }))
    }
}

/// The URL exactly as Twilio called it: the public base, and the raw path and query.
fn public_url_of(edge: &Edge, request: &Request) -> String {
    let raw = request.original_uri().path_and_query().map_or("/", |path| path.as_str());
    let prefix = path_prefix(&edge.public_url);
    // A proxy may have stripped the prefix.
    let path =
        raw.strip_prefix(prefix.as_str()).filter(|rest| !prefix.is_empty() && rest.starts_with('/')).unwrap_or(raw);
    edge.public_url.join(path)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::too_long("a".repeat(MAX_JUDGED + 1))]
    #[case::too_many_parts("&".repeat(MAX_PARAMETERS))]
    #[tokio::test]
    async fn what_cannot_be_twilios_is_not_judged(#[case] body: String) {
        assert_eq!(read(Body::from_string(body)).await.ok(), Some(None));
    }
}
