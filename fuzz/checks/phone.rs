//! Phone numbers: a text, and for the key of a conversation a second one after a line break.

use nevermisscall::internals::{PhoneNumber, conversation_key};

/// Nothing panics; a text of the right shape is kept as it is, any other is refused; keys distinguish pairs
/// and reveal none.
pub fn check(data: &[u8]) {
    let both = super::text(data);
    let (business, customer) = both.split_once('\n').unwrap_or((&both, ""));
    for text in [&both, business, customer] {
        number(text);
    }

    let key = conversation_key(business, customer);
    assert!(key.len() == 32 && key.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{key}");
    if business != customer && !both.contains('\0') {
        assert_ne!(conversation_key(customer, business), key, "both sides are alike");
    }
    if let Some(first) = customer.chars().next().filter(|first| *first != '\0') {
        let moved = conversation_key(&format!("{business}{first}"), &customer[first.len_utf8()..]);
        assert_ne!(moved, key, "the boundary between the two is not told");
    }
}

fn number(text: &str) {
    let digits = text.strip_prefix('+').unwrap_or_default();
    let is_number = (7..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    let parsed = text.parse::<PhoneNumber>();
    assert_eq!(parsed.is_ok(), is_number, "{text:?}");
    let json = serde_json::to_string(text).expect("a text");
    assert_eq!(serde_json::from_str::<PhoneNumber>(&json).ok(), parsed.clone().ok());
    let Ok(parsed) = parsed else { return };
    assert_eq!((parsed.as_str(), parsed.to_string().as_str()), (text, text));
    assert_eq!(serde_json::to_string(&parsed).ok(), Some(json));
    let (hidden, shown) = text.split_at(text.len() - 2);
    assert_eq!(parsed.masked(), format!("+{}{shown}", "*".repeat(hidden.len() - 1)));
    assert_eq!(format!("{parsed:?}"), format!("PhoneNumber({})", parsed.masked()), "debug output shows a number");
}
