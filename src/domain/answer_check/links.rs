//! Links, and the domains to which a business lets them lead.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unicode_normalization::char::is_combining_mark;

use super::shown;

/// A domain to which answers may link, with all of its subdomains: lower-case ASCII, such as `example.com`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(String);

impl Domain {
    /// Whether a host is this domain or below it. What no host has, such as `%` or `=`, may have ended another before it.
    fn has(&self, host: &str) -> bool {
        let is_of_host = |c: char| c.is_alphanumeric() || "-._".contains(c);
        host.strip_suffix(&self.0)
            .is_some_and(|below| below.is_empty() || (below.ends_with('.') && below.chars().all(is_of_host)))
    }
}

impl FromStr for Domain {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let domain = text.to_ascii_lowercase();
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let top_level = domain.rsplit('.').next().unwrap_or_default();
        let is_domain = domain.len() <= 253
            && domain.contains('.')
            && domain.split('.').all(is_label)
            && top_level.bytes().any(|b| b.is_ascii_alphabetic());
        is_domain
            .then_some(Self(domain))
            .ok_or_else(|| "must be a domain, such as example.com, without https://".to_owned())
    }
}

impl TryFrom<String> for Domain {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Domain> for String {
    fn from(domain: Domain) -> Self {
        domain.0
    }
}

/// Whether every link in the text, and every mail address, leads to one of the domains. What a phone would underline is
/// a link, and so is what tells a reader how to write one: `example dot com`.
pub fn links_are_allowed(text: &str, domains: &[Domain]) -> bool {
    let text: String = shown(text).chars().map(|c| if is_like_hyphen(c) { '-' } else { c }).collect();
    hosts(&text).iter().all(|host| domains.iter().any(|domain| domain.has(host)))
}

/// Whether a reader takes a sign within a name for a hyphen. A long dash separates words.
fn is_like_hyphen(c: char) -> bool {
    matches!(c, '\u{2010}'..='\u{2013}' | '\u{2043}' | '\u{2212}')
}

/// The hosts of the links, in lower case: of those that a phone underlines, and of those that a reader puts together. In place
/// of other scripts' full stops, which browsers read as dots, are dots.
fn hosts(text: &str) -> Vec<String> {
    let text = text.replace(['。', '｡'], ".");
    let put_together = with_dots(&without_brackets(&text));
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| c.is_whitespace() || ends_link(c)).flat_map(hosts_in_word).collect()
    };
    [words(&text), words(&put_together)].concat()
}

/// Whether no link goes on after a character: a bracket, a quotation mark, a comma, a pipe. A path may have some of them;
/// what follows there is looked at like a word of its own.
fn ends_link(c: char) -> bool {
    !(c.is_alphanumeric() || is_combining_mark(c) || r"\.-_/:@?#%=&~+".contains(c))
}

/// The text with dots where they are written so that a reader, but no machine, finds them.
fn with_dots(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut dotted = String::with_capacity(text.len());
    for (at, word) in words.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| words.get(at)).copied().unwrap_or_default();
        let next = words.get(at + 1).copied().unwrap_or_default();
        if is_spelled_dot(before, word, next) || (*word == "." && is_top_level_alone(next)) {
            dotted.truncate(dotted.trim_end().len());
            dotted.push('.');
            continue;
        }
        if before.ends_with(char::is_alphanumeric) && word.strip_prefix('.').is_some_and(is_top_level_after_dot) {
            dotted.truncate(dotted.trim_end().len());
        }
        dotted.push_str(word);
        if !(may_be_before_dot(word) && is_top_level_alone(next)) {
            dotted.push(' ');
        }
    }
    dotted
}

/// Whether a word is the dot of `example dot com`. In `El punto es que`, it is a point.
fn is_spelled_dot(before: &str, word: &str, next: &str) -> bool {
    let is_point = || {
        let before = before.to_lowercase();
        VERBS.iter().any(|known| known.eq_ignore_ascii_case(next))
            && POINTS.split_whitespace().any(|known| known == before)
    };
    is_dot_word(word) && begins_with_top_level(next) && !is_point()
}

/// Whether a word begins with a top-level domain that follows a dot without a blank: `.com/path`.
fn is_top_level_after_dot(word: &str) -> bool {
    let (name, _) = top_level_of(word);
    is_common_top_level(name) || begins_with_top_level(word)
}

