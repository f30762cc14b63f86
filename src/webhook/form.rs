//! The `application/x-www-form-urlencoded` bodies of Twilio's webhooks.
//!
//! Parses the raw body in two steps: into raw bytes for the signature check, then into text for the handlers. Nothing
//! is trimmed, dropped or reordered: blanks are kept, and a malformed escape is kept literally, because the signature
//! covers every byte. Only [`Form::decode`] requires UTF-8.

use std::borrow::Cow;

use data_encoding::HEXLOWER;
use percent_encoding::percent_decode;
use sha2::{Digest, Sha256};

/// Decoded but not yet validated parameters, in the order of the body. Bytes, because a signed form may contain invalid
/// UTF-8.
pub type RawParams = Vec<(Vec<u8>, Vec<u8>)>;

/// Why a form cannot be used. Names the parameter, and never shows its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// The name or the value is not UTF-8.
    #[error("parameter {name} is not valid UTF-8")]
    InvalidUtf8 {
        /// The parameter's name, with invalid bytes replaced.
        name: String,
    },
    /// The value is not a plain word.
    #[error("parameter {name} is not a plain word of at most 64 characters")]
    Malformed {
        /// The parameter's name.
        name: String,
    },
    /// The parameter is absent or empty.
    #[error("parameter {name} is missing")]
    Missing {
        /// The parameter's name.
        name: String,
    },
}

/// A form whose parameters are text.
#[derive(Clone, PartialEq, Eq)]
pub struct Form {
    params: Vec<(String, String)>,
}

/// Splits and decodes a body. Never fails: a malformed escape is kept as it is.
pub fn parse(body: &[u8]) -> RawParams {
    body.split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| match pair.iter().position(|byte| *byte == b'=') {
            Some(at) => (unescape(&pair[..at]), unescape(&pair[at + 1..])),
            None => (unescape(pair), Vec::new()),
        })
        .collect()
}

/// SHA-256, in hex, of the sorted parameters: the order of the parameters does not change the hash.
pub fn body_hash(params: &[(Vec<u8>, Vec<u8>)]) -> String {
    hash_pairs(params.iter().map(|(name, value)| (&name[..], &value[..])))
}

impl Form {
    /// Converts the parameters to text.
    ///
    /// # Errors
    /// If a parameter is not UTF-8; names the first such parameter.
    pub fn decode(params: RawParams) -> Result<Self, FormError> {
        let params = params
            .into_iter()
            .map(|(name, value)| {
                let readable = String::from_utf8_lossy(&name).into_owned();
                match (String::from_utf8(name), String::from_utf8(value)) {
                    (Ok(name), Ok(value)) => Ok((name, value)),
                    _ => Err(FormError::InvalidUtf8 { name: readable }),
                }
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { params })
    }

    /// The first value with this name, which may be empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The first value with this name.
    ///
    /// # Errors
    /// If there is none, or it is empty.
    pub fn required(&self, name: &str) -> Result<&str, FormError> {
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(|| FormError::Missing { name: name.to_owned() })
    }

    /// All parameters, in the order of the body.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.params.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The same as [`body_hash`] of the raw parameters.
    pub fn body_hash(&self) -> String {
        hash_pairs(self.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
    }
}

/// Shows only the names: values contain message texts and phone numbers.
impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    match Cow::from(percent_decode(&spaced)) {
        Cow::Borrowed(_) => spaced,
        Cow::Owned(decoded) => decoded,
    }
}

fn hash_pairs<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> String {
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort_unstable();
    let mut hash = Sha256::new();
    for part in pairs.into_iter().flat_map(|(name, value)| [name, value]) {
        // Hashing the lengths separates name and value: ab=c and a=bc must have different hashes.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    HEXLOWER.encode(&hash.finalize())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn form(body: &str) -> Form {
        Form::decode(parse(body.as_bytes())).unwrap()
    }

    #[rstest]
    #[case::nothing("", &[])]
    #[case::in_order("b=2&a=1", &[("b", "2"), ("a", "1")])]
    #[case::plus_is_a_space("Body=hello+there", &[("Body", "hello there")])]
    #[case::escaped_plus_stays("From=%2B14155550100", &[("From", "+14155550100")])]
    #[case::unicode("Body=%C3%B1", &[("Body", "ñ")])]
    #[case::blank_value("Digits=&CallSid=CA1", &[("Digits", ""), ("CallSid", "CA1")])]
    #[case::no_equals_sign("Flag", &[("Flag", "")])]
    #[case::equals_sign_in_the_value("a=b=c", &[("a", "b=c")])]
    #[case::nothing_is_trimmed("Body=+hi+%0A", &[("Body", " hi \n")])]
    #[case::malformed_escapes_stay("a=100%&b=%zz&c=%4", &[("a", "100%"), ("b", "%zz"), ("c", "%4")])]
    #[case::escaped_separators("a=%26%3D", &[("a", "&=")])]
    #[case::repeated_names("a=1&a=2&a=1", &[("a", "1"), ("a", "2"), ("a", "1")])]
    #[case::empty_pairs_are_no_parameters("&&a=1&", &[("a", "1")])]
    fn a_body_becomes_its_parameters(#[case] body: &str, #[case] expected: &[(&str, &str)]) {
        assert_eq!(form(body).iter().collect::<Vec<_>>(), expected);
    }

    #[rstest]
    #[case::in_the_value("Body=ok&Note=%FF", "Note")]
    #[case::in_the_name("%FF=1", "\u{fffd}")]
    fn invalid_utf_8_is_kept_raw_and_refused_as_text(#[case] body: &str, #[case] name: &str) {
        let params = parse(body.as_bytes());
        assert!(params.iter().any(|(name, value)| name.contains(&0xff) || value.contains(&0xff)));
        assert_eq!(Form::decode(params), Err(FormError::InvalidUtf8 { name: name.to_owned() }));
    }

    #[test]
    fn the_first_of_several_values_counts() {
        assert_eq!(form("a=1&a=2").get("a"), Some("1"));
        assert_eq!(form("a=1").get("A"), None);
    }

    #[rstest]
    #[case::absent("a=1", None)]
    #[case::empty("MessageSid=", None)]
    #[case::given("MessageSid=SM1", Some("SM1"))]
    fn a_required_parameter_must_be_there_and_not_empty(#[case] body: &str, #[case] expected: Option<&str>) {
        let missing = FormError::Missing { name: "MessageSid".to_owned() };
        assert_eq!(form(body).required("MessageSid"), expected.ok_or(missing));
    }

    #[rstest]
    #[case::same_order("a=1&b=2", "a=1&b=2", true)]
    #[case::other_order("a=1&b=2", "b=2&a=1", true)]
    #[case::other_escaping("a=%31", "a=1", true)]
    #[case::other_value("a=1", "a=2", false)]
    #[case::boundary_moved("ab=c", "a=bc", false)]
    #[case::value_repeated("a=1", "a=1&a=1", false)]
    #[case::value_swapped("a=1&b=2", "a=2&b=1", false)]
    fn the_hash_sees_parameters_and_not_their_order(#[case] one: &str, #[case] two: &str, #[case] same: bool) {
        assert_eq!(form(one).body_hash() == form(two).body_hash(), same);
        assert_eq!(form(one).body_hash(), body_hash(&parse(one.as_bytes())));
        assert_eq!(form(one).body_hash().len(), 64);
    }

    #[test]
    fn debug_shows_names_and_no_values() {
        assert_eq!(format!("{:?}", form("Body=hush&From=%2B1")), r#"["Body", "From"]"#);
    }
}
