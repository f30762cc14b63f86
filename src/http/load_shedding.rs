//! Load shedding: bounds the webhooks in progress and the webhooks waiting to be processed. Above the bounds webhooks
//! are answered with 503, emergencies later than the rest.
//!
//! The length of the queue is polled once a second and checked for every webhook. It also decides which webhooks take
//! the express lane past a long queue: emergencies, and if some business floods the queue, the webhooks of businesses
//! within their share, so that the flood does not delay them. If nobody does, all are equally late, and copies would make
//! the queue longer.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use super::limiter::{Limiter, Verdict};
use super::problem::{Code, Problem};
use crate::adapters::jetstream::JetStream;
use crate::adapters::postgres::Store;
use crate::config::Rate;
use crate::telemetry::Metrics;
use crate::webhook::WebhookKind;

/// Maximum number of webhooks in progress, other than calls.
const UNDER_WAY: usize = 1_024;
/// Maximum number of calls in progress. They are counted separately, because a caller waits on the line: a flood of
/// texts must not take their places.
const CALLS_UNDER_WAY: usize = 256;
/// The express lane is open from this number of waiting webhooks.
const EXPRESS_FROM: u64 = 200;
/// A business's share of the express lane.
const SHARE: Rate = Rate { count: 50, per: Duration::from_secs(10) };
/// The express lane is for emergencies alone if less than one of this many recent webhooks was beyond its business's share.
const FLOOD: u64 = 8;
/// With each poll, what arrived before counts by a tenth less: webhooks of more than about ten seconds ago hardly count.
const FORGETS: u64 = 10;
/// Businesses are counted by a hash, and unknown numbers like businesses, so that they do not fill the memory.
const COUNTED: u64 = 4_096;
/// An emergency is accepted up to this multiple of the maximum backlog.
const EMERGENCIES: u64 = 2;
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// `Retry-After` of a refused webhook.
const RETRY_AFTER_SECONDS: u64 = 10;

/// The load shedder of one edge process.
pub struct LoadShedder {
    /// Number of waiting webhooks, as of the last poll.
    waiting: AtomicU64,
    max_backlog: u64,
    under_way: Semaphore,
    calls_under_way: Semaphore,
    shares: Limiter<String>,
    arrivals: Arrivals,
    metrics: Metrics,
}

/// The webhooks that arrived while the queue was long.
struct Arrivals {
    of_business: Limiter<u64>,
    hasher: RandomState,
    /// Since the queue was last short.
    since_short: AtomicU64,
    /// The recent ones.
    all: AtomicU64,
    /// Those of them that were beyond their business's share.
    beyond_share: AtomicU64,
    /// Whether somebody has flooded the queue since it was last short: what waits is long afterwards, too.
    was_flooded: AtomicBool,
}

impl LoadShedder {
    /// Accepts webhooks while at most `max_backlog` wait to be processed.
    pub fn new(max_backlog: u64, metrics: Metrics) -> Self {
        Self {
            waiting: AtomicU64::new(0),
            max_backlog,
            under_way: Semaphore::new(UNDER_WAY),
            calls_under_way: Semaphore::new(CALLS_UNDER_WAY),
            shares: Limiter::new(SHARE),
            arrivals: Arrivals {
                of_business: Limiter::new(SHARE),
                hasher: RandomState::new(),
                since_short: AtomicU64::new(0),
                all: AtomicU64::new(0),
                beyond_share: AtomicU64::new(0),
                was_flooded: AtomicBool::new(false),
            },
            metrics,
        }
    }

