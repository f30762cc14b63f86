//! The code with which a phone must answer: generated, put into a text, and found in the answer.

use rand::RngExt;

/// The number of digits of a code.
const DIGITS: usize = 6;
/// How many characters of a business's name the text contains.
const NAME_CHARS: usize = 40;
/// A name with more digits may contain a phone number, so all its digits are removed.
const NAME_DIGITS: usize = 4;

/// Generates a code with the process's random generator, which is cryptographically secure.
pub fn make() -> String {
    format!("{:06}", rand::rng().random_range(0..1_000_000_u32))
}

/// The text that asks a phone for its code: who we are, for which business, and what happens without an answer.
pub fn text(business: &str, code: &str) -> String {
    format!(
        "NeverMissCall: {} wants its calls or emergency alerts sent to this phone. If you agree, answer {code} within 30 \
         minutes. If not, ignore this: nothing will be sent.",
        plain(business)
    )
}

/// Whether a text is one of those that [`text`] makes.
pub fn is_ours(text: &str) -> bool {
    text.starts_with("NeverMissCall: ") && text.contains("If you agree, answer ")
}

/// The name without anything that a phone shows as a link or that can be called.
fn plain(name: &str) -> String {
    let digits = name.chars().filter(|c| c.is_numeric()).count();
    let kept = |c: char| match c {
        c if c.is_numeric() && digits > NAME_DIGITS => ' ',
        c if c.is_alphanumeric() || matches!(c, '\'' | '-' | '&') => c,
        _ => ' ',
    };
    let words: String = name.chars().map(kept).collect();
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = words.chars().take(NAME_CHARS).collect();
    if short.trim().is_empty() { "a business".to_owned() } else { short.trim().to_owned() }
}

/// The first code in a text: six digits in a row, or three and three with a space or hyphen between them. Only the
/// first counts, so that one text cannot try many codes.
pub fn in_text(text: &str) -> Option<String> {
    let runs: Vec<(usize, &str)> = runs(text);
    runs.iter().enumerate().find_map(|(n, (at, run))| {
        if run.len() == DIGITS {
            return Some((*run).to_owned());
        }
        let (next_at, next) = runs.get(n + 1)?;
        let between = text.get(at + run.len()..*next_at)?;
        let halves = run.len() == DIGITS / 2 && next.len() == DIGITS / 2 && matches!(between, " " | "-");
        halves.then(|| format!("{run}{next}"))
    })
}

/// Runs of ASCII digits, and where they start.
fn runs(text: &str) -> Vec<(usize, &str)> {
    let mut runs = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let at = text.len() - rest.len() + start;
        let length = rest[start..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - start);
        runs.push((at, &text[at..at + length]));
        rest = &text[at + length..];
    }
    runs
}

/// Whether a text is a code and nothing else.
pub fn is_all(text: &str) -> bool {
    in_text(text).is_some()
        && text.chars().filter(char::is_ascii_digit).count() == DIGITS
        && !text.contains(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::alone("123456", Some("123456"))]
    #[case::in_a_sentence("the code is 123456, thanks", Some("123456"))]
    #[case::with_a_space(" 123 456 ", Some("123456"))]
    #[case::with_a_hyphen("123-456", Some("123456"))]
    #[case::the_first_only("111111 222222", Some("111111"))]
    #[case::part_of_a_phone_number("call +12125551234", None)]
    #[case::part_of_a_phone_number_with_hyphens("212-555-1234", Some("212555"))]
    #[case::too_short("12345", None)]
    #[case::no_digits("yes", None)]
    #[case::other_digits("١٢٣٤٥٦", None)]
    #[case::beside_other_letters("é123456é", Some("123456"))]
    fn the_first_code_of_a_text_is_found(#[case] text: &str, #[case] code: Option<&str>) {
        assert_eq!(in_text(text).as_deref(), code);
    }

    #[rstest]
    #[case("123456", true)]
    #[case(" 123 456.", true)]
    #[case("123456 I smell gas", false)]
    #[case("123456 7", false)]
    #[case("hello", false)]
    fn a_text_that_is_a_code_and_nothing_else_is_told(#[case] text: &str, #[case] is_all: bool) {
        assert_eq!(super::is_all(text), is_all);
    }

    #[rstest]
    #[case::ordinary("Joe's Plumbing & Sons", "Joe's Plumbing & Sons")]
    #[case::a_link("Win at https://evil.com/a?b", "Win at https evil com a b")]
    #[case::a_phone_number("Call 800 555 1234 now", "Call now")]
    #[case::a_few_digits("24 Hour Locks", "24 Hour Locks")]
    #[case::lines("A\nB\u{202e}C", "A B C")]
    #[case::nothing("…", "a business")]
    fn a_name_is_said_without_links_and_numbers(#[case] name: &str, #[case] said: &str) {
        assert_eq!(plain(name), said);
    }

    #[test]
    fn the_text_holds_its_code_and_no_other_and_is_short() {
        let long = "Q".repeat(200);
        for name in ["Joe's Plumbing", "654321", long.as_str()] {
            let text = text(name, "123456");
            assert_eq!(in_text(&text).as_deref(), Some("123456"), "{text}");
            assert!(crate::domain::sms_segments::count(&text) <= 2, "{text}");
        }
    }

    #[test]
    fn a_code_has_six_digits_and_is_not_always_the_same() {
        let codes: std::collections::HashSet<String> = (0..50).map(|_| make()).collect();
        assert!(codes.len() > 40 && codes.iter().all(|code| in_text(code).as_ref() == Some(code)));
    }
}
