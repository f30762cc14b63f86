//! Twilio's identifiers: two letters and 32 hexadecimal digits.

/// A random call's SID, `CA…`.
pub fn new_call_sid() -> String {
    sid("CA", rand::random())
}

/// A random message's SID, `SM…`.
pub fn new_message_sid() -> String {
    sid("SM", rand::random())
}

/// A random SID of a message with attachments, `MM…`.
pub fn new_mms_sid() -> String {
    sid("MM", rand::random())
}

/// A random attachment's SID, `ME…`.
pub(super) fn new_media_sid() -> String {
    sid("ME", rand::random())
}

/// A random account's SID, `AC…`.
pub fn new_account_sid() -> String {
    sid("AC", rand::random())
}

pub(super) fn sid(prefix: &str, number: u128) -> String {
    format!("{prefix}{number:032x}")
}
