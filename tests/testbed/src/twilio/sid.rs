//! Twilio's identifiers: two letters and 32 hexadecimal digits.

/// A random call SID, `CA…`.
pub fn new_call_sid() -> String {
    sid("CA", rand::random())
}

/// A random message SID, `SM…`.
pub fn new_message_sid() -> String {
    sid("SM", rand::random())
}

/// A random SID of a message with attachments, `MM…`.
pub fn new_mms_sid() -> String {
    sid("MM", rand::random())
}

/// A random attachment SID, `ME…`.
pub(super) fn new_media_sid() -> String {
    sid("ME", rand::random())
}

/// A random account SID, `AC…`.
pub fn new_account_sid() -> String {
    sid("AC", rand::random())
}

pub(super) fn sid(prefix: &str, number: u128) -> String {
    format!("{prefix}{number:032x}")
}
