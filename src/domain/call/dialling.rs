//! How a call is put through: which phone rings next, for how long it may ring in all, and what a phone is asked before it
//! is connected.

use std::time::Duration;

use crate::domain::emergency::Language;
use crate::domain::phone::PhoneNumber;
use crate::text_enum;

/// The key that takes a screened call.
pub const TAKES: &str = "1";
/// For how long the key is waited for after the question. A person has to take the phone from the ear.
pub const KEY_TIMEOUT: Duration = Duration::from_secs(7);
/// The most time that a screened phone takes once it has answered: the question, and the wait for the key.
const SCREENED_FOR: Duration = Duration::from_secs(20);

text_enum! {
    /// In which order the phones of a business ring.
    pub enum Ring {
        /// One after the other.
        InTurn = "in_turn",
    }
}

/// One of the dials of a call, as the URLs of the dial say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Which phone it rings; the first is 1.
    pub number: u32,
    /// How many phones there were when the call began.
    pub of: u32,
    /// Whether the phone is asked for a key before it is connected.
    pub is_screened: bool,
}

impl Attempt {
    /// The dial of a business with one phone and without screening.
    pub const ONLY: Self = Self { number: 1, of: 1, is_screened: false };

    /// The dial of the next phone, if the caller still waits, nobody was connected, and there is one.
    pub fn next(self, result: &DialResult<'_>) -> Option<Self> {
        let goes_on = !result.caller_is_gone() && !result.was_connected() && self.number < self.of;
        goes_on.then_some(Self { number: self.number + 1, ..self })
    }
}

/// The result of a dial, in Twilio's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DialResult<'a> {
    /// `DialCallStatus`.
    pub dial_status: &'a str,
    /// `DialBridged`, if present.
    pub bridged: Option<bool>,
    /// `CallStatus`: the status of the caller's own call, if present.
    pub call_status: Option<&'a str>,
}

impl DialResult<'_> {
    /// Whether a phone answered and was connected with the caller, for all that Twilio says.
    pub fn was_connected(&self) -> bool {
        matches!(self.dial_status, "completed" | "answered") && self.bridged != Some(false)
    }

    fn caller_is_gone(&self) -> bool {
        let is_over = |status: &str| matches!(status, "completed" | "busy" | "failed" | "no-answer" | "canceled");
        self.dial_status == "canceled" || self.call_status.is_some_and(is_over)
    }
}

/// For how long a call may ring before its last result comes.
pub fn rings_for(dial_timeout: Duration, phones: u32, is_screened: bool) -> Duration {
    let screened_for = if is_screened { SCREENED_FOR } else { Duration::ZERO };
    (dial_timeout + screened_for) * phones.max(1)
}

/// What a screened phone hears.
pub fn question(business_name: &str, language: Language) -> String {
    match language {
        Language::En => format!("Call for {business_name}. Press 1 to take it."),
        Language::Es => format!("Llamada para {business_name}. Oprima 1 para contestar."),
    }
}

/// The phone that rings in this attempt; `None` if there are fewer by now.
pub fn phone_of<'a>(mut phones: impl Iterator<Item = &'a PhoneNumber>, attempt: Attempt) -> Option<&'a PhoneNumber> {
    phones.nth(usize::try_from(attempt.number.checked_sub(1)?).ok()?)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::nobody_answered("no-answer", Some(false), Some("in-progress"), Some(2))]
    #[case::busy("busy", None, None, Some(2))]
    #[case::no_such_phone("failed", Some(false), Some("ringing"), Some(2))]
    #[case::hung_up_by_the_question("completed", Some(false), Some("in-progress"), Some(2))]
    #[case::connected("completed", Some(true), Some("in-progress"), None)]
    #[case::connected_by_its_older_word("answered", None, None, None)]
    #[case::perhaps_connected("completed", None, Some("in-progress"), None)]
    #[case::the_caller_has_hung_up("canceled", Some(false), Some("in-progress"), None)]
    #[case::the_caller_has_hung_up_by_the_calls_status("no-answer", Some(false), Some("completed"), None)]
    fn the_next_phone_rings_while_the_caller_waits_and_nobody_is_connected(
        #[case] dial_status: &str,
        #[case] bridged: Option<bool>,
        #[case] call_status: Option<&str>,
        #[case] next: Option<u32>,
    ) {
        let first = Attempt { number: 1, of: 2, is_screened: true };
        let result = DialResult { dial_status, bridged, call_status };
        assert_eq!(first.next(&result), next.map(|number| Attempt { number, ..first }));
        let last = Attempt { number: 2, ..first };
        assert_eq!(last.next(&result), None);
    }

    #[rstest]
    #[case::one(1, false, 20)]
    #[case::three(3, false, 60)]
    #[case::one_screened(1, true, 40)]
    #[case::two_screened(2, true, 80)]
    #[case::an_older_edge(0, false, 20)]
    fn a_call_rings_for_all_of_its_phones(#[case] phones: u32, #[case] is_screened: bool, #[case] seconds: u64) {
        assert_eq!(rings_for(Duration::from_secs(20), phones, is_screened), Duration::from_secs(seconds));
    }
}
