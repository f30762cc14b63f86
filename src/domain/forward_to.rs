//! The phones to which the calls of a business are forwarded, in their order.

use serde::{Deserialize, Serialize};

use crate::domain::phone::PhoneNumber;

/// The most phones that a call may ring. Carriers let a call ring for about two minutes.
pub const MAX_PHONES: usize = 5;

/// The phones to which calls are forwarded: at least one, at most [`MAX_PHONES`], each once.
///
/// In a document the first has the field `forward_to`, and the others `forward_to_next`, which a document with one phone
/// does not have: versions that know one phone only read both, and ring the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct ForwardTo {
    first: PhoneNumber,
    next: Vec<PhoneNumber>,
}

/// Why a list of phones cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForwardToError {
    /// There is no phone.
    #[error("must contain at least one phone")]
    Empty,
    /// There are more than [`MAX_PHONES`].
    #[error("must not contain more than {MAX_PHONES} phones")]
    TooMany,
    /// A phone is in it more than once.
    #[error("must not contain a phone twice")]
    Twice,
}

impl ForwardTo {
    /// The phones, in the order in which they ring.
    ///
    /// # Errors
    /// If there is none, if there are too many, or if one is the same as another.
    pub fn new(phones: Vec<PhoneNumber>) -> Result<Self, ForwardToError> {
        if phones.len() > MAX_PHONES {
            return Err(ForwardToError::TooMany);
        }
        let mut people: Vec<_> = phones.iter().cloned().map(PhoneNumber::of_person).collect();
        people.sort();
        people.dedup();
        if people.len() < phones.len() {
            return Err(ForwardToError::Twice);
        }
        let mut phones = phones.into_iter();
        let first = phones.next().ok_or(ForwardToError::Empty)?;
        Ok(Self { first, next: phones.collect() })
    }

    /// The phone that rings first: the owner's.
    pub fn first(&self) -> &PhoneNumber {
        &self.first
    }

    /// All phones, in the order in which they ring.
    pub fn iter(&self) -> impl Iterator<Item = &PhoneNumber> {
        std::iter::once(&self.first).chain(&self.next)
    }

    /// How many phones there are; never 0.
    pub fn count(&self) -> usize {
        1 + self.next.len()
    }
}

impl From<PhoneNumber> for ForwardTo {
    fn from(first: PhoneNumber) -> Self {
        Self { first, next: Vec::new() }
    }
}

/// The fields of a document.
#[derive(Serialize, Deserialize)]
struct Fields {
    forward_to: PhoneNumber,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    forward_to_next: Vec<PhoneNumber>,
}

impl TryFrom<Fields> for ForwardTo {
    type Error = ForwardToError;

    fn try_from(fields: Fields) -> Result<Self, ForwardToError> {
        Self::new(std::iter::once(fields.forward_to).chain(fields.forward_to_next).collect())
    }
}

impl From<ForwardTo> for Fields {
    fn from(ForwardTo { first, next }: ForwardTo) -> Self {
        Self { forward_to: first, forward_to_next: next }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn phones(last_digits: &[&str]) -> Vec<PhoneNumber> {
        last_digits.iter().map(|digits| format!("+1555555{digits}").parse().unwrap()).collect()
    }

    #[rstest]
    #[case::none(phones(&[]), Some(ForwardToError::Empty))]
    #[case::one(phones(&["0001"]), None)]
    #[case::five(phones(&["0001", "0002", "0003", "0004", "0005"]), None)]
    #[case::six(phones(&["0001", "0002", "0003", "0004", "0005", "0006"]), Some(ForwardToError::TooMany))]
    #[case::one_twice(phones(&["0001", "0002", "0001"]), Some(ForwardToError::Twice))]
    #[case::one_in_two_notations(
        vec!["+5215512345678".parse().unwrap(), "+525512345678".parse().unwrap()],
        Some(ForwardToError::Twice)
    )]
    fn phones_ring_in_their_order_and_each_once(#[case] list: Vec<PhoneNumber>, #[case] error: Option<ForwardToError>) {
        let made = ForwardTo::new(list.clone());
        assert_eq!(made.as_ref().err().copied(), error);
        let Ok(made) = made else { return };
        assert_eq!((made.first(), made.count()), (&list[0], list.len()));
        assert!(made.iter().eq(&list));
    }

    #[test]
    fn a_document_with_one_phone_is_as_it_was_before_there_were_lists() {
        let one = json!({ "forward_to": "+15555550001" });
        let read: ForwardTo = serde_json::from_value(one.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), one);
    }

    #[test]
    fn an_older_version_finds_the_first_phone_of_a_list() {
        let written = serde_json::to_value(ForwardTo::new(phones(&["0001", "0002"])).unwrap()).unwrap();
        assert_eq!(written, json!({ "forward_to": "+15555550001", "forward_to_next": ["+15555550002"] }));
        let read: ForwardTo = serde_json::from_value(written).unwrap();
        assert_eq!(read.count(), 2);
    }
}
