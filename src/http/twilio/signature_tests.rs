//! Published test vectors of the signature scheme, and requests that the check must refuse.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use rstest::rstest;

const TOKEN: &str = "12345";
const U: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
const SIGNED_U: &str = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
const SIGNED_U_WITHOUT_PARAMS: &str = "zYQTYrRWXE7LtzbG4PfP7/bkkGo=";
const P: &[(&str, &str)] = &[
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675309"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
];
const JSON: &[u8] = br#"{"property": "value", "boolean": true}"#;
const U_WITH_HASH: &str = "https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
const SIGNED_HASH: &str = "a9nBmqA0ju/hNViExpshrM61xv4=";

fn raw(params: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    params.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

fn accepts(url: &str, params: &[(&str, &str)], header: &str) -> bool {
    verify(&[TOKEN], url, SignedContent::Form(&raw(params)), header)
}

#[rstest]
#[case::plain(U, P, SIGNED_U)]
#[case::https_port("https://mycompany.com:443/myapp.php?foo=1&bar=2", P, "kvajT1Ptam85bY51eRf/AJRuM3w=")]
#[case::http_port("http://mycompany.com:80/myapp.php?foo=1&bar=2", P, "0ZXoZLH/DfblKGATFgpif+LLRf4=")]
#[case::no_params(U, &[], SIGNED_U_WITHOUT_PARAMS)]
#[case::no_query("https://mycompany.com/myapp.php", P, "1xaxFBvyzXYvWplzNOSs28HWO94=")]
#[case::repeated_name(
    U,
    &[("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")],
    "IK+Dwps556ElfBT0I3Rgjkr1wJU="
)]
#[case::blank_values(
    U,
    &[("Digits", ""), ("CallSid", "CA1234567890ABCDE"), ("EmptyParam", "")],
    "9HHp/OqQMEwdrVebHDdA/+tqjX8="
)]
#[case::special_characters(
    U,
    &[("Message", "Hello & goodbye! @#$%^*()"), ("From", "+1 (415) 867-5309"), ("Special", "unicode: ñáéíóú")],
    "dCPiR4WtQ6QFN6pJh81CtlCcWLQ="
)]
#[case::names_differing_in_case(
    U,
    &[("callSid", "lowercase"), ("CallSid", "uppercase"), ("CALLSID", "allcaps")],
    "jDK7WKT8wiNrwggd4ceTv4e1MJ4="
)]
#[case::escaped_query(
    "https://mycompany.com/myapp.php?foo=hello%20world&bar=test%2Bvalue",
    P,
    "er2tvAP1Wx+iuTTE2BPgvEaN1cs="
)]
#[case::double_slash("https://mycompany.com:443//myapp.php?foo=1&bar=2", P, "A9lH3u16NjyiiM/+wylw5rirFUs=")]
#[case::host_in_mixed_case("https://MyCompany.com/myapp.php?foo=1&bar=2", P, "g9IN/x4Cft2g517EjYvEvM/W7LU=")]
#[case::url_with_body_hash(U_WITH_HASH, &[], SIGNED_HASH)]
fn a_published_vector_is_computed_and_accepted(
    #[case] url: &str,
    #[case] params: &[(&str, &str)],
    #[case] signature: &str,
) {
    assert_eq!(STANDARD.encode(compute(TOKEN, url, &raw(params))), signature);
    assert!(accepts(url, params, signature));
    let reversed: Vec<_> = params.iter().rev().copied().collect();
    assert!(accepts(url, &reversed, signature), "the order of the body does not matter");
}

#[test]
fn the_published_wrong_signature_is_refused() {
    let params = [P, &[("ReasonConferenceEnded", "test"), ("Reason", "Participant")]].concat();
    assert!(!accepts(U, &params, "95+Bu0JVPi0r/SsESZCVf0dWAjw="));
}

#[rstest]
#[case::signed_with_the_port("https://mycompany.com/myapp.php?foo=1&bar=2", "kvajT1Ptam85bY51eRf/AJRuM3w=")]
#[case::signed_without_the_port("https://mycompany.com:443/myapp.php?foo=1&bar=2", SIGNED_U)]
#[case::signed_without_an_odd_port("https://mycompany.com:8443/myapp.php?foo=1&bar=2", SIGNED_U)]
#[case::signed_with_the_http_port("http://mycompany.com/myapp.php?foo=1&bar=2", "0ZXoZLH/DfblKGATFgpif+LLRf4=")]
#[case::signed_without_user_info("https://user:pass@mycompany.com/myapp.php?foo=1&bar=2", SIGNED_U)]
#[case::signed_without_user_info_and_port("https://u:p@mycompany.com:8443/myapp.php?foo=1&bar=2", SIGNED_U)]
#[case::fragment("https://mycompany.com/myapp.php?foo=1&bar=2#rc=2&rp=all", SIGNED_U)]
fn a_variant_of_port_and_user_info_is_accepted(#[case] url: &str, #[case] signature: &str) {
    assert!(accepts(url, P, signature));
}

