//! Prices: which ones a text contains, and whether the business has estimated them.
//!
//! An answer of DispatchBot with a price outside the job estimates is not sent: it would be a promise that the business
//! did not make.

use serde_json::Value;

/// The price range of a job, in the business's currency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PriceRange {
    /// The minimum price.
    pub min: f64,
    /// The maximum price.
    pub max: f64,
}

impl PriceRange {
    /// The ranges in a business's job estimates: `min` and `max`, or other common names.
    pub fn of_estimates(job_estimates: &Value) -> Vec<Self> {
        let first = |job: &Value, names: &[&str]| names.iter().find_map(|name| job.get(name).and_then(Value::as_f64));
        let range = |job: &Value| {
            let fixed = first(job, &["price"]);
            let min = first(job, &["min", "min_price", "low", "price_min"]).or(fixed)?;
            let max = first(job, &["max", "max_price", "high", "price_max"]).or(fixed)?;
            Some(Self { min, max })
        };
        job_estimates.as_array().map(|jobs| jobs.iter().filter_map(range).collect()).unwrap_or_default()
    }
}

/// Whether every price in the text is within one of the ranges.
pub fn are_estimated(text: &str, ranges: &[PriceRange]) -> bool {
    named(text).iter().all(|price| ranges.iter().any(|range| (range.min..=range.max).contains(price)))
}

/// The prices in a text: a number after `$`, or before `dollars`, `bucks`, `usd`.
fn named(text: &str) -> Vec<f64> {
    let lower = text.to_lowercase();
    let mut prices = Vec::new();
    for (at, sign) in lower.match_indices('$') {
        prices.extend(number(lower[at + sign.len()..].trim_start()).map(|(value, _)| value));
    }
    let starts = lower.char_indices().filter(|(at, c)| {
        c.is_ascii_digit()
            && !lower[..*at].ends_with(|before: char| before.is_ascii_digit() || matches!(before, '.' | ','))
    });
    for (at, _) in starts {
        if let Some((value, rest)) = number(&lower[at..])
            && ["dollar", "bucks", "usd"].iter().any(|unit| rest.trim_start().starts_with(unit))
        {
            prices.push(value);
        }
    }
    prices
}

/// The number at the start of a text, and what follows it.
fn number(text: &str) -> Option<(f64, &str)> {
    let length = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ','))).unwrap_or(text.len());
    let digits = text[..length].trim_end_matches(['.', ',']).replace(',', "");
    let value: f64 = digits.parse().ok()?;
    let rest = &text[length..];
    match rest.strip_prefix('k') {
        Some(rest) => Some((value * 1_000.0, rest)),
        None => Some((value, rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::none("We can come at 3pm, or on the 12th.", &[])]
    #[case::one("That is $150.", &[150.0])]
    #[case::a_range("Usually $150 to $1,350.50, plus parts", &[150.0, 1350.5])]
    #[case::in_words("about 200 dollars or 90 bucks", &[200.0, 90.0])]
    #[case::thousands("up to $2k", &[2000.0])]
    #[case::a_lonely_sign("cost in $ depends", &[])]
    #[case::said_twice("$80 dollars", &[80.0, 80.0])]
    fn a_text_names_its_prices(#[case] text: &str, #[case] prices: &[f64]) {
        assert_eq!(named(text), prices);
    }

    #[rstest]
    #[case::within("It is $150 to $350.", true)]
    #[case::at_the_edges("$100, at most $350", true)]
    #[case::in_another_jobs_range("$900", true)]
    #[case::between_the_ranges("$500", false)]
    #[case::one_of_two("$150, or $40 on Sundays", false)]
    #[case::no_price("We will see.", true)]
    fn a_price_has_to_lie_in_one_of_the_ranges(#[case] text: &str, #[case] fine: bool) {
        let estimates = json!([{ "min": 100, "max": 350 }, { "min_price": 800, "max_price": 1000 }, { "note": "?" }]);
        assert_eq!(are_estimated(text, &PriceRange::of_estimates(&estimates)), fine);
    }

    #[test]
    fn without_estimates_no_price_is_one_that_somebody_has_made() {
        assert!(!are_estimated("$150", &[]));
        assert!(are_estimated("soon", &[]));
    }
}