    /// Counts a webhook that arrived while the queue is long: for a business by its id, however many numbers it has, or for a
    /// number that no business has.
    pub fn arrived(&self, of: &str) {
        let Arrivals { of_business, hasher, since_short, all, beyond_share, .. } = &self.arrivals;
        since_short.fetch_add(1, Ordering::Relaxed);
        all.fetch_add(1, Ordering::Relaxed);
        let counted = hasher.hash_one(of) % COUNTED;
        if !matches!(of_business.accept(counted, Instant::now()), Verdict::Accepted { .. }) {
            beyond_share.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether the queue is long because some businesses get, or got, more than their share. True of the first webhooks of a
    /// long queue, of which it is not known.
    pub fn is_flooded(&self) -> bool {
        let Arrivals { since_short, all, beyond_share, was_flooded, .. } = &self.arrivals;
        if since_short.load(Ordering::Relaxed) < EXPRESS_FROM {
            return true;
        }
        if beyond_share.load(Ordering::Relaxed) > all.load(Ordering::Relaxed) / FLOOD {
            was_flooded.store(true, Ordering::Relaxed);
        }
        was_flooded.load(Ordering::Relaxed)
    }

    /// Acquires a place among the webhooks in progress; dropping the permit frees it.
    ///
    /// # Errors
    /// 503, if no place is free.
    pub fn place(&self, kind: WebhookKind) -> Result<SemaphorePermit<'_>, Problem> {
        let is_call = matches!(kind, WebhookKind::Call | WebhookKind::Screen);
        let places = if is_call { &self.calls_under_way } else { &self.under_way };
        places.try_acquire().map_err(|_none_left| self.shed(kind))
    }

    /// Checks whether a webhook may still be queued. `is_emergency` is called only if the answer depends on it.
    ///
    /// # Errors
    /// 503, if too many webhooks are waiting.
    pub fn admit(&self, kind: WebhookKind, is_emergency: impl FnOnce() -> bool) -> Result<(), Problem> {
        let waiting = self.waiting.load(Ordering::Relaxed);
        if waiting <= self.max_backlog || (waiting <= self.max_backlog.saturating_mul(EMERGENCIES) && is_emergency()) {
            return Ok(());
        }
        Err(self.shed(kind))
    }

    /// Whether the queue is long enough that some webhooks take the express lane.
    pub fn express_is_open(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= EXPRESS_FROM
    }

    /// Whether a business is within its share; counts this webhook.
    pub fn within_share(&self, business_id: &str) -> bool {
        matches!(self.shares.accept(business_id.to_owned(), Instant::now()), Verdict::Accepted { .. })
    }

    fn shed(&self, kind: WebhookKind) -> Problem {
        self.metrics.webhook_shed(kind);
        Problem::new(Code::Unavailable, "too many webhooks are waiting or in progress; try again later")
            .retry_after(RETRY_AFTER_SECONDS)
    }

    fn note(&self, waiting: u64) {
        self.waiting.store(waiting, Ordering::Relaxed);
        let Arrivals { since_short, all, beyond_share, was_flooded, .. } = &self.arrivals;
        if waiting < EXPRESS_FROM {
            [since_short, all, beyond_share].iter().for_each(|count| count.store(0, Ordering::Relaxed));
            was_flooded.store(false, Ordering::Relaxed);
        }
        for recent in [all, beyond_share] {
            recent.fetch_sub(recent.load(Ordering::Relaxed).div_ceil(FORGETS), Ordering::Relaxed);
        }
        self.metrics.backlog(waiting);
    }
}

/// Polls the number of waiting webhooks until `shutdown`. If a count fails, its last value is used.
pub async fn measure(intake: Arc<LoadShedder>, jetstream: JetStream, store: Store, shutdown: CancellationToken) {
    let measuring = async {
        let mut ticks = tokio::time::interval(POLL_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut in_jetstream, mut in_postgres) = (0, 0);
        loop {
            ticks.tick().await;
            let (queued, kept) =
                tokio::join!(jetstream.waiting("NMC_INBOUND", "conversations"), store.count_waiting_webhooks());
            in_jetstream = queued.unwrap_or(in_jetstream);
            in_postgres = kept.map_or(in_postgres, |kept| u64::try_from(kept).unwrap_or_default());
            intake.note(in_jetstream + in_postgres);
        }
    };
    shutdown.run_until_cancelled(measuring).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::at_the_bound(100, false, true)]
    #[case::beyond_it(101, false, false)]
    #[case::an_emergency_beyond_it(101, true, true)]
    #[case::an_emergency_far_beyond_it(201, true, false)]
    fn emergencies_are_taken_longer_than_the_rest(
        #[case] waiting: u64,
        #[case] is_emergency: bool,
        #[case] taken: bool,
    ) {
        let intake = LoadShedder::new(100, Metrics::new());
        intake.note(waiting);
        assert_eq!(intake.admit(WebhookKind::Sms, || is_emergency).is_ok(), taken);
    }

