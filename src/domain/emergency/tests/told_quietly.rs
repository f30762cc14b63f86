//! Dangers that are described without a word of alarm.

use rstest::rstest;

use crate::domain::emergency::{OwnPhrases, read};

fn seen(trade: &str, text: &str) -> bool {
    read(text, Some(trade), &OwnPhrases::default()).verdict().is_some()
}

#[rstest]
#[case::handle("someone is turning the front door handle, I am hiding in the closet")]
#[case::key("he is outside trying his old key, do not call, just text")]
#[case::spanish("está afuera moviendo la perilla y trae llave, no me llame")]
fn somebody_at_the_door_is_an_emergency(#[case] text: &str) {
    assert!(seen("locksmith", text), "{text}");
}

#[rstest]
#[case::stepped_out("stepped out for the mail and the door swung shut behind me, pot of oil on the stove")]
#[case::barefoot("sitting outside my own apartment in my socks, no keys")]
#[case::spanish("me cerraron la puerta y estoy afuera sin llaves con la bebé")]
fn somebody_shut_out_of_home_is_an_emergency(#[case] text: &str) {
    assert!(seen("locksmith", text), "{text}");
}

#[rstest]
#[case::dug("dug into the yellow pipe with a shovel and it is hissing loud")]
#[case::skunk("kitchen smells like skunk by the burners, worse every minute")]
#[case::spanish("le pegué al tubo amarillo con la pala y está chiflando")]
fn gas_without_its_name_is_an_emergency(#[case] text: &str) {
    assert!(seen("plumbing", text), "{text}");
}

#[rstest]
#[case::reading("the thing on the wall says 160 and we all have headaches")]
#[case::four_beeps("hall alarm does four beeps then a pause, changed the battery already")]
#[case::sleepy("we ran the heater all night and grandpa is hard to wake")]
#[case::spanish("el aparatito del pasillo pita 4 veces y mi esposa trae mareo")]
fn carbon_monoxide_without_its_name_is_an_emergency(#[case] text: &str) {
    assert!(seen("hvac", text), "{text}");
}

#[rstest]
#[case::tickle("the shower faucet tickles when my kids touch it")]
#[case::frying("the panel makes a frying noise")]
#[case::bright("lights get super bright and then the bulbs popped")]
#[case::spanish("cuando tocan la llave del agua sienten cosquillas")]
fn dangerous_electrics_in_everyday_words_are_an_emergency(#[case] text: &str) {
    assert!(seen("electrical", text), "{text}");
}

#[rstest]
#[case::battery("dads ventilator is on battery, 20 percent left, the outlet died")]
#[case::spanish("mi papá usa máquina para respirar y se quedó sin luz")]
fn a_medical_device_on_its_battery_is_an_emergency(#[case] text: &str) {
    assert!(seen("electrical", text), "{text}");
}

#[rstest]
#[case::pond("my kitchen looks like a pond and it is getting deeper")]
#[case::thumb("there is a hole in the pipe and my thumb is in it")]
#[case::popped_off("the supply line just popped off and it is hitting the cabinets")]
#[case::spanish("se zafó la manguera y ya va para la sala")]
fn rising_water_in_everyday_words_is_an_emergency(#[case] text: &str) {
    assert!(seen("plumbing", text), "{text}");
}

#[rstest]
#[case::ladder("your guy fell off the ladder and cant feel his legs")]
#[case::lift("the wheelchair lift stopped halfway with my mom on it")]
#[case::under("the door came down and its on my foot, wont lift")]
#[case::spanish("la puerta le agarró el pie a mi papá y no sube")]
fn somebody_hurt_or_stuck_is_an_emergency(#[case] text: &str) {
    assert!(seen("garage_door", text), "{text}");
}

#[rstest]
#[case::up("door went up by itself at 11pm and wont come down, bikes and tools facing the alley")]
#[case::spanish("se quedó arriba y ya es de noche, cualquiera se mete")]
fn a_garage_open_at_night_is_an_emergency(#[case] text: &str) {
    assert!(seen("garage_door", text), "{text}");
}
