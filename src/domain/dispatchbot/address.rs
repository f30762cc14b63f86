//! Where a business is: `user_settings.business_address`. The dialect dispatch-bot-ai cannot do without it.

use serde_json::Value;

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
            street_address: text("street_address")?,
            city: text("city")?,
            state,
            postal_code: text("postal_code")?,
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
    #[case::none(json!({}), "is needed")]
    #[case::null(json!({ "business_address": null }), "is needed")]
    #[case::a_line(json!({ "business_address": "1 Main St, Albany" }), "state")]
    #[case::no_city(with("city", json!(" ")), "city")]
    #[case::no_postal_code(with("postal_code", json!(12_207)), "postal_code")]
    #[case::a_long_state(with("state", json!("New York")), "two capitals")]
    #[case::a_small_state(with("state", json!("ny")), "two capitals")]
    #[case::beyond_the_pole(with("latitude", json!(91)), "latitude")]
    fn what_is_no_address_is_told_by_its_field(#[case] settings: Value, #[case] named: &str) {
        let why = BusinessAddress::of_settings(&settings).unwrap_err();
        assert!(why.contains(named), "{why}");
    }
}
