//! An SMS that is awaited, and what is recorded when it comes or does not.

use std::time::Duration;

use super::records::{Failure, Measure, Records};

/// An SMS that is awaited. All times count from the beginning of the run.
#[derive(Debug)]
pub(super) struct Awaited {
    /// The number of the action.
    pub(super) action: usize,
    /// The intended time of the webhook.
    since: Duration,
    /// Absent for a missed call.
    text: Option<Text>,
}

/// What has happened to a text.
#[derive(Debug)]
struct Text {
    /// The end of its quiet period: its window closes no sooner.
    due: Duration,
    asked: Option<Duration>,
    /// DispatchBot's answers, each with its time. The service does not wait for one that takes too long.
    answers: Vec<(Duration, String)>,
}

impl Awaited {
    /// The text for a call that was to be missed at `since`.
    pub(super) fn missed_call(action: usize, since: Duration) -> Self {
        Self { action, since, text: None }
    }

    /// The answer to a text that was to be sent at `since`.
    pub(super) fn text(action: usize, since: Duration, quiet: Duration) -> Self {
        Self { action, since, text: Some(Text { due: since + quiet, asked: None, answers: Vec::new() }) }
    }

    /// Whether an SMS, or a request to DispatchBot, can be about it now.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.text.as_ref().is_none_or(|text| text.due <= now)
    }

    /// DispatchBot is asked about it.
    pub(super) fn asked(&mut self, now: Duration) {
        if let Some(text) = &mut self.text {
            text.asked.get_or_insert(now);
        }
    }

    /// DispatchBot answers. A text about which it has not been asked came after the question.
    pub(super) fn analyzed(&mut self, now: Duration, message: &str) {
        if let Some(text) = self.text.as_mut().filter(|text| text.asked.is_some()) {
            text.answers.push((now, message.to_owned()));
        }
    }

    /// It is posted to Twilio.
    pub(super) fn posted(&self, records: &mut Records, sms: &str, now: Duration) {
        let Some(text) = &self.text else {
            return records.push(Measure::MissedCall, self.since, now);
        };
        let answer = text.answers.iter().rev().find(|(_, message)| sms.ends_with(message.as_str()));
        self.answered(records, text, answer.map_or(now, |(at, _)| *at), now);
        if answer.is_none() {
            records.fail(self.action, Failure::Fallback);
        }
    }

    /// It has not come.
    pub(super) fn given_up(&self, records: &mut Records, now: Duration) {
        match &self.text {
            None => records.push(Measure::MissedCall, self.since, now),
            Some(text) => self.answered(records, text, now, now),
        }
        records.fail(self.action, Failure::NoSms);
    }

    fn answered(&self, records: &mut Records, text: &Text, analyzed: Duration, now: Duration) {
        records.push(Measure::Text, self.since, now);
        records.push(Measure::Analysis, text.due, analyzed);
        if let Some(asked) = text.asked {
            records.push(Measure::Close, text.due, asked);
        }
    }
}
