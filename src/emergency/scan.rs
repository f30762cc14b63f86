//! Finds the concepts in a text and how far each denial, past, supposition or elsewhere reaches.

use super::{
    bits::Bits,
    book::{Book, OWN},
    data::{Reach, Role},
    lexicon::{EntryId, WordLanguage},
    own::OwnPhrases,
    text::{self, Gap, Place},
};

/// How many words a denial reaches over.
const DENIAL: usize = 5;

/// What may be said of a word.
pub(super) mod flag {
    pub(crate) const DENIED: u16 = 1;
    pub(crate) const OVER: u16 = 2;
    pub(crate) const SUPPOSED: u16 = 4;
    pub(crate) const ELSEWHERE: u16 = 8;
    pub(crate) const NOW: u16 = 16;
    /// Part of a longer phrase of the rules, so no canceller by itself.
    pub(crate) const TAKEN: u16 = 32;
    /// Begins a new thought.
    pub(crate) const BREAK: u16 = 64;
    /// Covered by a muted phrase of the business.
    pub(crate) const MUTED: u16 = 128;
    /// It is said not to be so, or not to be possible.
    pub(crate) const UNABLE: u16 = 512;
    /// What follows is what is supposed.
    pub(crate) const SUPPOSES: u16 = 256;
}

/// A word of the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) place: Place,
    pub(super) key: u64,
    entry: EntryId,
    pub(super) flags: u16,
    /// How many words the product or idiom has that covers this one.
    cover: u8,
    clause: u32,
    pub(super) sentence: u32,
}

/// A concept in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    pub(super) concept: u16,
    pub(super) first: u32,
    /// Which of the words from the first on are its own.
    words: u32,
    pub(super) alive: bool,
    pub(super) muted: bool,
}

impl Hit {
    pub(super) fn last(&self) -> u32 {
        self.first + self.words.checked_ilog2().unwrap_or(0)
    }

    fn tokens(self) -> impl Iterator<Item = usize> {
        (0..u32::BITS).filter(move |at| self.words & (1 << at) != 0).map(move |at| (self.first + at) as usize)
    }
}

/// A text, looked through.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) tokens: Vec<Token>,
    pub(super) hits: Vec<Hit>,
    /// All concepts that count.
    pub(super) alive: Bits,
    pub(super) english: u16,
    pub(super) spanish: u16,
    clause_flags: Vec<u16>,
    sentence_flags: Vec<u16>,
    text_flags: u16,
}

impl Scan {
    pub(super) fn of(text: &str, book: &Book, own: &OwnPhrases) -> Self {
        let mut scan = Self { tokens: Vec::with_capacity(text.len() / 4 + 1), ..Self::default() };
        scan.cut(text, book);
        scan.hits.reserve(scan.tokens.len() + 8);
        scan.find_phrases(book);
        if !own.is_empty() {
            scan.find_own(own);
        }
        scan.cover(book);
        scan.part(book);
        scan.reach(book);
        scan.settle(book);
        scan
    }

    fn cut(&mut self, text: &str, book: &Book) {
        let tokens = &mut self.tokens;
        let (mut english, mut spanish) = (0, 0);
        text::words(text, |word, place| {
            let (entry, key) = book.lexicon.find(word);
            match book.lexicon.language(entry) {
                WordLanguage::English => english += 1,
                WordLanguage::Spanish => spanish += 1,
                WordLanguage::Either => {}
            }
            tokens.push(Token { place, key, entry, flags: 0, cover: 0, clause: 0, sentence: 0 });
        });
        (self.english, self.spanish) = (english, spanish);
    }

    fn find_phrases(&mut self, book: &Book) {
        for at in 0..self.tokens.len() {
            let entry = self.tokens[at].entry;
            if entry == 0 {
                continue;
            }
            let first = at as u32;
            let hit = |concept, words| Hit { concept, first, words, alive: false, muted: false };
            for concept in book.lexicon.singles(entry) {
                self.hits.push(hit(*concept, 1));
            }
            for number in book.lexicon.starts(entry) {
                if let Some(phrase) = book.phrases.get(*number as usize)
                    && let Some(words) = self.fits(book, &phrase.rest, at + 1, 1, 1)
                {
                    self.hits.push(hit(phrase.concept, words));
                }
            }
        }
    }

