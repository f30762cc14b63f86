//! The `X-Twilio-Signature` check.
//!
//! Inputs are the account's tokens, the URL exactly as Twilio called it (public base, raw path and query), and the raw
//! parameters or body. A request passes only if the holder of a token signed this URL and this content. Comparisons
//! take constant time. The URL is never normalized: a variant is the same text with the port or the user info removed
//! or added.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const BODY_HASH_PARAM: &str = "bodySHA256=";

/// The content that was signed together with the URL.
#[derive(Clone, Copy)]
pub enum SignedContent<'a> {
    /// The decoded parameters of a form; empty for a GET.
    Form(&'a [(Vec<u8>, Vec<u8>)]),
    /// Any other body: the query of the URL carries its SHA-256.
    Raw(&'a [u8]),
}

/// Whether a header has the form of a signature: 20 bytes in base64.
pub fn is_well_formed(header: &str) -> bool {
    STANDARD.decode(header).is_ok_and(|given| given.len() == 20)
}

/// Whether one of the tokens signed this content and this URL in one of its variants.
pub fn verify(tokens: &[&str], url: &str, content: SignedContent<'_>, header: &str) -> bool {
    let Ok(given) = STANDARD.decode(header) else {
        return false;
    };
    let params = match content {
        SignedContent::Form(params) => sorted(params),
        SignedContent::Raw(body) if hash_in_query_matches(url, body) => Vec::new(),
        SignedContent::Raw(_) => return false,
    };
    // Anyone could sign with an empty token.
    let tokens = tokens.iter().filter(|token| !token.is_empty());
    url_variants(url)
        .iter()
        .flat_map(|variant| tokens.clone().map(move |token| (token, variant)))
        .any(|(token, variant)| sign(token, variant, &params).ct_eq(&given).into())
}

/// The signature of this exact URL with these parameters.
pub fn compute(token: &str, url: &str, params: &[(Vec<u8>, Vec<u8>)]) -> [u8; 20] {
    sign(token, url, &sorted(params))
}

/// The URLs that Twilio may have signed: unchanged, without the port, and with the scheme's port; each also without
/// user info.
fn url_variants(url: &str) -> Vec<String> {
    // The fragment holds connection overrides and is not signed.
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    let Some((scheme, rest)) = url.split_once("://") else {
        return vec![url.to_owned()];
    };
    let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (user_info, host_and_port) = match authority.rfind('@') {
        Some(at) => authority.split_at(at + 1),
        None => ("", authority),
    };
    let host = without_port(host_and_port);
    let scheme_port = if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 };
    let ports = [host_and_port.to_owned(), host.to_owned(), format!("{host}:{scheme_port}")];
    let mut variants = Vec::with_capacity(6);
    for user_info in [user_info, ""] {
        for port in &ports {
            let variant = format!("{scheme}://{user_info}{port}{tail}");
            if !variants.contains(&variant) {
                variants.push(variant);
            }
        }
    }
    variants
}

/// Removes `:port`, but leaves a bracketed IPv6 address intact.
fn without_port(host_and_port: &str) -> &str {
    match host_and_port.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host_and_port,
    }
}

/// Sorts by name and value and removes duplicates: the order in which Twilio signs parameters.
fn sorted(params: &[(Vec<u8>, Vec<u8>)]) -> Vec<(&[u8], &[u8])> {
    let mut params: Vec<_> = params.iter().map(|(name, value)| (&name[..], &value[..])).collect();
    params.sort_unstable();
    params.dedup();
    params
}

fn sign(token: &str, url: &str, sorted_params: &[(&[u8], &[u8])]) -> [u8; 20] {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(token.as_bytes()) else {
        unreachable!("HMAC takes keys of any length");
    };
    mac.update(url.as_bytes());
    for (name, value) in sorted_params {
        mac.update(name);
        mac.update(value);
    }
    mac.finalize().into_bytes().into()
}

fn hash_in_query_matches(url: &str, body: &[u8]) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    let Some(claimed) = query.split('&').find_map(|pair| pair.strip_prefix(BODY_HASH_PARAM)) else {
        return false;
    };
    let actual = HEXLOWER.encode(&Sha256::digest(body));
    actual.as_bytes().ct_eq(claimed.as_bytes()).into()
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
