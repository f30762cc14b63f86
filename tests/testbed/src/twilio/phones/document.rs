//! Reads a TwiML document, and refuses what Twilio refuses: an unknown verb or attribute, a verb in the wrong place, text
//! where none belongs, values out of range, and URLs that are not absolute.

use roxmltree::{Document as Xml, Node};

use super::super::check::{is_e164, is_http};
use super::verbs::{Dial, Gather, Verb};

/// A larger document is refused.
const MAX_BYTES: usize = 64 * 1024;

/// The attributes that each verb may have, by Twilio's documentation of it.
const ATTRIBUTES: &[(&str, &[&str])] = &[
    ("Say", &["voice", "loop", "language"]),
    ("Pause", &["length"]),
    ("Play", &["loop", "digits"]),
    ("Hangup", &[]),
    ("Reject", &["reason"]),
    ("Redirect", &["method"]),
    (
        "Gather",
        &[
            "action",
            "method",
            "timeout",
            "numDigits",
            "finishOnKey",
            "actionOnEmptyResult",
            "input",
            "language",
            "hints",
            "partialResultCallback",
            "partialResultCallbackMethod",
            "bargeIn",
            "profanityFilter",
            "speechTimeout",
            "enhanced",
            "speechModel",
            "debug",
        ],
    ),
    (
        "Dial",
        &[
            "action",
            "method",
            "timeout",
            "hangupOnStar",
            "timeLimit",
            "callerId",
            "record",
            "trim",
            "recordingStatusCallback",
            "recordingStatusCallbackMethod",
            "recordingStatusCallbackEvent",
            "answerOnBridge",
            "ringTone",
            "recordingTrack",
            "sequential",
            "referUrl",
            "referMethod",
            "events",
        ],
    ),
    (
        "Number",
        &[
            "sendDigits",
            "url",
            "method",
            "statusCallbackEvent",
            "statusCallback",
            "statusCallbackMethod",
            "byoc",
            "machineDetection",
        ],
    ),
];

/// The events of a call that a callback may report.
const EVENTS: &[&str] = &["initiated", "ringing", "answered", "completed"];

/// Reads a document. `may_dial` is false where Twilio does not dial: in a document of `<Number url>`.
pub(super) fn read(text: &str, may_dial: bool) -> Result<Vec<Verb>, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("it has {} bytes; at most {MAX_BYTES} are allowed", text.len()));
    }
    let xml = Xml::parse(text).map_err(|error| format!("it is not XML: {error}"))?;
    let root = xml.root_element();
    if root.tag_name().name() != "Response" || root.attributes().len() > 0 {
        return Err("its root is not <Response>".to_owned());
    }
    let verbs: Vec<Verb> = elements(root)?.into_iter().map(verb).collect::<Result<_, _>>()?;
    for (n, verb) in verbs.iter().enumerate() {
        match verb {
            Verb::Reject(_) if n > 0 => return Err("<Reject> is not the first verb: it would not be played".to_owned()),
            Verb::Dial(_) if !may_dial => return Err("<Dial> in a document of <Number url>".to_owned()),
            _ if verb.is_last() && n + 1 < verbs.len() => {
                return Err(format!("no verb is played after {}", verb.name()));
            }
            _ => {}
        }
    }
    Ok(verbs)
}

/// The elements in an element that has no text of its own.
fn elements<'a, 'input>(node: Node<'a, 'input>) -> Result<Vec<Node<'a, 'input>>, String> {
    let is_text = |child: &Node<'_, '_>| child.is_text() && child.text().is_some_and(|text| !text.trim().is_empty());
    match node.children().find(is_text) {
        Some(_) => Err(format!("there is text in <{}>", node.tag_name().name())),
        None => Ok(node.children().filter(Node::is_element).collect()),
    }
}

