//! Properties that must hold for any input, one module for each fuzz target; each describes the layout of its input.
//!
//! `fuzz_targets/` calls the checks with inputs that libFuzzer generates, `tests/it/fuzz_corpus.rs` with the inputs in
//! `corpus/` and `regressions/`, so that each property is written once. A check panics if a property does not hold.

pub mod answers;
pub mod decoders;
pub mod emergency;
pub mod form;
pub mod phone;
pub mod segments;
pub mod signature;
pub mod traceparent;
pub mod twiml;

/// A fuzz target: its name, which is also the name of its binary and its folders, and its check.
pub type Target = (&'static str, fn(&[u8]));

/// All fuzz targets.
pub const TARGETS: [Target; 9] = [
    ("answers", answers::check),
    ("decoders", decoders::check),
    ("emergency", emergency::check),
    ("form", form::check),
    ("phone", phone::check),
    ("segments", segments::check),
    ("signature", signature::check),
    ("traceparent", traceparent::check),
    ("twiml", twiml::check),
];

/// The input as text; invalid UTF-8 becomes U+FFFD.
fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// A number that depends on the whole input, for choices that use up no byte of it.
fn choice(data: &[u8]) -> usize {
    data.iter().fold(data.len(), |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)))
}
