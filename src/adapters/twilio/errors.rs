//! Explanations of Twilio's error codes (<https://www.twilio.com/docs/api/errors>). Codes that are not listed have
//! none.

const CODES: [(u32, &str); 26] = [
    (14107, "More than 30 replies in quick succession between the two numbers, perhaps with another automatic system."),
    (20003, "Twilio does not accept the account's SID and auth token."),
    (20429, "Too many requests to Twilio at once."),
    (21211, "The customer's number is not a valid phone number."),
    (21408, "The account is not allowed to send SMS to the customer's region."),
    (21602, "The message has no text."),
    (21603, "The message has no sender."),
    (21604, "The message has no recipient."),
    (21606, "The business's number cannot send SMS from this account."),
    (21608, "A trial account sends only to verified numbers."),
    (21610, "The customer has opted out with STOP."),
    (21611, "The sender's queue at Twilio is full."),
    (21612, "Twilio cannot reach the customer's number from the business's number."),
    (21614, "The customer's number is not a mobile number."),
    (21617, "The message has more than 1600 characters."),
    (21635, "The customer's number is a landline."),
    (30001, "The message waited too long in Twilio's queue."),
    (30003, "The customer's phone is off or out of reach."),
    (30004, "The customer's phone or carrier blocks the message."),
    (30005, "The customer's number is unknown or no longer in service."),
    (30006, "The customer's number is a landline, or its carrier cannot be reached."),
    (30007, "The carrier filtered the message as unwanted."),
    (30008, "The carrier did not deliver the message and gave no reason."),
    (30022, "The rate that carriers allow this 10DLC campaign is exceeded."),
    (30023, "The daily number of messages that carriers allow this 10DLC brand is reached."),
    (30034, "The business's number is not registered for 10DLC."),
];

/// The codes that are explained.
pub fn codes() -> impl Iterator<Item = u32> {
    CODES.iter().map(|(code, _)| *code)
}

/// Explains an error code in plain words.
pub fn explain(code: impl Into<i64>) -> Option<&'static str> {
    let code = u32::try_from(code.into()).ok()?;
    CODES.iter().find(|(known, _)| *known == code).map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_explained_once_in_ascending_order() {
        assert!(CODES.is_sorted_by(|one, two| one.0 < two.0));
        assert!(explain(30034).is_some_and(|words| words.contains("10DLC")));
        assert_eq!(explain(1), None);
    }
}