#[rstest]
#[case::odd_port("https://mycompany.com:8443/a")]
#[case::user_info("https://user:p%40ss@mycompany.com/a?b=c@d:1")]
#[case::ip_version_6("https://[::1]:3701/a")]
#[case::ip_version_6_without_port("https://[::1]/a")]
#[case::query_without_path("https://mycompany.com?x=1:2")]
#[case::not_a_url("nonsense")]
fn the_url_as_configured_is_always_tried_first(#[case] url: &str) {
    assert_eq!(url_variants(url).first().map(String::as_str), Some(url));
}

#[test]
fn an_ipv6_host_keeps_its_colons() {
    let variants = url_variants("http://[2001:db8::1]:3701/a");
    assert_eq!(variants, ["http://[2001:db8::1]:3701/a", "http://[2001:db8::1]/a", "http://[2001:db8::1]:80/a"]);
    assert_eq!(url_variants("http://[::1]/a"), ["http://[::1]/a", "http://[::1]:80/a"]);
}

#[rstest]
#[case::other_query_order("https://mycompany.com/myapp.php?bar=2&foo=1")]
#[case::other_path("https://mycompany.com/myapp.php/?foo=1&bar=2")]
#[case::other_host("https://mycompany.org/myapp.php?foo=1&bar=2")]
#[case::other_case("https://MyCompany.com/myapp.php?foo=1&bar=2")]
#[case::other_scheme("http://mycompany.com/myapp.php?foo=1&bar=2")]
#[case::re_encoded("https://mycompany.com/myapp%2Ephp?foo=1&bar=2")]
fn any_other_url_is_refused(#[case] url: &str) {
    assert!(!accepts(url, P, SIGNED_U));
}

#[rstest]
#[case::empty("")]
#[case::not_base64("***")]
#[case::too_short("RSOYDt4T1cUTdK1PDd93")]
#[case::too_long("RSOYDt4T1cUTdK1PDd93/VVr8B8AAAA=")]
#[case::surrounded_by_blanks(" RSOYDt4T1cUTdK1PDd93/VVr8B8= ")]
#[case::of_other_content(SIGNED_U_WITHOUT_PARAMS)]
fn any_other_header_is_refused(#[case] header: &str) {
    assert!(!accepts(U, P, header));
}

#[rstest]
#[case::current(&["12345"], true)]
#[case::next_during_a_rotation(&["old", "12345"], true)]
#[case::none(&[], false)]
#[case::wrong(&["54321"], false)]
#[case::empty(&[""], false)]
fn one_of_the_tokens_must_have_signed(#[case] tokens: &[&str], #[case] accepted: bool) {
    assert_eq!(verify(tokens, U, SignedContent::Form(&raw(P)), SIGNED_U), accepted);
}

#[test]
fn an_empty_token_never_verifies_not_even_its_own_signature() {
    let forged = STANDARD.encode(compute("", U, &raw(P)));
    assert!(!verify(&[""], U, SignedContent::Form(&raw(P)), &forged));
}

#[rstest]
#[case::the_signed_body(U_WITH_HASH, JSON, SIGNED_HASH, true)]
#[case::another_body(U_WITH_HASH, b"{}", SIGNED_HASH, false)]
#[case::no_hash_in_the_url(U, JSON, SIGNED_U_WITHOUT_PARAMS, false)]
#[case::nobody_signed(U_WITH_HASH, JSON, SIGNED_U, false)]
fn a_raw_body_is_covered_by_the_hash_in_the_url(
    #[case] url: &str,
    #[case] body: &[u8],
    #[case] header: &str,
    #[case] accepted: bool,
) {
    assert_eq!(verify(&[TOKEN], url, SignedContent::Raw(body), header), accepted);
}

#[test]
fn parameters_of_invalid_utf_8_are_signed_byte_by_byte() {
    let params = [(b"Body".to_vec(), vec![0xff, 0xfe])];
    let header = STANDARD.encode(compute(TOKEN, U, &params));
    assert!(verify(&[TOKEN], U, SignedContent::Form(&params), &header));
}
