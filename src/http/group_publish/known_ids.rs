//! The ids of messages that were published recently.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

/// How many ids are remembered at least, once there are as many; at most twice as many. An entry takes about 10 bytes.
const CAPACITY: usize = 65_536;

/// A memory of recent ids. It is a hint: it forgets old ids, and rarely takes one id for another.
#[derive(Debug, Default)]
pub(super) struct KnownIds {
    recent: HashSet<u64>,
    older: HashSet<u64>,
    hasher: RandomState,
}

impl KnownIds {
    /// Remembers an id. Once there are too many, the older half is forgotten.
    pub fn insert(&mut self, id: &str) {
        if self.recent.len() >= CAPACITY {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(self.hasher.hash_one(id));
    }

    /// Whether an id was inserted.
    pub fn contains(&self, id: &str) -> bool {
        let hash = self.hasher.hash_one(id);
        self.recent.contains(&hash) || self.older.contains(&hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_ids_are_known_and_the_oldest_forgotten() {
        let mut known = KnownIds::default();
        let id = |number: usize| format!("sms:SM{number}");
        for number in 0..=2 * CAPACITY {
            known.insert(&id(number));
        }
        assert!([CAPACITY, 2 * CAPACITY].iter().all(|number| known.contains(&id(*number))));
        assert!(!known.contains(&id(0)));
        assert_eq!(known.recent.len() + known.older.len(), CAPACITY + 1);
    }

    #[test]
    fn an_id_that_is_repeated_takes_no_further_place() {
        let mut known = KnownIds::default();
        known.insert("first");
        for _ in 0..CAPACITY {
            known.insert("repeated");
        }
        assert_eq!(known.recent.len(), 2);
    }
}
