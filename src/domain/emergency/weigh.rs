//! Weighs what was found: which combinations are complete, and how much the text's tone adds or subtracts.

use super::{
    book::{Book, Combination, HINT},
    data::Role,
    notation::Near,
    reading::{Fragment, Reading, Told},
    scan::{Hit, Scan},
};

/// `~` reaches over this many words, `+` over this many across the end of a sentence.
const CLOSE: u32 = 7;
const SENTENCE: u32 = 9;
/// `!~` reaches over this many.
const BESIDE: u32 = 4;

/// The reading of a scanned text.
pub(super) fn weigh(text: &str, scan: &Scan, book: &Book) -> Reading {
    let tilt = Tilt::of(scan, book);
    let mut reading = Reading { english: scan.english, spanish: scan.spanish, ..Reading::default() };
    reading.tilt = tilt.of_text();
    for hit in scan.hits.iter().filter(|hit| hit.alive) {
        for number in book.anchored.get(usize::from(hit.concept)).into_iter().flatten() {
            if let Some(combination) = book.combinations.get(*number as usize) {
                tell(&mut reading, text, scan, book, combination, *hit, &tilt);
            }
        }
        keep(&mut reading, text, scan, book, *hit);
    }
    reading
}

fn tell(reading: &mut Reading, text: &str, scan: &Scan, book: &Book, wanted: &Combination, hit: Hit, tilt: &Tilt) {
    let may_be = |(near, concepts): &(Near, Vec<u16>)| {
        let alive = concepts.iter().any(|concept| scan.alive.has(*concept));
        match near {
            Near::Nowhere => !alive,
            Near::Absent | Near::AbsentClose => true,
            _ => alive,
        }
    };
    if !wanted.others.iter().all(may_be) {
        return;
    }
    let Some(hazard) = book.hazards.get(usize::from(wanted.hazard)) else {
        return;
    };
    let weight = wanted.weight + tilt.without(&hazard.despite);
    let told = reading.told.iter().position(|told| told.rule == hazard.id);
    if weight <= 0 || told.is_some_and(|at| reading.told[at].weight >= weight) {
        return;
    }
    let mutable = hazard.life_safety.is_none();
    let counts = |hit: &Hit| hit.alive && !(mutable && hit.muted);
    if !counts(&hit) || (wanted.plain && !hit.told) {
        return;
    }
    let mut words = vec![slice(text, scan, hit)];
    for (near, concepts) in &wanted.others {
        let mut met = scan.hits.iter().filter(|other| concepts.contains(&other.concept) && counts(other));
        let met = met.find(|other| is_near(scan, hit, **other, *near));
        match (near, met) {
            (Near::Absent | Near::AbsentClose, Some(_)) => return,
            (Near::Absent | Near::AbsentClose | Near::Nowhere, None) => {}
            // The trade counts although no word of the text mentions it.
            (Near::Text, None)
                if concepts.iter().any(|concept| scan.alive.has(*concept) && !scan.told_by_words(*concept)) => {}
            (_, None) => return,
            (_, Some(other)) => words.push(slice(text, scan, *other)),
        }
    }
    words.dedup();
    let words = words.into_iter().map(str::to_owned).collect();
    let new = Told { rule: hazard.id.clone(), words, weight, life_safety: hazard.life_safety };
    match told.and_then(|at| reading.told.get_mut(at)) {
        Some(old) => *old = new,
        None => reading.told.push(new),
    }
}

fn is_near(scan: &Scan, hit: Hit, other: Hit, near: Near) -> bool {
    let apart =
        if other.first > hit.last() { other.first - hit.last() } else { hit.first.saturating_sub(other.last()) };
    let sentence = |hit: Hit| scan.tokens.get(hit.first as usize).map(|token| token.sentence);
    let same = sentence(hit) == sentence(other);
    match near {
        Near::Close => same && apart <= CLOSE,
        Near::AbsentClose => same && apart <= BESIDE,
        Near::Sentence | Near::Absent => same || apart <= SENTENCE,
        Near::Text => true,
        Near::Nowhere => false,
    }
}

