//! The sweeper: finds what a crash or a stuck timer left behind. Every worker runs one; work done twice is harmless.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{ConversationStore, Engine, EngineError, Happening, Input, Publish, Target};
use crate::adapters::outage;
use crate::domain::conversation;
use crate::store::{Overdue, ReleasedConversation};
use crate::trace::Trace;

const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// An effect that waits longer than this was left behind: the committing process publishes at once.
const OUTBOX_STALE_SECONDS: f64 = 2.0;
/// A window whose deadline passed this long ago has a stuck or lost timer; a timer is at most 0.25 s late.
const TIMER_OVERDUE_SECONDS: f64 = 3.0;
/// The most rows of a kind in one round.
const BATCH: i64 = 500;
/// How many rounds there are between prunings.
const PRUNE_EVERY: u32 = 600;
/// NMC_INBOUND keeps webhooks for 7 days: an input can come again for that long.
const INBOX_DAYS: i32 = 8;

/// The longest time between two arms of the same timer.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Timers that were armed again, and when they may be armed next. Each one fires at once, and each fire reads the
/// conversation: if fires wait in a backlog, more of them would only make it longer.
#[derive(Debug, Default)]
struct Rearmed(HashMap<Uuid, Pause>);

#[derive(Debug, Clone, Copy)]
struct Pause {
    deadline: DateTime<Utc>,
    until: Instant,
    next: Duration,
}

impl Rearmed {
    /// The windows whose timer is to be armed now: the first time at once, then after pauses that double. A window that
    /// is no longer overdue is forgotten.
    fn wanted(&mut self, overdue: Vec<Overdue>, now: Instant) -> Vec<Overdue> {
        let before = std::mem::take(&mut self.0);
        overdue
            .into_iter()
            .filter(|overdue| {
                let known = before.get(&overdue.conversation_id).filter(|pause| pause.deadline == overdue.deadline);
                let wanted = known.is_none_or(|pause| now >= pause.until);
                let pause = match known {
                    Some(pause) if !wanted => *pause,
                    known => {
                        let next = known.map_or(POLL_INTERVAL * 2, |pause| pause.next);
                        let longer = (next * 2).min(LONGEST_PAUSE);
                        Pause { deadline: overdue.deadline, until: now + next, next: longer }
                    }
                };
                self.0.insert(overdue.conversation_id, pause);
                wanted
            })
            .collect()
    }
}

/// Sweeps until `shutdown`.
pub async fn sweep<R: ConversationStore, P: Publish>(engine: Engine<R, P>, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut round = 0_u32;
    let mut rearmed = Rearmed::default();
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Err(error) = engine.sweep_once(&mut rearmed, round.is_multiple_of(PRUNE_EVERY)).await {
            match outage::missing(&error) {
                Some(service) => tracing::debug!(%service, "the sweeper waits for an unavailable service"),
                None => tracing::warn!(%error, "a sweep failed; retrying"),
            }
        }
        round = round.wrapping_add(1);
    }
}

impl<R: ConversationStore, P: Publish> Engine<R, P> {
    async fn sweep_once(&self, rearmed: &mut Rearmed, prune: bool) -> Result<(), EngineError> {
        // A key that cannot be published holds up only its own conversation.
        let mut failure: Option<EngineError> = None;
        for key in self.store().stale_outbox_keys(OUTBOX_STALE_SECONDS, BATCH).await? {
            match self.outbox.drain(key).await {
                Ok(published) => self.parts.metrics.outbox_swept(published as u64),
                Err(error) => failure = Some(error.into()),
            }
        }
        let overdue = self.store().overdue_windows(TIMER_OVERDUE_SECONDS, BATCH).await?;
        for overdue in rearmed.wanted(overdue, Instant::now()) {
            self.outbox.arm(overdue.conversation_id, overdue.deadline).await?;
            self.parts.metrics.timers_rearmed(1);
        }
        for released in self.store().conversations_of_released_numbers(BATCH).await? {
            failure = self.end_released(released).await.err().or(failure);
        }
        if prune {
            self.store().forget_released_numbers().await?;
            self.store().prune(INBOX_DAYS).await?;
            self.store().prune_idempotency().await?;
        }
        failure.map_or(Ok(()), Err)
    }

    /// Ends a conversation on a number that its business gave up.
    async fn end_released(&self, released: ReleasedConversation) -> Result<(), EngineError> {
        let ReleasedConversation { conversation_id, released_at } = released;
        let id = format!("number_released:{conversation_id}:{}", released_at.timestamp_micros());
        let happening = Happening::Input(conversation::Input::NumberReleased);
        let (trace, target) = (Trace::start(), Target::Id(conversation_id));
        self.apply(Input { id, body_hash: None, trace, target, happening }).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overdue(deadline: DateTime<Utc>) -> Vec<Overdue> {
        vec![Overdue { conversation_id: Uuid::nil(), deadline }]
    }

    #[test]
    fn a_timer_is_armed_again_after_pauses_that_double_up_to_a_minute() {
        let (mut rearmed, begun, deadline) = (Rearmed::default(), Instant::now(), DateTime::UNIX_EPOCH);
        let armed: Vec<u64> = (0..200)
            .filter(|second| !rearmed.wanted(overdue(deadline), begun + Duration::from_secs(*second)).is_empty())
            .collect();
        assert_eq!(armed, [0, 2, 6, 14, 30, 62, 122, 182]);
    }

    #[test]
    fn another_deadline_is_armed_at_once_and_so_is_one_that_was_met_meanwhile() {
        let (mut rearmed, now, first) = (Rearmed::default(), Instant::now(), DateTime::UNIX_EPOCH);
        let second = first + Duration::from_secs(1);
        assert_eq!(rearmed.wanted(overdue(first), now).len(), 1);
        assert_eq!(rearmed.wanted(overdue(first), now).len(), 0);
        assert_eq!(rearmed.wanted(overdue(second), now).len(), 1);
        assert_eq!(rearmed.wanted(Vec::new(), now).len(), 0);
        assert_eq!(rearmed.wanted(overdue(second), now).len(), 1);
    }
}