fn verb(node: Node<'_, '_>) -> Result<Verb, String> {
    let name = node.tag_name().name();
    check_attributes(node)?;
    match name {
        "Say" => Ok(Verb::Say(text_of(node)?)),
        "Play" => text_of(node).map(|_| Verb::Pause(1.0)),
        "Pause" => Ok(Verb::Pause(f64::from(whole(node, "length", 1..=3_600)?.unwrap_or(1)))),
        "Hangup" => Ok(Verb::Hangup),
        "Reject" => match node.attribute("reason").unwrap_or("rejected") {
            reason @ ("rejected" | "busy") => Ok(Verb::Reject(reason.to_owned())),
            reason => Err(format!("<Reject reason=\"{reason}\">")),
        },
        "Redirect" => Ok(Verb::Redirect(absolute(&text_of(node)?, "<Redirect>")?)),
        "Gather" => gather(node).map(Verb::Gather),
        "Dial" => dial(node).map(Verb::Dial),
        _ => Err(format!("<{name}> is not a verb here")),
    }
}

fn check_attributes(node: Node<'_, '_>) -> Result<(), String> {
    let name = node.tag_name().name();
    let Some((_, known)) = ATTRIBUTES.iter().find(|(verb, _)| *verb == name) else {
        return Err(format!("<{name}> is not a verb that the simulated phones know"));
    };
    if let Some(unknown) = node.attributes().find(|attribute| !known.contains(&attribute.name())) {
        return Err(format!("<{name}> has no attribute {}", unknown.name()));
    }
    match node.attribute("method") {
        None | Some("POST") => Ok(()),
        Some(method) => Err(format!("<{name} method=\"{method}\">: this service is only posted to")),
    }
}

fn gather(node: Node<'_, '_>) -> Result<Gather, String> {
    if node.attribute("input").is_some_and(|input| input != "dtmf") {
        return Err("<Gather input>: the simulated phones only press keys".to_owned());
    }
    let prompt: Vec<Verb> = elements(node)?.into_iter().map(verb).collect::<Result<_, _>>()?;
    if prompt.iter().any(|verb| !matches!(verb, Verb::Say(_) | Verb::Pause(_))) {
        return Err("only <Say>, <Play> and <Pause> may be in <Gather>".to_owned());
    }
    // Without an action the document itself is requested again, for ever if nobody hangs up.
    let action = node.attribute("action").ok_or("<Gather> has no action")?;
    Ok(Gather {
        action: absolute(action, "<Gather action>")?,
        timeout: f64::from(whole(node, "timeout", 0..=600)?.unwrap_or(5)),
        digits: whole(node, "numDigits", 1..=64)?,
        on_empty: flag(node, "actionOnEmptyResult")?,
        prompt,
    })
}

fn dial(node: Node<'_, '_>) -> Result<Dial, String> {
    flag(node, "hangupOnStar")?;
    let mut numbers = node.children().filter(Node::is_element);
    let (number, url, status_callback, events) = match (numbers.next(), numbers.next()) {
        (None, _) => (text_of(node)?, None, None, Vec::new()),
        (Some(number), None) if number.tag_name().name() == "Number" => {
            elements(node)?;
            check_attributes(number)?;
            let url = number.attribute("url").map(|url| absolute(url, "<Number url>")).transpose()?;
            let callback = number.attribute("statusCallback");
            let callback = callback.map(|url| absolute(url, "<Number statusCallback>")).transpose()?;
            (text_of(number)?, url, callback, events(number)?)
        }
        (Some(other), None) => return Err(format!("<{}> in <Dial>", other.tag_name().name())),
        (Some(_), Some(_)) => return Err("the simulated phones are rung one at a time".to_owned()),
    };
    if !is_e164(number.trim()) {
        return Err(format!("<Number> is not a phone number: {number}"));
    }
    if let Some(caller_id) = node.attribute("callerId").filter(|number| !is_e164(number)) {
        return Err(format!("<Dial callerId=\"{caller_id}\">"));
    }
    Ok(Dial {
        number: number.trim().to_owned(),
        url,
        status_callback,
        events,
        action: node.attribute("action").map(|action| absolute(action, "<Dial action>")).transpose()?,
        timeout: f64::from(whole(node, "timeout", 1..=600)?.unwrap_or(30)),
        time_limit: f64::from(whole(node, "timeLimit", 1..=86_400)?.unwrap_or(14_400)),
        caller_id: node.attribute("callerId").map(str::to_owned),
        answer_on_bridge: flag(node, "answerOnBridge")?,
    })
}

