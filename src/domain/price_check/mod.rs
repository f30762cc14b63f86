//! Prices: which ones a text contains, and whether the business has estimated them.
//!
//! An answer of DispatchBot with a price outside the job estimates is not sent: it would be a promise that the business
//! did not make. A price is recognised in any notation in which a customer would read it as one; if in doubt, a number is
//! a price: a person is told, and the customer gets the fallback text.

mod find;
#[cfg(test)]
mod tests;
mod tokens;
mod words;

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
            let min = first(job, &["min", "min_price", "low", "price_min", "estimated_cost_min"]).or(fixed)?;
            let max = first(job, &["max", "max_price", "high", "price_max", "estimated_cost_max"]).or(fixed)?;
            Some(Self { min, max })
        };
        job_estimates.as_array().map(|jobs| jobs.iter().filter_map(range).collect()).unwrap_or_default()
    }
}

/// Whether every price in the text is within one of the ranges. Nothing at all (`$0`, free) is no price.
pub fn are_estimated(text: &str, ranges: &[PriceRange]) -> bool {
    are_within(&find::prices(text), ranges)
}

/// The same for prices that an answer has beside its text.
pub fn are_within(prices: &[f64], ranges: &[PriceRange]) -> bool {
    let is_estimated = |price: &f64| ranges.iter().any(|range| (range.min..=range.max).contains(price));
    prices.iter().all(|price| *price == 0.0 || is_estimated(price))
}