/// Whether a word begins with a top-level domain although a blank is before it, and begins no sentence, as `Online/phone` may:
/// `com`, `online/pay`.
fn is_top_level_alone(word: &str) -> bool {
    let (name, has_path) = top_level_of(word);
    let is_small = !name.contains(char::is_uppercase);
    (has_path && is_small && (is_common_top_level(name) || begins_with_top_level(word)))
        || PLAIN_TOP_LEVELS.contains(&name)
        || ["COM", "NET", "ORG", "Com", "Org"].contains(&name)
}

/// The name at the beginning of a word, and whether a path follows it.
fn top_level_of(word: &str) -> (&str, bool) {
    let end = word.find(|c: char| !c.is_alphanumeric() && !"-'".contains(c)).unwrap_or(word.len());
    (&word[..end], word[end..].starts_with('/'))
}

/// Whether the dot with which a word ends may be that of a host: it is no number, and no abbreviation.
fn may_be_before_dot(word: &str) -> bool {
    word.strip_suffix('.').is_some_and(|name| {
        name.ends_with(char::is_alphanumeric)
            && name.contains(char::is_alphabetic)
            && !ABBREVIATIONS.split_whitespace().any(|known| known.eq_ignore_ascii_case(last_part(name)))
    })
}

/// The part after the last slash: the `hr` of `$150/hr`.
fn last_part(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// The text with a dot in place of each dot in brackets, `[.]` or `( dot )`, and the blanks around it.
fn without_brackets(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match after_bracketed_dot(rest) {
            Some(after) => {
                plain.truncate(plain.trim_end().len());
                plain.push('.');
                rest = after.trim_start();
            }
            None => {
                plain.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    plain
}

/// What follows a dot in brackets at the beginning of the text.
fn after_bracketed_dot(text: &str) -> Option<&str> {
    let (_, close) = BRACKETS.into_iter().find(|(open, _)| text.starts_with(*open))?;
    let (within, after) = text[1..].split_once(close)?;
    let within = within.trim();
    (within == "." || is_dot_word(within)).then_some(after)
}

fn is_dot_word(word: &str) -> bool {
    ["dot", "punto"].iter().any(|dot| dot.eq_ignore_ascii_case(word))
}

fn begins_with_top_level(word: &str) -> bool {
    let (name, _) = top_level_of(word);
    SPELLED_TOP_LEVELS.iter().any(|top_level| top_level.eq_ignore_ascii_case(name))
}

const BRACKETS: [(char, char); 4] = [('[', ']'), ('(', ')'), ('{', '}'), ('<', '>')];

/// The top-level domains that are looked for after a spelled dot.
const SPELLED_TOP_LEVELS: [&str; 19] = [
    "com", "net", "org", "info", "biz", "io", "co", "me", "us", "app", "shop", "store", "site", "link", "ly", "online",
    "xyz", "mx", "es",
];

/// The top-level domains that neither begin nor end a sentence when a blank precedes them. `co` is carbon monoxide.
const PLAIN_TOP_LEVELS: [&str; 26] = [
    "com", "net", "org", "biz", "edu", "gov", "io", "xyz", "ly", "mx", "uk", "fr", "ru", "cn", "br", "gl", "gd", "gg",
    "ws", "icu", "mobi", "pw", "tk", "cf", "gq", "dev",
];

/// Words after which `dot` or `punto` is a point …
const POINTS: &str = "el un este ese otro cada algún algun ningún ningun primer segundo tercer cuarto quinto siguiente último \
                      ultimo único unico buen mejor principal cierto tal qué que cuál cual mismo nuestro mi tu su al del \
                      the a this that each every one";
/// … if one of these follows, which is a top-level domain, too.
const VERBS: [&str; 3] = ["es", "me", "us"];

/// Words whose dot ends no sentence and is in no host.
const ABBREVIATIONS: &str = "approx aprox est etc e.g i.e p.ej vs incl excl min max avg hr hrs mo yr wk ea";

/// The top-level domains that are taken for one even after a capital letter, or before a hyphen. Words with which a
/// sentence begins are not among them.
const COMMON_TOP_LEVELS: [&str; 48] = [
    "com", "net", "org", "info", "biz", "edu", "gov", "io", "co", "app", "shop", "store", "site", "link", "ly",
    "online", "xyz", "mx", "ca", "uk", "fr", "ru", "cn", "br", "eu", "gl", "gd", "gg", "cc", "tv", "ws", "ai", "dev",
    "top", "club", "vip", "icu", "buzz", "website", "tech", "mobi", "pw", "tk", "ml", "ga", "cf", "gq", "tel",
];

fn is_common_top_level(label: &str) -> bool {
    COMMON_TOP_LEVELS.iter().any(|top_level| top_level.eq_ignore_ascii_case(label))
}

/// The hosts of the links within a word: several, if only signs separate them.
fn hosts_in_word(word: &str) -> Vec<String> {
    let schemes: Vec<_> = word.match_indices(':').map(|(at, _)| at).filter(|at| is_after_scheme(word, *at)).collect();
    let before = schemes.first().and_then(|at| word.get(..*at)).unwrap_or(word);
    let with_scheme = schemes.iter().filter_map(|at| word.get(at + 1..)).map(host_of_authority);
    hosts_without_scheme(before).into_iter().chain(with_scheme).collect()
}

/// Whether the colon there is that of `https://`.
fn is_after_scheme(word: &str, colon: usize) -> bool {
    word.get(colon + 1..).is_some_and(|rest| rest.starts_with(['/', '\\']))
        && word.get(..colon).is_some_and(|scheme| scheme.ends_with(|c: char| c.is_ascii_alphanumeric()))
}

/// The host at the beginning of what follows `https:`. It may be anything: whatever follows a scheme is a link.
fn host_of_authority(rest: &str) -> String {
    // Browsers read any number of slashes, a backslash like a slash, and the host after the last @.
    let authority = rest.trim_start_matches(['/', '\\']).split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default().split(':').next().unwrap_or_default();
    host.trim_end_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

fn hosts_without_scheme(word: &str) -> Vec<String> {
    const ENDS: [char; 6] = ['/', '\\', ':', '?', '#', '@'];
    let mut hosts = Vec::new();
    let mut segments = word.split_inclusive(ENDS).peekable();
    while let Some(segment) = segments.next() {
        let end = segment.chars().next_back().filter(|c| ENDS.contains(c));
        let host = segment.trim_end_matches(ENDS).trim_matches(|c: char| !c.is_alphanumeric());
        let has_more = match end {
            Some(':') => segments.peek().is_some_and(|port| port.starts_with(|c: char| c.is_ascii_digit())),
            Some('@') | None => false,
            Some(_) => true,
        };
        // The name in a mail address is not a host.
        if end == Some('@') {
            continue;
        }
        if is_host(host) && (has_more || !is_end_of_sentence(host)) {
            hosts.push(host.to_lowercase());
            if has_more {
                break; // what follows is its path
            }
        } else if let Some(host) = without_appendix(host) {
            hosts.push(host.to_lowercase());
        }
    }
    hosts
}

/// `example.com` of `example.com-now`: no domain ends like that, and a phone may underline what is one.
fn without_appendix(text: &str) -> Option<&str> {
    let (below, ending) = text.rsplit_once('.')?;
    let top_level = ending.split(|c: char| !c.is_alphabetic()).next().filter(|label| is_common_top_level(label))?;
    text.get(..below.len() + 1 + top_level.len()).filter(|host| host.len() < text.len() && is_host(host))
}

fn is_host(text: &str) -> bool {
    let labels: Vec<_> = text.split('.').collect();
    let is_number = |label: &&str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_digit());
    let Some((top_level, below)) = labels.split_last() else { return false };
    let is_top_level = top_level.starts_with("xn--")
        || (top_level.chars().count() >= 2 && top_level.chars().all(char::is_alphabetic) && !is_hour(top_level, below));
    let is_address = labels.len() == 4 && labels.iter().all(is_number);
    labels.iter().all(|label| !label.is_empty()) && !below.is_empty() && (is_top_level || is_address)
}

/// `9.am`, `5.pm`
fn is_hour(top_level: &str, below: &[&str]) -> bool {
    ["am", "pm"].contains(&top_level.to_lowercase().as_str())
        && below.iter().all(|label| label.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether the dot of `Thanks.We` ends a sentence: one capital letter follows it, and none is within the word before.
/// `Example.Com` is a host all the same.
fn is_end_of_sentence(host: &str) -> bool {
    let Some((before, after)) = host.split_once('.') else { return false };
    let mut letters = after.chars();
    !is_common_top_level(after)
        && letters.next().is_some_and(char::is_uppercase)
        && letters.all(char::is_lowercase)
        && before.chars().skip(1).all(|c| c.is_lowercase() || c.is_ascii_digit() || c == '-')
}
