//! Several messages of one window, and a business's own phrases.

use super::{alone, rule};
use crate::domain::emergency::{OwnPhrases, Reading, read};

#[test]
fn severity_adds_up_over_messages() {
    let (first, second) = (alone("its the water heater"), alone("all over the place"));
    assert_eq!((first.verdict(), second.verdict()), (None, None));
    let verdict = second.after(&first).verdict().expect("together they tell of one");
    assert!(verdict.reasons[0].words.iter().any(|word| word.contains("all over")), "{verdict:?}");
}

#[test]
fn what_was_told_stays_told() {
    let flood = alone("basement is flooding");
    let calm = alone("never mind, it stopped");
    assert_eq!(calm.verdict(), None);
    assert_eq!(calm.after(&flood).verdict().map(|verdict| verdict.rule), flood.verdict().map(|verdict| verdict.rule));
}

#[test]
fn everyday_messages_do_not_add_up() {
    let texts = ["hi", "my kitchen faucet drips", "tuesday works", "thanks"];
    let window = texts.iter().fold(Reading::default(), |window, text| alone(text).after(&window));
    assert_eq!(window.verdict(), None);
}

#[test]
fn a_reading_is_kept_as_json_and_comes_back() {
    let reading = alone("water heater leaking, pipe burst, kids at home");
    let json = serde_json::to_string(&reading).expect("serialises");
    assert_eq!(serde_json::from_str::<Reading>(&json).expect("comes back"), reading);
}

#[test]
fn an_added_phrase_makes_an_emergency_unless_denied() {
    let own = OwnPhrases::new(["Freezer room warm"], Vec::<String>::new());
    let verdict = |text| read(text, None, &own).verdict().map(|verdict| verdict.rule);
    assert_eq!(verdict("the FREEZER ROOM WARM again").as_deref(), Some("own_phrase"));
    assert_eq!(verdict("last year we had the freezer room warm"), None);
    assert_eq!(rule("the freezer room warm again"), None);
}

#[test]
fn a_muted_phrase_hides_its_words_but_never_those_of_life_safety() {
    let own = OwnPhrases::new(Vec::<String>::new(), ["flooding river estates", "smell gas", ""]);
    let verdict = |text| read(text, None, &own).verdict().map(|verdict| verdict.rule);
    assert_eq!(verdict("I live in Flooding River Estates"), None);
    assert_eq!(verdict("my basement is flooding").as_deref(), Some("flooding"));
    assert_eq!(verdict("I smell gas").as_deref(), Some("gas_leak"));
}
