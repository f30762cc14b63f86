//! The built-in rules are sound, and each mistake in a file is reported with its place.

use rstest::rstest;

use crate::domain::business::Trade;
use crate::domain::emergency::{
    RulesError,
    book::{Book, KNOWN_WORDS, RULES},
    check,
    learned::WEIGHTS,
    rules,
};

const KNOWN: &str = "en = \"\"\nes = \"\"\nen_lookalikes = \"\"\nes_lookalikes = \"\"";
const SOUND: &str = "[concept.gas]\nen = \"gas\"\n[[hazard]]\nid = \"gas\"\ncategory = \"danger\"\ntrades = [\"hvac\"]\nsure = [\"gas\"]\n";

#[test]
fn the_rules_compile() {
    let book = Book::compile(RULES, KNOWN_WORDS).expect("the rules are sound");
    assert!(Trade::ALL.iter().all(|trade| book.trade(trade.as_str()).is_some()));
    assert!(rules().count() > 20);
}

#[test]
fn what_comes_with_the_program_is_what_a_service_needs() {
    assert_eq!(check(RULES, KNOWN_WORDS, WEIGHTS), Ok(()));
}

/// Each is well-formed, or nearly, but with it no emergency, or not every danger to life, would be found.
#[rstest]
#[case::nothing("", "rules:")]
#[case::blank("\n\n", "rules:")]
#[case::concepts_alone("hazard = []\n[concept.gas]\nen = \"gas\"\n", "no hazard is defined")]
#[case::nothing_in_either("hazard = []\n[concept]\n", "no hazard is defined")]
#[case::no_danger_to_life(SOUND, "no hazard for `gas`")]
fn rules_without_emergencies_in_them_are_refused(#[case] rules: &str, #[case] told: &str) {
    let error = check(rules, KNOWN, WEIGHTS).expect_err("a mistake");
    assert!(error.to_string().contains(told), "{error}");
}

/// A file that was cut off is refused, or has lost nothing.
#[test]
fn rules_that_were_cut_off_are_refused() {
    let first_hazard = RULES.find("[[hazard]]").expect("a hazard");
    for end in (0..first_hazard).step_by(first_hazard / 40) {
        let cut = RULES.char_indices().map(|(at, _)| at).take_while(|at| *at <= end).last().unwrap_or_default();
        assert!(check(&RULES[..cut], KNOWN_WORDS, WEIGHTS).is_err(), "{cut} bytes");
    }
    assert!(check(RULES, "", WEIGHTS).is_err(), "no known words");
}

#[rstest]
#[case::none(Vec::new())]
#[case::half_of_them(WEIGHTS[..WEIGHTS.len() / 2].to_vec())]
#[case::one_byte_short(WEIGHTS[..WEIGHTS.len() - 1].to_vec())]
#[case::one_byte_more([WEIGHTS, &[0]].concat())]
#[case::nothing_but_zeros(vec![0; WEIGHTS.len()])]
#[case::no_number([&f32::NAN.to_le_bytes(), &WEIGHTS[4..]].concat())]
#[case::weights_of_no_worth([&WEIGHTS[..4], &0f32.to_le_bytes(), &WEIGHTS[8..]].concat())]
#[case::no_weights([&WEIGHTS[..8], &vec![0; WEIGHTS.len() - 8]].concat())]
fn weights_that_are_none_are_refused(#[case] weights: Vec<u8>) {
    let error = check(RULES, KNOWN_WORDS, &weights).expect_err("a mistake");
    assert!(error.to_string().starts_with("learned.bin"), "{error}");
}

#[rstest]
#[case::no_toml("[concept", "rules:")]
#[case::unknown_field("[concept.gas]\nenglish = \"gas\"\n", "english")]
#[case::unknown_role("[concept.gas]\nrole = \"sing\"\n", "sing")]
#[case::unknown_concept(
    "sure = [\"gas\"]=>sure = [\"gaz\"]",
    "hazard `gas`, field `sure`: there is no concept called `gaz`"
)]
#[case::unknown_despite(
    "sure = =>despite = [\"calm\"]\nsure = ",
    "hazard `gas`, field `despite`: there is no concept called `calm`"
)]
#[case::unknown_reference("\"gas\"\n[[=>\"@gaz\"\n[[", "concept `gas`, field `en`: there is no concept called `gaz`")]
#[case::dangling_sign(
    "sure = [\"gas\"]=>sure = [\"gas ~\"]",
    "hazard `gas`, field `sure`: `gas ~` ends without a concept"
)]
#[case::missing_sign(
    "sure = [\"gas\"]=>likely = [\"gas gas\"]",
    "hazard `gas`, field `likely`: `gas gas`: missing sign before"
)]
#[case::short_stem(
    "\"gas\"\n[[=>\"ga*\"\n[[",
    "concept `gas`, field `en`: `ga*`: a stem must have at least three letters"
)]
#[case::dangling_gap("\"gas\"\n[[=>\"gas ..\"\n[[", "concept `gas`, field `en`: `gas ..` ends with a gap")]
#[case::hyphenated("\"gas\"\n[[=>\"pop-up\"\n[[", "concept `gas`, field `en`: `pop-up` is not a single word")]
#[case::weight_of_a_sign("[concept.gas]=>[concept.gas]\nweight = 3", "concept `gas`, field `weight`")]
#[case::bad_id("id = \"gas\"=>id = \"Gas leak\"", "hazard `Gas leak`, field `id`")]
#[case::unknown_trade("hvac=>roofing", "hazard `gas`, field `trades`: `roofing` is not a known trade")]
#[case::no_combination("sure = [\"gas\"]=>", "hazard `gas`, field `sure`: no combination")]
fn a_mistake_says_where_it_is(#[case] mistake: &str, #[case] told: &str) {
    let text = match mistake.split_once("=>") {
        Some((from, to)) => SOUND.replace(from, to),
        None => mistake.to_owned(),
    };
    let error: RulesError = Book::compile(&text, KNOWN).expect_err("a mistake");
    assert!(error.to_string().contains(told), "{error}");
}
