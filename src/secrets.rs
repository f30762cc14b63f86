//! Secrets at rest: auth tokens of businesses, encrypted, and API keys, hashed.
//!
//! A sealed token opens only with the same key and for the same business, so a row copied to another business is
//! useless. An API key cannot be recovered from the stored hash.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::config::{Secret, SecretKey};

/// The first byte of sealed data: XChaCha20-Poly1305 with the nonce in front.
const VERSION: u8 = 1;
const NONCE_LENGTH: usize = 24;

/// Seals tokens under one key, and opens them with that or, while the key is rotated, with another.
#[derive(Clone)]
pub struct TokenCipher {
    cipher: XChaCha20Poly1305,
    other: Option<XChaCha20Poly1305>,
}

/// Why sealed data cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Truncated, or not written by this code.
    #[error("unknown format of the encrypted token")]
    Form,
    /// Wrong key, wrong business, or modified data.
    #[error("wrong key, wrong business or modified token")]
    Refused,
}

impl TokenCipher {
    pub fn new(key: [u8; 32]) -> Self {
        Self { cipher: XChaCha20Poly1305::new(&key.into()), other: None }
    }

    /// Seals under the first key, if there is one, and also opens what is sealed under the other.
    pub fn of_keys(key: Option<&SecretKey>, other: Option<&SecretKey>) -> Option<Self> {
        Some(Self::new(*key?.expose()).also_opening(other.map(|key| *key.expose())))
    }

    /// The same, which also opens what is sealed under the other key.
    pub fn also_opening(self, other: Option<[u8; 32]>) -> Self {
        Self { other: other.map(|key| XChaCha20Poly1305::new(&key.into())), ..self }
    }

    /// Encrypts a token for one context, the business it belongs to: version, random nonce, ciphertext with tag.
    pub fn seal(&self, plain: &str, context: &str) -> Vec<u8> {
        // 192 random bits: no counter is needed, and a collision is practically impossible.
        let mut nonce = [0; NONCE_LENGTH];
        rand::fill(&mut nonce);
        let payload = Payload { msg: plain.as_bytes(), aad: context.as_bytes() };
        let Ok(sealed) = self.cipher.encrypt(&XNonce::from(nonce), payload) else {
            unreachable!("encryption fails only for more than 256 GiB of plaintext");
        };
        [&[VERSION], &nonce[..], &sealed].concat()
    }

    /// Decrypts data sealed for the same context.
    ///
    /// # Errors
    /// If the form is unknown, or key, context or content differ from those at sealing.
    pub fn open(&self, sealed: &[u8], context: &str) -> Result<Secret, SecretError> {
        let (version, rest) = sealed.split_first().ok_or(SecretError::Form)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_LENGTH>().ok_or(SecretError::Form)?;
        if *version != VERSION {
            return Err(SecretError::Form);
        }
        let nonce = XNonce::from(*nonce);
        let open = |cipher: &XChaCha20Poly1305| cipher.decrypt(&nonce, Payload { msg: text, aad: context.as_bytes() });
        let plain = open(&self.cipher).or_else(|error| self.other.as_ref().map_or(Err(error), open));
        String::from_utf8(plain.map_err(|_| SecretError::Refused)?).map(Secret::from).map_err(|_| SecretError::Form)
    }

    /// Whether data is sealed under the key that seals, not under the other one.
    pub fn is_current(&self, sealed: &[u8], context: &str) -> bool {
        let without_other = Self { cipher: self.cipher.clone(), other: None };
        without_other.open(sealed, context).is_ok()
    }
}

impl std::fmt::Debug for TokenCipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenCipher([secret])")
    }
}

/// A new API key: `nmc_` and 32 random bytes. It is shown once; only its hash may be stored.
pub fn generate_api_key() -> String {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes);
    format!("nmc_{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// The stored form of an API key. Plain SHA-256 is enough: keys are random, so a dictionary attack is useless.
pub fn hash_api_key(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// Compares two secrets in a time that depends on their lengths only.
pub fn constant_time_eq(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use rstest::rstest;

    const KEY: [u8; 32] = [7; 32];
    const BUSINESS: &str = "b-1";

    #[rstest]
    #[case::a_token("0123456789abcdef0123456789abcdef")]
    #[case::nothing("")]
    #[case::unicode("ñ😀")]
    fn what_is_sealed_opens_again(#[case] plain: &str) {
        let cipher = TokenCipher::new(KEY);
        let sealed = cipher.seal(plain, BUSINESS);
        assert_eq!(sealed[0], VERSION);
        assert_eq!(cipher.open(&sealed, BUSINESS), Ok(Secret::new(plain)));
    }

    #[test]
    fn the_same_token_never_seals_alike() {
        let cipher = TokenCipher::new(KEY);
        assert_ne!(cipher.seal("token", BUSINESS), cipher.seal("token", BUSINESS));
    }

    #[test]
    fn another_key_or_another_business_opens_nothing() {
        let sealed = TokenCipher::new(KEY).seal("token", BUSINESS);
        assert_eq!(TokenCipher::new([8; 32]).open(&sealed, BUSINESS), Err(SecretError::Refused));
        assert_eq!(TokenCipher::new(KEY).open(&sealed, "b-2"), Err(SecretError::Refused));
    }

    #[test]
    fn during_a_rotation_either_key_opens_and_the_new_one_seals() {
        let (old, new) = (TokenCipher::new(KEY), TokenCipher::new([8; 32]));
        let rotating = new.clone().also_opening(Some(KEY));
        let sealed = old.seal("token", BUSINESS);
        assert_eq!(rotating.open(&sealed, BUSINESS), Ok(Secret::new("token")));
        assert!(!rotating.is_current(&sealed, BUSINESS));
        assert_eq!(rotating.open(&sealed, "b-2"), Err(SecretError::Refused));
        let sealed = rotating.seal("token", BUSINESS);
        assert_eq!(new.open(&sealed, BUSINESS), Ok(Secret::new("token")));
        assert!(rotating.is_current(&sealed, BUSINESS));
    }

    #[test]
    fn no_byte_of_a_sealed_token_can_be_changed_or_cut_off() {
        let cipher = TokenCipher::new(KEY);
        let sealed = cipher.seal("token", BUSINESS);
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(cipher.open(&changed, BUSINESS).is_err(), "byte {position}");
            assert!(cipher.open(&sealed[..position], BUSINESS).is_err(), "cut at {position}");
        }
    }

    #[test]
    fn api_keys_are_random_and_recognisable() {
        let (one, two) = (generate_api_key(), generate_api_key());
        assert_ne!(one, two);
        assert!(one.starts_with("nmc_"));
        assert_eq!(one.len(), 4 + 43);
    }

    #[test]
    fn an_api_key_is_recognised_by_its_hash() {
        let stored = hash_api_key("nmc_a");
        assert!(constant_time_eq(&stored, &hash_api_key("nmc_a")));
        assert!(!constant_time_eq(&stored, &hash_api_key("nmc_b")));
        assert!(!constant_time_eq(b"short", b"longer"));
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", TokenCipher::new(KEY)), "TokenCipher([secret])");
    }
}
