//! The `application/x-www-form-urlencoded` bodies of Twilio's webhooks.
//!
//! Parses the raw body in two steps: into raw bytes for the signature check, then into text for the handlers. Nothing
//! is trimmed, dropped or reordered: blanks are kept, and a malformed escape is kept literally, because the signature
//! covers every byte. Bytes that are no UTF-8 are replaced in the text; only a parameter that decides something must be
//! readable.

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
    /// The value is not UTF-8.
    #[error("parameter {name} is not valid UTF-8")]
    InvalidUtf8 {
        /// The parameter's name.
        name: String,
    },
    /// The value is not a plain word.
    #[error("parameter {name} is not a plain word of at most 64 characters")]
    Malformed {
        /// The parameter's name.
        name: String,
    },
    /// The body is announced as JSON, and is no object.
    #[error("the body is not a JSON object")]
    NotJson,
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
    /// The parameters as they arrived, if any of them is not UTF-8.
    raw: Option<RawParams>,
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

/// The parameters of a JSON object, as if they had come in a form: `None` if the body is not one. A value that is not a text is
/// written as JSON.
pub fn parse_json(body: &[u8]) -> Option<RawParams> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    let value = |value| match value {
        serde_json::Value::String(text) => text.into_bytes(),
        serde_json::Value::Null => Vec::new(),
        other => other.to_string().into_bytes(),
    };
    Some(object.into_iter().map(|(name, of)| (name.into_bytes(), value(of))).collect())
}

/// SHA-256, in hex, of the sorted parameters: the order of the parameters does not change the hash, nor do those that
/// Twilio adds when it repeats a webhook at the number's fallback URL, nor its count of the repetitions.
pub fn body_hash(params: &[(Vec<u8>, Vec<u8>)]) -> String {
    hash_pairs(params.iter().map(|(name, value)| (&name[..], &value[..])))
}

impl Form {
    /// Converts the parameters to text: what is not UTF-8 is replaced by the replacement character.
    pub fn decode(raw: RawParams) -> Self {
        let is_text = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let params = raw.iter().map(|(name, value)| (text(name), text(value))).collect();
        let is_readable = raw.iter().all(|(name, value)| is_text(name) && is_text(value));
        Self { params, raw: (!is_readable).then_some(raw) }
    }

    /// The first value with this name, which may be empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The first value with this name.
    ///
    /// # Errors
    /// If there is none, or it is empty, or not UTF-8.
    pub fn required(&self, name: &str) -> Result<&str, FormError> {
        let value = self.get(name).filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| FormError::Missing { name: name.to_owned() })?;
        let arrived = self.raw.iter().flatten().find(|(key, _)| key == name.as_bytes());
        match arrived {
            Some((_, bytes)) if bytes != value.as_bytes() => Err(FormError::InvalidUtf8 { name: name.to_owned() }),
            _ => Ok(value),
        }
    }

    /// All parameters, in the order of the body.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.params.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The parameters as they arrived, in the order of the body.
    fn raw(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let raw = self.raw.iter().flatten().map(|(name, value)| (&name[..], &value[..]));
        let text = self.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        raw.chain(text.filter(|_| self.raw.is_none()))
    }

    /// The body again, as Twilio may have written it.
    pub fn encoded(&self) -> String {
        let escaped = |bytes| url::form_urlencoded::byte_serialize(bytes).collect::<String>();
        let pair = |(name, value)| format!("{}={}", escaped(name), escaped(value));
        self.raw().map(pair).collect::<Vec<_>>().join("&")
    }

    /// The same as [`body_hash`] of the raw parameters.
    pub fn body_hash(&self) -> String {
        hash_pairs(self.raw())
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
    if pairs.iter().any(|(name, _)| *name == b"ErrorUrl") {
        pairs.retain(|(name, _)| *name != b"ErrorUrl" && *name != b"ErrorCode");
    }
    pairs.retain(|(name, _)| *name != b"RetryCount");
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
        Form::decode(parse(body.as_bytes()))
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
    #[case::in_the_value("CallSid=CA1&CallerName=J%FFrg", ("CallerName", "J\u{fffd}rg"))]
    #[case::in_the_name("CallSid=CA1&%FF=1", ("\u{fffd}", "1"))]
    fn what_is_no_utf_8_is_replaced_and_keeps_its_bytes(#[case] body: &str, #[case] shown: (&str, &str)) {
        let form = form(body);
        assert_eq!((form.required("CallSid"), form.get(shown.0)), (Ok("CA1"), Some(shown.1)));
        assert_eq!((form.encoded().as_str(), form.body_hash()), (body, body_hash(&parse(body.as_bytes()))));
        let replaced = form.iter().map(|(name, value)| (name.into(), value.into())).collect();
        assert_ne!(Form::decode(replaced).body_hash(), form.body_hash());
    }

    #[rstest]
    #[case::texts(r#"{"Body":"hi","Index":"0"}"#, Some("Body=hi&Index=0"))]
    #[case::a_number(r#"{"Index":0}"#, Some("Index=0"))]
    #[case::nothing(r#"{"Media":null}"#, Some("Media="))]
    #[case::a_list(r#"{"Media":[{"Sid":"ME1"}]}"#, Some("Media=[{\"Sid\":\"ME1\"}]"))]
    #[case::no_object("[1]", None)]
    #[case::no_json("Body=hi", None)]
    fn a_json_object_becomes_the_parameters_of_a_form(#[case] body: &str, #[case] expected: Option<&str>) {
        let params = |text: &str| parse(text.as_bytes()).into_iter().collect::<std::collections::BTreeSet<_>>();
        assert_eq!(parse_json(body.as_bytes()).map(|p| p.into_iter().collect()), expected.map(params));
    }

    #[test]
    fn a_parameter_that_decides_must_be_utf_8() {
        let form = form("CallSid=CA%FF&To=%2B15555551111");
        assert_eq!(form.required("CallSid"), Err(FormError::InvalidUtf8 { name: "CallSid".to_owned() }));
        assert_eq!(form.required("To"), Ok("+15555551111"));
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
    #[case::at_the_fallback_url("a=1", "a=1&ErrorCode=11200&ErrorUrl=https%3A%2F%2Fexample.com", true)]
    #[case::repeated("a=1&RetryCount=0", "a=1&RetryCount=1", true)]
    #[case::another_error("a=1&ErrorCode=30003", "a=1&ErrorCode=30005", false)]
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