    #[test]
    fn a_flood_of_texts_takes_no_place_of_a_call() {
        let intake = LoadShedder::new(1, Metrics::new());
        let texts: Vec<_> = std::iter::from_fn(|| intake.place(WebhookKind::Sms).ok()).collect();
        assert_eq!(texts.len(), UNDER_WAY);
        assert!(intake.place(WebhookKind::Call).is_ok());
    }

    #[test]
    fn one_businesss_flood_leaves_the_share_of_another() {
        let intake = LoadShedder::new(1, Metrics::new());
        let within = (0..1_000).filter(|_| intake.within_share("flooded")).count();
        assert_eq!(within, SHARE.count as usize);
        assert!(intake.within_share("quiet"));
    }

    #[rstest]
    #[case::many_businesses_get_a_little_each(600, 0, false)]
    #[case::one_business_gets_as_much_as_all_others(600, 600, true)]
    #[case::one_business_gets_a_quarter_of_what_all_others_get(1_400, 400, true)]
    fn the_lane_is_for_the_quiet_only_while_somebody_floods(
        #[case] from_many: usize,
        #[case] from_one: usize,
        #[case] expected: bool,
    ) {
        let intake = LoadShedder::new(10_000, Metrics::new());
        (0..from_many).for_each(|number| intake.arrived(&format!("b{}", number % 200)));
        (0..from_one).for_each(|_| intake.arrived("flooded"));
        intake.note(EXPRESS_FROM);
        assert_eq!(intake.is_flooded(), expected);
    }

    #[test]
    fn a_flood_is_noticed_however_long_the_queue_has_been_long() {
        let intake = LoadShedder::new(100_000, Metrics::new());
        (0..20_000).for_each(|number| intake.arrived(&format!("b{}", number % 2_000)));
        assert!(!intake.is_flooded());
        (0..30).for_each(|_| intake.note(20_000));
        (0..600).for_each(|_| intake.arrived("flooded"));
        assert!(intake.is_flooded());
        // What it has left behind still makes the others wait.
        (0..60).for_each(|_| intake.note(20_000));
        (0..600).for_each(|number| intake.arrived(&format!("b{}", number % 600)));
        assert!(intake.is_flooded());
    }

    #[test]
    fn a_short_queue_forgets_the_flood() {
        let intake = LoadShedder::new(10_000, Metrics::new());
        (0..1_000).for_each(|_| intake.arrived("+12125559999"));
        intake.note(EXPRESS_FROM - 1);
        (0..400).for_each(|number| intake.arrived(&format!("+1212555{number:04}")));
        assert!(!intake.is_flooded());
    }

    #[test]
    fn what_is_turned_away_is_counted() {
        let metrics = Metrics::new();
        let intake = LoadShedder::new(0, metrics.clone());
        intake.note(1);
        let refused = intake.admit(WebhookKind::MessageStatus, || false);
        assert_eq!(refused.map_err(|problem| problem.code()), Err(Code::Unavailable));
        let text = metrics.prometheus().unwrap_or_default();
        assert!(text.contains("nmc_webhooks_shed_total{kind=\"message_status\"} 1\n"), "{text}");
        assert!(text.contains("nmc_webhooks_waiting 1\n"), "{text}");
    }
}
