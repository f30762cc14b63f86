//! What is kept of a customer, page by page: every place of [`Kept`], in its order. An erasure goes through the same list.
//!
//! A page is read when it is asked for, and never more of a place than a page holds, so that an export of any size needs
//! little memory. What is written between two pages may be missing, or be there twice.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::adapters::postgres::{KeptPage, Store};
use crate::adapters::redis::{EventLogError, RedisSink};
use crate::dead_letters::{DeadLetters, DeadLettersError, Letter, LetterFilter, Order};
use crate::domain::phone::PhoneNumber;
use crate::store::{Kept, StoreError};

/// How many letters are read at once.
const BLOCK: usize = 200;
/// How many blocks one page reads. If few letters are about the customer, a page may be short and still have a next one.
const BLOCKS: usize = 20;

/// Something that is kept of a customer.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Where.
    pub kept: Kept,
    /// The row, letter or event.
    pub data: Value,
}

/// A page of an export.
#[derive(Debug, Default)]
pub struct ExportPage {
    pub items: Vec<Item>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<Place>,
}

/// A place in an export: written as `messages:5f0c2f3e-…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    kept: Kept,
    /// The key of the last item before it; `None` at the beginning.
    after: Option<String>,
}

/// The customer whose data is exported.
#[derive(Debug, Clone, Copy)]
pub struct ExportOf<'a> {
    pub customer: &'a PhoneNumber,
    /// Only what these businesses have; `None` means all.
    pub business_ids: Option<&'a [String]>,
}

/// A page could not be read. Nothing of it is left out: it may be asked for again.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    DeadLetters(#[from] DeadLettersError),
    #[error(transparent)]
    EventLog(#[from] EventLogError),
    /// Webhooks of the customer are not processed yet, because JetStream is unavailable.
    #[error("webhooks of the customer are not yet published to JetStream")]
    Waiting,
}

/// Exports customers; clones share everything.
#[derive(Clone)]
pub struct Exporter {
    store: Store,
    letters: DeadLetters,
    redis: Arc<RedisSink>,
}

/// What was read of a place: items with their keys, and the key after which to go on, if there may be more.
struct Read {
    items: Vec<Value>,
    more_after: Option<String>,
}

impl Exporter {
    pub fn new(store: Store, letters: DeadLetters, redis: Arc<RedisSink>) -> Self {
        Self { store, letters, redis }
    }

    /// The items from this place on, at most `limit`; from the beginning without one.
    ///
    /// # Errors
    /// If a service is unavailable, or a webhook of the customer waits for one.
    pub async fn page(&self, of: ExportOf<'_>, from: Option<Place>, limit: usize) -> Result<ExportPage, ExportError> {
        if self.store.webhooks_wait_for(of.customer).await? {
            return Err(ExportError::Waiting);
        }
        let mut page = ExportPage::default();
        let mut place = from.unwrap_or(Place { kept: Kept::ALL[0], after: None });
        loop {
            let left = limit - page.items.len();
            let Read { items, more_after } = self.read(of, &place, left).await?;
            page.items.extend(items.into_iter().map(|data| Item { kept: place.kept, data }));
            let next = match more_after {
                Some(key) => Some(Place { kept: place.kept, after: Some(key) }),
                None => after(place.kept).map(|kept| Place { kept, after: None }),
            };
            match next {
                None => return Ok(page),
                Some(next) if page.items.len() >= limit || next.kept == place.kept => {
                    return Ok(ExportPage { next: Some(next), ..page });
                }
                Some(next) => place = next,
            }
        }
    }

    async fn read(&self, of: ExportOf<'_>, place: &Place, limit: usize) -> Result<Read, ExportError> {
        let after = place.after.as_deref();
        match place.kept {
            Kept::DeadLetters => self.letters(of, after, limit).await,
            Kept::EventLog => {
                let (items, more_after) = self.redis.events_of(of.customer, of.business_ids, after, limit).await?;
                Ok(Read { items, more_after })
            }
            table => self.rows(of, table, after, limit).await,
        }
    }

    async fn rows(
        &self,
        of: ExportOf<'_>,
        table: Kept,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Read, ExportError> {
        let ExportOf { customer, business_ids } = of;
        let most = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let mut rows = self.store.kept(table, KeptPage { customer, business_ids, after, limit: most }).await?;
        let is_more = rows.len() > limit;
        rows.truncate(limit);
        let more_after = rows.last().filter(|_| is_more).map(|row| row.key.clone());
        Ok(Read { items: rows.into_iter().map(|row| row.data).collect(), more_after })
    }

    /// As in an erasure: letters that mention the number, those without a business only if the export is of all.
    async fn letters(&self, of: ExportOf<'_>, after: Option<&str>, limit: usize) -> Result<Read, ExportError> {
        let filter = LetterFilter { business_ids: of.business_ids.map(<[_]>::to_vec), ..LetterFilter::default() };
        let mut after = after.and_then(|after| after.parse::<u64>().ok());
        let mut items = Vec::new();
        for _ in 0..BLOCKS {
            let page = self.letters.find(&filter, Order::OldestFirst, after, BLOCK).await?;
            for letter in page.letters {
                if letter.body.mentions(of.customer) {
                    items.push(as_json(&letter));
                }
                if items.len() == limit {
                    return Ok(Read { items, more_after: Some(letter.id.to_string()) });
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(Read { items, more_after: after.map(|id| id.to_string()) })
    }
}

fn as_json(letter: &Letter) -> Value {
    json!({ "id": letter.id, "dead_since": letter.dead_since, "letter": letter.body })
}

/// The place that follows in the list.
fn after(kept: Kept) -> Option<Kept> {
    Kept::ALL.iter().copied().skip_while(|other| *other != kept).nth(1)
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kept, self.after.as_deref().unwrap_or_default())
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (kept, after) = text.split_once(':').ok_or(())?;
        let kept = kept.parse().map_err(drop)?;
        let is_number = |text: &str| text.parse::<u64>().is_ok();
        let is_key = match kept {
            _ if after.is_empty() => true,
            Kept::DeadLetters => is_number(after),
            Kept::EventLog => after.split_once('-').is_some_and(|(ms, n)| is_number(ms) && is_number(n)),
            _table => !after.contains('\0'),
        };
        let after = Some(after.to_owned()).filter(|after| !after.is_empty());
        if is_key { Ok(Self { kept, after }) } else { Err(()) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_place_comes_once_and_a_written_one_is_read_again() {
        let mut places = vec![Kept::ALL[0]];
        while let Some(next) = after(places[places.len() - 1]) {
            places.push(next);
        }
        assert_eq!(places, Kept::ALL);
        for kept in places {
            let after = match kept {
                Kept::DeadLetters => "17",
                Kept::EventLog => "1700000000000-0",
                _ => "joe:s",
            };
            for after in [None, Some(after.to_owned())] {
                let place = Place { kept, after };
                assert_eq!(place.to_string().parse(), Ok(place));
            }
        }
        for wrong in ["", "messages", "nothing:1", "messages:\0", "dead_letters:x", "event_log:17", "event_log:1-x"] {
            assert_eq!(wrong.parse::<Place>(), Err(()), "{wrong:?}");
        }
    }
}
