//! Whether a text tells of an emergency: a first lexicon, local and pure.
//!
//! Fed by the webhook pipeline, before any rule sees the text; its verdict travels with the message. Small on purpose: it
//! knows danger and damage by a few words, and lets go where the text says that there is none. The word emergency alone is
//! none: many a customer asks for an "emergency plumber". DispatchBot's verdict joins it.

use serde::{Deserialize, Serialize};

/// A text that tells of an emergency, and why we think so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The rule, by its name.
    pub rule: String,
    /// The words that met it.
    pub words: Vec<String>,
}

/// A rule: all words of one of its alternatives, anywhere in the text and in any order.
struct Rule {
    name: &'static str,
    any_of: &'static [&'static [&'static str]],
}

/// A word stands for itself and for every word that begins with it, so `flood` is `flooding` and `flooded`.
const RULES: &[Rule] = &[
    Rule { name: "gas", any_of: &[&["gas", "leak"], &["smell", "gas"], &["carbon", "monoxide"]] },
    Rule { name: "fire", any_of: &[&["fire"], &["smoke", "coming"], &["burning", "smell"]] },
    Rule { name: "electricity", any_of: &[&["spark"], &["electr", "shock"], &["electrocut"]] },
    Rule { name: "water", any_of: &[&["flood"], &["pipe", "burst"], &["burst", "basement"], &["sewage", "up"]] },
    Rule { name: "frost", any_of: &[&["pipes", "frozen"], &["no", "heat", "freezing"]] },
    Rule { name: "locked_out", any_of: &[&["locked", "out", "baby"], &["locked", "out", "kid"]] },
];

/// Words right before a rule's word that turn it into its opposite.
const NOT: &[&str] = &["no", "not", "isnt", "wasnt", "arent", "without", "non", "never", "an", "any"];
/// Of these the ones that only carry a `not` over: "not an emergency".
const CARRIES: &[&str] = &["an", "any"];

/// Reads a text.
pub fn detect(text: &str) -> Option<Verdict> {
    let plain: String = text
        .to_lowercase()
        .chars()
        .filter(|c| !matches!(c, '\'' | '’'))
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    RULES.iter().find_map(|rule| {
        rule.any_of.iter().find_map(|wanted| {
            let met: Option<Vec<String>> = wanted.iter().map(|word| find(&words, word)).collect();
            met.map(|words| Verdict { rule: rule.name.to_owned(), words })
        })
    })
}

/// The first word that begins so and is not denied. A word of three letters or fewer has to be the whole word.
fn find(words: &[&str], wanted: &str) -> Option<String> {
    let meets = |word: &str| if wanted.len() <= 3 { word == wanted } else { word.starts_with(wanted) };
    let met = words.iter().enumerate().find(|(at, word)| meets(word) && (NOT.contains(&wanted) || !denied(words, *at)));
    met.map(|(_, word)| (*word).to_owned())
}

fn denied(words: &[&str], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).and_then(|n| words.get(n)).copied();
    match before(1) {
        Some(word) if CARRIES.contains(&word) => before(2).is_some_and(|word| NOT.contains(&word)),
        Some(word) => NOT.contains(&word),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::the_documents_flood("basement flooding emergency!", "water")]
    #[case::the_documents_frost("no hot water and pipes frozen", "frost")]
    #[case::the_documents_fire("electrical fire in kitchen", "fire")]
    #[case::the_documents_gas("Gas leak in house!", "gas")]
    #[case::the_documents_frost_again("no hot water pipes frozen", "frost")]
    #[case::the_documents_sparks("electrical sparks in kitchen", "electricity")]
    #[case::the_documents_timer("Emergency: basement flooding!", "water")]
    #[case::the_documents_heater("Water heater burst in basement!", "water")]
    #[case::shouted("I SMELL GAS", "gas")]
    fn an_emergency_is_known_and_says_why(#[case] text: &str, #[case] rule: &str) {
        assert_eq!(detect(text).map(|verdict| verdict.rule), Some(rule.to_owned()));
    }

    #[rstest]
    #[case::the_documents_sink("kitchen sink clogged need help")]
    #[case::the_documents_faucet("bathroom faucet dripping")]
    #[case::the_documents_disposal("garbage disposal not working")]
    #[case::denied("not an emergency, the sink just drips")]
    #[case::no_emergency("no emergency, whenever you have time")]
    #[case::no_flooding("there's no flooding, just a slow drain")]
    #[case::the_word_alone("Yes, I need emergency plumbing help!")]
    #[case::a_gas_range("can you install a gas range")]
    #[case::firm_words("is that a firm price")]
    #[case::nothing("")]
    fn what_is_none_is_left_alone(#[case] text: &str) {
        assert_eq!(detect(text), None);
    }
}
