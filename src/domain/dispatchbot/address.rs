//! Where a business is: `user_settings.business_address`. The dialect dispatch-bot-ai cannot do without it.

use serde_json::Value;

// The most characters of each, as dispatch-bot-ai's OpenAPI file has it.
const MAX_STREET_ADDRESS: usize = 255;
const MAX_CITY: usize = 100;
const MAX_POSTAL_CODE: usize = 10;

/// An address, with the fields of dispatch-bot-ai.
#[derive(Debug, Clone, PartialEq)]
pub struct BusinessAddress {
    /// Street and number.
    pub street_address: String,
    /// The city.
    pub city: String,
    /// The state, as two capitals.
    pub state: String,
    /// The postal code.
    pub postal_code: String,
    /// In degrees north.
    pub latitude: Option<f64>,
    /// In degrees east.
    pub longitude: Option<f64>,
}

impl BusinessAddress {
    /// The address in a business's settings.
    ///
    /// # Errors
    /// What is missing or wrong, for the field `user_settings.business_address`.
    pub fn of_settings(user_settings: &Value) -> Result<Self, String> {
        let Some(address) = user_settings.get("business_address").filter(|address| !address.is_null()) else {
            return Err("is needed by the dialect dispatch-bot-ai: street_address, city, state and postal_code".into());
        };
        let text = |name: &str| match address.get(name).and_then(Value::as_str).map(str::trim) {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(format!("needs the text {name}")),
        };
        let bounded = |name: &str, most: usize| match text(name)? {
            text if text.chars().count() > most => Err(format!("{name} must not be longer than {most} characters")),
            text => Ok(text),
        };
        let degrees = |name: &str, most: f64| match address.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_f64().filter(|degrees| degrees.abs() <= most) {
                Some(degrees) => Ok(Some(degrees)),
                None => Err(format!("{name} must be a number from -{most} to {most}")),
            },
        };
        let state = text("state")?;
        if state.len() != 2 || !state.bytes().all(|letter| letter.is_ascii_uppercase()) {
            return Err("state must be two capitals, such as NY".to_owned());
        }
        Ok(Self {
            street_address: bounded("street_address", MAX_STREET_ADDRESS)?,
            city: bounded("city", MAX_CITY)?,
            state,
            postal_code: bounded("postal_code", MAX_POSTAL_CODE)?,
            latitude: degrees("latitude", 90.0)?,
            longitude: degrees("longitude", 180.0)?,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn with(name: &str, value: Value) -> Value {
        let address = json!({ "street_address": "1 Main St", "city": "Albany", "state": "NY", "postal_code": "12207" });
        let mut settings = json!({ "business_address": address });
        settings["business_address"][name] = value;
        settings
    }

    #[test]
    fn an_address_is_read_with_and_without_its_place_on_the_globe() {
        let address = BusinessAddress::of_settings(&with("latitude", json!(42.65))).unwrap();
        assert_eq!((address.state.as_str(), address.latitude, address.longitude), ("NY", Some(42.65), None));
    }

    #[rstest]
    #[case("street_address", 255)]
    #[case("city", 100)]
    #[case("postal_code", 10)]
    fn a_field_may_be_as_long_as_the_dialect_has_it(#[case] name: &str, #[case] most: usize) {
        assert!(BusinessAddress::of_settings(&with(name, json!("ñ".repeat(most)))).is_ok());
    }

    #[rstest]
    #[case::none(json!({}), "is needed")]
    #[case::null(json!({ "business_address": null }), "is needed")]
    #[case::a_line(json!({ "business_address": "1 Main St, Albany" }), "state")]
    #[case::no_city(with("city", json!(" ")), "city")]
    #[case::no_postal_code(with("postal_code", json!(12_207)), "postal_code")]
    #[case::a_long_state(with("state", json!("New York")), "two capitals")]
    #[case::a_long_street(with("street_address", json!("ñ".repeat(256))), "street_address must not be longer than 255")]
    #[case::a_long_city(with("city", json!("ñ".repeat(101))), "city must not be longer than 100")]
    #[case::a_long_postal_code(with("postal_code", json!("12207-12345")), "postal_code must not be longer than 10")]
    #[case::a_small_state(with("state", json!("ny")), "two capitals")]
    #[case::beyond_the_pole(with("latitude", json!(91)), "latitude")]
    fn what_is_no_address_is_told_by_its_field(#[case] settings: Value, #[case] named: &str) {
        let why = BusinessAddress::of_settings(&settings).unwrap_err();
        assert!(why.contains(named), "{why}");
    }
}
