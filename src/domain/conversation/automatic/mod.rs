//! Texts that a phone or a mailbox writes, not the customer: reactions to a message, and automatic replies.
//!
//! Reactions of iMessage and RCS reach other networks as texts that quote the message: `Liked “I am on my way.”`. What is
//! quoted, ours or the customer's own, was read when it was written.

mod replies;
#[cfg(test)]
mod tests;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::decision::MessageKind;
use crate::domain::invisible::is_invisible;

/// What a reaction begins with, in lower case and without diacritics; what it reacts to follows.
const REACTIONS: &[&str] = &[
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
    "se rio de",
    "rio de",
    "le dio risa",
    "enfatizo",
    "exclamo por",
    "destaco",
    "resalto",
    "pregunto por",
    "cuestiono",
    "indico que le gusta",
    "indico que le encanta",
    "indico que no le gusta",
    "me gusto",
    "me encanto",
    "me gusta",
    "me encanta",
];
/// What the withdrawal of a reaction begins with: `Removed a heart from “…”`.
const WITHDRAWALS: &[(&str, &[&str])] = &[
    ("removed ", &[" from"]),
    ("quito ", &[" de", " a"]),
    ("elimino ", &[" de", " a"]),
    ("se quito ", &[" de", " a"]),
];
/// What a reaction with a sign begins with: `Reacted 👍 to “…”`.
const WITH_A_SIGN: &[(&str, &[&str])] = &[
    ("reacted ", &[" to"]),
    ("reacted with ", &[" to"]),
    ("reacciono con ", &[" a"]),
    ("ha reaccionado con ", &[" a"]),
    ("", &[" to", " a"]),
];
/// What else a reaction can be to.
const ATTACHMENTS: &[&str] = &[
    "an image",
    "a photo",
    "a picture",
    "a video",
    "a movie",
    "an attachment",
    "an audio message",
    "a voice message",
    "a message",
    "a sticker",
    "a link",
    "a gif",
    "una imagen",
    "una foto",
    "un video",
    "un archivo",
    "un mensaje",
    "un mensaje de audio",
    "un audio",
    "un sticker",
    "un enlace",
];
/// Opening quotation marks, and those that close them.
const QUOTES: &[(char, char)] =
    &[('“', '”'), ('"', '"'), ('«', '»'), ('‘', '’'), ('\'', '\''), ('„', '“'), ('「', '」')];
/// The longest that a withdrawn reaction or a sign is, in characters: `an exclamation mark`.
const LONGEST_NAME: usize = 40;

/// What a customer's text is: their own words, a reaction, or an automatic reply. In doubt it is their words.
pub(super) fn kind_of(body: &str) -> MessageKind {
    let plain = plain(body);
    if is_reaction(&plain) {
        MessageKind::Reaction
    } else if replies::is_automatic(&plain) {
        MessageKind::AutoReply
    } else {
        MessageKind::Customer
    }
}

/// In lower case, without diacritics and invisible characters, and with single spaces.
fn plain(body: &str) -> String {
    let visible = |c: &char| !is_combining_mark(*c) && !is_invisible(*c);
    let text: String = body.nfd().filter(visible).flat_map(char::to_lowercase).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_reaction(plain: &str) -> bool {
    let with = |forms: &[(&str, &[&str])], fits: fn(&str) -> bool| {
        forms.iter().any(|(begin, links)| {
            let Some(rest) = plain.strip_prefix(begin) else { return false };
            links.iter().any(|link| {
                rest.match_indices(link).any(|(at, _)| fits(&rest[..at]) && is_object(&rest[at + link.len()..]))
            })
        })
    };
    REACTIONS.iter().any(|begin| plain.strip_prefix(begin).is_some_and(is_object))
        || with(WITHDRAWALS, is_short)
        || with(WITH_A_SIGN, is_sign)
}

/// Whether this is all that a reaction is to: a quotation up to the end, or an attachment.
fn is_object(rest: &str) -> bool {
    let Some(object) = rest.strip_prefix(' ') else { return false };
    let object = object.trim_end_matches(['.', '…']);
    let is_quoted = |(open, close): &(char, char)| {
        let quoted = object.strip_prefix(*open).and_then(|quoted| quoted.strip_suffix(*close));
        // Another quotation mark of the same kind within could be the end, with the customer's words after it.
        quoted.is_some_and(|quoted| !quoted.is_empty() && (open != close || !quoted.contains(*close)))
    };
    ATTACHMENTS.contains(&object) || QUOTES.iter().any(is_quoted)
}

fn is_short(name: &str) -> bool {
    !name.is_empty()
        && name.chars().count() <= LONGEST_NAME
        && !name.contains(|c| QUOTES.iter().any(|(open, _)| *open == c))
}

/// An emoji: no letters, no digits.
fn is_sign(sign: &str) -> bool {
    is_short(sign) && !sign.chars().any(|c| c.is_alphanumeric() || c.is_ascii_punctuation())
}