    /// The words of the rest of a phrase, from `at` on.
    fn fits(&self, book: &Book, rest: &[(u8, u16)], at: usize, offset: u32, words: u32) -> Option<u32> {
        let Some(((skip, atom), rest)) = rest.split_first() else { return Some(words) };
        for skipped in 0..=usize::from(*skip) {
            let token = self.tokens.get(at + skipped)?;
            let wall = if *skip > 0 { Gap::Comma } else { Gap::Stop };
            if token.place.gap >= wall {
                return None;
            }
            if book.lexicon.fits(token.entry, *atom) {
                let offset = offset + skipped as u32;
                let words = words | 1u32.checked_shl(offset).unwrap_or(0);
                if let Some(words) = self.fits(book, rest, at + skipped + 1, offset + 1, words) {
                    return Some(words);
                }
            }
        }
        None
    }

    fn find_own(&mut self, own: &OwnPhrases) {
        for at in 0..self.tokens.len() {
            let keys = || self.tokens.get(at..).unwrap_or_default().iter().map(|token| token.key);
            let added = own.added_at(keys());
            let muted = own.muted_at(keys());
            if added > 0 {
                let words = u32::MAX >> (u32::BITS - added.min(32) as u32);
                self.hits.push(Hit { concept: OWN, first: at as u32, words, alive: false, muted: false });
            }
            self.tokens.iter_mut().skip(at).take(muted).for_each(|token| token.flags |= flag::MUTED);
        }
    }

    /// Products and idioms cover their words; phrases take in the cancellers that are part of them.
    fn cover(&mut self, book: &Book) {
        for hit in &self.hits {
            let long = hit.words.count_ones();
            let role = role(book, hit.concept);
            if role == Role::Cover {
                for at in hit.tokens() {
                    self.tokens[at].cover = self.tokens[at].cover.max(long as u8);
                }
            } else if long > 1 && role != Role::Starter {
                hit.tokens().for_each(|at| self.tokens[at].flags |= flag::TAKEN);
            }
        }
    }

    fn hidden(&self, hit: Hit) -> bool {
        let long = hit.words.count_ones() as u8;
        hit.tokens().any(|at| self.tokens[at].cover >= long.max(1) && self.tokens[at].cover > 0)
    }

    fn taken(&self, hit: Hit) -> bool {
        hit.words == 1 && self.tokens[hit.first as usize].flags & flag::TAKEN != 0
    }

    /// Parts the text into sentences and these into thoughts.
    fn part(&mut self, book: &Book) {
        for at in 0..self.hits.len() {
            let hit = self.hits[at];
            let last = hit.last() as usize;
            if role(book, hit.concept) == Role::Supposed && !self.hidden(hit) {
                self.tokens[last].flags |= flag::SUPPOSES;
            }
        }
        for at in 0..self.hits.len() {
            let hit = self.hits[at];
            let first = hit.first as usize;
            // "If there is a leak": the thought is the supposition itself.
            if first > 0 && self.tokens[first - 1].flags & flag::SUPPOSES != 0 {
                continue;
            }
            match role(book, hit.concept) {
                Role::Break if !self.hidden(hit) => self.tokens[first].flags |= flag::BREAK,
                Role::Starter if self.tokens[first].place.gap == Gap::Comma => self.tokens[first].flags |= flag::BREAK,
                _ => {}
            }
        }
        let (mut clause, mut sentence) = (0, 0);
        for (at, token) in self.tokens.iter_mut().enumerate() {
            if at > 0 && token.place.gap >= Gap::Stop {
                sentence += 1;
                clause += 1;
            } else if token.flags & flag::BREAK != 0 {
                clause += 1;
            }
            (token.clause, token.sentence) = (clause, sentence);
        }
        self.clause_flags = vec![0; clause as usize + 1];
        self.sentence_flags = vec![0; sentence as usize + 1];
    }

