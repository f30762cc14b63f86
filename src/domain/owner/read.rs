//! What a text of the owner says: a word for this service, or words for a customer.
//!
//! A word counts only where nothing else can be meant: alone, or with a code. In doubt a text is words, and words need a
//! conversation that is certain. So `take your time` and `DONE 3 pm` are words.

use super::Code;
use super::texts;
use crate::domain::conversation::is_automatic;
use crate::domain::conversation::words::{OptWord, opt_word};
use crate::domain::emergency::Language;
use crate::domain::language;

/// What the owner wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `TAKE`: the owner answers, not the AI.
    Take(Option<Code>),
    /// `AI`: the AI answers again.
    Release(Option<Code>),
    /// `DONE`: the conversation is over.
    Done { code: Option<Code>, summary: Option<String> },
    /// `LIST`: what is open.
    List,
    /// `BLOCK`: the number never gets an automatic text again.
    Block(Option<Code>),
    /// `?`: what can be done.
    Help,
    /// `OFF`: the owner is away.
    Off,
    /// `ON`: the owner is back.
    On,
    /// `1`: the owner, or a contact, takes the emergency of the newest alert.
    TakeAlert,
    /// Words for a customer. With a code and without words, the owner has yet to write them.
    Words { code: Option<Code>, text: String },
    /// A picture without words.
    Picture,
    /// `TAKE B2 I come at 5`: a word that takes only a code, and more.
    WordAndMore(Code),
    /// `Please stop`: it ends texts for a customer, but is no keyword.
    Stop,
    /// Nobody wrote it: an automatic reply, a reaction, or a text of ours that came back.
    Nothing,
}

/// What a text says, and in which language it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// What the owner wants.
    pub command: Command,
    /// The language of the words.
    pub language: Language,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Take,
    Release,
    Done,
    List,
    Block,
    Help,
    Off,
    On,
}

/// The words of each language, without accents.
const WORDS: &[(&str, Word, Language)] = &[
    ("take", Word::Take, Language::En),
    ("tomar", Word::Take, Language::Es),
    ("tomo", Word::Take, Language::Es),
    ("ai", Word::Release, Language::En),
    ("ia", Word::Release, Language::Es),
    ("done", Word::Done, Language::En),
    ("hecho", Word::Done, Language::Es),
    ("terminado", Word::Done, Language::Es),
    ("list", Word::List, Language::En),
    ("lista", Word::List, Language::Es),
    ("block", Word::Block, Language::En),
    ("bloquear", Word::Block, Language::Es),
    ("ayuda", Word::Help, Language::Es),
    ("off", Word::Off, Language::En),
    ("apagar", Word::Off, Language::Es),
    ("on", Word::On, Language::En),
    ("encender", Word::On, Language::Es),
];

/// Whole texts that take an alert.
const TAKES_ALERT: &[(&str, Language)] = &[
    ("1", Language::En),
    ("i take it", Language::En),
    ("i'll take it", Language::En),
    ("lo tomo", Language::Es),
    ("yo lo tomo", Language::Es),
    ("yo me encargo", Language::Es),
];

/// Reads a text of the business's own side.
pub fn read(body: &str, has_picture: bool) -> Said {
    let text = body.trim();
    let language = language::of(text).unwrap_or_default();
    let said = |command, language| Said { command, language };
    if text.is_empty() && has_picture {
        return said(Command::Picture, language);
    }
    if text.is_empty() || is_automatic(text) || texts::is_ours(text) {
        return said(Command::Nothing, language);
    }
    let whole = plain(text);
    if let Some((_, language)) = TAKES_ALERT.iter().find(|(words, _)| *words == whole) {
        return said(Command::TakeAlert, *language);
    }
    if text.chars().all(|sign| matches!(sign, '?' | '¿')) {
        let language = if text.contains('¿') { Language::Es } else { Language::En };
        return said(Command::Help, language);
    }
    let (first, rest) = split(text);
    if let Some((word, language)) = word(first)
        && let Some(command) = command(word, first, rest)
    {
        return said(command, language);
    }
    let (first, rest) = split_code(first).map_or((first, rest), |code| (code, without_colon(&text[code.len()..])));
    let Some(code) = code(first) else {
        let words = if is_stop(text) { Command::Stop } else { Command::Words { code: None, text: text.to_owned() } };
        return said(words, language);
    };
    // `B2 DONE` is `DONE B2`.
    if let Some((word, language)) = word(rest)
        && let Some(command) = command(word, rest, first)
    {
        return said(command, language);
    }
    said(Command::Words { code: Some(code), text: without_colon(rest).to_owned() }, language)
}

