//! The words by which a customer opts out of texts, and back in (twilio.md, section 6).
//!
//! Twilio's own words count only when they stand alone, and Twilio answers them itself. Beside them, a customer who says
//! it in a sentence means it too; in doubt, no more texts is the safer reading, for a person is told either way.

/// What a text means for the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptWord {
    /// No more texts. Twilio knows it too, if it was one of its words.
    Out {
        /// `word`, `twilio` (it said so itself) or `sentence`.
        by: &'static str,
    },
    /// Texts again.
    In,
    /// Twilio answers it; it is nobody else's to answer.
    Help,
}

const OUT: &[&str] = &["stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"];
const IN: &[&str] = &["start", "unstop"];
/// An everyday answer: opts in only who is out.
const IN_FOR_WHO_IS_OUT: &str = "yes";
const HELP: &[&str] = &["help", "info"];

/// Sentences of people who want no more texts, in the plain form of [`plain`].
const SENTENCES: &[&str] = &[
    "stop texting",
    "stop messaging",
    "stop sending me",
    "stop contacting",
    "quit texting",
    "dont text me",
    "do not text me",
    "dont message me",
    "do not message me",
    "dont contact me",
    "do not contact me",
    "no more texts",
    "no more messages",
    "unsubscribe me",
    "remove me from your list",
    "take me off your list",
    "opt me out",
    "no me textees",
    "no me texteen",
    "no me mandes mensajes",
    "no me manden mensajes",
    "no me escribas",
    "no me escriban",
    "deja de mandar",
    "dejen de mandar",
    "deja de escribir",
    "dejen de escribir",
];
/// What turns such a sentence into its opposite when it comes right before.
const NOT: &[&str] = &["dont", "do not", "never", "didnt", "wont", "no"];

/// Reads a text. `said_by_twilio` is Twilio's OptOutType, where Advanced Opt-Out is on; `is_out` whether the customer had
/// opted out when it was sent.
pub fn opt_word(body: &str, said_by_twilio: Option<&str>, is_out: bool) -> Option<OptWord> {
    match said_by_twilio {
        Some("STOP") => return Some(OptWord::Out { by: "twilio" }),
        Some("START") => return Some(OptWord::In),
        Some("HELP") => return Some(OptWord::Help),
        _ => {}
    }
    let alone = body.trim().to_ascii_lowercase();
    let alone = alone.as_str();
    if OUT.contains(&alone) {
        Some(OptWord::Out { by: "word" })
    } else if IN.contains(&alone) || (is_out && alone == IN_FOR_WHO_IS_OUT) {
        Some(OptWord::In)
    } else if HELP.contains(&alone) {
        Some(OptWord::Help)
    } else if says_stop(&plain(body)) {
        Some(OptWord::Out { by: "sentence" })
    } else {
        None
    }
}

fn says_stop(text: &str) -> bool {
    // "Stop!!" and "unsubscribe please": Twilio takes them for talk, people do not.
    let words: Vec<&str> = text.split(' ').filter(|word| !matches!(*word, "please" | "pls" | "now")).collect();
    if let [word] = words.as_slice()
        && matches!(*word, "stop" | "unsubscribe" | "stopall")
    {
        return true;
    }
    SENTENCES.iter().any(|sentence| {
        text.match_indices(sentence).any(|(at, _)| {
            let (before, after) = (text[..at].trim_end(), &text[at + sentence.len()..]);
            let whole = (at == 0 || text[..at].ends_with(' ')) && (after.is_empty() || after.starts_with(' '));
            whole && !NOT.iter().any(|not| before == *not || before.ends_with(&format!(" {not}")))
        })
    })
}

/// Lower case, apostrophes gone, everything else that is no letter or digit one blank.
fn plain(text: &str) -> String {
    let kept: String = text
        .to_lowercase()
        .chars()
        .filter(|c| !matches!(c, '\'' | '’' | '`'))
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const WORD: Option<OptWord> = Some(OptWord::Out { by: "word" });
    const SENTENCE: Option<OptWord> = Some(OptWord::Out { by: "sentence" });

    #[rstest]
    #[case::stop("STOP", WORD)]
    #[case::lower_case("stop", WORD)]
    #[case::blanks_around(" Stop \n", WORD)]
    #[case::stopall("STOPALL", WORD)]
    #[case::unsubscribe("Unsubscribe", WORD)]
    #[case::cancel("CANCEL", WORD)]
    #[case::end("end", WORD)]
    #[case::quit("quit", WORD)]
    #[case::revoke("revoke", WORD)]
    #[case::optout("OptOut", WORD)]
    #[case::shouted("STOP!!!", SENTENCE)]
    #[case::politely("Please stop", SENTENCE)]
    #[case::in_a_sentence("please stop texting me", SENTENCE)]
    #[case::with_an_apostrophe("Don't text me again", SENTENCE)]
    #[case::with_a_typographic_one("Don’t message me.", SENTENCE)]
    #[case::in_spanish("ya no me manden mensajes por favor", SENTENCE)]
    #[case::off_the_list("Take me off your list", SENTENCE)]
    fn a_customer_can_opt_out(#[case] body: &str, #[case] read: Option<OptWord>) {
        assert_eq!(opt_word(body, None, false), read);
    }

    #[rstest]
    #[case::the_drain("can you stop by at 3")]
    #[case::the_leak("the leak won't stop")]
    #[case::a_valve("stop valve is stuck")]
    #[case::an_appointment("cancel my appointment please")]
    #[case::an_end("at the end of the street")]
    #[case::the_opposite("don't stop texting me until you are here")]
    #[case::yes("yes")]
    #[case::help_in_a_sentence("help my sink is leaking")]
    #[case::nothing("")]
    fn ordinary_talk_is_no_opt_out(#[case] body: &str) {
        assert_eq!(opt_word(body, None, false), None);
    }

    #[rstest]
    #[case::start("START", false, Some(OptWord::In))]
    #[case::unstop("unstop", true, Some(OptWord::In))]
    #[case::yes_of_one_who_is_out("Yes", true, Some(OptWord::In))]
    #[case::yes_of_one_who_is_not("Yes", false, None)]
    #[case::help("HELP", false, Some(OptWord::Help))]
    #[case::info("info", true, Some(OptWord::Help))]
    fn other_words_of_twilio_are_known(#[case] body: &str, #[case] is_out: bool, #[case] read: Option<OptWord>) {
        assert_eq!(opt_word(body, None, is_out), read);
    }

    #[rstest]
    #[case::stop("STOP", Some(OptWord::Out { by: "twilio" }))]
    #[case::start("START", Some(OptWord::In))]
    #[case::help("HELP", Some(OptWord::Help))]
    #[case::a_new_one("LATER", None)]
    fn what_twilio_says_itself_counts_whatever_the_words(#[case] said: &str, #[case] read: Option<OptWord>) {
        assert_eq!(opt_word("arrêt", Some(said), false), read);
    }
}
