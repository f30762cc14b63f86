//! The rules that come with the program are sound, and each mistake in a file says where it is.

use rstest::rstest;

use crate::business::Trade;
use crate::emergency::{
    RulesError,
    book::{Book, KNOWN_WORDS, RULES},
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
#[case::dangling_sign("sure = [\"gas\"]=>sure = [\"gas ~\"]", "hazard `gas`, field `sure`: `gas ~` ends where")]
#[case::missing_sign(
    "sure = [\"gas\"]=>likely = [\"gas gas\"]",
    "hazard `gas`, field `likely`: `gas gas`: no sign before"
)]
#[case::short_stem("\"gas\"\n[[=>\"ga*\"\n[[", "concept `gas`, field `en`: `ga*`: a stem needs three letters")]
#[case::dangling_gap("\"gas\"\n[[=>\"gas ..\"\n[[", "concept `gas`, field `en`: `gas ..` ends with a gap")]
#[case::hyphenated("\"gas\"\n[[=>\"pop-up\"\n[[", "concept `gas`, field `en`: `pop-up` is not one word")]
#[case::weight_of_a_sign("[concept.gas]=>[concept.gas]\nweight = 3", "concept `gas`, field `weight`")]
#[case::bad_id("id = \"gas\"=>id = \"Gas leak\"", "hazard `Gas leak`, field `id`")]
#[case::unknown_trade("hvac=>roofing", "hazard `gas`, field `trades`: `roofing` is no trade")]
#[case::no_combination("sure = [\"gas\"]=>", "hazard `gas`, field `sure`: has no combination")]
fn a_mistake_says_where_it_is(#[case] mistake: &str, #[case] told: &str) {
    let text = match mistake.split_once("=>") {
        Some((from, to)) => SOUND.replace(from, to),
        None => mistake.to_owned(),
    };
    let error: RulesError = Book::compile(&text, KNOWN).expect_err("a mistake");
    assert!(error.to_string().contains(told), "{error}");
}
