//! Reactions to a message.

use super::KEYCAP;

/// What a reaction begins with, in lower case and without diacritics; what it reacts to follows.
const VERBS: &[&str] = &[
    "liked",
    "loved",
    "disliked",
    "emphasized",
    "emphasised",
    "questioned",
    "laughed at",
    "hearted",
    "thumbed up",
    "reacted to",
    "le gusto",
    "le encanto",
    "no le gusto",
    "le disgusto",
    "le ha gustado",
    "le ha encantado",
    "no le ha gustado",
    "ya no le gusta",
    "ya no le encanta",
    "se rio de",
    "se rio con",
    "se rio por",
    "se ha reido de",
    "rio de",
    "rio con",
    "le dio risa",
    "le dio me gusta a",
    "le dio un me gusta a",
    "dio me gusta a",
    "enfatizo",
    "ha enfatizado",
    "puso enfasis en",
    "hizo enfasis en",
    "exclamo por",
    "destaco",
    "ha destacado",
    "resalto",
    "recalco",
    "subrayo",
    "pregunto por",
    "se pregunto por",
    "puso en duda",
    "ha puesto en duda",
    "cuestiono",
    "ha cuestionado",
    "indico que le gusta",
    "indico que le encanta",
    "indico que no le gusta",
    "dijo que le gusta",
    "dijo que le encanta",
    "dijo que no le gusta",
    "marco con un corazon",
    "reacciono a",
    "ha reaccionado a",
    "me gusto",
    "me encanto",
    "me gusta",
    "me encanta",
];
/// After the name of who reacts: `A Juan le gustó “…”`.
const VERBS_AFTER_A_NAME: &[&str] = &["le gusto", "le encanto", "no le gusto", "le ha gustado", "le ha encantado"];
/// What the withdrawal of a reaction begins with: `Removed a heart from “…”`.
const WITHDRAWALS: &[(&str, &[&str])] = &[
    ("removed ", &[" from"]),
    ("quito ", &[" de", " a"]),
    ("elimino ", &[" de", " a"]),
    ("se quito ", &[" de", " a"]),
    ("se elimino ", &[" de", " a"]),
    ("ha quitado ", &[" de", " a"]),
    ("ha eliminado ", &[" de", " a"]),
];
/// What a reaction with a sign begins with: `Reacted 👍 to “…”`.
const WITH_A_SIGN: &[(&str, &[&str])] = &[
    ("reacted ", &[" to"]),
    ("reacted with ", &[" to"]),
    ("replied ", &[" to"]),
    ("reacciono ", &[" a"]),
    ("reacciono con ", &[" a"]),
    ("reaccionaste con ", &[" a"]),
    ("le reacciono con ", &[" a"]),
    ("ha reaccionado con ", &[" a"]),
];
/// What links a sign that stands alone with the message: `👍 to “…”`.
const LINKS: &[&str] = &["to", "a"];
/// What links a message with the sign after it: `Reacted to “…” with 👍`.
const SIGN_FOLLOWS: &[&str] = &[" with ", " con "];
/// What may be said of the message before it is quoted.
const BEFORE_A_QUOTE: &[&str] =
    &["your message ", "the message ", "your text ", "tu mensaje ", "su mensaje ", "el mensaje "];
/// What else a reaction can be to; with an article or a number, and in the plural.
const ATTACHMENTS: &[&str] = &[
    "image",
    "photo",
    "picture",
    "video",
    "movie",
    "attachment",
    "audio message",
    "voice message",
    "voice memo",
    "message",
    "sticker",
    "link",
    "gif",
    "contact",
    "location",
    "file",
    "document",
    "imagen",
    "foto",
    "fotografia",
    "archivo",
    "archivo adjunto",
    "adjunto",
    "mensaje",
    "mensaje de audio",
    "mensaje de voz",
    "nota de voz",
    "audio",
    "enlace",
    "contacto",
    "ubicacion",
    "documento",
    "pelicula",
];
const ARTICLES: &[&str] = &["a", "an", "the", "your", "un", "una", "el", "la", "unos", "unas", "tu", "su"];
/// Opening quotation marks, and those that close them.
const QUOTES: &[(char, char)] =
    &[('“', '”'), ('"', '"'), ('«', '»'), ('‘', '’'), ('\'', '\''), ('„', '“'), ('「', '」')];
const APOSTROPHES: &[char] = &['\'', '’'];
/// The longest that a withdrawn reaction or a sign is, in characters: `an exclamation mark`.
const LONGEST_NAME: usize = 40;

