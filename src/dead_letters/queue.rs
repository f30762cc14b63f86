//! Replays many letters, no faster than the rate, so that new input is not delayed.
//!
//! The queue is in PostgreSQL: a process that dies loses nothing, and all processes together keep to the rate.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::replay::outgoing;
use super::{DeadLetters, DeadLettersError, LetterFilter, Order, Status};
use crate::adapters::outage;
use crate::config::Rate;

/// How often the queue is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// How many letters are replayed in one transaction.
const BATCH: u32 = 100;
/// How many letters are read at once to be queued.
const PAGE: usize = 500;

/// Replays queued letters until `shutdown`.
pub async fn replay_queued(letters: DeadLetters, rate: Rate, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Err(error) = drain(&letters, rate).await {
            // An outage is logged once, by `health::watch`.
            match outage::missing(&error) {
                Some(service) => {
                    tracing::debug!(%error, %service, "replay of queued dead letters waits for an unavailable service")
                }
                None => tracing::warn!(%error, "replay of queued dead letters failed; retrying"),
            }
        }
    }
}

/// Replays as many queued letters as the rate allows now; returns how many left the queue.
///
/// # Errors
/// If PostgreSQL or JetStream is unavailable; the remaining letters stay in the queue.
pub async fn drain(letters: &DeadLetters, rate: Rate) -> Result<usize, DeadLettersError> {
    let Some(mut queue) = letters.store.begin_queue(rate.count, rate.per, BATCH).await? else { return Ok(0) };
    let mut done = 0;
    let mut failure = None;
    for row in std::mem::take(&mut queue.rows) {
        let letter = match letters.get(row.letter).await {
            Ok(letter) => letter.filter(|letter| letter.dead_since == row.dead_since),
            Err(error) => {
                failure = Some(error);
                break;
            }
        };
        let outgoing = match letter.as_ref().map(outgoing) {
            Some(Ok(outgoing)) => outgoing,
            Some(Err(why)) => {
                queue.unusable(row.id, &why).await?;
                done += 1;
                continue;
            }
            None => {
                queue.unusable(row.id, "the dead letter is no longer in NMC_DEAD").await?;
                done += 1;
                continue;
            }
        };
        let subject = outgoing.subject.clone();
        if let Err(error) = letters.jetstream.publisher().publish(outgoing).await {
            failure = Some(error.into());
            break;
        }
        queue.put_back(row.id, &subject).await?;
        done += 1;
    }
    queue.commit().await?;
    failure.map_or(Ok(done), Err)
}

impl DeadLetters {
    /// Queues up to `most` waiting letters that match the filter, oldest first; returns their number. Letters that
    /// arrive meanwhile are left out, so that a message that fails again is not replayed again by the same request.
    ///
    /// # Errors
    /// If JetStream or PostgreSQL is unavailable; letters queued before that stay queued.
    pub async fn queue(&self, filter: &LetterFilter, most: usize, asked_by: &str) -> Result<u64, DeadLettersError> {
        let waiting = LetterFilter { status: Some(Status::Waiting), ..filter.clone() };
        let newest = self.newest().await?;
        let (mut queued, mut left, mut after) = (0, most, None);
        while left > 0 {
            let page = self.find(&waiting, Order::OldestFirst, after, left.min(PAGE)).await?;
            let keys: Vec<_> = page.letters.iter().filter(|l| l.id <= newest).map(|l| (l.id, l.dead_since)).collect();
            queued += self.store.queue_letters(&keys, asked_by).await?;
            left -= keys.len();
            after = page.next.filter(|next| *next < newest);
            if after.is_none() {
                break;
            }
        }
        Ok(queued)
    }

    /// Queues those of these letters that are waiting and match the filter; returns their number.
    ///
    /// # Errors
    /// If JetStream or PostgreSQL is unavailable.
    pub async fn queue_these(&self, ids: &[u64], filter: &LetterFilter, by: &str) -> Result<u64, DeadLettersError> {
        let mut keys = Vec::new();
        for id in ids {
            if let Some(letter) = self.get(*id).await?.filter(|letter| filter.meets(letter)) {
                keys.push((letter.id, letter.dead_since));
            }
        }
        Ok(self.store.queue_letters(&keys, by).await?)
    }
}