/// The command of a word, if the rest of the text fits it.
fn command(word: Word, first: &str, rest: &str) -> Option<Command> {
    let (second, summary) = split(rest);
    let code = code(second);
    if !rest.is_empty() && code.is_none() {
        // `DONE: fixed the valve` has a summary; `DONE 3 pm` has not.
        let summary = (word == Word::Done && first.ends_with(':')).then(|| rest.to_owned())?;
        return Some(Command::Done { code: None, summary: Some(summary) });
    }
    let takes_none = matches!(word, Word::List | Word::Help | Word::Off | Word::On);
    if takes_none && code.is_some() {
        return None;
    }
    if let Some(code) = code
        && word != Word::Done
        && !is_filler(summary)
    {
        return Some(Command::WordAndMore(code));
    }
    Some(match word {
        Word::Take => Command::Take(code),
        Word::Release => Command::Release(code),
        Word::Done => Command::Done { code, summary: Some(summary.to_owned()).filter(|words| !words.is_empty()) },
        Word::Block => Command::Block(code),
        Word::List => Command::List,
        Word::Help => Command::Help,
        Word::Off => Command::Off,
        Word::On => Command::On,
    })
}

/// The first word, and what follows it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace).map_or((text, ""), |(first, rest)| (first, rest.trim()))
}

fn word(text: &str) -> Option<(Word, Language)> {
    let text = plain(text);
    WORDS.iter().find(|(known, ..)| *known == text).map(|(_, word, language)| (*word, *language))
}

/// The code at the beginning of a word such as `b2:yes`. `B2B` and `A4.5` begin with none.
fn split_code(word: &str) -> Option<&str> {
    let (end, sign) = word.char_indices().find(|(_, sign)| matches!(sign, ':' | ',' | ';' | '.'))?;
    let after = word[end + sign.len_utf8()..].chars().next();
    let (code, _) = word.split_at(end);
    (!after.is_some_and(|sign| sign.is_ascii_digit()) && self::code(code).is_some()).then_some(code)
}

/// What follows a code, without the signs between.
fn without_colon(text: &str) -> &str {
    text.trim_start_matches([':', ',', ';', '-', '–', '—', '.', ' '])
}

/// Whether nothing is behind a word and its code but politeness.
fn is_filler(words: &str) -> bool {
    matches!(plain(words).as_str(), "" | "please" | "pls" | "plz" | "thanks" | "por favor" | "gracias")
}

/// Whether the text as a whole asks for no more texts. The keywords alone never come here.
fn is_stop(text: &str) -> bool {
    matches!(opt_word(text, None, false), Some(OptWord::Out { .. }))
}

fn code(word: &str) -> Option<Code> {
    word.trim_matches(is_punctuation).parse().ok()
}

fn is_punctuation(sign: char) -> bool {
    matches!(sign, '.' | ',' | '!' | ':' | ';' | '?' | '-' | '(' | ')' | '"' | '\'')
}

/// In lower case, without what people put behind a word.
fn plain(text: &str) -> String {
    let plain = text.trim().trim_end_matches(['.', '!', ':', ',', ';']).trim_end();
    plain.to_lowercase().replace('’', "'")
}
