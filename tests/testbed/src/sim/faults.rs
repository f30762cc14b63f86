//! Fault rules: which fault applies to which requests, and how often. Each simulator defines its own faults.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How often a rule fires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// On every matching request.
    #[default]
    Always,
    /// On the next matching requests, this many, then never again.
    Next(u32),
    /// Switched off.
    Never,
}

/// One fault, the requests it applies to, and how often it fires.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule<F> {
    /// How often it fires; JSON `"always"`, `"never"` or `{"next":2}`.
    #[serde(default)]
    pub when: When,
    /// Only requests about this customer's number (E.164); absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// The fault.
    pub fault: F,
}

impl<F> Rule<F> {
    /// Applies the fault to every request.
    pub fn always(fault: F) -> Self {
        Self { when: When::Always, number: None, fault }
    }

    /// Applies the fault to the next `count` requests.
    pub fn next(count: u32, fault: F) -> Self {
        Self { when: When::Next(count), number: None, fault }
    }

    /// Limits the rule to one customer's number.
    #[must_use]
    pub fn to(self, number: impl Into<String>) -> Self {
        Self { number: Some(number.into()), ..self }
    }
}

/// Rules in order. Every matching rule fires and, if it has a count, uses one up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rules<F>(Vec<Rule<F>>);

impl<F> Default for Rules<F> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<F: Clone> Rules<F> {
    /// Appends a rule.
    pub fn push(&mut self, rule: Rule<F>) {
        self.0.push(rule);
    }

    /// The faults that apply to a request about `number`, limited to those that `of_interest` accepts; uses up counted
    /// rules.
    pub fn take(&mut self, number: &str, of_interest: impl Fn(&F) -> bool) -> Vec<F> {
        let mut met = Vec::new();
        for rule in &mut self.0 {
            if rule.number.as_deref().is_some_and(|wanted| wanted != number) || !of_interest(&rule.fault) {
                continue;
            }
            match &mut rule.when {
                When::Never | When::Next(0) => continue,
                When::Next(left) => *left -= 1,
                When::Always => {}
            }
            met.push(rule.fault.clone());
        }
        met
    }
}

/// A range from which a delay is drawn; JSON `{"min_ms":…,"max_ms":…}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The shortest delay.
    #[serde(rename = "min_ms", with = "millis")]
    pub min: Duration,
    /// The longest delay; if it is less than `min`, the delay is `min`.
    #[serde(rename = "max_ms", with = "millis", default)]
    pub max: Duration,
}

impl Span {
    /// Always exactly this long.
    pub fn exactly(time: Duration) -> Self {
        Self { min: time, max: time }
    }

    /// A time between the two.
    pub fn between(min: Duration, max: Duration) -> Self {
        Self { min, max }
    }

    /// Draws a time; `fraction` is between 0 and 1.
    pub fn pick(&self, fraction: f64) -> Duration {
        self.min + self.max.saturating_sub(self.min).mul_f64(fraction.clamp(0.0, 1.0))
    }
}

/// Serializes a `Duration` as whole milliseconds.
pub mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes a duration as whole milliseconds.
    pub fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    /// Reads a duration from whole milliseconds.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_rule_is_used_up_and_a_numbered_one_spares_others() {
        let mut rules = Rules::default();
        rules.push(Rule::next(2, "a"));
        rules.push(Rule::always("b").to("+12125551234"));
        assert_eq!(rules.take("+12125551234", |_| true), ["a", "b"]);
        assert_eq!(rules.take("+19995550000", |_| true), ["a"]);
        assert_eq!(rules.take("+12125551234", |_| true), ["b"]);
    }
}
