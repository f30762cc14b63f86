//! W3C Trace Context of an input and its effects.

/// The W3C trace that an input belongs to: `traceparent`, passed on with every effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace(String);

impl Trace {
    /// The trace from a header, or a new one if the header is missing or invalid.
    pub fn from_header(header: Option<&str>) -> Self {
        match header {
            Some(text) if is_traceparent(text) => Self(text.to_owned()),
            _ => Self::start(),
        }
    }

    /// A new trace.
    pub fn start() -> Self {
        Self(format!("00-{:032x}-{:016x}-01", rand::random::<u128>(), rand::random::<u64>()))
    }

    /// The value of the `traceparent` header.
    pub fn header(&self) -> &str {
        &self.0
    }
}

/// Whether this is a valid `traceparent`: lower-case hex, a version other than `ff`, ids that are not all zeros.
fn is_traceparent(text: &str) -> bool {
    let hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let none = |part: &&str| *part == "ff" || (part.len() > 2 && part.bytes().all(|byte| byte == b'0'));
    lengths == [2, 32, 16, 2] && parts.iter().all(|part| hex(part)) && !parts.iter().take(3).any(none)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::good("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true)]
    #[case::short("00-4bf9-00f067aa0ba902b7-01", false)]
    #[case::not_hex("00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01", false)]
    #[case::upper_case("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false)]
    #[case::no_trace("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false)]
    #[case::no_parent("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false)]
    #[case::no_version("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false)]
    #[case::nothing("", false)]
    fn a_trace_is_handed_on_only_if_it_can_be_read(#[case] header: &str, #[case] kept: bool) {
        assert_eq!(Trace::from_header(Some(header)).header() == header, kept);
    }

    #[test]
    fn a_new_trace_can_be_read() {
        assert!(is_traceparent(Trace::start().header()));
    }
}