/// The events of `statusCallbackEvent`; by default only the end.
fn events(node: Node<'_, '_>) -> Result<Vec<String>, String> {
    let named = node.attribute("statusCallbackEvent").unwrap_or("completed");
    named.split_whitespace().map(|event| event_of(event, "<Number statusCallbackEvent>")).collect()
}

/// An event of a call by its name.
pub(super) fn event_of(name: &str, place: &str) -> Result<String, String> {
    if EVENTS.contains(&name) { Ok(name.to_owned()) } else { Err(format!("{place} has no event {name}")) }
}

fn text_of(node: Node<'_, '_>) -> Result<String, String> {
    match node.children().find(Node::is_element) {
        Some(inner) => Err(format!("<{}> in <{}>", inner.tag_name().name(), node.tag_name().name())),
        None => Ok(node.text().unwrap_or_default().trim().to_owned()),
    }
}

fn whole(node: Node<'_, '_>, name: &str, range: std::ops::RangeInclusive<u32>) -> Result<Option<u32>, String> {
    let Some(text) = node.attribute(name) else { return Ok(None) };
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.map(Some).ok_or_else(|| format!("<{} {name}=\"{text}\">", node.tag_name().name()))
}

fn flag(node: Node<'_, '_>, name: &str) -> Result<bool, String> {
    match node.attribute(name).unwrap_or("false") {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("<{} {name}=\"{other}\">", node.tag_name().name())),
    }
}

/// Twilio accepts relative URLs, too. A service behind a proxy must not use them: they depend on the URL that was called.
fn absolute(url: &str, place: &str) -> Result<String, String> {
    if is_http(url) { Ok(url.to_owned()) } else { Err(format!("{place} is not an absolute URL: {url}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(inner: &str, may_dial: bool) -> Option<String> {
        read(&format!("<Response>{inner}</Response>"), may_dial).err()
    }

    #[test]
    fn what_twilio_plays_is_played() {
        for inner in [
            "",
            r#"<Dial timeout="20" action="https://x.example/a" method="POST"><Number>+14155550100</Number></Dial>"#,
            r#"<Dial answerOnBridge="true"><Number url="https://x.example/b">+14155550100</Number></Dial><Say>x</Say>"#,
            r#"<Gather numDigits="1" timeout="8" action="https://x.example/a"><Say>Press 1</Say></Gather><Hangup/>"#,
            r#"<Reject reason="busy"/>"#,
        ] {
            assert_eq!(refused(inner, true), None, "{inner}");
        }
    }

    #[test]
    fn what_twilio_refuses_is_refused() {
        for inner in [
            "<Shout/>",
            r#"<Say loudness="9">x</Say>"#,
            "<hangup/>",
            "hello",
            "<Say><Hangup/></Say>",
            r#"<Gather action="https://x.example/a"><Hangup/></Gather>"#,
            r#"<Gather numDigits="1"/>"#,
            r#"<Gather action="/a"/>"#,
            r#"<Dial><Number url="/a">+14155550100</Number></Dial>"#,
            "<Number>+14155550100</Number>",
            "<Dial>five</Dial>",
            r#"<Dial timeout="long">+14155550100</Dial>"#,
            r#"<Dial action="https://x.example/a">+14155550100</Dial><Say>x</Say>"#,
            "<Hangup/><Say>x</Say>",
            "<Say>x</Say><Reject/>",
            r#"<Dial><Number statusCallbackEvent="over">+14155550100</Number></Dial>"#,
        ] {
            assert!(refused(inner, true).is_some(), "{inner}");
        }
    }

    #[test]
    fn the_document_of_a_number_must_not_dial() {
        assert!(refused("<Dial>+14155550100</Dial>", false).is_some());
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for text in ["<Answer/>", "<Response><Hangup></Response>", " <?xml version=\"1.0\"?><Response/>", ""] {
            assert!(read(text, true).is_err(), "{text}");
        }
    }
}
