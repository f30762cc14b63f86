//! The book of a run: which SMS are awaited, and the records of what was measured and what failed.
//!
//! The player writes into it what it does, and the simulators what they see, at the moment at which they see it. Every
//! latency counts from the intended beginning, not from the moment at which the generator came to it.
//!
//! A text is answered by the first SMS to its customer after the quiet period that it began: no window closes sooner,
//! so an earlier SMS answers earlier texts.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::awaited::Awaited;
use super::records::{Failure, Measure, Records};
use crate::sim::lock;

struct State {
    begun_at: Instant,
    records: Records,
    /// By the customer's number.
    awaited: HashMap<String, Vec<Awaited>>,
}

impl State {
    /// What is awaited by this customer, and can be meant now.
    fn due(&mut self, customer: &str, now: Duration) -> impl Iterator<Item = &mut Awaited> {
        self.awaited.get_mut(customer).into_iter().flatten().filter(move |awaited| awaited.is_due(now))
    }
}

/// The book of a run.
pub(super) struct Book {
    quiet: Duration,
    state: Mutex<State>,
    /// The number of SMS that are awaited.
    waiting: watch::Sender<usize>,
}

impl Book {
    /// An empty book that begins now; `quiet` is the service's quiet period.
    pub(super) fn new(quiet: Duration) -> Self {
        let state = State { begun_at: Instant::now(), records: Records::default(), awaited: HashMap::new() };
        Self { quiet, state: Mutex::new(state), waiting: watch::Sender::new(0) }
    }

    /// Begins anew.
    pub(super) fn begin(&self) {
        let mut state = lock(&self.state);
        *state = State { begun_at: Instant::now(), records: Records::default(), awaited: HashMap::new() };
        self.waiting.send_replace(0);
    }

    /// The time since the beginning.
    pub(super) fn now(&self) -> Duration {
        lock(&self.state).begun_at.elapsed()
    }

    /// The moment that is this long after the beginning.
    pub(super) fn moment(&self, at: Duration) -> Instant {
        lock(&self.state).begun_at + at
    }

    /// An action begins that was intended to begin at `at`.
    pub(super) fn begins(&self, at: Duration) {
        self.change(|state, now| {
            state.records.begun += 1;
            state.records.push(Measure::Start, at, now);
        });
    }

    /// Something ends that was intended to begin at `at`.
    pub(super) fn measured(&self, measure: Measure, at: Duration) {
        self.change(|state, now| state.records.push(measure, at, now));
    }

    /// An action has failed.
    pub(super) fn failed(&self, action: usize, failure: Failure) {
        self.change(|state, _| state.records.fail(action, failure));
    }

    /// From now on, the text for a call that was missed at `since` is awaited.
    pub(super) fn expect_missed_call_text(&self, action: usize, customer: &str, since: Duration) {
        self.expect(customer, Awaited::missed_call(action, since));
    }

    /// From now on, the answer to a text of `since` is awaited.
    pub(super) fn expect_answer(&self, action: usize, customer: &str, since: Duration) {
        self.expect(customer, Awaited::text(action, since, self.quiet));
    }

    /// The SMS for this action is no longer awaited.
    pub(super) fn withdraw(&self, action: usize, customer: &str) {
        self.change(|state, _| {
            if let Some(all) = state.awaited.get_mut(customer) {
                all.retain(|awaited| awaited.action != action);
            }
            state.awaited.retain(|_, all| !all.is_empty());
        });
    }

    /// DispatchBot is asked about this customer.
    pub(super) fn asked(&self, customer: &str) {
        self.change(|state, now| state.due(customer, now).for_each(|awaited| awaited.asked(now)));
    }

    /// DispatchBot answers about this customer.
    pub(super) fn analyzed(&self, customer: &str, message: &str) {
        self.change(|state, now| state.due(customer, now).for_each(|awaited| awaited.analyzed(now, message)));
    }

    /// Twilio is asked to send an SMS to this customer.
    pub(super) fn posted(&self, customer: &str, sms: &str) {
        self.change(|state, now| {
            let all = state.awaited.remove(customer).unwrap_or_default();
            let (answered, waiting): (Vec<_>, Vec<_>) = all.into_iter().partition(|awaited| awaited.is_due(now));
            answered.iter().for_each(|awaited| awaited.posted(&mut state.records, sms, now));
            if !waiting.is_empty() {
                state.awaited.insert(customer.to_owned(), waiting);
            }
        });
    }

    /// A status callback has ended with this HTTP status.
    pub(super) fn reported(&self, status: Option<u16>) {
        self.change(|state, _| {
            state.records.callbacks += 1;
            if status.is_none_or(|status| status >= 300) {
                state.records.fail_callback(status);
            }
        });
    }

    /// Waits until no SMS is awaited, at most `patience`; returns the number of those that still are.
    pub(super) async fn settle(&self, patience: Duration) -> usize {
        let mut waiting = self.waiting.subscribe();
        let none = waiting.wait_for(|count| *count == 0);
        let settled = tokio::time::timeout(patience, none).await.is_ok();
        if settled { 0 } else { *self.waiting.borrow() }
    }

    /// Every SMS that is still awaited has failed, and its latency is the time until now.
    pub(super) fn give_up(&self) {
        self.change(|state, now| {
            for awaited in std::mem::take(&mut state.awaited).into_values().flatten() {
                awaited.given_up(&mut state.records, now);
            }
        });
    }

