//! Small talk beside an emergency takes nothing back.

use rstest::rstest;

use super::*;
use crate::domain::emergency::LifeSafety;

#[rstest]
#[case::a_show_and_gas("We were watching netflix and now I smell gas in the kitchen")]
#[case::a_game_and_smoke("watching the game and there's smoke coming out of the outlet behind the tv")]
#[case::a_game_and_fire("sorry to bother you during the playoffs but my kitchen is on fire")]
#[case::praise_and_a_flood("Great service last time! Highly recommend. But right now my basement is flooding")]
#[case::praise_and_a_ceiling("5 stars to you guys, but water is pouring through the ceiling right now")]
#[case::cannot_talk_and_fire("Sorry, I can't talk right now, the house is on fire")]
#[case::driving_and_gas("im driving home right now, my wife says the whole house smells like gas")]
#[case::work_and_gas("just got off my shift and came home to a strong gas smell")]
#[case::news_and_carbon_monoxide(
    "saw on the news about carbon monoxide. our CO alarm is going off right now and we all feel sick"
)]
#[case::a_concert_and_sewage("the concert was great. anyway sewage is coming up the shower drain right now")]
#[case::a_quotation_and_gas("You said text if it's urgent, well I smell gas")]
#[case::an_album_and_a_burst_pipe(
    "haha love that song. ok seriously a pipe burst in the basement and water is spraying everywhere"
)]
#[case::a_game_and_gas_in_spanish("estamos viendo el partido y huele mucho a gas en la cocina")]
#[case::cannot_talk_and_fire_in_spanish("no puedo hablar, hay fuego en la cocina")]
#[case::praise_and_a_flood_in_spanish("excelente servicio la otra vez, pero ahorita se me esta inundando la casa")]
#[case::a_show_and_smoke_in_spanish("estaba viendo la novela y sale humo negro del enchufe")]
#[case::called_off_and_another(
    "you can cancel the appointment for the faucet, but now the water heater burst and the garage is flooding"
)]
#[case::a_reaction_and_gas("Laughed at your message lol. But really it smells like gas in here")]
fn what_happens_now_is_seen_whatever_stands_beside_it(#[case] text: &str) {
    assert!(read(text, None, &OwnPhrases::default()).verdict().is_some(), "{text}");
}

/// Words of cooking beside a fire are no kitchen smoke.
#[rstest]
#[case::kitchen_in_spanish("hay fuego en la cocina")]
#[case::help_in_spanish("ayuda fuego en la cocina")]
#[case::kitchen_burns_in_spanish("se quema la cocina")]
#[case::stove_in_spanish("se prendio fuego la estufa de la cocina")]
#[case::smoke_in_the_kitchen_in_spanish("hay humo en la cocina")]
#[case::oven("there is a fire in the oven and it's spreading")]
#[case::toaster("toaster is on fire")]
#[case::candle("a candle set the curtains on fire")]
#[case::dinner("my dinner caught fire and the kitchen is in flames")]
#[case::oil("cooking oil caught fire on the stove")]
fn a_fire_is_one_wherever_people_cook(#[case] text: &str) {
    assert_eq!(life_safety(text), Some(LifeSafety::Fire), "{text}");
}

#[rstest]
#[case::fireplace("there's a fire in the fireplace but the room stays cold")]
#[case::fireplace_in_spanish("nos gusta el fuego de la chimenea")]
#[case::pilot("the pilot light has no fire")]
#[case::cooking("my cooking set off the smoke alarm lol")]
#[case::a_team("the flames lost again tonight, what a game")]
fn a_fire_where_it_belongs_is_no_emergency(#[case] text: &str) {
    assert!(read(text, None, &OwnPhrases::default()).verdict().is_none(), "{text}");
}

fn life_safety(text: &str) -> Option<LifeSafety> {
    read(text, None, &OwnPhrases::default()).verdict()?.life_safety
}
