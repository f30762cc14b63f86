//! Splits a text into sentences of plain words, without what keyboards, phones and mail programs add.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::domain::invisible::is_invisible;

/// A word, and whether a comma or similar punctuation precedes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) after_comma: bool,
}

/// The sentences of a text, each a list of words. No sentence is empty.
pub(super) type Sentences = Vec<Vec<Word>>;

/// The maximum number of words to read: more than any opt-out needs. Twilio allows 1,600 characters.
const MOST_WORDS: usize = 400;
/// The start of a line that a phone or a mail program adds below the text. That line and everything after it was not
/// written by the customer.
const SENT_FROM: &[&str] =
    &["sent from ", "sent via ", "sent with ", "get outlook for", "enviado desde ", "enviado con ", "obtener outlook"];
/// Closing words before a name.
const CLOSINGS: &[&str] = &[
    "thanks",
    "thank you",
    "best",
    "best regards",
    "regards",
    "kind regards",
    "cheers",
    "sincerely",
    "gracias",
    "saludos",
];
/// Signs that mean stop.
const STOP_SIGNS: &[char] = &['🛑', '✋', '⛔', '🚫'];

/// Whether a text has no words but a sign that means stop.
pub(super) fn is_a_stop_sign(body: &str) -> bool {
    body.contains(STOP_SIGNS) && !body.chars().any(char::is_alphanumeric)
}

/// The sentences of a text, without a signature or quoted text below it.
pub(super) fn sentences(body: &str) -> Sentences {
    let whole = cut(body);
    let sentences = if whole.is_empty() { cut_words(body) } else { whole };
    spelt(&sentences).map_or(sentences, |word| vec![vec![Word { text: word, after_comma: false }]])
}

fn cut(body: &str) -> Sentences {
    let mut lines: Vec<&str> = Vec::new();
    for line in body.lines() {
        let low = line.trim().to_lowercase();
        let is_quote = low.starts_with('>');
        let begins_quote = (low.starts_with("on ") && low.ends_with("wrote:"))
            || (low.starts_with("el ") && (low.ends_with("escribió:") || low.ends_with("escribio:")));
        let is_rule = low.len() >= 2 && low.chars().all(|c| matches!(c, '-' | '_' | '—' | '–' | '='));
        if begins_quote || is_rule || SENT_FROM.iter().any(|begin| low.starts_with(begin)) {
            break;
        }
        if !is_quote && !low.is_empty() {
            lines.push(line.trim());
        }
    }
    while let [.., before, last] = lines[..]
        && (is_signature(last) || (is_closing(before) && is_name(last)))
    {
        lines.pop();
    }
    cut_words(&lines.join("\n"))
}

/// Whether a line is a closing word, which a name may follow.
fn is_closing(line: &str) -> bool {
    let low = line.trim_end_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    CLOSINGS.contains(&low.as_str())
}

/// Whether a line is one capitalized word.
fn is_name(line: &str) -> bool {
    let mut letters = line.chars();
    letters.next().is_some_and(char::is_uppercase) && letters.all(|c| c.is_lowercase() || c == '.')
}

/// Whether a line is a name (after a dash, or of two words or more), a phone number or an email address.
fn is_signature(line: &str) -> bool {
    let (dash, name) = match line.strip_prefix(['-', '–', '—', '~']) {
        Some(name) => (true, name.trim()),
        None => (false, line),
    };
    let words: Vec<&str> = name.split_whitespace().collect();
    let is_name = |word: &&str| {
        let mut letters = word.chars().filter(|c| c.is_alphabetic());
        letters.next().is_some_and(char::is_uppercase)
            && (letters.next().is_none_or(char::is_lowercase) || word.len() <= 3)
    };
    let names = (1..=4).contains(&words.len()) && words.iter().all(is_name);
    let digits = line.chars().filter(char::is_ascii_digit).count();
    let is_phone = digits >= 7 && !line.chars().any(char::is_alphabetic);
    let is_mail = words.len() == 1 && name.contains('@') && name.contains('.');
    (names && (dash || words.len() >= 2)) || is_phone || is_mail
}

