//! Decides, by the tables, whether a text is an opt-out.
//!
//! First the whole text: a word of the law, alone or with courtesy around it. Then each sentence: phrases, and for each
//! what may change its meaning: it is quoted, denied, asked about, conditional, or about somebody else. A doubtful text
//! neither changes the ledger nor is answered; a person looks at it.

use std::sync::LazyLock;

use super::phrases::Phrases;
use super::tables::{self, Means};
use super::text::{Sentences, Word, is_a_stop_sign, sentences};

/// The result of reading a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Found {
    /// No opt-out.
    Nothing,
    /// A possible opt-out.
    Doubt,
    /// An opt-out.
    Out,
}

static TABLES: LazyLock<Tables> = LazyLock::new(Tables::new);

/// The compiled tables: a field for each list of phrases, and one for the phrases with a meaning.
macro_rules! tables {
    ($($field:ident: $list:ident,)+) => {
        struct Tables {
            $($field: Phrases,)+
            phrases: Phrases<Means>,
        }

        impl Tables {
            /// The lists as they are written in the tables.
            #[cfg(test)]
            const LISTS: &[&[&str]] = &[$(tables::$list),+];

            fn new() -> Self {
                Self {
                    $($field: Phrases::new(tables::$list),)+
                    phrases: Phrases::with(tables::PHRASES.iter().copied()),
                }
            }
        }
    };
}

tables! {
    alone: ALONE,
    alone_in_a_sentence: ALONE_IN_A_SENTENCE,
    between: BETWEEN,
    courtesy: COURTESY,
    yes_or_no: YES_OR_NO,
    reasons: REASONS,
    doubtful_whole: DOUBTFUL_WHOLE,
    doubtful_courtesy: DOUBTFUL_COURTESY,
    new_thought: NEW_THOUGHT,
    after_a_word: AFTER_A_WORD,
    neutral: NEUTRAL,
    neutral_after_stop: NEUTRAL_AFTER_STOP,
    conditions_before: CONDITIONS_BEFORE,
    conditions_after: CONDITIONS_AFTER,
    opposite: OPPOSITE,
    between_opposite: BETWEEN_OPPOSITE,
    speech: SPEECH,
    denials: DENIALS,
    myself: MYSELF,
    asks_about: ASKS_ABOUT,
    may_ask_for: MAY_ASK_FOR,
    goes_on: GOES_ON,
    how_to: HOW_TO,
    i_will: I_WILL,
    subjects: SUBJECTS,
    articles: ARTICLES,
    have: HAVE,
    jokes: JOKES,
    wants_texts: WANTS_TEXTS,
}

/// Reads a text. It never panics, and its time grows with the length of the text.
pub(super) fn read(body: &str) -> Found {
    if is_a_stop_sign(body) {
        return Found::Doubt;
    }
    TABLES.read(&sentences(body))
}

impl Tables {
    fn read(&self, sentences: &Sentences) -> Found {
        let whole = self.whole(sentences);
        if whole != Found::Nothing {
            return whole;
        }
        let said = sentences.iter().map(|sentence| self.sentence(sentence)).max().unwrap_or(Found::Nothing);
        let said = said.max(self.stands_alone(sentences));
        let calls = || sentences.iter().any(|sentence| self.is_about_calls(sentence));
        match said {
            Found::Out if sentences.iter().any(|sentence| self.jokes.are_in(sentence)) => Found::Doubt,
            Found::Nothing if calls() && !self.asks_for_texts(sentences) => Found::Doubt,
            said => said,
        }
    }

    /// Checks whether the whole text is an opt-out or a possible one.
    fn whole(&self, sentences: &Sentences) -> Found {
        let some: Vec<&Vec<Word>> = sentences.iter().filter(|sentence| !self.yes_or_no.are(sentence)).collect();
        let words: Vec<Word> = some.into_iter().flatten().cloned().collect();
        let rest = self.without_courtesy(&words);
        if self.are_all(&self.alone, &rest) {
            return Found::Out;
        }
        let all: Vec<Word> = sentences.iter().flatten().cloned().collect();
        let doubtful = self.doubtful_whole.are(&rest)
            || self.doubtful_whole.are(&joined(&self.without_courtesy(&all)))
            || self.doubtful_whole.are(&joined(&all))
            || (rest.is_empty() && self.doubtful_courtesy.are(&all));
        if doubtful { Found::Doubt } else { Found::Nothing }
    }

