//! The complete sets of parameters that Twilio posts.

/// Form parameters in the order in which they are posted.
pub type Params = Vec<(String, String)>;

fn owned(pairs: &[(&str, &str)]) -> Params {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn places(params: &mut Params, sides: &[&str]) {
    for side in sides {
        for (what, value) in [("City", "NEW YORK"), ("State", "NY"), ("Zip", "10001"), ("Country", "US")] {
            params.push((format!("{side}{what}"), value.to_owned()));
        }
    }
}

/// A call that reaches one of our numbers, in state `status` (normally `ringing`).
pub fn incoming_call(account_sid: &str, call_sid: &str, from: &str, to: &str, status: &str) -> Params {
    let mut params = owned(&[
        ("AccountSid", account_sid),
        ("ApiVersion", "2010-04-01"),
        ("CallSid", call_sid),
        ("CallStatus", status),
        ("Called", to),
        ("Caller", from),
        ("Direction", "inbound"),
        ("From", from),
        ("To", to),
    ]);
    places(&mut params, &["Called", "Caller", "From", "To"]);
    params
}

/// The result of a `<Dial action>`; `from` and `to` may be absent, as in the documentation's example.
pub fn dial_result(
    account_sid: &str,
    call_sid: &str,
    dial_call_sid: &str,
    dial_status: &str,
    from: Option<&str>,
    to: Option<&str>,
    duration_seconds: u32,
) -> Params {
    let answered = matches!(dial_status, "completed" | "answered");
    // Only a caller who has hung up has a completed call at this point.
    let call_status = if dial_status == "canceled" { "completed" } else { "in-progress" };
    let mut params = owned(&[
        ("AccountSid", account_sid),
        ("ApiVersion", "2010-04-01"),
        ("CallSid", call_sid),
        ("CallStatus", call_status),
        ("DialBridged", if answered { "true" } else { "false" }),
        ("DialCallSid", dial_call_sid),
        ("DialCallStatus", dial_status),
        ("Direction", "inbound"),
    ]);
    if answered {
        params.push(("DialCallDuration".to_owned(), duration_seconds.to_string()));
    }
    for (keys, number) in [(["From", "Caller"], from), (["To", "Called"], to)] {
        if let Some(number) = number {
            params.extend(keys.map(|key| (key.to_owned(), number.to_owned())));
        }
    }
    params
}

/// An SMS that reaches one of our numbers.
pub fn sms(account_sid: &str, message_sid: &str, from: &str, to: &str, body: &str) -> Params {
    let segments = super::super::segments(body).to_string();
    let mut params = owned(&[
        ("AccountSid", account_sid),
        ("ApiVersion", "2010-04-01"),
        ("Body", body),
        ("From", from),
        ("MessageSid", message_sid),
        ("NumMedia", "0"),
        ("NumSegments", &segments),
        ("SmsMessageSid", message_sid),
        ("SmsSid", message_sid),
        ("SmsStatus", "received"),
        ("To", to),
    ]);
    places(&mut params, &["From", "To"]);
    params
}

/// Attaches media to an SMS, each with its URL and content type.
pub fn attach(params: &mut Params, media: &[(String, String)]) {
    params.retain(|(key, _)| key != "NumMedia");
    params.push(("NumMedia".to_owned(), media.len().to_string()));
    for (n, (url, content_type)) in media.iter().enumerate() {
        params.push((format!("MediaUrl{n}"), url.clone()));
        params.push((format!("MediaContentType{n}"), content_type.clone()));
    }
}

/// The delivery status of a message that we sent; `error_code` with `undelivered` and `failed`.
pub fn message_status(
    account_sid: &str,
    message_sid: &str,
    from: &str,
    to: &str,
    status: &str,
    error_code: Option<u32>,
) -> Params {
    let mut params = owned(&[
        ("AccountSid", account_sid),
        ("ApiVersion", "2010-04-01"),
        ("From", from),
        ("MessageSid", message_sid),
        ("MessageStatus", status),
        ("SmsSid", message_sid),
        ("SmsStatus", status),
        ("To", to),
    ]);
    if let Some(code) = error_code {
        params.push(("ErrorCode".to_owned(), code.to_string()));
    }
    params
}
