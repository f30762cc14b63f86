//! How soon customers are answered, and by whom.

use std::sync::PoisonError;
use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::registrar::{About, Bounds, By, Registrar, Traced, observe, words};
use crate::telemetry::Metrics;
use crate::telemetry::labelled::Labelled;
use crate::telemetry::labels::{AiResult, AnswerPart, ConversationEnd, LeftOutList, Unanswered, WindowEvent};
use crate::trace::Trace;

/// In seconds, for calls to DispatchBot: two tries of 2 s each.
const AI_BOUNDS: Bounds = Bounds(&[0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0]);
/// In seconds: an answer is expected after a minute or two, and useless after half an hour.
const ANSWER_BOUNDS: Bounds =
    Bounds(&[0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 65.0, 75.0, 90.0, 120.0, 300.0, 900.0, 1_800.0]);
const PART_BOUNDS: Bounds =
    Bounds(&[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 10.0, 30.0, 60.0, 90.0, 300.0, 1_800.0]);

/// The time from a customer's text to the answer, and what part of it others took. The rest is our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerTimes {
    /// From the first text that the answer is about until Twilio accepted the answer.
    pub all: Duration,
    /// For a person, until the window's deadline.
    pub person: Duration,
    /// For DispatchBot.
    pub dispatchbot: Duration,
    /// For Twilio to accept the message.
    pub twilio: Duration,
}

#[derive(Debug)]
pub(in crate::telemetry) struct Answers {
    pub(in crate::telemetry) windows: Labelled,
    pub(in crate::telemetry) ai_calls: Labelled,
    left_out: Labelled,
    ai_time: Traced,
    time: Traced,
    part: By<Histogram, Bounds>,
    unanswered: By<Gauge>,
    conversations_completed: Labelled,
}

impl Answers {
    pub(super) fn register(r: &mut Registrar) -> Self {
        let ai_time = About::seconds("ai_call", "Duration of calls to DispatchBot");
        let time = About::seconds(
            "answer",
            "Time from the first customer's text of a window to Twilio's acceptance of our answer to it",
        );
        let part = About::seconds(
            "answer_part",
            "The parts of `nmc_answer_seconds`: `person` (the window waited for a person), `dispatchbot`, `twilio`, and \
             `service` (the rest). They add up",
        );
        let unanswered = About::new(
            "customers_unanswered",
            "Open conversations with a customer's text that has waited for an answer for this many seconds, that no \
             person owns, and of which no person was told. A text that is not processed yet is not among them: see \
             `nmc_consumer_lag`",
        );
        use prometheus_client::metrics::family::MetricConstructor;
        let answers = Self {
            windows: r.labelled(
                "windows",
                "State changes of windows",
                &["event"],
                words(WindowEvent::ALL, WindowEvent::as_str),
            ),
            ai_calls: r.labelled(
                "ai_calls",
                "Calls to DispatchBot",
                &["result"],
                words(AiResult::ALL, AiResult::as_str),
            ),
            left_out: r.labelled(
                "dispatchbot_left_out",
                "Entries of a business's lists that were left out of a request to DispatchBot, because its dialect has no \
                 words for them: job estimates that lack a required field, calendar entries without a time",
                &["list"],
                words(LeftOutList::ALL, LeftOutList::as_str),
            ),
            ai_time: r.histogram(ai_time, AI_BOUNDS.new_metric()),
            time: r.histogram(time, ANSWER_BOUNDS.new_metric()),
            part: r.histogram(part.by(&["part"]), Family::new_with_constructor(PART_BOUNDS)),
            unanswered: r.gauge_of_workers(unanswered.by(&["seconds"]), Family::default()),
            conversations_completed: r.labelled(
                "conversations_completed",
                "Conversations that ended; `other` for outcomes that people or DispatchBot named otherwise",
                &["outcome"],
                words(ConversationEnd::ALL, ConversationEnd::as_str),
            ),
        };
        words(AnswerPart::ALL, AnswerPart::as_str).for_each(|part| drop(answers.part.get_or_create(&[("part", part)])));
        answers
    }
}

impl Metrics {
    /// Counts a step of a window.
    pub fn window(&self, event: WindowEvent) {
        self.inner.totals.answers.windows.inc(event.as_str());
    }

    /// A conversation ended with this outcome.
    pub fn conversation_completed(&self, outcome: Option<&str>) {
        let end = outcome.and_then(|outcome| outcome.parse().ok()).unwrap_or(ConversationEnd::Other);
        self.inner.totals.answers.conversations_completed.inc(end.as_str());
    }

    /// A call to DispatchBot ended. A call that the circuit breaker rejected has no time and is not a failure of the
    /// last hour.
    pub fn ai_call(&self, result: AiResult, elapsed: Duration, trace: Option<&Trace>) {
        let answers = &self.inner.totals.answers;
        answers.ai_calls.inc(result.as_str());
        if result != AiResult::Rejected {
            observe(&answers.ai_time, elapsed.as_secs_f64(), trace);
            let now = self.inner.now();
            let failed = result != AiResult::Answered;
            self.inner.ai.lock().unwrap_or_else(PoisonError::into_inner).record(now, elapsed, failed);
        }
    }

    /// So many entries of a list were left out of a request to DispatchBot.
    pub fn left_out(&self, list: LeftOutList, count: usize) {
        self.inner.totals.answers.left_out.inc_by(list.as_str(), count as u64);
    }

    /// Twilio accepted our answer to a customer.
    pub fn answered(&self, times: &AnswerTimes, trace: Option<&Trace>) {
        let answers = &self.inner.totals.answers;
        observe(&answers.time, times.all.as_secs_f64(), trace);
        let of_others = times.person + times.dispatchbot + times.twilio;
        for (part, took) in [
            (AnswerPart::Person, times.person),
            (AnswerPart::Service, times.all.saturating_sub(of_others)),
            (AnswerPart::DispatchBot, times.dispatchbot),
            (AnswerPart::Twilio, times.twilio),
        ] {
            answers.part.get_or_create(&[("part", part.as_str())]).observe(took.as_secs_f64());
        }
    }

    /// Sets how many customers have waited for an answer for at least this long.
    pub fn customers_unanswered(&self, waited: Unanswered, count: i64) {
        self.inner.totals.is_worker();
        self.inner.totals.answers.unanswered.get_or_create(&[("seconds", waited.as_str())]).set(count);
    }
}
