//! TwiML: a number, an action URL and the URL of a document for the phone, with zero bytes between them.

use std::time::Duration;

use nevermisscall::internals::twiml;
use roxmltree::Document;

/// Twilio refuses longer documents.
const LONGEST: usize = 64_000;

/// For any input, the document is well-formed XML, and the number and the URL are read back unchanged.
pub fn check(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == 0).map(super::text);
    let (number, action) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let screen = parts.next();
    let timeout = Duration::from_millis(super::choice(data) as u64);

    let document = twiml::dial(&twiml::Dial {
        number: &number,
        timeout,
        action: &action,
        answer_on_bridge: screen.is_some(),
        screen: screen.as_deref(),
    });
    assert!(document.starts_with("<?xml "), "something comes before the declaration");
    let document = Document::parse(&document).unwrap_or_else(|error| panic!("{error} in {document}"));
    let response = document.root_element();
    assert_eq!(response.tag_name().name(), "Response");
    let [dial] = elements(response)[..] else { panic!("{response:?} has another verb") };
    assert_eq!(dial.tag_name().name(), "Dial");
    assert_eq!(dial.attributes().len(), if screen.is_some() { 4 } else { 3 });
    assert_eq!(dial.attribute("answerOnBridge"), screen.is_some().then_some("true"));
    assert_eq!(dial.attribute("timeout"), Some(timeout.as_secs().to_string().as_str()));
    assert_eq!(dial.attribute("method"), Some("POST"));
    assert_eq!(dial.attribute("action"), Some(legal(&action).as_str()));
    let [noun] = elements(dial)[..] else { panic!("{dial:?} has another noun") };
    assert_eq!(noun.tag_name().name(), "Number");
    assert_eq!(noun.attributes().len(), if screen.is_some() { 2 } else { 0 });
    assert_eq!(noun.attribute("url"), screen.as_deref().map(legal).as_deref());
    assert_eq!(noun.text().unwrap_or_default(), legal(&number));
    assert!(noun.descendants().skip(1).all(|node| node.is_text()), "{noun:?} holds more than text");

    asks(&number, &action, timeout);
    for (fixed, verbs) in [(twiml::empty(), 0), (twiml::reject(), 1), (twiml::hang_up(), 1)] {
        assert!(fixed.len() < LONGEST);
        let document = Document::parse(&fixed).expect("well-formed");
        assert_eq!(elements(document.root_element()).len(), verbs);
    }
}

/// The question to a phone holds the words and the URL unchanged.
fn asks(words: &str, action: &str, timeout: Duration) {
    let document = twiml::ask_for_key(words, Default::default(), timeout, action);
    let document = Document::parse(&document).unwrap_or_else(|error| panic!("{error} in {document}"));
    let [gather, hangup] = elements(document.root_element())[..] else { panic!("it has other verbs") };
    assert_eq!((gather.tag_name().name(), hangup.tag_name().name()), ("Gather", "Hangup"));
    assert_eq!(gather.attribute("action"), Some(legal(action).as_str()));
    let [say] = elements(gather)[..] else { panic!("{gather:?} has another verb") };
    assert_eq!(say.text().unwrap_or_default(), legal(words));
}

fn elements<'a, 'input>(node: roxmltree::Node<'a, 'input>) -> Vec<roxmltree::Node<'a, 'input>> {
    node.children().inspect(|child| assert!(child.is_element(), "{child:?} stands beside the elements")).collect()
}

/// The characters that XML 1.0 allows; the others cannot be written, not even as references.
fn legal(text: &str) -> String {
    let is_char =
        |c: &char| matches!(u32::from(*c), 0x9 | 0xA | 0xD | 0x20..=0xD7FF | 0xE000..=0xFFFD | 0x1_0000..=0x10_FFFF);
    text.chars().filter(is_char).collect()
}
