//! `job_estimates`: entries of the business's document that have every field that the dialect needs, within its bounds.

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use super::bounds::{self, cut};

/// The entries as dispatch-bot-ai has them, and how many are left out.
pub(super) fn written(job_estimates: &Value) -> (Vec<Value>, usize) {
    let entries = job_estimates.as_array().map(Vec::as_slice).unwrap_or_default();
    let written: Vec<Value> = entries.iter().filter_map(entry).collect();
    let left_out = entries.len() - written.len();
    (written, left_out)
}

fn entry(job: &Value) -> Option<Value> {
    let text = |name: &str| job.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let number = |name: &str, bounds: RangeInclusive<f64>| {
        job.get(name).filter(|value| value.as_f64().is_some_and(|number| bounds.contains(&number)))
    };
    let cost = |name: &str| number(name, 0.0..=f64::MAX);
    let mut written = Map::new();
    written.insert("job_type".to_owned(), json!(cut(text("job_type")?, bounds::JOB_TYPE)));
    written.insert("description".to_owned(), json!(cut(text("description")?, bounds::DESCRIPTION)));
    written.insert("estimated_hours".to_owned(), number("estimated_hours", 0.5..=24.0)?.clone());
    written.insert("estimated_cost_min".to_owned(), cost("estimated_cost_min")?.clone());
    written.insert("estimated_cost_max".to_owned(), cost("estimated_cost_max")?.clone());
    written.insert("requires_parts".to_owned(), json!(job.get("requires_parts")?.as_bool()?));
    // What may be absent is absent if it is out of bounds.
    let optional = [
        ("urgency_multiplier", number("urgency_multiplier", 1.0..=f64::MAX)),
        ("buffer_minutes", number("buffer_minutes", 15.0..=120.0).filter(|minutes| minutes.is_i64())),
    ];
    let optional = optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.clone())));
    written.extend(optional);
    Some(Value::Object(written))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn job() -> Value {
        json!({
            "job_type": "drain_cleaning", "description": "Clears a blocked drain", "estimated_hours": 2,
            "estimated_cost_min": 120, "estimated_cost_max": 250.5, "requires_parts": false,
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut job = job();
        job[name] = value;
        job
    }

    #[test]
    fn a_complete_entry_is_kept_without_what_the_dialect_does_not_know() {
        assert_eq!(written(&json!([with("min", json!(120))])), (vec![job()], 0));
        let with_more = with("buffer_minutes", json!(30));
        assert_eq!(written(&json!([with_more])), (vec![with_more], 0));
    }

    #[rstest]
    #[case("job_type", 100)]
    #[case("description", 500)]
    fn a_text_of_an_entry_is_cut_to_its_bound(#[case] name: &str, #[case] bound: usize) {
        let (written, left_out) = written(&json!([with(name, json!("ñ".repeat(bound + 1)))]));
        assert_eq!((&written[0][name], left_out), (&json!("ñ".repeat(bound)), 0));
    }

    #[rstest]
    #[case::another_words(json!({ "job_type": "drain_cleaning", "min": 120, "max": 250 }))]
    #[case::no_description(with("description", Value::Null))]
    #[case::no_truth(with("requires_parts", json!("no")))]
    #[case::too_short(with("estimated_hours", json!(0.25)))]
    #[case::too_long(with("estimated_hours", json!(25)))]
    #[case::a_price_as_a_text(with("estimated_cost_max", json!("250")))]
    #[case::no_object(json!("drain"))]
    fn an_entry_that_lacks_something_is_left_out_and_counted(#[case] incomplete: Value) {
        assert_eq!(written(&json!([job(), incomplete])), (vec![job()], 1));
    }

    #[rstest]
    #[case::a_discount("urgency_multiplier", json!(0.5))]
    #[case::no_time("buffer_minutes", json!(5))]
    #[case::half_a_minute("buffer_minutes", json!(15.5))]
    fn an_optional_value_out_of_bounds_is_absent(#[case] name: &str, #[case] value: Value) {
        assert_eq!(written(&json!([with(name, value)])), (vec![job()], 0));
    }
}
