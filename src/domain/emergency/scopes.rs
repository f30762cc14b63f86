//! What takes a concept back: how far cancellers (denied, over, supposed, elsewhere) reach, and which concepts remain.

use super::{
    book::Book,
    data::{Reach, Role},
    scan::{Hit, Scan, flag, role},
    text::Gap,
};

/// How many words a denial reaches over.
const DENIAL: usize = 5;

impl Scan {
    /// Products and idioms cover their words; phrases include the cancellers that are part of them.
    pub(super) fn cover(&mut self, book: &Book) {
        for hit in &self.hits {
            let long = hit.words.count_ones();
            let role = role(book, hit.concept);
            if role == Role::Cover {
                for at in hit.tokens() {
                    self.tokens[at].cover = self.tokens[at].cover.max(long as u8);
                }
            } else if long > 1 && role != Role::Starter {
                for at in hit.tokens() {
                    let token = &mut self.tokens[at];
                    token.phrase = token.phrase.max(long as u8);
                    if !matches!(role, Role::Sign | Role::Detail) {
                        token.canceller = token.canceller.max(long as u8);
                    }
                }
            }
        }
    }

    fn hidden(&self, hit: Hit) -> bool {
        let long = hit.words.count_ones() as u8;
        hit.tokens().any(|at| self.tokens[at].cover >= long.max(1) && self.tokens[at].cover > 0)
    }

    /// Whether a canceller is only a part of a longer phrase. "Still leaking" does say "still", but "never again" does
    /// not say "again".
    fn taken(&self, hit: Hit, role: Role) -> bool {
        let token = self.tokens[hit.first as usize];
        let by = if matches!(role, Role::Now | Role::Still) { token.canceller } else { token.phrase };
        hit.words.count_ones() < u32::from(by)
    }

    /// Splits the text into sentences and these into clauses.
    pub(super) fn part(&mut self, book: &Book) {
        for at in 0..self.hits.len() {
            let hit = self.hits[at];
            let last = hit.last() as usize;
            if matches!(role(book, hit.concept), Role::Supposed | Role::Joins) && !self.hidden(hit) {
                self.tokens[last].flags |= flag::SUPPOSES;
            }
        }
        for at in 0..self.hits.len() {
            let hit = self.hits[at];
            let first = hit.first as usize;
            // "If there is a leak": the clause is the supposition itself.
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

    pub(super) fn reach(&mut self, book: &Book) {
        for at in 0..self.hits.len() {
            let hit = self.hits[at];
            let Some(concept) = book.concepts.get(usize::from(hit.concept)) else {
                continue;
            };
            let said = match concept.role {
                Role::Not => flag::DENIED,
                Role::Over => flag::OVER,
                Role::Supposed => flag::SUPPOSED,
                Role::Elsewhere => flag::ELSEWHERE,
                Role::Now => flag::NOW,
                Role::Still => flag::NOW | flag::STILL,
                Role::Unable => flag::UNABLE,
                _ => continue,
            };
            if concept.role == Role::Unable {
                self.reach_over(hit.last() as usize + 1, said);
                continue;
            }
            if self.hidden(hit) || self.taken(hit, concept.role) {
                continue;
            }
            let token = self.tokens[hit.first as usize];
            match (concept.role, concept.reach) {
                (Role::Not, Reach::Forward) => self.reach_over(hit.last() as usize + 1, said),
                (Role::Now | Role::Still, _) | (_, Reach::Clause) => self.clause_flags[token.clause as usize] |= said,
                (_, Reach::Sentence) => self.sentence_flags[token.sentence as usize] |= said,
                (_, Reach::Text) => self.text_flags |= said,
                (_, Reach::Forward) => self.forward(hit.first as usize, said),
            }
        }
    }

    /// Flags the next few words of the clause.
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
    pub(super) fn resolve(&mut self, book: &Book) {
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
            let alive =
                (self.flags(hit) & against == 0) && !self.hidden(hit) && !(weightless && self.taken(hit, Role::Tilt));
            self.hits[at].alive = alive;
            self.hits[at].told = self.flags(hit) & (flag::OVER | flag::SUPPOSED | flag::ELSEWHERE) == 0;
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
}