    /// Whether the words are a sequence of these phrases, and nothing else.
    fn are_all(&self, phrases: &Phrases, words: &[Word]) -> bool {
        let words = joined(words);
        let mut at = 0;
        let mut any = false;
        while at < words.len() {
            let rest = &words[at..];
            let (length, between) = (phrases.length_at(rest), self.between.length_at(rest));
            any |= length > 0;
            match length.max(if any { between } else { 0 }) {
                0 => return false,
                taken => at += taken,
            }
        }
        any
    }

    fn without_courtesy(&self, words: &[Word]) -> Vec<Word> {
        let mut rest = Vec::new();
        let mut at = 0;
        while at < words.len() {
            match self.courtesy.length_at(&words[at..]) {
                0 => {
                    rest.push(words[at].clone());
                    at += 1;
                }
                taken => at += taken,
            }
        }
        rest
    }

    /// A word of the law that is alone in its part, among other sentences: it is addressed to us, or is about their
    /// subject.
    fn stands_alone(&self, sentences: &Sentences) -> Found {
        let mut found = Found::Nothing;
        let mut others_are_reasons = true;
        for part in sentences.iter().flat_map(|sentence| parts(sentence)) {
            let rest = self.without_courtesy(part);
            if self.are_all(&self.alone_in_a_sentence, &rest) {
                found = Found::Doubt;
            } else if !(rest.is_empty() || self.yes_or_no.are(&rest) || self.reasons.are(&rest)) {
                others_are_reasons = false;
            }
        }
        if found == Found::Doubt && others_are_reasons {
            return Found::Out;
        }
        let first = sentences.first().map(|sentence| self.without_courtesy(sentence)).unwrap_or_default();
        let is_word = |word: &&Word| matches!(word.text.as_str(), "stop" | "unsubscribe" | "stopall");
        let words = first.iter().take_while(is_word).count();
        let begins = words > 0 && first.get(words..).is_some_and(|after| self.after_a_word.begin(after));
        if begins { found.max(Found::Doubt) } else { found }
    }

    fn sentence(&self, words: &[Word]) -> Found {
        let mut found = Found::Nothing;
        let mut at = 0;
        while at < words.len() {
            let Some((means, end)) = self.phrase_at(words, at) else {
                at += 1;
                continue;
            };
            found = found.max(self.judge(words, at, end, means));
            at = end;
        }
        found
    }

    /// The longest phrase that starts here, and where it ends.
    fn phrase_at(&self, words: &[Word], at: usize) -> Option<(Means, usize)> {
        let rest = &words[at..];
        let fits = self.phrases.beginning(rest).map(|(means, length)| (*means, at + length));
        let fits = fits.filter(|(means, end)| {
            let needs_the_end = matches!(means, Means::OutAtTheEnd | Means::DoubtAtTheEnd);
            !needs_the_end || self.is_at_the_end(words, *end)
        });
        // Of two phrases of equal length, the first.
        fits.reduce(|one, other| if other.1 > one.1 { other } else { one })
    }

    /// Whether the clause ends here, or continues only with words that do not change the meaning.
    fn is_at_the_end(&self, words: &[Word], end: usize) -> bool {
        let mut rest = clause_after(words, end);
        while let taken @ 1.. = self.neutral.length_at(rest).max(self.courtesy.length_at(rest)) {
            rest = &rest[taken..];
        }
        rest.is_empty() || self.new_thought.begin(rest)
    }

    fn judge(&self, words: &[Word], at: usize, end: usize, means: Means) -> Found {
        match means {
            Means::Ordinary | Means::Calls => Found::Nothing,
            Means::Doubt | Means::DoubtAtTheEnd => Found::Doubt,
            Means::Out | Means::OutAtTheEnd | Means::Not => {
                self.before(words, at, means).min(self.after(words, end, means))
            }
        }
    }

    /// Judges the words before a phrase in its sentence.
    fn before(&self, words: &[Word], at: usize, means: Means) -> Found {
        let (before, phrase) = (&words[..at], &words[at..]);
        let near = &before[clause_start(words, at)..];
        let begins_with = phrase.first().map(|word| word.text.as_str()).unwrap_or_default();
        let denies_itself = means == Means::Not || matches!(begins_with, "no" | "dont" | "do" | "leave");
        if means == Means::Not && self.subjects.end(near) {
            return Found::Nothing;
        }
        if !denies_itself && self.is_turned_round(near) {
            return Found::Nothing;
        }
        if begins_with == "no" && self.have.end(near) {
            return Found::Nothing;
        }
        if matches!(begins_with, "unsubscribe" | "opt" | "opting") && self.articles.end(near) {
            return Found::Nothing;
        }
        if let Some(told) = (0..at).rev().find(|at| self.speech.begin(&words[*at..=*at])) {
            if self.denials.are_in(&words[..told]) {
                return Found::Nothing;
            }
            if !words[..told].iter().all(|word| self.myself.begin(std::slice::from_ref(word))) {
                return Found::Doubt;
            }
        } else if begins_with == "said" {
            if self.denials.are_in(before) {
                return Found::Nothing;
            }
            if !before.iter().all(|word| self.myself.begin(std::slice::from_ref(word))) {
                return Found::Doubt;
            }
        }
        if !denies_itself && self.i_will.end(near) {
            return Found::Nothing;
        }
        if self.conditions_before.are_in(before) {
            return Found::Doubt;
        }
        let clause = self.without_courtesy(near);
        if self.asks_about.begin(&clause) {
            return if self.goes_on.are_in(&clause) { Found::Doubt } else { Found::Nothing };
        }
        if self.may_ask_for.begin(&clause) && !self.how_to.begin(&clause) {
            return Found::Doubt;
        }
        Found::Out
    }