fn cut_words(text: &str) -> Sentences {
    let mut cutter = Cutter::default();
    let mut count = 0;
    let text = text.replace(" w/", " with ");
    let chars: Vec<char> = text.nfkd().collect();
    for (at, c) in chars.iter().enumerate() {
        let (before, after) = (at.checked_sub(1).and_then(|at| chars.get(at)), chars.get(at + 1));
        match *c {
            c if is_combining_mark(c) || is_invisible(c) => {}
            '\'' | '’' | '‘' | '`' | '´' | 'ʼ' | '′' => {}
            c if c.is_alphanumeric() => {
                c.to_lowercase().filter(|c| !is_combining_mark(*c)).for_each(|c| cutter.letter(c))
            }
            '#' => cutter.letter('#'),
            '.' | ',' if before.is_some_and(char::is_ascii_digit) && after.is_some_and(char::is_ascii_digit) => {
                cutter.letter('.');
            }
            '.' | '!' | '?' | ';' | '\n' | '\r' | '…' | '¿' | '¡' | '\u{2028}' | '\u{2029}' => {
                cutter.end_of_sentence()
            }
            ',' | ':' | '(' | ')' | '"' | '“' | '”' | '—' | '–' | '*' | '|' | '/' => cutter.comma(),
            '-' if before.is_none_or(|c| c.is_whitespace()) || after == Some(&'-') => cutter.comma(),
            _ => {
                count += usize::from(c.is_whitespace());
                cutter.end_of_word();
            }
        }
        if count > MOST_WORDS {
            break;
        }
    }
    cutter.end_of_sentence();
    cutter.sentences
}

/// A word spelt letter by letter: "S T O P", "s.t.o.p".
fn spelt(sentences: &Sentences) -> Option<String> {
    let words = || sentences.iter().flatten();
    let is_spelt = words().count() >= 3 && words().all(|word| word.text.chars().count() == 1);
    is_spelt.then(|| words().map(|word| word.text.as_str()).collect())
}

#[derive(Default)]
struct Cutter {
    sentences: Sentences,
    sentence: Vec<Word>,
    word: String,
    /// How many times in a row the last letter was read.
    run: usize,
    after_comma: bool,
}

impl Cutter {
    /// Adds a letter. Three or more of the same in a row become one.
    fn letter(&mut self, c: char) {
        if self.word.ends_with(c) {
            self.run += 1;
            match self.run {
                2 => {}
                3 => {
                    self.word.pop();
                    return;
                }
                _ => return,
            }
        } else {
            self.run = 1;
        }
        self.word.push(c);
    }

    fn end_of_word(&mut self) {
        if self.word.is_empty() {
            return;
        }
        let text = std::mem::take(&mut self.word);
        let after_comma = std::mem::take(&mut self.after_comma) && !self.sentence.is_empty();
        self.sentence.push(Word { text, after_comma });
        self.run = 0;
    }

    fn comma(&mut self) {
        self.end_of_word();
        self.after_comma = true;
    }

    fn end_of_sentence(&mut self) {
        self.end_of_word();
        self.after_comma = false;
        if !self.sentence.is_empty() {
            self.sentences.push(std::mem::take(&mut self.sentence));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn plain(body: &str) -> String {
        let join = |sentence: &Vec<Word>| {
            let word = |word: &Word| format!("{}{}", if word.after_comma { ", " } else { " " }, word.text);
            sentence.iter().map(word).collect::<String>().trim().to_owned()
        };
        sentences(body).iter().map(join).collect::<Vec<_>>().join(" | ")
    }

    #[rstest]
    #[case::case_and_stops("STOP. Thank you!", "stop | thank you")]
    #[case::commas("Don’t text me, call me", "dont text me, call me")]
    #[case::accents("No más mensajes", "no mas mensajes")]
    #[case::full_width("ＳＴＯＰ！", "stop")]
    #[case::invisible("st\u{200B}op\u{FE0F}", "stop")]
    #[case::drawn_out("stooooop pleeease", "stop please")]
    #[case::hyphens("opt-out", "opt out")]
    #[case::dashes("stop - wrong number", "stop, wrong number")]
    #[case::spelt("S.T.O.P.", "stop")]
    #[case::prices("$1,200.50 is too much", "1.200.50 is too much")]
    #[case::a_phones_signature("Stop\n\nSent from my iPhone", "stop")]
    #[case::a_rule("Stop\n-- \nJoe\nAcme", "stop")]
    #[case::a_name("Stop\nJohn Smith", "stop")]
    #[case::a_name_after_a_dash("Stop\n- Joe", "stop")]
    #[case::a_name_after_thanks("Stop.\nThanks,\nAnn", "stop | thanks")]
    #[case::a_number_below("Stop\n(555) 123-4567", "stop")]
    #[case::a_quoted_text("Stop\n> Hi! I missed your call", "stop")]
    #[case::no_signature("Stop\nmy sink is fixed", "stop | my sink is fixed")]
    #[case::one_word_is_no_signature("Stop\nFire", "stop | fire")]
    #[case::a_signature_alone("Sent from my iPhone", "sent from my iphone")]
    #[case::nothing(" \n ", "")]
    fn a_text_becomes_plain_words(#[case] body: &str, #[case] expected: &str) {
        assert_eq!(plain(body), expected);
    }
}
