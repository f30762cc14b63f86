//! What else people and their phones text to a business: words of danger in a harmless meaning.

use rstest::rstest;

use super::rule;

#[rstest]
#[case::cannot_talk("Sorry, I can't talk right now.")]
#[case::driving("I'm driving right now")]
#[case::do_not_disturb("I'm driving with Do Not Disturb While Driving turned on.")]
#[case::call_later("Can I call you back later?")]
#[case::meeting("In a meeting, text me instead")]
#[case::spanish("No puedo hablar ahorita, te marco luego")]
fn an_automatic_reply_of_a_phone_is_no_emergency(#[case] text: &str) {
    assert_eq!(rule(text), None);
}

#[rstest]
#[case::faucet("How much to replace a bathroom faucet?")]
#[case::outlets("what do you charge for two new outlets")]
#[case::keys("price for three copies of a house key")]
#[case::remote("How much is a garage remote")]
#[case::spanish("cuánto cobran por limpiar un minisplit")]
fn a_question_for_the_price_of_a_small_job_is_no_emergency(#[case] text: &str) {
    assert_eq!(rule(text), None);
}

#[rstest]
#[case::on_fire("our point guard is on fire tonight, nine threes")]
#[case::team("Flames lost 4 to 1, goalie was asleep")]
#[case::flooding("they keep flooding the zone and our quarterback cant see it")]
#[case::spanish("qué golazo, se prendió la cancha en el partido de hoy")]
fn sport_is_no_emergency(#[case] text: &str) {
    assert_eq!(rule(text), None);
}

#[rstest]
#[case::film("watching the movie where the ship floods and they are trapped below")]
#[case::ending("no spoilers but the ending with the house on fire, wow")]
#[case::song("the band opened with Burning Down the House, great concert")]
#[case::spanish("en la serie explota la tubería y se inunda todo, qué capítulo")]
fn a_film_or_a_song_is_no_emergency(#[case] text: &str) {
    assert_eq!(rule(text), None);
}

#[rstest]
#[case::breaking("BREAKING: crews battle warehouse fire on 5th, residents evacuated, officials say")]
#[case::test("This is a test of the county emergency alert system. No action is required.")]
#[case::drill("Reminder: fire drill at 10 tomorrow, use the side stairs")]
#[case::petition("They want to take your gas stove! Sign the petition and chip in $5")]
#[case::spanish("Simulacro de incendio el martes a las 10, salgan por la puerta lateral")]
fn news_drills_and_appeals_are_no_emergency(#[case] text: &str) {
    assert_eq!(rule(text), None);
}

#[rstest]
#[case::child("sorry, my son got my phone and typed fire fire fire, pls ignore")]
#[case::forwarded("Wrong chat, that was meant for my sister, her ceiling leaked in 2019")]
#[case::reaction("Loved an image of the burst pipe")]
fn what_was_not_meant_for_the_business_is_no_emergency(#[case] text: &str) {
    assert_eq!(rule(text), None);
}

#[rstest]
#[case::no_need("he got out safe, no need to come anymore, thank you")]
#[case::burnt_food("the smoke was just bacon, alarm is off, all good")]
#[case::found_nothing("gas company found nothing, you can cancel the visit")]
#[case::spanish("ya salió el niño, no hace falta que vengan, gracias")]
fn help_that_is_called_off_is_no_emergency(#[case] text: &str) {
    assert_eq!(rule(text), None);
}

#[rstest]
#[case::stars("★★★★★ Pipe burst at midnight and they were here in 20 minutes, highly recommend")]
#[case::spanish("excelente servicio, se inundó la cocina y llegaron rapidísimo, muy recomendados")]
fn praise_for_help_in_an_emergency_is_none(#[case] text: &str) {
    assert_eq!(rule(text), None);
}

#[rstest]
#[case::birth("Her water broke at 5, we are at the hospital, all good")]
#[case::moon("blood moon tonight, go outside and look")]
#[case::traffic("stuck in traffic, running late for our 2pm")]
#[case::spanish("noche de vigilia de fuego en el templo, traigan cobija")]
fn a_figure_of_speech_is_no_emergency(#[case] text: &str) {
    assert_eq!(rule(text), None);
}

/// What takes a harmless text back must not take a real one back.
#[rstest]
#[case::driving("I'm driving right now but my wife says the basement is flooding")]
#[case::cannot_talk("can't talk, someone is breaking in, send help")]
#[case::game("watching the game and the outlet behind the tv is smoking")]
#[case::called_off("false alarm this morning, but now it is real, water is pouring from the ceiling")]
#[case::price("how much is a visit? there is water pouring out of the wall right now")]
#[case::kitchen("my kitchen is on fire")]
#[case::tonight("the garage is on fire again tonight")]
#[case::catching("the outlet keeps catching fire")]
#[case::flying("sparks flying out of the panel")]
#[case::address("HELP gas leak, go to 14 Elm Street")]
#[case::address_unfinished("HELP gas leak, go to")]
fn a_real_emergency_beside_harmless_words_is_seen(#[case] text: &str) {
    assert!(rule(text).is_some(), "{text}");
}
