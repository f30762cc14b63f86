//! The words with which a customer opts out of texts and back in (docs/twilio.md, section 6).
//!
//! There are three kinds. Twilio's keywords count only if they are the whole text, and Twilio answers them itself. The
//! words of 47 CFR 64.1200(a)(10) in any form, and sentences with the same meaning, also opt out. Doubtful texts may
//! mean an opt-out, or may not. `tables` has the words, `text` splits a text into plain words, `reader` finds what they
//! mean. The accuracy is measured on `tests/corpus/opt_outs/`.

mod phrases;
mod reader;
mod tables;
mod text;

use reader::Found;

/// What a text means for the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptWord {
    /// The customer opts out. Twilio knows it too if they used one of its keywords.
    Out {
        /// `word`, `twilio` (Twilio reported it) or `sentence`.
        by: &'static str,
    },
    /// The customer opts in again.
    In,
    /// Twilio answers it, and nobody else may.
    Help,
    /// It may mean an opt-out or something else. A person must decide.
    Doubtful,
}

/// Twilio's keywords. They count only if they are the whole text, in any case.
const OUT: &[&str] = &["stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"];
const IN: &[&str] = &["start", "unstop"];
/// An everyday answer. It opts in only a customer who has opted out.
const IN_FOR_WHO_IS_OUT: &str = "yes";
const HELP: &[&str] = &["help", "info"];

/// Reads a text. `said_by_twilio` is Twilio's `OptOutType`, present if Advanced Opt-Out is enabled. `is_out` says
/// whether the customer had opted out when the text was sent.
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
        return Some(OptWord::Out { by: "word" });
    }
    if IN.contains(&alone) || (is_out && alone == IN_FOR_WHO_IS_OUT) {
        return Some(OptWord::In);
    }
    if HELP.contains(&alone) {
        return Some(OptWord::Help);
    }
    match reader::read(body) {
        Found::Out => Some(OptWord::Out { by: "sentence" }),
        Found::Doubt => Some(OptWord::Doubtful),
        Found::Nothing => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
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

    /// One text per line. `\\n` is a line break within a text.
    fn corpus(texts: &'static str) -> impl Iterator<Item = String> {
        texts.lines().filter(|line| !line.starts_with('#')).map(|line| line.replace("\\n", "\n"))
    }

    fn misread(texts: &'static str, right: impl Fn(Option<OptWord>) -> bool) -> Vec<String> {
        let read = |text: &String| opt_word(text, None, false);
        corpus(texts).filter(|text| !right(read(text))).map(|text| format!("{text:?}: {:?}", read(&text))).collect()
    }

    #[rstest]
    #[case::out(include_str!("../../../../tests/corpus/opt_outs/out.txt"), |read: Option<OptWord>| matches!(read, Some(OptWord::Out { .. })))]
    #[case::doubtful(include_str!("../../../../tests/corpus/opt_outs/doubtful.txt"), |read: Option<OptWord>| read == Some(OptWord::Doubtful))]
    #[case::none(include_str!("../../../../tests/corpus/opt_outs/none.txt"), |read: Option<OptWord>| read.is_none())]
    fn every_text_of_the_corpus_is_read_as_it_is_meant(
        #[case] texts: &'static str,
        #[case] right: fn(Option<OptWord>) -> bool,
    ) {
        assert!(corpus(texts).count() >= 150);
        let misread = misread(texts, right);
        assert!(misread.is_empty(), "{} misread:\n{}", misread.len(), misread.join("\n"));
    }

    /// 47 CFR 64.1200(a)(10), in any case and punctuation, alone and with courtesy on either side.
    #[rstest]
    fn the_words_of_the_law_opt_out_however_they_are_written(
        #[values("stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe")] word: &str,
        #[values(
            "{}",
            "{}.",
            "{}!!",
            "\"{}\"",
            "please {}",
            "{}, thank you",
            "Hi. {}. Thanks!",
            "{}\n\nSent from my iPhone",
            "  {} \u{1F6D1}"
        )]
        around: &str,
        #[values(false, true)] shouted: bool,
    ) {
        let text = around.replace("{}", word);
        let text = if shouted { text.to_uppercase() } else { text };
        assert!(matches!(opt_word(&text, None, false), Some(OptWord::Out { .. })), "{text:?}");
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

    proptest! {
        #[test]
        fn no_text_makes_it_panic(body in "\\PC{0,200}") {
            opt_word(&body, None, false);
        }

        #[test]
        fn nor_do_its_own_words_in_any_order(words in proptest::collection::vec(
            proptest::sample::select(vec!["stop", "texting", "me", "dont", "no", "mas", ",", ".", "\n", "if", "said", "or", "sending", "to"]), 0..40,
        )) {
            opt_word(&words.join(" "), None, false);
        }
    }

    /// A text has at most 1,600 characters, but a request may contain more: the time must grow linearly with the
    /// length.
    #[test]
    fn a_text_beyond_all_measure_is_read_in_no_time() {
        let began = std::time::Instant::now();
        for text in ["stop sending me ".repeat(4_000), "no ".repeat(20_000), "a".repeat(64_000), "\n".repeat(64_000)] {
            opt_word(&text, None, false);
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
    }
}
