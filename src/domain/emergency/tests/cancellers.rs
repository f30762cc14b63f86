//! What takes an alarming word back, and how far that reaches.

use rstest::rstest;

use super::rule;

#[rstest]
#[case::said_so("not an emergency, the sink just drips")]
#[case::no_emergency("no emergency, whenever you have time")]
#[case::no_flooding("there's no flooding, just a slow drain")]
#[case::denied_list("no sparks or smoke, the outlet is just dead")]
#[case::over("last year we had a flood in the basement, want a sump pump")]
#[case::cleared("fire dept came and cleared us, need a furnace inspection")]
#[case::fixed("the burst pipe was fixed last week, need the drywall done")]
#[case::contained("shut the valve off, it stopped, there was a leak")]
#[case::never_mind("never mind the flood, all good now")]
#[case::price("what would it cost if a pipe burst")]
#[case::service("do you guys fix burst pipes")]
#[case::prevention("how do I keep my pipes from freezing this winter")]
#[case::neighbour("my neighbor's house had a fire, can you inspect ours")]
#[case::film("saw a movie about a gas leak lol")]
#[case::detector("smoke detector chirps every minute")]
#[case::work("we are flooded with work, can we move tuesday")]
#[case::release_cord("what is the emergency release cord for")]
#[case::gas_range("can you install a gas range")]
#[case::fire_pit("quote for a fire pit gas line")]
#[case::emergency_heat("the emergency heat light is on, house is warm")]
#[case::spark_plug("generator needs a spark plug")]
#[case::panic_bar("panic bar on the exit door needs replacing")]
#[case::template("you said text URGENT if theres a flood, mine is just a drip")]
#[case::job("journeyman looking for work, experience with sewage backups and floods")]
#[case::marketing("Flooded with leads? Our webinar helps, click here")]
#[case::spanish_denied("no hay humo ni chispas, solo no prende")]
#[case::spanish_over("el año pasado se inundó el sótano, quiero una bomba")]
#[case::spanish_calm("no es emergencia, gotea la llave")]
fn is_no_emergency(#[case] text: &str) {
    assert_eq!(rule(text), None);
}

#[rstest]
#[case::denied_and_real("no fire yet but the outlet is smoking")]
#[case::past_and_present("last year it leaked, now the basement is flooding")]
#[case::price_and_real("How much to fix a burst pipe? it's flooding my kitchen right now")]
#[case::service_and_real("do you do emergency calls? my basement is flooding")]
#[case::polite_if("can you tell me if you can come, water is pouring from the ceiling")]
#[case::calm_about_gas("not sure if it's an emergency but I smell gas")]
#[case::not_contained("I turned the valve off but it's still coming out fast")]
#[case::neighbour_tells("neighbor downstairs says water is coming through their ceiling")]
fn ends_with_its_own_thought(#[case] text: &str) {
    assert!(rule(text).is_some(), "{text}");
}
