//! Cursors of lists; opaque to clients.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::validation::is_in_range;
use crate::http::problem::Problem;

/// The position after an item in a list that is ordered by time and id.
pub(super) fn encode(at: DateTime<Utc>, id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{id}", at.timestamp_micros()))
}

/// The position after an item in a list that is ordered by a text.
pub(super) fn encode_text(position: &str) -> String {
    URL_SAFE_NO_PAD.encode(position)
}

/// The text that a cursor encodes.
pub(super) fn decode_text(cursor: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()
}

/// The position that a cursor encodes.
pub(super) fn decode(cursor: &str) -> Result<(DateTime<Utc>, Uuid), Problem> {
    read(cursor).ok_or_else(|| unusable("cursor"))
}

/// The error for a cursor that this API did not issue.
pub(super) fn unusable(field: &str) -> Problem {
    Problem::invalid([(field.to_owned(), "is not valid; use the next_cursor of the previous page".to_owned())])
}

fn read(cursor: &str) -> Option<(DateTime<Utc>, Uuid)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let (micros, id) = text.split_once(':')?;
    let at = DateTime::from_timestamp_micros(micros.parse().ok()?).filter(|at| is_in_range(*at))?;
    Some((at, id.parse().ok()?))
}

/// Truncates the items to a page and returns the cursor of the next one, if one more item than the page holds was read.
pub(super) fn page<T>(mut items: Vec<T>, limit: usize, cursor_of: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
    if items.len() <= limit {
        return (items, None);
    }
    items.truncate(limit);
    let next = items.last().map(cursor_of);
    (items, next)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        let at = DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap();
        let id = Uuid::from_u128(7);
        assert_eq!(decode(&encode(at, id)).unwrap(), (at, id));
    }

    #[rstest]
    #[case::nothing("")]
    #[case::not_base64("*")]
    #[case::no_time(URL_SAFE_NO_PAD.encode("x:y"))]
    #[case::before_postgresql(encode(DateTime::<Utc>::MIN_UTC, Uuid::nil()))]
    #[case::after_rfc_3339(encode(DateTime::<Utc>::MAX_UTC, Uuid::nil()))]
    #[case::out_of_range(URL_SAFE_NO_PAD.encode(format!("{}:{}", i64::MAX, Uuid::nil())))]
    fn what_is_no_cursor_is_refused(#[case] cursor: impl AsRef<str>) {
        assert!(decode(cursor.as_ref()).is_err());
    }
}
