//! Looking through NMC_DEAD, block by block: newest first for who reads, oldest first for who puts back.

use crate::adapters::jetstream::StoredLetter;
use crate::text_enum;

use super::{DeadLetterBody, DeadLetters, DeadLettersError, Letter};

/// How many sequences are asked for at once.
const BLOCK: u64 = 200;
/// How many are looked at for one page: where few match, a page may hold fewer than it could, and still lead on.
const LOOKED_AT: u64 = 10_000;

text_enum! {
    /// Where a letter stands.
    pub enum Status {
        /// It has not been put back.
        Waiting = "waiting",
        /// It will be, in its turn.
        Queued = "queued",
        /// It was put back.
        Replayed = "replayed",
    }
}

/// In which order letters are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// For who reads.
    NewestFirst,
    /// For who puts back.
    OldestFirst,
}

/// Which letters are meant.
#[derive(Debug, Clone, Default)]
pub struct LetterFilter {
    /// Only those of one of these businesses: a letter that names none is not among them.
    pub business_ids: Option<Vec<String>>,
    /// Only this business's.
    pub business_id: Option<String>,
    /// Only those with this reason.
    pub reason: Option<String>,
    /// Only those whose subject begins so.
    pub subject: Option<String>,
    /// Only those that stand here.
    pub status: Option<Status>,
}

impl LetterFilter {
    /// Whether a letter is meant.
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

/// Letters, and where the next ones begin.
#[derive(Debug)]
pub struct LetterPage {
    /// The letters.
    pub letters: Vec<Letter>,
    /// The last letter that was looked at; `None` where there are no more.
    pub next: Option<u64>,
}

impl DeadLetters {
    /// The letters that meet the filter, `limit` at the most, of those that come behind the letter `after` in this order.
    ///
    /// # Errors
    /// When JetStream or the store is away.
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
                    // There is one more: the page ends at the one before.
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

    /// Deletes the letters that meet the filter and the condition, for good; returns how many.
    ///
    /// # Errors
    /// When JetStream or the store is away: those until then are deleted.
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

    /// What lies there, with what became of it. What no version of ours has written is passed over.
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
            tracing::warn!(letter = id, line = error.line(), "a message of NMC_DEAD is no dead letter");
            None
        }
    }
}