    /// Whether the words directly before a phrase reverse its meaning: "don't", "I never want to".
    fn is_turned_round(&self, near: &[Word]) -> bool {
        let mut before = near;
        while let Some((last, rest)) = before.split_last() {
            let last = std::slice::from_ref(last);
            if self.opposite.begin(last) {
                return true;
            }
            if !self.between_opposite.begin(last) {
                return false;
            }
            before = rest;
        }
        false
    }

    /// Judges the words after a phrase in its sentence.
    fn after(&self, words: &[Word], end: usize, means: Means) -> Found {
        let mut rest = clause_after(words, end);
        let behind = words.get(end + rest.len()..).unwrap_or_default();
        loop {
            let neutral = self.neutral.length_at(rest);
            let now = if means == Means::Not { 0 } else { self.neutral_after_stop.length_at(rest) };
            match neutral.max(now) {
                0 => break,
                taken => rest = &rest[taken..],
            }
        }
        if !rest.is_empty() && !self.new_thought.begin(rest) {
            return Found::Doubt;
        }
        if self.new_thought.begin(rest) && matches!(rest.first().map(|word| word.text.as_str()), Some("or")) {
            return Found::Doubt;
        }
        if self.conditions_after.begin(behind) { Found::Doubt } else { Found::Out }
    }

    fn is_about_calls(&self, words: &[Word]) -> bool {
        (0..words.len()).any(|at| {
            let Some((Means::Calls, end)) = self.phrase_at(words, at) else { return false };
            let near = &words[clause_start(words, at)..at];
            let turned = self.is_turned_round(near) || self.subjects.end(near) || self.i_will.end(near);
            let asked = self.asks_about.begin(near) || self.conditions_before.begin(near);
            !turned && !asked && self.is_at_the_end(words, end)
        })
    }

    fn asks_for_texts(&self, sentences: &Sentences) -> bool {
        sentences.iter().any(|words| {
            (0..words.len()).any(|at| {
                let near = &words[clause_start(words, at)..at];
                self.wants_texts.begin(&words[at..]) && !self.is_turned_round(near)
            })
        })
    }
}

/// The same words without commas.
fn joined(words: &[Word]) -> Vec<Word> {
    words.iter().map(|word| Word { text: word.text.clone(), after_comma: false }).collect()
}

/// The parts of a sentence, split at its commas.
fn parts(sentence: &[Word]) -> impl Iterator<Item = &[Word]> {
    sentence.chunk_by(|_, next| !next.after_comma)
}

/// The start of the part that contains this word.
fn clause_start(words: &[Word], at: usize) -> usize {
    (1..=at).rev().find(|at| words.get(*at).is_some_and(|word| word.after_comma)).unwrap_or_default()
}

/// The words up to the next comma.
fn clause_after(words: &[Word], end: usize) -> &[Word] {
    let rest = words.get(end..).unwrap_or_default();
    let comma = rest.iter().position(|word| word.after_comma).unwrap_or(rest.len());
    &rest[..comma]
}

#[cfg(test)]
mod tests {
    use super::super::phrases::Phrase;
    use super::*;

    #[test]
    fn the_tables_are_whole() {
        let all = tables::PHRASES.iter().map(|(_, written)| *written);
        for written in all.chain(Tables::LISTS.iter().copied().flatten().copied()) {
            assert!(
                Phrase::new(written).is_whole(),
                "`{written}` names a list that is not there, or may be nothing at all"
            );
            assert_eq!(written, written.to_lowercase(), "plain words are lower case");
            assert!(!written.contains('\''), "`{written}`: apostrophes are taken away before");
        }
        assert!(TABLES.alone.all().next().is_some());
    }
}
