//! A business's settings for emergencies: whether it takes them, and which of its own phrases count or do not.

use serde::Deserialize;
use serde_json::Value;

use super::OwnPhrases;

/// The most phrases in a list: more than anybody needs.
const MOST_PHRASES: usize = 200;
/// The longest phrase, in characters: a phrase is a few words.
const LONGEST_PHRASE: usize = 100;

/// A business's settings for emergencies, as written in its `user_settings`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Whether it takes emergencies. If not, an emergency is an ordinary text, unless it is about life.
    #[serde(default = "yes")]
    pub accepted: bool,
    #[serde(default)]
    added: Vec<String>,
    #[serde(default)]
    muted: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { accepted: true, added: Vec::new(), muted: Vec::new() }
    }
}

fn yes() -> bool {
    true
}

impl Settings {
    /// The `emergencies` of a business's settings, for example
    /// `{"accepted": true, "added": ["pump is off"], "muted": ["flood lights"]}`.
    ///
    /// # Errors
    /// What is wrong with them, in words. Missing settings are no error: emergencies are taken.
    pub fn of_settings(settings: &Value) -> Result<Self, String> {
        let written = match settings.get("emergencies") {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(written) => Self::deserialize(written).map_err(|error| error.to_string())?,
        };
        for (name, phrases) in [("added", &written.added), ("muted", &written.muted)] {
            if phrases.len() > MOST_PHRASES {
                return Err(format!("`{name}` has more than {MOST_PHRASES} phrases"));
            }
            for phrase in phrases {
                if !phrase.chars().any(char::is_alphanumeric) || phrase.chars().count() > LONGEST_PHRASE {
                    return Err(format!(
                        "`{name}`: a phrase must have 1 to {LONGEST_PHRASE} characters and contain a letter or digit"
                    ));
                }
            }
        }
        Ok(written)
    }

    /// Its own phrases, folded in the same way as texts.
    pub fn phrases(&self) -> OwnPhrases {
        OwnPhrases::new(&self.added, &self.muted)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::none(json!({}), true)]
    #[case::null(json!({ "emergencies": null }), true)]
    #[case::not_taken(json!({ "emergencies": { "accepted": false } }), false)]
    #[case::only_phrases(json!({ "emergencies": { "added": ["pump is off"] } }), true)]
    fn emergencies_are_taken_unless_the_business_says_otherwise(#[case] settings: Value, #[case] accepted: bool) {
        assert_eq!(Settings::of_settings(&settings).unwrap().accepted, accepted);
    }

    #[rstest]
    #[case::no_object(json!("yes"), "invalid type")]
    #[case::a_misspelt_field(json!({ "accept": true }), "unknown field `accept`")]
    #[case::an_empty_phrase(json!({ "muted": [" "] }), "`muted`")]
    #[case::a_phrase_without_a_word(json!({ "added": ["!!"] }), "`added`")]
    #[case::too_long(json!({ "added": ["a".repeat(101)] }), "100 characters")]
    #[case::too_many(json!({ "added": vec!["a"; 201] }), "200 phrases")]
    fn what_cannot_be_read_is_told(#[case] written: Value, #[case] told: &str) {
        let problem = Settings::of_settings(&json!({ "emergencies": written })).unwrap_err();
        assert!(problem.contains(told), "{problem}");
    }
}