    fn reach(&mut self, book: &Book) {
        for at in 0..self.hits.len() {
            let hit = self.hits[at];
            let Some(concept) = book.concepts.get(usize::from(hit.concept)) else { continue };
            let said = match concept.role {
                Role::Not => flag::DENIED,
                Role::Over => flag::OVER,
                Role::Supposed => flag::SUPPOSED,
                Role::Elsewhere => flag::ELSEWHERE,
                Role::Now => flag::NOW,
                Role::Unable => flag::UNABLE,
                _ => continue,
            };
            if concept.role == Role::Unable {
                self.reach_over(hit.last() as usize + 1, said);
                continue;
            }
            if self.hidden(hit) || self.taken(hit) {
                continue;
            }
            let token = self.tokens[hit.first as usize];
            match (concept.role, concept.reach) {
                (Role::Not, Reach::Forward) => self.reach_over(hit.last() as usize + 1, said),
                (Role::Now, _) | (_, Reach::Clause) => self.clause_flags[token.clause as usize] |= said,
                (_, Reach::Sentence) => self.sentence_flags[token.sentence as usize] |= said,
                (_, Reach::Text) => self.text_flags |= said,
                (_, Reach::Forward) => self.forward(hit.first as usize, said),
            }
        }
    }

    /// Over the next few words of the thought.
    fn reach_over(&mut self, from: usize, said: u16) {
        let clause = from.checked_sub(1).and_then(|at| self.tokens.get(at)).map(|token| token.clause);
        for at in from..(from + DENIAL).min(self.tokens.len()) {
            if Some(self.tokens[at].clause) != clause || self.tokens[at].place.gap >= Gap::Comma {
                break;
            }
            self.tokens[at].flags |= said;
        }
    }

    fn forward(&mut self, from: usize, said: u16) {
        let clause = self.tokens[from].clause;
        for token in self.tokens[from..].iter_mut() {
            if token.clause != clause || token.flags & said != 0 {
                break;
            }
            token.flags |= said;
        }
    }

    /// Decides which hits count.
    fn settle(&mut self, book: &Book) {
        for at in 0..self.hits.len() {
            let hit = self.hits[at];
            let against = match role(book, hit.concept) {
                Role::Sign => flag::DENIED | flag::OVER | flag::SUPPOSED | flag::ELSEWHERE,
                Role::Detail | Role::Tilt | Role::Contained => flag::DENIED,
                _ => continue,
            };
            if role(book, hit.concept) == Role::Contained && self.tokens[hit.first as usize].flags & flag::UNABLE != 0 {
                continue;
            }
            let weightless = hit.words == 1 && matches!(role(book, hit.concept), Role::Tilt | Role::Contained);
            let alive = (self.flags(hit) & against == 0) && !self.hidden(hit) && !(weightless && self.taken(hit));
            self.hits[at].alive = alive;
            self.hits[at].muted = hit.tokens().any(|at| self.tokens[at].flags & flag::MUTED != 0);
            if alive {
                self.alive.add(hit.concept);
            }
        }
    }

    fn flags(&self, hit: Hit) -> u16 {
        let of = |at: u32| {
            let token = self.tokens[at as usize];
            let around = self.clause_flags[token.clause as usize] | self.sentence_flags[token.sentence as usize];
            let all = token.flags | around;
            if all & flag::NOW != 0 { all & !flag::OVER } else { all }
        };
        of(hit.first) | of(hit.last()) | self.text_flags
    }

    pub(super) fn explain(&self, text: &str, book: &Book) -> String {
        let mut out = String::new();
        for hit in &self.hits {
            let span = |at: u32| self.tokens[at as usize].place;
            let (a, b) = (span(hit.first).start as usize, span(hit.last()).end as usize);
            out += &format!(
                "{} {:?} `{}` flags={} \n",
                if hit.alive { "*" } else { " " },
                book.concepts[usize::from(hit.concept)].name,
                &text[a..b],
                self.flags(*hit)
            );
        }
        out
    }

    /// Whether any word stands for a concept, or only the trade does.
    pub(super) fn told_by_words(&self, concept: u16) -> bool {
        self.hits.iter().any(|hit| hit.concept == concept)
    }

    /// Whether the text says after a hit that it still goes on.
    pub(super) fn goes_on_after(&self, hit: Hit) -> bool {
        let clause = self.tokens[hit.first as usize].clause as usize;
        self.clause_flags.iter().skip(clause).any(|flags| flags & flag::NOW != 0)
    }
}

fn role(book: &Book, concept: u16) -> Role {
    book.concepts.get(usize::from(concept)).map(|concept| concept.role).unwrap_or_default()
}
