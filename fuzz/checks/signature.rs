//! Signatures: three lines (token, URL, header), then the body.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use nevermisscall::internals::form::{RawParams, parse};
use nevermisscall::internals::signature::{SignedContent, compute, verify};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Nothing panics; signed input verifies in any order of the parameters and with any fragment; changed input does not.
pub fn check(data: &[u8]) {
    let mut lines = data.splitn(4, |byte| *byte == b'\n').map(super::text);
    let mut line = || lines.next().unwrap_or_default();
    let (token, url, header) = (line(), line(), line());
    let body = data.splitn(4, |byte| *byte == b'\n').nth(3).unwrap_or_default();
    let case = Case { token, url: url.split('#').next().unwrap_or_default().to_owned(), params: parse(body) };

    verify(&[&case.token], &url, SignedContent::Form(&case.params), &header);
    verify(&[&case.token], &url, SignedContent::Raw(body), &header);
    let signature = compute(&case.token, &case.url, &case.params);
    assert_eq!(signature, case.by_the_book(), "not what Twilio's documentation says");
    let signature = STANDARD.encode(signature);
    if case.token.is_empty() {
        assert!(!case.accepts(&case.url, &case.params, &signature), "a token that everybody knows");
        return;
    }
    let reversed: RawParams = case.params.iter().rev().cloned().collect();
    assert!(case.accepts(&case.url, &reversed, &signature), "what was signed is refused");
    assert!(case.accepts(&format!("{}#rc=2", case.url), &case.params, &signature), "the fragment is not signed");
    assert!(!verify(&[&format!("x{}", case.token)], &case.url, SignedContent::Form(&case.params), &signature));
    changed_byte(&case, &signature, super::choice(data));
    raw_body(&case, body);
}

struct Case {
    token: String,
    /// Without a fragment.
    url: String,
    params: RawParams,
}

impl Case {
    fn accepts(&self, url: &str, params: &RawParams, signature: &str) -> bool {
        verify(&["another token", &self.token], url, SignedContent::Form(params), signature)
    }

    /// The same scheme, implemented from Twilio's description.
    fn by_the_book(&self) -> [u8; 20] {
        let mut mac = Hmac::<Sha1>::new_from_slice(self.token.as_bytes()).expect("any length");
        mac.update(self.url.as_bytes());
        mac.update(&signed(&self.params));
        mac.finalize().into_bytes().into()
    }
}

/// The signed bytes of the parameters.
fn signed(params: &RawParams) -> Vec<u8> {
    let once: BTreeSet<_> = params.iter().collect();
    once.into_iter().flat_map(|(name, value)| [&name[..], &value[..]].concat()).collect()
}

/// Changes one byte of the header, of the URL or of a parameter.
fn changed_byte(case: &Case, signature: &str, choice: usize) {
    let another = |text: &str, by: char| -> String {
        let at = choice % text.chars().count().max(1);
        text.chars()
            .enumerate()
            .map(|(n, c)| {
                if n != at {
                    c
                } else if c == by {
                    'x'
                } else {
                    by
                }
            })
            .collect()
    };
    let header = another(signature, 'A');
    assert!(!case.accepts(&case.url, &case.params, &header), "another signature is accepted");

    let by = ['a', '/', '#', ':', '@', '?', '0', '%', '.'][choice / 7 % 9];
    let url = another(&case.url, by);
    // Twilio itself may sign other ports and leave out the user info, so a change there is not checked.
    if bare(&url) != bare(&case.url) {
        assert!(!case.accepts(&url, &case.params, signature), "{url} is accepted");
    }

    let mut params = case.params.clone();
    let places = params.iter_mut().flat_map(|(name, value)| name.iter_mut().chain(value.iter_mut()));
    if let Some(byte) = places.into_iter().nth(choice % case.params.len().max(1)) {
        *byte ^= 1 << (choice / 3 % 8);
    }
    let (was, is) = (signed(&case.params), signed(&params));
    // Twilio's scheme has no separator between names and values, nor between them and the URL.
    if !was.ends_with(&is) && !is.ends_with(&was) {
        assert!(!case.accepts(&case.url, &params, signature), "other parameters are accepted");
    }
}

/// A body that is not a form is covered by its hash in the URL.
fn raw_body(case: &Case, body: &[u8]) {
    if case.url.contains("bodySHA256=") {
        return;
    }
    let holds = |url: &str, body: &[u8]| {
        let signature = STANDARD.encode(compute(&case.token, url, &Vec::new()));
        verify(&[&case.token], url, SignedContent::Raw(body), &signature)
    };
    let hash: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    let url = format!("{}{}bodySHA256={hash}", case.url, if case.url.contains('?') { '&' } else { '?' });
    assert!(holds(&url, body), "the hash of the body is in {url}");
    assert!(!holds(&url, &[body, b"x"].concat()), "another body is accepted");
    assert!(!holds(&case.url, body), "a body without a hash is accepted");
}

/// A URL without user info and port.
fn bare(url: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let mut host = authority.rsplit('@').next().unwrap_or_default();
    while let Some((before, port)) = host.rsplit_once(':') {
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            break;
        }
        host = before;
    }
    format!("{scheme}://{host}{tail}")
}
