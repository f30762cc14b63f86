//! The TwiML documents that webhooks are answered with.
//!
//! Twilio reads them as `text/xml`. Every document is well-formed for any arguments, and starts with its XML
//! declaration.

use std::fmt::Write;
use std::time::Duration;

use crate::domain::emergency::Language;

const DECLARATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;

/// An empty response: no reply, no verb.
pub fn empty() -> String {
    format!("{DECLARATION}<Response/>")
}

/// Rejects a call to a number that no business owns.
pub fn reject() -> String {
    format!("{DECLARATION}<Response><Reject/></Response>")
}

/// Ends a call that is not put through: the caller hears a busy signal. Without a reason the caller would hear that the
/// number is not in service.
pub fn busy() -> String {
    format!(r#"{DECLARATION}<Response><Reject reason="busy"/></Response>"#)
}

/// A dial of one number.
pub struct Dial<'a> {
    /// The number that rings.
    pub number: &'a str,
    /// For how long, in whole seconds.
    pub timeout: Duration,
    /// The URL to which Twilio reports the result.
    pub action: &'a str,
    /// Whether the caller hears ringing until the two are connected.
    pub answer_on_bridge: bool,
    /// The URL of the document that the phone hears before it is connected.
    pub screen: Option<&'a str>,
}

