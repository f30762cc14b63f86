//! The answer of the server under test to a webhook, interpreted as Twilio does.

use reqwest::header::{CONTENT_TYPE, HeaderMap};

/// A complete HTTP answer.
#[derive(Clone, Debug)]
pub struct WebhookAnswer {
    /// HTTP status.
    pub status: u16,
    /// Response headers.
    pub headers: HeaderMap,
    /// Body as text: TwiML, the JSON of an error, or empty.
    pub body: String,
}

impl WebhookAnswer {
    pub(super) async fn read(response: reqwest::Response) -> reqwest::Result<Self> {
        Ok(Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await?,
        })
    }

    /// The body as JSON; `null` if it is not JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The content type without its parameters; empty if there is none.
    pub fn content_type(&self) -> &str {
        let value = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim()
    }

    /// The Twilio error that this answer causes if TwiML is expected: 11200 no or empty document, 11217 a 4xx or 5xx,
    /// 12300 wrong content type, 12100 not TwiML. `None` if Twilio accepts the answer.
    pub fn twiml_error(&self) -> Option<u32> {
        match self.status {
            400..=599 => return Some(11217),
            200 => {}
            _ => return Some(11200),
        }
        if self.body.is_empty() {
            Some(11200)
        } else if !matches!(self.content_type(), "text/xml" | "application/xml") {
            Some(12300)
        } else if !(self.body.starts_with("<?xml") || self.body.starts_with("<Response"))
            || !self.body.contains("<Response")
        {
            Some(12100)
        } else {
            None
        }
    }

    /// The `action` of the first `<Dial>`, unescaped.
    pub fn dial_action(&self) -> Option<String> {
        attribute(tag(&self.body, "Dial")?, "action")
    }

    /// The number in `<Dial>` or in its `<Number>`.
    pub fn dial_number(&self) -> Option<String> {
        let inside = self.body.split_once("<Dial")?.1.split_once('>')?.1.split_once("</Dial>")?.0;
        let number = match inside.split_once("<Number") {
            Some((_, number)) => number.split_once('>')?.1.split_once('<')?.0,
            None => inside,
        };
        Some(unescape(number.trim()))
    }
}

/// The content of the first start tag with this name.
fn tag<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let rest = xml.split_once(&format!("<{name}"))?.1;
    Some(rest.split_once('>')?.0)
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let rest = tag.split_once(&format!(" {name}="))?.1;
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    Some(unescape(rest[1..].split_once(quote)?.0))
}

fn unescape(text: &str) -> String {
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twiml(body: &str) -> WebhookAnswer {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, reqwest::header::HeaderValue::from_static("text/xml; charset=utf-8"));
        WebhookAnswer { status: 200, headers, body: body.to_owned() }
    }

    #[test]
    fn the_dial_is_read_out_of_the_twiml() {
        let answer = twiml(
            r#"<?xml version="1.0"?><Response><Dial timeout="20" action="https://x/y?a=1&amp;b=2"><Number url="u">+15555552222</Number></Dial></Response>"#,
        );
        assert_eq!(answer.dial_action().as_deref(), Some("https://x/y?a=1&b=2"));
        assert_eq!(answer.dial_number().as_deref(), Some("+15555552222"));
        assert_eq!(answer.twiml_error(), None);
        assert_eq!(
            twiml("<Response><Dial>+15555552222</Dial></Response>").dial_number().as_deref(),
            Some("+15555552222")
        );
    }

    #[test]
    fn an_empty_answer_is_an_error_to_twilio() {
        assert_eq!(twiml("").twiml_error(), Some(11200));
        assert_eq!(twiml(" <Response/>").twiml_error(), Some(12100));
        assert_eq!(WebhookAnswer { status: 429, ..twiml("<Response/>") }.twiml_error(), Some(11217));
    }
}
