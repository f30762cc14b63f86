//! Traces: the value of a `traceparent` header, which any client may send.

use nevermisscall::internals::Trace;

/// Nothing panics; a value that W3C's grammar allows is propagated unchanged, anything else begins a new, valid trace.
pub fn check(data: &[u8]) {
    let text = super::text(data);
    let trace = Trace::from_header(Some(&text));
    assert!(is_allowed(trace.header()), "{:?} is handed on", trace.header());
    assert_eq!(trace.header() == text, is_allowed(&text), "{text:?}");
    assert_eq!(Trace::from_header(Some(trace.header())), trace);
}

/// Version 00 of W3C's Trace Context: lower-case hex, and no id of zeros only.
fn is_allowed(text: &str) -> bool {
    let hex =
        |part: &str, length| part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let id = |part: &str, length| hex(part, length) && part.bytes().any(|byte| byte != b'0');
    match text.split('-').collect::<Vec<_>>()[..] {
        [version, trace, parent, flags] => {
            hex(version, 2) && version != "ff" && id(trace, 32) && id(parent, 16) && hex(flags, 2)
        }
        _ => false,
    }
}
