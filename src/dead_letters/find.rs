//! Searches NMC_DEAD block by block: newest first for listing, oldest first for replay.

use crate::adapters::jetstream::StoredLetter;
use crate::text_enum;

use super::{DeadLetterBody, DeadLetters, DeadLettersError, Letter};

/// How many sequences are requested at once.
const BLOCK: u64 = 200;
/// How many sequences are searched for one page. If few match, a page may be short and still have a next page.
const LOOKED_AT: u64 = 10_000;

text_enum! {
    /// The replay status of a letter.
    pub enum Status {
        /// Neither replayed nor queued for it.
        Waiting = "waiting",
        /// Queued for replay.
        Queued = "queued",
        Replayed = "replayed",
    }
}

/// The order in which letters are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// For listing.
    NewestFirst,
    /// For replay and deletion.
    OldestFirst,
}

/// Selects letters.
#[derive(Debug, Clone, Default)]
pub struct LetterFilter {
    /// Only letters of these businesses; a letter without a business does not match.
    pub business_ids: Option<Vec<String>>,
    /// Only letters of this business.
    pub business_id: Option<String>,
    pub reason: Option<String>,
    /// Only letters whose subject begins with this.
    pub subject: Option<String>,
    pub status: Option<Status>,
}

impl LetterFilter {
    /// Whether a letter matches.
    pub fn meets(&self, letter: &Letter) -> bool {
        let body = &letter.body;
        let business = body.business_id.as_ref();
        self.business_ids.as_ref().is_none_or(|own| business.is_some_and(|id| own.contains(id)))
            && self.business_id.as_ref().is_none_or(|wanted| business == Some(wanted))
            && self.reason.as_ref().is_none_or(|wanted| body.reason == *wanted)
            && self.subject.as_ref().is_none_or(|wanted| body.subject.starts_with(wanted.as_str()))
            && self.status.is_none_or(|wanted| letter.status() == wanted)
    }
}

/// A page of letters, and the position of the next page.
#[derive(Debug)]
pub struct LetterPage {
    pub letters: Vec<Letter>,
    /// The id after which the next page begins; `None` if there are no more letters.
    pub next: Option<u64>,
}

impl DeadLetters {
    /// Up to `limit` letters that match the filter and come after the letter `after` in this order.
    ///
    /// # Errors
    /// If JetStream or PostgreSQL is unavailable.
    pub async fn find(
        &self,
        filter: &LetterFilter,
        order: Order,
        after: Option<u64>,
        limit: usize,
    ) -> Result<LetterPage, DeadLettersError> {
        let (first, last) = self.jetstream.letters_there().await?;
        let (mut from, mut to) = match (order, after) {
            (Order::NewestFirst, Some(after)) => (first, last.min(after.saturating_sub(1))),
            (Order::OldestFirst, Some(after)) => (first.max(after.saturating_add(1)), last),
            (_, None) => (first, last),
        };
        let (mut letters, mut looked_at) = (Vec::new(), 0);
        while from <= to && to > 0 {
            let (begin, end) = match order {
                Order::NewestFirst => (from.max((to + 1).saturating_sub(BLOCK)), to),
                Order::OldestFirst => (from, to.min(from + BLOCK - 1)),
            };
            let mut block = self.with_replays(self.jetstream.letters(begin..=end).await?).await?;
            if order == Order::NewestFirst {
                block.reverse();
            }
            for letter in block.into_iter().filter(|letter| filter.meets(letter)) {
                if letters.len() == limit {
                    // At least one more letter matches, so there is a next page.
                    return Ok(LetterPage { next: letters.last().map(|letter: &Letter| letter.id), letters });
                }
                letters.push(letter);
            }
            looked_at += end - begin + 1;
            let last_looked_at = match order {
                Order::NewestFirst => {
                    to = begin - 1;
                    begin
                }
                Order::OldestFirst => {
                    from = end + 1;
                    end
                }
            };
            if looked_at >= LOOKED_AT && from <= to {
                return Ok(LetterPage { letters, next: Some(last_looked_at) });
            }
        }
        Ok(LetterPage { letters, next: None })
    }

    /// Permanently deletes the letters that match the filter and the condition; returns their number.
    ///
    /// # Errors
    /// If JetStream or PostgreSQL is unavailable; letters deleted before that stay deleted.
    pub async fn delete_where(
        &self,
        filter: &LetterFilter,
        condition: impl Fn(&Letter) -> bool,
    ) -> Result<u64, DeadLettersError> {
        let (mut deleted, mut after) = (0, None);
        loop {
            let page =
                self.find(filter, Order::OldestFirst, after, usize::try_from(BLOCK).unwrap_or(usize::MAX)).await?;
            for letter in page.letters.iter().filter(|letter| condition(letter)) {
                self.jetstream.delete_letter(letter.id).await?;
                deleted += 1;
            }
            after = page.next;
            if after.is_none() {
                return Ok(deleted);
            }
        }
    }

    /// Decodes stored letters and adds their replays. Skips messages that are not dead letters.
    pub(super) async fn with_replays(&self, stored: Vec<StoredLetter>) -> Result<Vec<Letter>, DeadLettersError> {
        let mut letters: Vec<Letter> = stored.into_iter().filter_map(read).collect();
        let keys: Vec<_> = letters.iter().map(|letter| (letter.id, letter.dead_since)).collect();
        for row in self.store.letter_replays(&keys).await? {
            let of = letters.iter_mut().find(|l| (l.id, l.dead_since) == (row.letter, row.dead_since));
            if let Some(letter) = of {
                letter.replays.push(row);
            }
        }
        Ok(letters)
    }
}

fn read(stored: StoredLetter) -> Option<Letter> {
    let StoredLetter { sequence: id, at: dead_since, payload } = stored;
    match serde_json::from_slice::<DeadLetterBody>(&payload) {
        Ok(body) => Some(Letter { id, dead_since, body, replays: Vec::new() }),
        Err(error) => {
            tracing::warn!(letter = id, line = error.line(), "skipped a message in NMC_DEAD that is not a dead letter");
            None
        }
    }
}