/// Dials a number.
pub fn dial(dial: &Dial<'_>) -> String {
    let answer_on_bridge = if dial.answer_on_bridge { r#" answerOnBridge="true""# } else { "" };
    let screen = dial.screen.map(|url| format!(r#" url="{}" method="POST""#, escape(url))).unwrap_or_default();
    format!(
        r#"{DECLARATION}<Response><Dial timeout="{}" action="{}" method="POST"{answer_on_bridge}><Number{screen}>{}</Number></Dial></Response>"#,
        dial.timeout.as_secs(),
        escape(dial.action),
        escape(dial.number),
    )
}

/// Says these words, waits for a key, and hangs up if none is pressed. A key is reported to the action URL.
pub fn ask_for_key(words: &str, language: Language, timeout: Duration, action: &str) -> String {
    let voice = match language {
        Language::En => "en-US",
        Language::Es => "es-MX",
    };
    format!(
        r#"{DECLARATION}<Response><Gather numDigits="1" timeout="{}" action="{}" method="POST"><Say language="{voice}">{}</Say></Gather><Hangup/></Response>"#,
        timeout.as_secs(),
        escape(action),
        escape(words),
    )
}

/// Hangs up.
pub fn hang_up() -> String {
    format!("{DECLARATION}<Response><Hangup/></Response>")
}

/// Says these texts, waiting for one key, which is reported to the action URL. Without a key, says the last text and hangs up.
pub fn gather_digit(texts: &[&str], action: &str, without: &str) -> String {
    let said: String = texts.iter().map(|text| say(text)).collect();
    format!(
        r#"{DECLARATION}<Response><Gather numDigits="1" timeout="10" action="{}" method="POST">{said}</Gather>{}<Hangup/></Response>"#,
        escape(action),
        say(without),
    )
}

/// Says these texts and ends the call.
pub fn say_and_hang_up(texts: &[&str]) -> String {
    let said: String = texts.iter().map(|text| say(text)).collect();
    format!("{DECLARATION}<Response>{said}<Hangup/></Response>")
}

/// Goes on with another document.
pub fn redirect(url: &str) -> String {
    format!(r#"{DECLARATION}<Response><Redirect method="POST">{}</Redirect></Response>"#, escape(url))
}

fn say(text: &str) -> String {
    format!("<Say>{}</Say>", escape(text))
}

/// Escapes text for elements and attributes; drops characters that XML 1.0 does not allow.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars().filter(|character| is_xml(*character)) {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // Inside an attribute, a parser turns these into spaces unless they are character references.
            '\t' | '\n' | '\r' => drop(write!(escaped, "&#{};", u32::from(character))),
            other => escaped.push(other),
        }
    }
    escaped
}

fn is_xml(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn plain<'a>(number: &'a str, action: &'a str) -> Dial<'a> {
        Dial { number, timeout: Duration::from_secs(20), action, answer_on_bridge: false, screen: None }
    }

    #[test]
    fn a_screened_phone_hears_a_document_of_its_own_while_the_caller_hears_ringing() {
        let screened = Dial {
            answer_on_bridge: true,
            screen: Some("https://x.example/screen/CA1?name=A+%26+B&attempt=1"),
            ..plain("+14155550100", "https://x.example/status/CA1")
        };
        assert_eq!(
            dial(&screened),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>\
             <Dial timeout=\"20\" action=\"https://x.example/status/CA1\" method=\"POST\" answerOnBridge=\"true\">\
             <Number url=\"https://x.example/screen/CA1?name=A+%26+B&amp;attempt=1\" method=\"POST\">+14155550100</Number>\
             </Dial></Response>"
        );
    }

    #[test]
    fn a_phone_that_presses_no_key_is_hung_up() {
        let asked = ask_for_key("A & B", Language::Es, Duration::from_secs(7), "https://x.example/screen/CA1");
        assert_eq!(
            asked,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>\
             <Gather numDigits=\"1\" timeout=\"7\" action=\"https://x.example/screen/CA1\" method=\"POST\">\
             <Say language=\"es-MX\">A &amp; B</Say></Gather><Hangup/></Response>"
        );
    }

    #[test]
    fn the_empty_response_is_a_document_and_not_an_empty_body() {
        assert_eq!(empty(), r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#);
    }

    #[test]
    fn a_rejected_call_is_told_so() {
        assert!(reject().ends_with("<Response><Reject/></Response>"));
    }

    #[test]
    fn a_call_that_is_not_put_through_hears_that_the_line_is_busy() {
        assert!(busy().ends_with(r#"<Response><Reject reason="busy"/></Response>"#));
    }

    #[test]
    fn a_dial_rings_the_number_and_reports_to_the_action() {
        assert_eq!(
            dial(&plain("+14155550100", "https://x.example/status/CA1?a=1&b=2")),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>\
             <Dial timeout=\"20\" action=\"https://x.example/status/CA1?a=1&amp;b=2\" method=\"POST\">\
             <Number>+14155550100</Number></Dial></Response>"
        );
    }

    #[test]
    fn a_key_is_waited_for_while_texts_are_said() {
        assert_eq!(
            gather_digit(&["Help & <go>", "Press 1."], "https://x.example/d?a=1&b=2", "Bye."),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>\
             <Gather numDigits=\"1\" timeout=\"10\" action=\"https://x.example/d?a=1&amp;b=2\" method=\"POST\">\
             <Say>Help &amp; &lt;go&gt;</Say><Say>Press 1.</Say></Gather><Say>Bye.</Say><Hangup/></Response>"
        );
        assert!(redirect("https://x.example/?a=1&b").ends_with("https://x.example/?a=1&amp;b</Redirect></Response>"));
        assert!(say_and_hang_up(&["Bye."]).ends_with("<Response><Say>Bye.</Say><Hangup/></Response>"));
    }

    #[rstest]
    #[case::markup("<a b=\"c\">&'", "&lt;a b=&quot;c&quot;&gt;&amp;&apos;")]
    #[case::line_breaks("a\r\n\tb", "a&#13;&#10;&#9;b")]
    #[case::control_characters("a\u{0}\u{b}\u{fffe}b", "ab")]
    #[case::unicode("ñ😀", "ñ😀")]
    fn what_is_markup_is_escaped_and_what_is_no_xml_is_dropped(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(escape(text), expected);
    }

    /// What a parser reads from escaped text; `None` if it contains markup or a bare ampersand.
    fn unescape(text: &str) -> Option<String> {
        let mut parts = text.split('&');
        let mut read = parts.next()?.to_owned();
        for part in parts {
            let (reference, rest) = part.split_once(';')?;
            read.push(match reference {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                number => char::from_u32(number.strip_prefix('#')?.parse().ok()?)?,
            });
            read.push_str(rest);
        }
        (!text.contains(['<', '>', '"'])).then_some(read)
    }

    proptest! {
        #[test]
        fn a_dial_is_well_formed_whatever_it_is_given(number in any::<String>(), action in any::<String>()) {
            let document = dial(&plain(&number, &action));
            let inner = document
                .strip_prefix(r#"<?xml version="1.0" encoding="UTF-8"?><Response><Dial timeout="20" action=""#)
                .and_then(|rest| rest.strip_suffix("</Number></Dial></Response>"))
                .and_then(|rest| rest.split_once(r#"" method="POST"><Number>"#));
            let (attribute, text) = inner.unwrap();
            let legal = |text: &str| text.chars().filter(|c| is_xml(*c)).collect::<String>();
            prop_assert_eq!(unescape(attribute), Some(legal(&action)));
            prop_assert_eq!(unescape(text), Some(legal(&number)));
        }
    }
}
