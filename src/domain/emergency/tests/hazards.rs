//! Texts that must be found to be an emergency, however they are written.

use rstest::rstest;

use super::{alone, rule};
use crate::domain::emergency::{Language, LifeSafety, OwnPhrases, read};

#[rstest]
#[case::flood("basement flooding emergency!", "flooding")]
#[case::frozen_pipes("no hot water and pipes frozen", "frozen_pipes")]
#[case::frozen_pipes_in_short("no hot water pipes frozen", "frozen_pipes")]
#[case::fire("electrical fire in kitchen", "fire")]
#[case::gas("Gas leak in house!", "gas_leak")]
#[case::sparks("electrical sparks in kitchen", "sparks")]
#[case::water_heater("Water heater burst in basement!", "burst_pipe")]
#[case::sewage("raw sewage coming up in the tub", "sewage")]
#[case::ceiling("water pouring through the ceiling", "water_pouring")]
#[case::carbon_monoxide("the carbon monoxide alarm keeps going off", "carbon_monoxide")]
#[case::frost("furnace died, 12 degrees outside and we have a newborn", "no_heat")]
#[case::locked_out("I'm locked out of my house", "locked_out")]
#[case::child_locked_in("my toddler is locked in the car", "locked_in")]
#[case::break_in("someone broke in and the front door wont lock", "break_in")]
#[case::garage_open("garage door stuck open and a storm is coming tonight", "garage_open")]
#[case::pinned("my hand is stuck in the garage door", "someone_pinned")]
#[case::shock("got shocked by the light switch", "electric_shock")]
#[case::medical("power is out and my dad is on oxygen", "no_power")]
#[case::spanish_gas("huele mucho a gas en la cocina", "gas_leak")]
#[case::spanish_flood("se me está inundando el sótano", "flooding")]
#[case::spanish_lockout("me quedé afuera de mi casa", "locked_out")]
fn an_emergency_is_known_and_says_why(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(rule(text).as_deref(), Some(expected));
}

#[rstest]
#[case::a_letter_left_out("basement floding")]
#[case::letters_swapped("basement is floodign")]
#[case::stretched("HEEELP basement FLOOOOODING")]
#[case::shouted("I SMELL GAS")]
#[case::full_width("Ｉ ｓｍｅｌｌ ｇａｓ")]
#[case::zero_width("I smell g\u{200B}as")]
#[case::curly("There’s water everywhere, can’t shut it off")]
#[case::ending_dropped("outlet is smokin")]
#[case::no_punctuation("theres water evrywhere in my basment plz hurry")]
fn writing_makes_no_difference(#[case] text: &str) {
    assert!(rule(text).is_some(), "{text}");
}

#[rstest]
#[case::clogged("kitchen sink clogged need help")]
#[case::dripping("bathroom faucet dripping")]
#[case::disposal("garbage disposal not working")]
#[case::the_word_alone("Yes, I need emergency plumbing help!")]
#[case::firm_words("is that a firm price")]
#[case::look_alikes("the food in the freezer is fine, light the stove later")]
#[case::nothing("")]
fn what_is_none_is_left_alone(#[case] text: &str) {
    assert_eq!(rule(text), None);
}

#[rstest]
#[case::gas("I smell gas", Some(LifeSafety::Gas))]
#[case::carbon_monoxide("co detector going off", Some(LifeSafety::CarbonMonoxide))]
#[case::fire("the panel is on fire", Some(LifeSafety::Fire))]
#[case::water("burst pipe in the basement", None)]
fn danger_to_life_is_told_apart(#[case] text: &str, #[case] expected: Option<LifeSafety>) {
    assert_eq!(alone(text).verdict().and_then(|verdict| verdict.life_safety), expected);
}

#[rstest]
#[case::english("there is water everywhere in my kitchen", Language::En)]
#[case::spanish("hay agua por todos lados en la cocina", Language::Es)]
#[case::nothing("", Language::En)]
fn the_language_is_known(#[case] text: &str, #[case] expected: Language) {
    assert_eq!(alone(text).language(), expected);
}

#[test]
fn reasons_are_the_customers_own_words() {
    let verdict = alone("Help! I SMÉLL   Gas").verdict().expect("an emergency");
    assert_eq!(verdict.reasons[0].words, ["SMÉLL   Gas"]);
}

#[test]
fn the_trade_says_which_door_it_is() {
    let text = "door wont close and its getting dark";
    let verdict = |trade| read(text, Some(trade), &OwnPhrases::default()).verdict().map(|verdict| verdict.rule);
    assert_eq!(verdict("garage_door").as_deref(), Some("garage_open"));
    assert_eq!(verdict("no such trade"), alone(text).verdict().map(|verdict| verdict.rule));
}
