//! The region of a phone number, by Google's libphonenumber: Jamaica is not the USA, though both begin with +1.

use std::fmt;
use std::str::FromStr;

use rlibphonenumber::PHONE_NUMBER_UTIL;
use serde::{Deserialize, Serialize};

use crate::domain::phone::PhoneNumber;

/// A region by its ISO 3166-1 code of two letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region([u8; 2]);

impl Region {
    /// The region of a number. `None` if the numbering plan does not tell: the number has no region, is fictitious, or is
    /// newer than the plan.
    pub fn of(phone: &PhoneNumber) -> Option<Self> {
        let number = PHONE_NUMBER_UTIL.parse(phone.as_str(), None).ok()?;
        PHONE_NUMBER_UTIL.get_region_for_number(&number)?.as_region_str().parse().ok()
    }

    /// The main region of the number's country code; the USA if there is none.
    pub fn main_of(phone: &PhoneNumber) -> Self {
        let number = PHONE_NUMBER_UTIL.parse(phone.as_str(), None).ok();
        let region = number.and_then(|number| PHONE_NUMBER_UTIL.get_region_for_country_code(number.country_code));
        region.and_then(|region| region.as_region_str().parse().ok()).unwrap_or(Self(*b"US"))
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Region {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let region = rlibphonenumber::Region::from_code(text).ok();
        let has_plan = region.is_some_and(|region| PHONE_NUMBER_UTIL.get_country_code_for_region(region).is_some());
        match text.as_bytes() {
            [a @ b'A'..=b'Z', b @ b'A'..=b'Z'] if has_plan => Ok(Self([*a, *b])),
            _ => Err("must be the ISO 3166-1 code of a region with a numbering plan, such as US".to_owned()),
        }
    }
}

impl TryFrom<String> for Region {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Region> for String {
    fn from(region: Region) -> Self {
        region.to_string()
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::new_york("+12125551234", Some("US"))]
    #[case::jamaica("+18765551234", Some("JM"))]
    #[case::toronto("+14165551234", Some("CA"))]
    #[case::puerto_rico("+17875551234", Some("PR"))]
    #[case::mexico("+525512345678", Some("MX"))]
    #[case::latvia("+37121234567", Some("LV"))]
    #[case::a_satellite("+881612345678", None)]
    #[case::fictitious("+15555551111", None)]
    #[case::of_nobody("+999123456789", None)]
    fn a_number_has_the_region_of_its_plan(#[case] phone: &str, #[case] region: Option<&str>) {
        assert_eq!(Region::of(&phone.parse().unwrap()).map(String::from).as_deref(), region);
    }

    #[rstest]
    #[case::fictitious("+15555551111", "US")]
    #[case::toronto("+14165551234", "US")]
    #[case::london("+442079460000", "GB")]
    #[case::of_nobody("+999123456789", "US")]
    fn a_country_code_has_a_main_region(#[case] phone: &str, #[case] region: &str) {
        assert_eq!(Region::main_of(&phone.parse().unwrap()).to_string(), region);
    }

    #[rstest]
    #[case("us")]
    #[case("USA")]
    #[case("ZZ")]
    #[case("001")]
    #[case("")]
    fn what_is_no_region_is_refused(#[case] text: &str) {
        assert!(text.parse::<Region>().is_err());
    }
}
