//! Recognizes what a customer's text expresses: an emergency, urgency, a kind of job, agreement.

const EMERGENCY: [&str; 22] = [
    "emergency",
    "burst",
    "flood",
    "gas leak",
    "smell gas",
    "smells of gas",
    "fire",
    "spark",
    "smoke",
    "frozen",
    "carbon monoxide",
    "sewage",
    "water everywhere",
    "electrocuted",
    "electric shock",
    "burning smell",
    "locked in",
    "child locked",
    "baby locked",
    "gushing",
    "exposed wire",
    "trapped",
];

const URGENT: [&str; 14] = [
    "today",
    "asap",
    "urgent",
    "right away",
    "right now",
    "immediately",
    "as soon as",
    "no heat",
    "no hot water",
    "no power",
    "completely",
    "locked out",
    "tonight",
    "stuck open",
];

/// Phrases that contain a word for an emergency but are harmless.
const HARMLESS: [&str; 8] = [
    "not an emergency",
    "no emergency",
    "isn't an emergency",
    "smoke detector",
    "smoke alarm",
    "fireplace",
    "fire alarm",
    "spark plug",
];

const AGREEMENT: [&str; 15] = [
    "yes",
    "yep",
    "yeah",
    "sure",
    "ok",
    "okay",
    "perfect",
    "works",
    "sounds good",
    "that's fine",
    "great",
    "confirm",
    "book it",
    "see you",
    "deal",
];

const REFUSAL: [&str; 7] = ["no,", "not ", "can't", "cannot", "doesn't work", "won't", "another time"];

/// Kinds of job: trade, keyword, kind, and wording in an answer.
const JOBS: [(&str, &str, &str, &str); 29] = [
    ("plumbing", "water heater", "water_heater_repair", "the water heater"),
    ("plumbing", "hot water", "water_heater_repair", "the hot water"),
    ("plumbing", "clog", "drain_cleaning", "the blocked drain"),
    ("plumbing", "block", "drain_cleaning", "the blocked drain"),
    ("plumbing", "drain", "drain_cleaning", "the drain"),
    ("plumbing", "disposal", "garbage_disposal_repair", "the garbage disposal"),
    ("plumbing", "toilet", "toilet_repair", "the toilet"),
    ("plumbing", "faucet", "faucet_repair", "the faucet"),
    ("plumbing", "pipe", "pipe_repair", "the pipes"),
    ("plumbing", "leak", "leak_repair", "the leak"),
    ("electrical", "outlet", "outlet_repair", "the outlet"),
    ("electrical", "breaker", "panel_repair", "the breaker"),
    ("electrical", "panel", "panel_repair", "the panel"),
    ("electrical", "light", "lighting_repair", "the lights"),
    ("electrical", "power", "power_outage", "the power"),
    ("electrical", "wir", "wiring_repair", "the wiring"),
    ("hvac", "no heat", "furnace_repair", "the heating"),
    ("hvac", "furnace", "furnace_repair", "the furnace"),
    ("hvac", "thermostat", "thermostat_repair", "the thermostat"),
    ("hvac", "air condition", "ac_repair", "the air conditioning"),
    ("hvac", "cool", "ac_repair", "the cooling"),
    ("hvac", "heat", "furnace_repair", "the heating"),
    ("locksmith", "locked out", "lockout", "the lockout"),
    ("locksmith", "rekey", "rekey", "the rekeying"),
    ("locksmith", "key", "key_replacement", "the key"),
    ("locksmith", "lock", "lock_repair", "the lock"),
    ("garage_door", "spring", "spring_replacement", "the spring"),
    ("garage_door", "opener", "opener_repair", "the opener"),
    ("garage_door", "cable", "cable_repair", "the cable"),
];

/// Whether the text describes an emergency.
pub(super) fn is_emergency(text: &str) -> bool {
    let text = HARMLESS.iter().fold(text.to_lowercase(), |text, phrase| text.replace(phrase, ""));
    EMERGENCY.iter().any(|word| text.contains(word))
}

/// Whether the text is urgent.
pub(super) fn is_urgent(text: &str) -> bool {
    let text = text.to_lowercase();
    URGENT.iter().any(|word| text.contains(word))
}

/// Whether the text agrees to something.
pub(super) fn agrees(text: &str) -> bool {
    let text = text.to_lowercase();
    let words: Vec<_> = text.split(|character: char| !character.is_alphanumeric() && character != '\'').collect();
    let said = |phrase: &&str| {
        if phrase.contains(' ') { text.contains(phrase) } else { words.contains(phrase) }
    };
    AGREEMENT.iter().any(said) && !REFUSAL.iter().any(|phrase| text.contains(phrase))
}

/// The kind of job and its wording, if a keyword in the text identifies it.
pub(super) fn job(trade: &str, text: &str) -> Option<(&'static str, &'static str)> {
    let text = text.to_lowercase();
    JOBS.iter().find(|(of, word, ..)| *of == trade && text.contains(word)).map(|(.., kind, spoken)| (*kind, *spoken))
}

/// The wording for the trade in an answer.
pub(super) fn spoken(trade: &str) -> &'static str {
    match trade {
        "electrical" => "electrical",
        "hvac" => "heating and cooling",
        "locksmith" => "locksmith",
        "garage_door" => "garage door",
        _ => "plumbing",
    }
}

/// What the customer should do until help arrives.
pub(super) fn safety(trade: &str, text: &str) -> &'static str {
    let text = text.to_lowercase();
    if text.contains("gas") || text.contains("carbon monoxide") {
        "Leave the building now and call 911 from outside."
    } else if text.contains("fire") || text.contains("smoke") {
        "If anything is burning, get out and call 911."
    } else {
        match trade {
            "plumbing" => "Please shut off the main water valve if you can.",
            "electrical" => "Please keep away from it and switch off the main breaker if that is safe.",
            "hvac" => "Please switch the system off.",
            _ => "If anyone is in danger, call 911.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emergencies_are_told_from_routine() {
        for text in [
            "basement flooding emergency!",
            "no hot water and pipes frozen",
            "electrical fire in kitchen",
            "electrical sparks in kitchen",
            "Gas leak in house!",
            "Water heater burst in basement!",
        ] {
            assert!(is_emergency(text), "{text}");
        }
        for text in ["kitchen sink clogged need help", "bathroom faucet dripping", "It is not an emergency"] {
            assert!(!is_emergency(text), "{text}");
        }
    }

    #[test]
    fn agreement_is_told_from_refusal() {
        assert!(agrees("Yes, 3pm today works perfectly"));
        assert!(agrees("ok"));
        assert!(!agrees("No, that doesn't work"));
        assert!(!agrees("The sink is blocked"));
    }
}
