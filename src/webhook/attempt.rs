//! The queries of the URLs that a `<Dial>` contains: which of a call's dials they belong to.

use url::form_urlencoded::{Serializer, parse};

use crate::domain::call::Attempt;
use crate::domain::forward_to::MAX_PHONES;

/// Reads a dial from the query of its action. Without a query it is the only one, as it was before a business could have
/// several phones. The query is signed; values that this service never writes count as absent.
pub fn in_query(query: Option<&str>) -> Attempt {
    let mut attempt = Attempt::ONLY;
    for (name, value) in parse(query.unwrap_or_default().as_bytes()) {
        let number = || value.parse().ok().filter(|number| (1..=MAX_PHONES).contains(&(*number as usize)));
        match &*name {
            "attempt" => attempt.number = number().unwrap_or(attempt.number),
            "of" => attempt.of = number().unwrap_or(attempt.of),
            "screened" => attempt.is_screened = value == "1",
            _ => {}
        }
    }
    attempt
}

/// The query of a dial's action, with its question mark; empty for [`Attempt::ONLY`].
pub fn query_of(attempt: Attempt) -> String {
    if attempt == Attempt::ONLY {
        return String::new();
    }
    let mut query = Serializer::for_suffix(String::from("?"), 1);
    query.append_pair("attempt", &attempt.number.to_string()).append_pair("of", &attempt.of.to_string());
    if attempt.is_screened {
        query.append_pair("screened", "1");
    }
    query.finish()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::the_only_one(Attempt::ONLY, "")]
    #[case::the_second(Attempt { number: 2, of: 3, is_screened: false }, "?attempt=2&of=3")]
    #[case::screened(Attempt { number: 1, of: 1, is_screened: true }, "?attempt=1&of=1&screened=1")]
    fn a_dial_is_read_from_its_query_as_it_was_written(#[case] attempt: Attempt, #[case] query: &str) {
        assert_eq!(query_of(attempt), query);
        assert_eq!(in_query(query.strip_prefix('?')), attempt);
    }

    #[rstest]
    #[case::no_numbers("attempt=two&of=")]
    #[case::numbers_out_of_range("attempt=0&of=4294967296")]
    #[case::more_than_there_are("attempt=6&of=99")]
    #[case::other_words("screened=yes&x=1")]
    fn what_this_service_never_writes_counts_as_absent(#[case] query: &str) {
        assert_eq!(in_query(Some(query)), Attempt::ONLY);
    }
}
