//! Twilio's error codes in plain words, and what they mean for a second try.
//!
//! Fed with codes from answers and status callbacks; feeds whoever tells a person, or decides whether to try again. It
//! guarantees nothing about codes that it does not know: those are neither explained nor permanent.

use Again::{Later, Never};

/// Whether the same message to the same number can ever go out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    /// Not while the message, the numbers and the account's registration are as they are.
    Never,
    /// Once a rate has dropped, a phone is on again, or the account is put right.
    Later,
}

const OPTED_OUT: u32 = 21610;

const CODES: [(u32, Again, &str); 26] = [
    (14107, Later, "More than 30 replies in quick succession between the two numbers; another automatic system?"),
    (20003, Later, "Twilio does not accept the account's SID and auth token."),
    (20429, Later, "Too many requests to Twilio at once."),
    (21211, Never, "The customer's number is not a valid phone number."),
    (21408, Never, "The account is not allowed to send SMS to the customer's region."),
    (21602, Never, "The message has no text."),
    (21603, Never, "The message has no sender."),
    (21604, Never, "The message has no recipient."),
    (21606, Never, "The business's number cannot send SMS from this account."),
    (21608, Never, "A trial account sends only to verified numbers."),
    (OPTED_OUT, Never, "The customer has opted out with STOP."),
    (21611, Later, "The sender's queue at Twilio is full."),
    (21612, Never, "Twilio cannot reach the customer's number from the business's number."),
    (21614, Never, "The customer's number is not a mobile number."),
    (21617, Never, "The message has more than 1600 characters."),
    (21635, Never, "The customer's number is a landline."),
    (30001, Later, "The message waited too long in Twilio's queue."),
    (30003, Later, "The customer's phone is off or out of reach."),
    (30004, Never, "The customer's phone or carrier blocks the message."),
    (30005, Never, "The customer's number is unknown or no longer in service."),
    (30006, Never, "The customer's number is a landline, or its carrier cannot be reached."),
    (30007, Never, "The carrier has filtered the message as unwanted."),
    (30008, Later, "The carrier has not delivered the message and does not say why."),
    (30022, Later, "The rate that carriers allow this 10DLC campaign is exceeded."),
    (30023, Later, "The daily number of messages that carriers allow this 10DLC brand is reached."),
    (30034, Never, "The business's number is not registered for 10DLC."),
];

fn find(code: u32) -> Option<&'static (u32, Again, &'static str)> {
    CODES.iter().find(|(known, ..)| *known == code)
}

/// What the code means, for a person.
pub fn explain(code: impl Into<i64>) -> Option<&'static str> {
    find(u32::try_from(code.into()).ok()?).map(|(_, _, words)| *words)
}

/// Whether sending the same message again is pointless. An unknown code is not permanent.
pub fn is_permanent(code: u32) -> bool {
    find(code).is_some_and(|(_, again, _)| *again == Never)
}

/// Whether the customer has told Twilio that they want no more messages.
pub fn is_opt_out(code: u32) -> bool {
    code == OPTED_OUT
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::invalid_number(21211, true)]
    #[case::opted_out(21610, true)]
    #[case::landline(21635, true)]
    #[case::filtered(30007, true)]
    #[case::queue_full(21611, false)]
    #[case::phone_off(30003, false)]
    #[case::bad_credentials(20003, false)]
    #[case::unknown(99999, false)]
    fn a_permanent_error_is_not_worth_a_second_try(#[case] code: u32, #[case] permanent: bool) {
        assert_eq!(is_permanent(code), permanent);
    }

    #[test]
    fn each_code_is_explained_once_in_ascending_order() {
        assert!(CODES.is_sorted_by(|one, two| one.0 < two.0));
        assert!(explain(30034).is_some_and(|words| words.contains("10DLC")));
        assert_eq!(explain(1), None);
    }

    #[test]
    fn only_one_code_is_an_opt_out() {
        assert!(is_opt_out(21610) && !is_opt_out(21611));
    }
}
