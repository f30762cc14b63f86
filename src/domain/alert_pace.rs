//! How fast alerts go to one phone, so that many emergencies at once do not become a flood of texts. Danger to life is not
//! paced.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::text_enum;

/// How many alerts go alone within [`WITHIN`]; a bundle counts as one.
const ALONE: usize = 3;
const WITHIN: TimeDelta = TimeDelta::minutes(10);
/// A bundle has at most this many characters: an SMS may have 1,600.
const MAX_CHARS: usize = 1_500;

/// The alerts that a phone got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertPace {
    /// When the last ones were sent.
    pub recent: Vec<DateTime<Utc>>,
    /// Until when the newest bundle collects.
    pub bundle_at: Option<DateTime<Utc>>,
}

text_enum! {
    /// How it was decided that an alert goes.
    pub enum Paced {
        /// By itself.
        Alone = "alone",
        /// With others.
        Held = "held",
    }
}

/// How an alert goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertTurn {
    /// By itself, now.
    Alone,
    /// With others, not before this time.
    Held(DateTime<Utc>),
    /// Now, with others: the text.
    Bundle(String),
}

impl AlertPace {
    /// Whether the next alert goes alone, or until when it is held. A new bundle collects for this time.
    pub fn next(&mut self, now: DateTime<Utc>, collects: Duration) -> Option<DateTime<Utc>> {
        self.recent.retain(|at| now < *at + WITHIN);
        if let Some(at) = self.bundle_at.filter(|at| now < *at) {
            return Some(at);
        }
        if self.recent.len() < ALONE {
            self.recent.push(now);
            return None;
        }
        let at = now + collects;
        self.bundle_at = Some(at);
        Some(at)
    }

    /// A bundle is sent.
    pub fn bundled(&mut self, now: DateTime<Utc>) {
        self.recent.push(now);
        let surplus = self.recent.len().saturating_sub(ALONE);
        self.recent.drain(..surplus);
        self.bundle_at = self.bundle_at.filter(|at| now < *at);
    }
}

const TO_DO: &str = "Call them, or take the conversations over.";

/// The text of a bundle of these alerts, by their lines, and how many of them it takes: the rest goes with the next one. An
/// alert about a customer who was erased has no line.
pub fn bundle<'a>(alerts: impl IntoIterator<Item = Option<&'a str>>) -> (String, usize) {
    let (mut lines, mut taken, mut chars) = (Vec::new(), 0, 0);
    for (place, line) in alerts.into_iter().enumerate() {
        let Some(line) = line else { continue };
        chars += line.chars().count() + 2;
        if !lines.is_empty() && chars > MAX_CHARS {
            break;
        }
        lines.push(line);
        taken = place + 1;
    }
    let (count, lines) = (lines.len(), lines.join(", "));
    let noun = if count == 1 { "EMERGENCY" } else { "EMERGENCIES" };
    (format!("{count} more {noun}: {lines}. {TO_DO}"), taken)
}

/// Whether a text is a bundle of alerts.
pub fn is_bundle(text: &str) -> bool {
    text.contains(" more EMERGENC") && text.ends_with(TO_DO)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLLECTS: Duration = Duration::from_secs(30);

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap_or_default()
    }

    #[test]
    fn three_go_alone_and_the_rest_together() {
        let mut pace = AlertPace::default();
        assert_eq!([0, 1, 2].map(|second| pace.next(at(second), COLLECTS)), [None, None, None]);
        assert_eq!([3, 4, 32].map(|second| pace.next(at(second), COLLECTS)), [Some(at(33)); 3]);
        pace.bundled(at(33));
        assert_eq!(pace.next(at(34), COLLECTS), Some(at(64)), "the bundle counts as one of three");
    }

    #[test]
    fn after_ten_minutes_alerts_go_alone_again() {
        let mut pace = AlertPace::default();
        for second in 0..4 {
            pace.next(at(second), COLLECTS);
        }
        pace.bundled(at(33));
        assert_eq!(pace.next(at(34 + 600), COLLECTS), None);
    }

    #[test]
    fn a_bundle_names_each_and_fits_into_an_sms() {
        let (text, taken) = bundle(vec![Some("+12125550101 (burst pipe)"); 100]);
        assert!(text.starts_with("55 more EMERGENCIES: +12125550101 (burst pipe), +12"), "{text}");
        assert_eq!((taken, text.matches("burst pipe").count()), (55, 55));
        assert!(text.chars().count() <= 1_600, "{}", text.chars().count());
        assert_eq!(
            bundle([Some("+1 (fire)")]),
            ("1 more EMERGENCY: +1 (fire). Call them, or take the conversations over.".into(), 1)
        );
    }
}
