//! The notation of the word lists (`flood*`, `coming up`, `no|without @heat`, `water .. everywhere`) and of the
//! combinations (`water + everywhere ! drain`).

use super::data::RulesError;

/// One place in a phrase, with the words that fit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Slot {
    /// The words and stems that fit here.
    pub(super) any: Vec<Pattern>,
    /// How many other words may come before it.
    pub(super) skip: u8,
}

/// A word, a stem, or the single words of a concept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Pattern {
    /// Exactly this word.
    Word(String),
    /// Every word that begins with this.
    Stem(String),
    /// Every single word of a concept.
    Concept(String),
}

/// The phrases of a list whose entries are separated by commas or line ends. `(so)` may be left out.
pub(super) fn phrases(list: &str) -> Result<Vec<Vec<Slot>>, String> {
    list.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty()).map(variants).try_fold(
        Vec::new(),
        |mut all, some| {
            all.extend(some?);
            Ok(all)
        },
    )
}

fn variants(entry: &str) -> Result<Vec<Vec<Slot>>, String> {
    let mut all: Vec<Vec<Slot>> = vec![Vec::new()];
    let mut skip = 0;
    for part in entry.split_whitespace() {
        match part {
            ".." => skip = 3,
            "..." => skip = 6,
            "_" => skip = 1,
            _ => {
                let (optional, part) = match part.strip_prefix('(').and_then(|part| part.strip_suffix(')')) {
                    Some(inner) => (true, inner),
                    None => (false, part),
                };
                let slot = Slot { any: patterns(part, entry)?, skip };
                let with = all.iter().cloned().map(|mut phrase| {
                    phrase.push(slot.clone());
                    phrase
                });
                let with: Vec<_> = with.collect();
                if optional {
                    all.extend(with)
                } else {
                    all = with
                }
                skip = 0;
            }
        }
    }
    if skip > 0 {
        return Err(format!("`{entry}` ends with a gap"));
    }
    all.retain(|phrase| !phrase.is_empty());
    if all.iter().any(|phrase| phrase[0].skip > 0) {
        return Err(format!("`{entry}` begins with a gap"));
    }
    Ok(all)
}

fn patterns(part: &str, entry: &str) -> Result<Vec<Pattern>, String> {
    part.split('|')
        .map(|word| match (word.strip_prefix('@'), word.strip_suffix('*')) {
            (Some(name), _) => Ok(Pattern::Concept(name.to_owned())),
            (None, Some(stem)) if stem.len() >= 3 => Ok(Pattern::Stem(stem.to_owned())),
            (None, Some(_)) => Err(format!("`{entry}`: a stem must have at least three letters")),
            (None, None) if word.is_empty() => Err(format!("`{entry}` has an empty alternative")),
            (None, None) => Ok(Pattern::Word(word.to_owned())),
        })
        .collect()
}

/// How near one part of a combination must be to its first part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Near {
    /// `~`: within a few words.
    Close,
    /// `+`: in the same sentence, or nearby.
    Sentence,
    /// `&`: anywhere in the text.
    Text,
    /// `!`: must not be in the same sentence or nearby.
    Absent,
    /// `!~`: must not be within a few words.
    AbsentClose,
    /// `!!`: must not be anywhere in the text.
    Nowhere,
}

impl Near {
    /// Whether the part must be absent.
    pub(super) fn is_absence(self) -> bool {
        matches!(self, Self::Absent | Self::AbsentClose | Self::Nowhere)
    }
}

/// A combination: the first concept, and the others with their nearness. Each is a choice of names.
pub(super) type Combination = (Vec<String>, Vec<(Near, Vec<String>)>);

/// Parses a combination.
pub(super) fn combination(written: &str, place: &str, field: &'static str) -> Result<Combination, RulesError> {
    let wrong = |wrong: String| RulesError::Field { place: place.to_owned(), field, wrong };
    let mut groups: Vec<(Option<Near>, Vec<String>)> = Vec::new();
    let mut near = None;
    let mut wants_name = true;
    for part in written.replace('|', " | ").split_whitespace() {
        let sign = match part {
            "~" => Some(Near::Close),
            "+" => Some(Near::Sentence),
            "&" => Some(Near::Text),
            "!" => Some(Near::Absent),
            "!~" => Some(Near::AbsentClose),
            "!!" => Some(Near::Nowhere),
            "|" => {
                wants_name = true;
                continue;
            }
            _ => None,
        };
        match sign {
            Some(sign) if !wants_name => (near, wants_name) = (Some(sign), true),
            Some(_) => {
                return Err(wrong(format!("`{written}`: expected a concept, found `{part}`")));
            }
            None if !wants_name => {
                return Err(wrong(format!("`{written}`: missing sign before `{part}`")));
            }
            None => {
                match (near.take(), groups.last_mut()) {
                    (None, Some((_, names))) => names.push(part.to_owned()),
                    (near, _) => groups.push((near, vec![part.to_owned()])),
                }
                wants_name = false;
            }
        }
    }
    if wants_name {
        return Err(wrong(format!("`{written}` ends without a concept")));
    }
    let mut groups = groups.into_iter();
    let first = groups.next().map(|(_, names)| names).unwrap_or_default();
    Ok((first, groups.filter_map(|(near, names)| Some((near?, names))).collect()))
}
