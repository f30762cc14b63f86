//! Versions of servers.

/// Whether a version such as `2.15.1` is at least this; one that is not a version is not.
pub(super) fn is_at_least(version: &str, major: u32, minor: u32) -> bool {
    let mut parts = version.split(['.', '-', ' ']).map(|part| part.parse::<u32>().ok());
    let found = (parts.next().flatten(), parts.next().flatten().unwrap_or(0));
    matches!(found, (Some(found_major), found_minor) if (found_major, found_minor) >= (major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("2.14.0", true)]
    #[case("2.15.1", true)]
    #[case("3.0.0-preview", true)]
    #[case("2.14.0-RC.1", true)]
    #[case("2.9.25", false)]
    #[case("1.99", false)]
    #[case("", false)]
    fn numbers_are_compared_as_numbers(#[case] version: &str, #[case] expected: bool) {
        assert_eq!(is_at_least(version, 2, 14), expected);
    }
}
