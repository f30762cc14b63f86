//! Forms: the body of a webhook.

use nevermisscall::internals::form::{Form, RawParams, body_hash, parse};
use url::form_urlencoded;

/// Nothing panics; the parameters are those that the URL standard defines, and survive being written and read again.
pub fn check(data: &[u8]) {
    let params = parse(data);
    assert_eq!(parse(&written(&params)), params, "what was read is not what is read again");

    let lossy = params.iter().map(|(name, value)| (super::text(name), super::text(value)));
    let standard = form_urlencoded::parse(data).map(|(name, value)| (name.into_owned(), value.into_owned()));
    assert!(lossy.eq(standard), "not what the URL standard reads");

    let reversed: RawParams = params.iter().rev().cloned().collect();
    assert_eq!(body_hash(&reversed), body_hash(&params), "the order counts");
    let is_of_the_fallback = |name: &[u8]| matches!(name, b"ErrorUrl" | b"ErrorCode" | b"RetryCount");
    if let Some(((name, _), rest)) = params.split_first()
        && !is_of_the_fallback(name)
    {
        assert_ne!(body_hash(rest), body_hash(&params), "a parameter less hashes alike");
    }

    let form = Form::decode(params.clone());
    let shown = params.iter().map(|(name, value)| (super::text(name), super::text(value)));
    assert!(form.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).eq(shown), "a parameter has got lost");
    assert_eq!(parse(form.encoded().as_bytes()), params, "not the bytes that arrived");
    assert_eq!(form.body_hash(), body_hash(&params));
    for (name, _) in form.iter() {
        let first = form.iter().find(|(other, _)| *other == name).map(|(_, value)| value);
        assert_eq!(form.get(name), first);
        let arrived = params.iter().find(|(other, _)| other == name.as_bytes()).map(|(_, value)| &value[..]);
        let readable = first.filter(|value| !value.is_empty() && arrived.is_none_or(|bytes| bytes == value.as_bytes()));
        assert_eq!(form.required(name).ok(), readable);
    }
}

fn written(params: &RawParams) -> Vec<u8> {
    let escaped = |bytes: &[u8]| form_urlencoded::byte_serialize(bytes).collect::<String>();
    let pairs: Vec<_> = params.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    pairs.join("&").into_bytes()
}