fn slice<'a>(text: &'a str, scan: &Scan, hit: Hit) -> &'a str {
    let place = |at: u32| scan.tokens.get(at as usize).map(|token| token.place);
    let (start, end) =
        (place(hit.first).map_or(0, |place| place.start), place(hit.last()).map_or(0, |place| place.end));
    text.get(start as usize..end as usize).unwrap_or_default()
}

/// Keeps a concept that may become part of a combination with another message.
fn keep(reading: &mut Reading, text: &str, scan: &Scan, book: &Book, hit: Hit) {
    const MOST: usize = 12;
    let used = book.used.get(usize::from(hit.concept)).is_some_and(|used| *used);
    let new = reading.fragments.iter().all(|fragment| fragment.concept != hit.concept);
    if used && new && !hit.muted && reading.fragments.len() < MOST {
        reading.fragments.push(Fragment { concept: hit.concept, words: slice(text, scan, hit).into() });
    }
}

/// Combinations that only two messages together complete.
pub(super) fn join(earlier: &Reading, later: &Reading, book: &Book) -> Vec<Told> {
    let tilt = later.tilt.min(0).saturating_add(earlier.tilt.max(0).max(later.tilt));
    let mut joined = Vec::new();
    for fragment in later.fragments.iter().chain(&earlier.fragments) {
        for number in book.anchored.get(usize::from(fragment.concept)).into_iter().flatten() {
            let Some(wanted) = book.combinations.get(*number as usize) else {
                continue;
            };
            let Some(hazard) = book.hazards.get(usize::from(wanted.hazard)) else {
                continue;
            };
            let mut words = vec![fragment.words.to_string()];
            let mut ends = [false, false];
            let of = |reading: &Reading, concepts: &[u16]| {
                reading
                    .fragments
                    .iter()
                    .find(|fragment| concepts.contains(&fragment.concept))
                    .map(|found| found.words.to_string())
            };
            ends[usize::from(of(later, &wanted.first).is_some())] = true;
            let complete = wanted.others.iter().all(|(near, concepts)| {
                let (before, after) = (of(earlier, concepts), of(later, concepts));
                let met = before.is_some() || after.is_some();
                if near.is_absence() {
                    return !met;
                }
                ends[usize::from(after.is_some())] = true;
                words.extend(after.or(before));
                met
            });
            let weight = wanted.weight.saturating_add(tilt.max(-HINT));
            if complete && ends == [true, true] && weight > 0 {
                words.dedup();
                joined.push(Told { rule: hazard.id.clone(), words, weight, life_safety: hazard.life_safety });
            }
        }
    }
    joined
}

/// What the tone of the text adds or subtracts.
struct Tilt<'a> {
    book: &'a Book,
    concepts: Vec<u16>,
}

impl<'a> Tilt<'a> {
    fn of(scan: &Scan, book: &'a Book) -> Self {
        let mut concepts: Vec<u16> = Vec::new();
        for hit in scan.hits.iter().filter(|hit| hit.alive) {
            if concepts.contains(&hit.concept) {
                continue;
            }
            match book.concepts.get(usize::from(hit.concept)).map(|concept| concept.role) {
                Some(Role::Tilt) => {}
                Some(Role::Contained) if !scan.goes_on_after(*hit) => {}
                _ => continue,
            }
            concepts.push(hit.concept);
        }
        Self { book, concepts }
    }

    fn of_text(&self) -> i16 {
        self.without(&[])
    }

    fn without(&self, despite: &[u16]) -> i16 {
        const MOST: i16 = 4;
        let weight = |concept: &u16| self.book.concepts.get(usize::from(*concept)).map_or(0, |concept| concept.weight);
        let (mut up, mut down) = (0, 0);
        for weight in self.concepts.iter().filter(|concept| !despite.contains(concept)).map(weight) {
            if weight > 0 { up += weight } else { down += weight }
        }
        up.min(MOST) + down.max(-100)
    }
}
