//! How many texts per second one core checks for emergencies: `make bench`.
//!
//! The texts come from the corpus, cut to one SMS segment (160 characters) or to the longest text that Twilio delivers
//! (1,600), so that rules and cancellers are measured on realistic words.

#![allow(clippy::expect_used, reason = "without its corpus and its rules there is nothing to measure")]

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use nevermisscall::internals::emergency::{self, OwnPhrases, Reading};
use serde::Deserialize;

fn main() {
    let _loaded = emergency::load().expect("the rules");
    divan::main();
}

#[derive(Deserialize)]
struct Labelled {
    text: String,
}

/// Two hundred texts with this number of characters each.
fn texts(chars: usize) -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/emergencies/development.jsonl");
    let corpus = std::fs::read_to_string(path).expect("the corpus");
    let all: Vec<String> =
        corpus.lines().map(|line| serde_json::from_str::<Labelled>(line).expect("a labelled text").text).collect();
    (0..200)
        .map(|n| all.iter().cycle().skip(n * 3).flat_map(|text| text.chars().chain([' '])).take(chars).collect())
        .collect()
}

/// Verdicts per second on one core: the throughput in items.
#[divan::bench(args = [160, 1_600])]
fn verdicts(bencher: Bencher, chars: usize) {
    let (texts, own) = (texts(chars), OwnPhrases::default());
    bencher.counter(ItemsCount::new(texts.len())).bench_local(|| {
        for text in &texts {
            black_box(emergency::read(black_box(text), Some("plumbing"), &own).verdict());
        }
    });
}

/// The same texts, each joined with the one before it, as in a window.
#[divan::bench(args = [160])]
fn joined_verdicts(bencher: Bencher, chars: usize) {
    let own = OwnPhrases::default();
    let readings: Vec<Reading> = texts(chars).iter().map(|text| emergency::read(text, None, &own)).collect();
    bencher.counter(ItemsCount::new(readings.len() - 1)).bench_local(|| {
        for pair in readings.windows(2) {
            black_box(pair[1].after(black_box(&pair[0])).verdict());
        }
    });
}
