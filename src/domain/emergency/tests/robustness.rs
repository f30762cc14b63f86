//! No text makes the reader fail.

use std::time::Duration;

use super::alone;
use crate::domain::emergency::load;

/// A small deterministic generator, so that a failure can be reproduced.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as u32) % sides
    }

    fn character(&mut self) -> char {
        let ranges =
            [(0x20, 95), (0xA0, 600), (0x300, 112), (0x2000, 112), (0xFF00, 240), (0x1F300, 1500), (0, 0x11_0000)];
        let (start, len) = ranges[self.roll(ranges.len() as u32) as usize];
        char::from_u32(start + self.roll(len)).unwrap_or('\u{FFFD}')
    }
}

#[test]
fn any_characters_are_read() {
    let mut dice = Dice(42);
    for _ in 0..3_000 {
        let len = dice.roll(120);
        let text: String = (0..len).map(|_| dice.character()).collect();
        let reading = alone(&text);
        for words in reading.verdict().into_iter().flat_map(|verdict| verdict.reasons).flat_map(|reason| reason.words) {
            assert!(text.contains(&words), "{words:?} is not of {text:?}");
        }
    }
}

#[test]
fn any_order_of_the_rules_own_words_is_read() {
    let words: Vec<&str> = super::super::book::RULES.split_whitespace().collect();
    let mut dice = Dice(7);
    for _ in 0..500 {
        let text: Vec<&str> = (0..60).map(|_| words[dice.roll(words.len() as u32) as usize]).collect();
        let reading = alone(&text.join(" "));
        let _ = reading.after(&reading).verdict();
    }
}

/// The time for which this thread ran, independent of other load on the machine.
fn time_spent() -> Duration {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    Duration::from_nanos(spent.split(' ').next().and_then(|spent| spent.parse().ok()).expect("nanoseconds"))
}

#[test]
fn a_long_text_takes_time_as_its_length() {
    // The rules are compiled once; that is not part of the time for a text.
    let _loaded = load().expect("the rules compile");
    for word in ["a", "flood ", "no ", "if water ", "éé", "🔥", "aaaaaaaa", "\u{200B}", "no water . "] {
        // The same length in one text and in sixteen: each takes long enough for the kernel's measurement, which has
        // ticks of some milliseconds.
        let took = |texts: usize| {
            let text = word.repeat(32_000 / texts / word.chars().count());
            let before = time_spent();
            for _ in 0..texts {
                let _ = alone(&text).verdict();
            }
            time_spent() - before
        };
        let (sixteen, one) = (took(16), took(1));
        // If the time is linear, one takes as long as the sixteen; if it is quadratic, sixteen times as long.
        assert!(one < sixteen * 4 + Duration::from_millis(20), "{word:?}: {sixteen:?}, {one:?}");
    }
}
