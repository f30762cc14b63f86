//! `forward_to` of a business: a phone, or a list of phones.

use std::borrow::Cow;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde_json::{Value, json};

use super::phones::ordinary;
use super::validation::Problems;
use crate::domain::forward_to::ForwardTo;
use crate::domain::phone::PhoneNumber;

/// A phone, or a list of phones.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum OneOrMore {
    /// A text.
    One(String),
    /// A list of texts.
    More(Vec<String>),
}

impl OneOrMore {
    /// The phones; adds an error for each that cannot be called, for calls that would loop, and for a list that cannot be
    /// used.
    pub(super) fn validated(&self, problems: &mut Problems, numbers: &[PhoneNumber]) -> Option<ForwardTo> {
        let (phones, listed): (Vec<PhoneNumber>, usize) = match self {
            Self::One(phone) => (problems.parsed("forward_to", Some(phone)).into_iter().collect(), 1),
            Self::More(phones) => (problems.parsed_each("forward_to", phones), phones.len()),
        };
        ordinary(problems, "forward_to", &phones);
        if phones.iter().any(|phone| numbers.contains(phone)) {
            problems.add("forward_to", "must not be one of phone_numbers: calls would loop forever");
        }
        if phones.len() < listed {
            return None;
        }
        ForwardTo::new(phones).map_err(|error| problems.add("forward_to", error)).ok()
    }
}

impl From<ForwardTo> for OneOrMore {
    fn from(phones: ForwardTo) -> Self {
        match phones.count() {
            1 => Self::One(phones.first().to_string()),
            _ => Self::More(phones.iter().map(PhoneNumber::to_string).collect()),
        }
    }
}

impl Type for OneOrMore {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "string_or_strings".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let any_of = vec![String::schema_ref(), Vec::<String>::schema_ref()];
        MetaSchemaRef::Inline(Box::new(MetaSchema { any_of, ..MetaSchema::ANY }))
    }

    fn register(_registry: &mut Registry) {}

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(self.as_raw_value().into_iter())
    }
}

impl ParseFromJSON for OneOrMore {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value.unwrap_or_default() {
            Value::String(phone) => Ok(Self::One(phone)),
            value @ Value::Array(_) => Vec::parse_from_json(Some(value)).map(Self::More).map_err(ParseError::propagate),
            other => Err(ParseError::expected_type(other)),
        }
    }
}

impl ToJSON for OneOrMore {
    fn to_json(&self) -> Option<Value> {
        Some(match self {
            Self::One(phone) => json!(phone),
            Self::More(phones) => json!(phones),
        })
    }
}