    /// Everything that was recorded so far.
    pub(super) fn read(&self) -> Records {
        lock(&self.state).records.clone()
    }

    fn expect(&self, customer: &str, awaited: Awaited) {
        self.change(|state, _| state.awaited.entry(customer.to_owned()).or_default().push(awaited));
    }

    /// Changes the state, and updates the number of SMS that are awaited.
    fn change(&self, change: impl FnOnce(&mut State, Duration)) {
        let mut state = lock(&self.state);
        let now = state.begun_at.elapsed();
        change(&mut state, now);
        let count = state.awaited.values().map(Vec::len).sum();
        self.waiting.send_if_modified(|waiting| std::mem::replace(waiting, count) != count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOE: &str = "+12122000000";
    const ANSWER: &str = "We can come today.";
    const QUIET: Duration = Duration::from_secs(1);

    async fn after(millis: u64) {
        tokio::time::advance(Duration::from_millis(millis)).await;
    }

    fn latencies(book: &Book, measure: Measure) -> Vec<u128> {
        book.read().of(measure).iter().map(|sample| sample.took.as_millis()).collect()
    }

    fn failures(book: &Book) -> Vec<String> {
        book.read().failures.keys().map(Failure::to_string).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_latency_counts_from_the_intended_beginning() {
        let book = Book::new(QUIET);
        let intended = Duration::from_millis(100);
        after(400).await; // the generator came late
        book.begins(intended);
        after(50).await;
        book.measured(Measure::Webhook, intended);
        assert_eq!(latencies(&book, Measure::Start), [300]);
        assert_eq!(latencies(&book, Measure::Webhook), [350]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_text_is_followed_to_dispatchbot_and_to_twilio() {
        let book = Book::new(QUIET);
        book.expect_answer(0, JOE, book.now());
        after(1_100).await;
        book.asked(JOE);
        after(700).await;
        book.analyzed(JOE, ANSWER);
        after(50).await;
        book.posted(JOE, ANSWER);
        assert_eq!(latencies(&book, Measure::Close), [100]);
        assert_eq!(latencies(&book, Measure::Analysis), [800]);
        assert_eq!(latencies(&book, Measure::Text), [1_850]);
        assert!(failures(&book).is_empty());
        assert_eq!(book.settle(Duration::ZERO).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_sms_within_the_quiet_period_of_a_text_answers_only_earlier_ones() {
        let book = Book::new(QUIET);
        book.expect_answer(0, JOE, book.now());
        after(1_100).await;
        book.asked(JOE);
        book.analyzed(JOE, ANSWER);
        book.expect_answer(1, JOE, book.now());
        after(100).await;
        book.posted(JOE, ANSWER);
        assert_eq!(latencies(&book, Measure::Text), [1_200]);
        after(1_000).await;
        book.asked(JOE);
        book.analyzed(JOE, ANSWER);
        book.posted(JOE, ANSWER);
        assert_eq!(latencies(&book, Measure::Text), [1_200, 1_100]);
        assert!(failures(&book).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_text_without_an_answer_of_dispatchbot_is_an_error_and_its_analysis_lasts_until_the_sms() {
        let book = Book::new(QUIET);
        book.begins(Duration::ZERO);
        book.expect_answer(0, JOE, book.now());
        after(1_100).await;
        book.asked(JOE);
        after(3_000).await;
        book.analyzed(JOE, ANSWER); // too late
        after(400).await;
        book.posted(JOE, "Somebody will call you.");
        assert_eq!(latencies(&book, Measure::Analysis), [3_500]);
        assert_eq!(failures(&book), ["fallback text instead of an answer"]);
        assert_eq!(book.read().errors(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_sms_that_never_comes_is_an_error_and_its_latency_is_the_wait() {
        let book = Book::new(QUIET);
        book.begins(Duration::ZERO);
        book.expect_missed_call_text(0, JOE, book.now());
        assert_eq!(book.settle(Duration::from_secs(30)).await, 1);
        book.give_up();
        assert_eq!(latencies(&book, Measure::MissedCall), [30_000]);
        assert_eq!(failures(&book), ["no SMS"]);
        assert!((book.read().error_rate() - 1.0).abs() < f64::EPSILON);
    }

    #[tokio::test(start_paused = true)]
    async fn a_withdrawn_sms_is_not_awaited() {
        let book = Book::new(QUIET);
        book.expect_answer(0, JOE, book.now());
        book.failed(0, Failure::Webhook(Some(503)));
        book.withdraw(0, JOE);
        assert_eq!(book.settle(Duration::ZERO).await, 0);
        assert!(latencies(&book, Measure::Text).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_action_that_fails_twice_is_one_error_and_a_failed_callback_another() {
        let book = Book::new(QUIET);
        book.begins(Duration::ZERO);
        book.begins(Duration::ZERO);
        book.failed(0, Failure::Webhook(None));
        book.failed(0, Failure::NoSms);
        book.reported(Some(204));
        book.reported(Some(500));
        assert_eq!((book.read().errors(), book.read().callbacks), (2, 2));
        assert!((book.read().error_rate() - 1.0).abs() < f64::EPSILON);
    }
}
