//! Computes `X-Twilio-Signature` as Twilio does.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// The header's value for a request to exactly this `url` with these decoded form parameters.
///
/// Keys are sorted by their bytes; several values of one key are deduplicated and sorted; blank values count.
pub fn signature<K: AsRef<str>, V: AsRef<str>>(auth_token: &str, url: &str, params: &[(K, V)]) -> String {
    let mut sorted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (key, value) in params {
        sorted.entry(key.as_ref()).or_default().insert(value.as_ref());
    }
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(auth_token.as_bytes()) else {
        return String::new(); // HMAC takes keys of any length
    };
    mac.update(url.as_bytes());
    for (key, values) in sorted {
        for value in values {
            mac.update(key.as_bytes());
            mac.update(value.as_bytes());
        }
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs = &'static [(&'static str, &'static str)];

    const TOKEN: &str = "12345";
    const U: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
    const NONE: Pairs = &[];
    const P: Pairs = &[
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675309"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
    ];

    #[test]
    fn twilios_published_vectors_hold() {
        let hashed = format!("{U}&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620");
        let vectors: &[(&str, Pairs, &str)] = &[
            (U, P, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
            ("https://mycompany.com:443/myapp.php?foo=1&bar=2", P, "kvajT1Ptam85bY51eRf/AJRuM3w="),
            ("http://mycompany.com:80/myapp.php?foo=1&bar=2", P, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
            (U, NONE, "zYQTYrRWXE7LtzbG4PfP7/bkkGo="),
            ("https://mycompany.com/myapp.php", P, "1xaxFBvyzXYvWplzNOSs28HWO94="),
            ("https://mycompany.com/myapp.php?foo=hello%20world&bar=test%2Bvalue", P, "er2tvAP1Wx+iuTTE2BPgvEaN1cs="),
            ("https://mycompany.com:443//myapp.php?foo=1&bar=2", P, "A9lH3u16NjyiiM/+wylw5rirFUs="),
            ("https://MyCompany.com/myapp.php?foo=1&bar=2", P, "g9IN/x4Cft2g517EjYvEvM/W7LU="),
            (&hashed, NONE, "a9nBmqA0ju/hNViExpshrM61xv4="),
        ];
        for (url, params, expected) in vectors {
            assert_eq!(signature(TOKEN, url, params), *expected, "{url}");
        }
    }

    #[test]
    fn values_of_one_key_are_deduplicated_and_sorted() {
        let params =
            [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")];
        assert_eq!(signature(TOKEN, U, &params), "IK+Dwps556ElfBT0I3Rgjkr1wJU=");
    }

    #[test]
    fn blank_values_are_kept() {
        let params = [("Digits", ""), ("CallSid", "CA1234567890ABCDE"), ("EmptyParam", "")];
        assert_eq!(signature(TOKEN, U, &params), "9HHp/OqQMEwdrVebHDdA/+tqjX8=");
    }

    #[test]
    fn text_is_hashed_as_decoded_utf_8() {
        let params =
            [("Message", "Hello & goodbye! @#$%^*()"), ("From", "+1 (415) 867-5309"), ("Special", "unicode: ñáéíóú")];
        assert_eq!(signature(TOKEN, U, &params), "dCPiR4WtQ6QFN6pJh81CtlCcWLQ=");
    }

    #[test]
    fn keys_are_sorted_case_sensitively() {
        let params = [("callSid", "lowercase"), ("CallSid", "uppercase"), ("CALLSID", "allcaps")];
        assert_eq!(signature(TOKEN, U, &params), "jDK7WKT8wiNrwggd4ceTv4e1MJ4=");
    }

    #[test]
    fn further_parameters_break_the_signature() {
        let mut params = P.to_vec();
        params.extend([("ReasonConferenceEnded", "test"), ("Reason", "Participant")]);
        assert_ne!(signature(TOKEN, U, &params), "95+Bu0JVPi0r/SsESZCVf0dWAjw=");
    }
}
