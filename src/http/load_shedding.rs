//! Intake: how much may come in. Bounds what is under way at once and what may wait to be processed; beyond that webhooks
//! are answered 503, emergencies later than the rest.
//!
//! Fed by the length of the queue, looked at once a second; asked by every webhook. It also says which webhooks take the
//! express lane past a long queue: emergencies, and those of businesses that send no more than their share, so that one
//! business's flood does not hold up the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use super::limiter::{Limiter, Verdict};
use super::problem::{Code, Problem};
use crate::adapters::jetstream::JetStream;
use crate::adapters::postgres::Store;
use crate::config::Rate;
use crate::telemetry::{Metrics, WebhookKind};

/// Webhooks that are worked on at once, other than calls.
const UNDER_WAY: usize = 1_024;
/// Calls that are worked on at once: a caller waits on the line, so a flood of texts takes none of their places.
const CALLS_UNDER_WAY: usize = 256;
/// From so many waiting webhooks on, the express lane is open.
const EXPRESS_FROM: u64 = 200;
/// How much of a business takes the express lane.
const SHARE: Rate = Rate { count: 50, per: Duration::from_secs(10) };
/// An emergency is taken until so many times the backlog waits.
const EMERGENCIES: u64 = 2;
/// How often the queue is looked at.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// When whoever was turned away may come again.
const RETRY_AFTER_SECONDS: u64 = 10;

/// The intake of one edge process.
pub struct LoadShedder {
    /// How many webhooks wait, as last looked at.
    waiting: AtomicU64,
    max_backlog: u64,
    under_way: Semaphore,
    calls_under_way: Semaphore,
    shares: Limiter<String>,
    metrics: Metrics,
}

impl LoadShedder {
    /// Takes webhooks as long as no more than `max_backlog` wait to be processed.
    pub fn new(max_backlog: u64, metrics: Metrics) -> Self {
        Self {
            waiting: AtomicU64::new(0),
            max_backlog,
            under_way: Semaphore::new(UNDER_WAY),
            calls_under_way: Semaphore::new(CALLS_UNDER_WAY),
            shares: Limiter::new(SHARE),
            metrics,
        }
    }

    /// A place among those that are worked on at once, until it is dropped.
    ///
    /// # Errors
    /// 503, when all are taken.
    pub fn place(&self, kind: WebhookKind) -> Result<SemaphorePermit<'_>, Problem> {
        let places = if kind == WebhookKind::Call { &self.calls_under_way } else { &self.under_way };
        places.try_acquire().map_err(|_none_left| self.shed(kind))
    }

    /// Whether a webhook may still be queued. `is_emergency` is asked only where that matters.
    ///
    /// # Errors
    /// 503, when too many wait.
    pub fn admit(&self, kind: WebhookKind, is_emergency: impl FnOnce() -> bool) -> Result<(), Problem> {
        let waiting = self.waiting.load(Ordering::Relaxed);
        if waiting <= self.max_backlog || (waiting <= self.max_backlog.saturating_mul(EMERGENCIES) && is_emergency()) {
            return Ok(());
        }
        Err(self.shed(kind))
    }

    /// Whether the queue is so long that some take the express lane.
    pub fn express_is_open(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= EXPRESS_FROM
    }

    /// Whether a business has sent no more than its share lately; counts this one.
    pub fn within_share(&self, business_id: &str) -> bool {
        matches!(self.shares.accept(business_id.to_owned(), Instant::now()), Verdict::Accepted { .. })
    }

    fn shed(&self, kind: WebhookKind) -> Problem {
        self.metrics.webhook_shed(kind);
        Problem::new(Code::Unavailable, "more webhooks wait than can be taken; please try again")
            .retry_after(RETRY_AFTER_SECONDS)
    }

    fn note(&self, waiting: u64) {
        self.waiting.store(waiting, Ordering::Relaxed);
        self.metrics.backlog(waiting);
    }
}

/// Looks at how many webhooks wait, until `shutdown`. What cannot be looked at counts as it was last seen.
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
