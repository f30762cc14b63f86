//! How long a text of a request may be, in characters, as dispatch-bot-ai's OpenAPI file has it. A request with a longer one
//! is refused, and its window would get no answer.

/// A message.
pub(super) const MESSAGE: usize = 1_600;
/// The name of a business.
pub(super) const NAME: usize = 255;
/// The id of a calendar entry.
pub(super) const EVENT_ID: usize = 100;
/// The type of a job, in the estimates and in the calendar.
pub(super) const JOB_TYPE: usize = 100;
/// The description of a job.
pub(super) const DESCRIPTION: usize = 500;
/// The place of a calendar entry.
pub(super) const LOCATION: usize = 500;

/// The text up to the bound.
pub(super) fn cut(text: &str, bound: usize) -> &str {
    text.char_indices().nth(bound).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::shorter("ab", "ab")]
    #[case::as_long("añ🚿", "añ🚿")]
    #[case::longer("ñ🚿añb", "ñ🚿a")]
    #[case::empty("", "")]
    fn a_text_is_cut_between_characters(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(cut(text, 3), expected);
    }
}
