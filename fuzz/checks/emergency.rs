//! Emergencies: the text of an SMS.

use std::time::{Duration, Instant};

use nevermisscall::internals::Trade;
use nevermisscall::internals::emergency::{OwnPhrases, Reading, load, read};

/// Far above what a text takes in any build, far below what quadratic time would take.
const LONGEST: Duration = Duration::from_secs(2);

/// Nothing panics, and nothing takes long; reasons are the customer's own words; an emergency found in one message is
/// still found together with a second message.
pub fn check(data: &[u8]) {
    let text = super::text(data);
    let none = OwnPhrases::default();
    let _loaded = load().expect("the rules compile"); // not part of the first text's time
    let started = Instant::now();
    let alone = read(&text, None, &none);
    let took = started.elapsed();
    assert!(took < LONGEST, "{} bytes took {took:?}", text.len());
    look_into(&alone, &text);

    let phrases = || text.split('.').filter(|phrase| phrase.len() < 100);
    let own = OwnPhrases::new(phrases().take(2), phrases().skip(2).take(2));
    let trade =
        [Trade::Plumbing, Trade::Electrical, Trade::Hvac, Trade::Locksmith, Trade::GarageDoor][super::choice(data) % 5];
    look_into(&read(&text, Some(trade.as_str()), &own), &text);

    // The same text in two messages.
    let middle = text.floor_char_boundary(text.len() / 2);
    let (first, second) = (read(&text[..middle], None, &none), read(&text[middle..], None, &none));
    let together = second.after(&first);
    look_into(&together, &text);
    let told = first.verdict().is_some() || second.verdict().is_some();
    assert!(!told || together.verdict().is_some(), "what was told is told no more");
}

fn look_into(reading: &Reading, text: &str) {
    let json = serde_json::to_vec(reading).expect("encoded");
    assert_eq!(serde_json::from_slice::<Reading>(&json).ok().as_ref(), Some(reading), "it is kept as another");
    assert_eq!(reading.after(&Reading::default()).verdict(), reading.verdict(), "silence changes what was told");
    for words in reading.verdict().into_iter().flat_map(|verdict| verdict.reasons).flat_map(|reason| reason.words) {
        assert!(text.contains(&words), "{words:?} is not of {text:?}");
    }
}