/// Whether a text, in lower case and without diacritics, is a reaction and nothing else.
pub(super) fn is_reaction(plain: &str) -> bool {
    let with = |forms: &[(&str, &[&str])], fits: fn(&str) -> bool| {
        forms.iter().any(|(begin, links)| {
            let Some(rest) = plain.strip_prefix(begin) else { return false };
            links.iter().any(|link| {
                rest.match_indices(link).any(|(at, _)| fits(&rest[..at]) && is_object(&rest[at + link.len()..]))
            })
        })
    };
    VERBS.iter().any(|verb| plain.strip_prefix(verb).is_some_and(|rest| is_object(without_sign(rest))))
        || is_of_somebody(plain)
        || with(WITHDRAWALS, is_withdrawn)
        || with(WITH_A_SIGN, |sign| is_sign(sign) || is_attachment(sign))
        || is_a_sign_alone(plain)
}

/// `A Juan le gustó “…”`
fn is_of_somebody(plain: &str) -> bool {
    let Some(rest) = plain.strip_prefix("a ") else { return false };
    VERBS_AFTER_A_NAME.iter().any(|verb| {
        rest.split_once(verb).is_some_and(|(name, object)| {
            name.ends_with(' ') && is_short(name) && name.split(' ').count() <= 4 && is_object(object)
        })
    })
}

/// `👍 to “…”`
fn is_a_sign_alone(plain: &str) -> bool {
    let Some(at) = plain.find(char::is_alphabetic) else { return false };
    let (sign, rest) = plain.split_at(at);
    let is_plain_sign = is_sign(sign.trim_end()) && !sign.contains(|c: char| c.is_ascii_punctuation());
    is_plain_sign && LINKS.iter().any(|link| rest.strip_prefix(link).is_some_and(is_object))
}

/// What a reaction is to, without the sign that follows it.
fn without_sign(rest: &str) -> &str {
    let splits = SIGN_FOLLOWS.iter().filter_map(|link| rest.rsplit_once(link));
    splits.filter(|(_, sign)| is_sign(sign)).map(|(object, _)| object).next().unwrap_or(rest)
}

/// Whether this is all that a reaction is to: a quotation up to the end, or an attachment.
fn is_object(rest: &str) -> bool {
    let Some(object) = rest.strip_prefix(':').unwrap_or(rest).strip_prefix(' ') else { return false };
    let object = BEFORE_A_QUOTE.iter().find_map(|words| object.strip_prefix(words)).unwrap_or(object);
    let is_cut_off = object.ends_with('…') || object.ends_with("...");
    let whole = object.trim_end_matches(['.', '…']);
    let is_quoted = |(open, close): &(char, char)| {
        let Some(quoted) = whole.strip_prefix(*open) else { return false };
        match quoted.strip_suffix(*close) {
            Some(quoted) => !quoted.is_empty() && is_one_quotation(quoted, *open, *close),
            // A phone may cut off the end with its mark.
            None => is_cut_off && open != close && !quoted.contains(*close),
        }
    };
    is_attachment(whole) || QUOTES.iter().any(is_quoted)
}

/// Whether a quotation ends with the text, and not before, with the customer's words after it. Where both marks are the
/// same, any within could be the end.
fn is_one_quotation(quoted: &str, open: char, close: char) -> bool {
    let chars: Vec<char> = quoted.chars().collect();
    let is_letter = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_alphanumeric());
    let mut depth = 1_usize;
    for (at, c) in chars.iter().enumerate() {
        let is_apostrophe = APOSTROPHES.contains(c) && is_letter(at.checked_sub(1)) && is_letter(Some(at + 1));
        if *c == close && !is_apostrophe {
            depth -= 1;
        } else if *c == open && !is_apostrophe {
            depth += 1;
        }
        if depth == 0 {
            return false;
        }
    }
    depth == 1
}

/// `an image`, `2 photos`
fn is_attachment(text: &str) -> bool {
    let Some((article, what)) = text.split_once(' ') else { return false };
    let is_counted = ARTICLES.contains(&article) || article.chars().all(|c| c.is_ascii_digit());
    let one = what.strip_suffix("es").filter(|one| ATTACHMENTS.contains(one)).or(what.strip_suffix('s'));
    is_counted && (ATTACHMENTS.contains(&what) || one.is_some_and(|one| ATTACHMENTS.contains(&one)))
}

/// `a heart`, `un “me gusta”`
fn is_withdrawn(name: &str) -> bool {
    is_short(&name.replace("“me gusta”", "me gusta").replace("\"me gusta\"", "me gusta"))
}

fn is_short(name: &str) -> bool {
    !name.is_empty()
        && name.chars().count() <= LONGEST_NAME
        && !name.contains(|c| QUOTES.iter().any(|(open, _)| *open == c))
}

/// An emoji or marks: no letters, and no digits but those on a key.
fn is_sign(sign: &str) -> bool {
    let is_on_a_key = |c: char| (c.is_ascii_digit() || c == '#' || c == '*') && sign.contains(KEYCAP);
    is_short(sign) && sign.chars().all(|c| !c.is_alphanumeric() || is_on_a_key(c))
}
