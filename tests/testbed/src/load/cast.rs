//! Who takes part in each action: which customer of which business.
//!
//! The businesses take turns, so that the SMS of one number are evenly apart, and the send rate delays none. Each call
//! has a caller of its own, because a second call would get no text (`NMC_MISSED_CALL_COOLDOWN`). A business's texts
//! come from its writers in turn, at least two, so that the answer to one has been sent before the same customer writes
//! again. The conversations to be taken over have customers of their own.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::Options;
use super::schedule::{Kind, Planned};

/// Below the service's default `NMC_AI_MAX` of 30 answers per hour and conversation, the first answer included.
const TEXTS_PER_WRITER: usize = 25;
const LEAST_WRITERS: usize = 2;

/// A customer, and the business with which it is in contact.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Customer {
    /// Its number.
    pub(super) phone: String,
    /// The business's place in the list of all.
    pub(super) business: usize,
}

/// An action with its customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Action {
    /// When it begins, counted from the beginning of the run.
    pub(super) at: Duration,
    pub(super) kind: Kind,
    pub(super) customer: Customer,
}

/// All actions of a run, in order of time.
pub(super) struct Cast {
    pub(super) actions: Vec<Action>,
}

impl Cast {
    /// Gives each action its customer.
    pub(super) fn new(options: &Options, schedule: &[Planned]) -> Self {
        let count = |kind| schedule.iter().filter(|planned| planned.kind == kind).count();
        let writers = LEAST_WRITERS.max(count(Kind::Text).div_ceil(options.businesses * TEXTS_PER_WRITER));
        let taken_over = options.users.min(count(Kind::Takeover)).max(1);
        let (mut turn, mut calls, mut takeovers) = (0, 0, 0);
        let mut texts = HashMap::<usize, usize>::new();
        let actions = schedule.iter().map(|planned| {
            let customer = match planned.kind {
                Kind::Call => {
                    calls += 1;
                    Customer { phone: phone("646", calls), business: next(&mut turn) % options.businesses }
                }
                Kind::Text => {
                    let business = next(&mut turn) % options.businesses;
                    let writer = next(texts.entry(business).or_default()) % writers;
                    Customer { phone: phone("212", writer * options.businesses + business), business }
                }
                Kind::Takeover => {
                    let number = next(&mut takeovers) % taken_over;
                    Customer { phone: phone("718", number), business: number % options.businesses }
                }
            };
            Action { at: planned.at, kind: planned.kind, customer }
        });
        Self { actions: actions.collect() }
    }

    /// The customers who must have a conversation of the AI before the run begins.
    pub(super) fn prepared(&self) -> BTreeSet<&Customer> {
        self.of(|kind| kind != Kind::Call)
    }

    /// The customers whose conversations are taken over.
    pub(super) fn taken_over(&self) -> BTreeSet<&Customer> {
        self.of(|kind| kind == Kind::Takeover)
    }

    fn of(&self, wanted: impl Fn(Kind) -> bool) -> BTreeSet<&Customer> {
        self.actions.iter().filter(|action| wanted(action.kind)).map(|action| &action.customer).collect()
    }
}

/// The number of a business, by its place in the list of all.
pub(crate) fn number_of(business: usize) -> String {
    phone("347", business)
}

/// A customer who writes once, before the run, and waits.
pub(super) fn waiting_customer(number: usize, businesses: usize) -> Customer {
    Customer { phone: phone("917", number + 1_000_000), business: number % businesses }
}

/// A number of this area code; each kind of phone has its own.
fn phone(area: &str, number: usize) -> String {
    format!("+1{area}{:07}", 2_000_000 + number)
}

/// The counter's value, before it is advanced.
fn next(counter: &mut usize) -> usize {
    let value = *counter;
    *counter += 1;
    value
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::schedule::schedule;
    use super::*;

    fn document() -> (Options, Cast) {
        let options = Options::of_the_document(PathBuf::new(), PathBuf::new());
        let cast = Cast::new(&options, &schedule(&options));
        (options, cast)
    }

    fn of(cast: &Cast, kind: Kind) -> Vec<&Action> {
        cast.actions.iter().filter(|action| action.kind == kind).collect()
    }

    #[test]
    fn no_customer_calls_twice() {
        let (_, cast) = document();
        let calls = of(&cast, Kind::Call);
        let callers: BTreeSet<_> = calls.iter().map(|call| &call.customer.phone).collect();
        assert_eq!(callers.len(), calls.len());
    }

    #[test]
    fn the_actions_of_a_business_that_cause_an_sms_are_seconds_apart() {
        let (_, cast) = document();
        let mut last = HashMap::new();
        for action in cast.actions.iter().filter(|action| action.kind != Kind::Takeover) {
            if let Some(before) = last.insert(action.customer.business, action.at) {
                assert!(action.at - before > Duration::from_secs(3), "{action:?} after {before:?}");
            }
        }
        assert_eq!(last.len(), 200);
    }

    #[test]
    fn a_writer_pauses_between_two_texts_and_stays_below_the_limit_on_answers() {
        let (_, cast) = document();
        let mut texts = HashMap::<_, Vec<Duration>>::new();
        for text in of(&cast, Kind::Text) {
            texts.entry(&text.customer).or_default().push(text.at);
        }
        for times in texts.values() {
            assert!(times.len() < 30, "{}", times.len());
            assert!(times.windows(2).all(|two| two[1] - two[0] > Duration::from_secs(6)), "{times:?}");
        }
    }

    #[test]
    fn a_long_run_has_more_writers() {
        let (options, _) = document();
        let long = Options { duration: Duration::from_secs(3_600), ..options };
        let cast = Cast::new(&long, &schedule(&long));
        let mut texts = HashMap::<_, usize>::new();
        for text in of(&cast, Kind::Text) {
            *texts.entry(&text.customer).or_default() += 1;
        }
        assert!(texts.values().all(|count| *count < 30), "{:?}", texts.values().max());
    }

    #[test]
    fn a_customer_has_only_one_part() {
        let (_, cast) = document();
        let phones = |kind| of(&cast, kind).iter().map(|action| &action.customer.phone).collect::<BTreeSet<_>>();
        let (calls, texts, takeovers) = (phones(Kind::Call), phones(Kind::Text), phones(Kind::Takeover));
        assert!(calls.is_disjoint(&texts) && calls.is_disjoint(&takeovers) && texts.is_disjoint(&takeovers));
        assert_eq!(cast.prepared().len(), texts.len() + takeovers.len());
        assert_eq!(cast.taken_over().len(), 50);
    }
}
