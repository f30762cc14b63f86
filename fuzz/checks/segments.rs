//! Segments: the text of an SMS.

use nevermisscall::internals::sms_segments::count;

/// Nothing panics; texts whose alphabet is known beforehand are counted exactly, and a longer text never takes
/// fewer segments.
pub fn check(data: &[u8]) {
    let text = super::text(data);
    let segments = count(&text);
    assert!(segments >= 1);

    let beginning = &text[..text.floor_char_boundary(text.len() / 2)];
    assert!(count(beginning) <= segments, "the beginning takes more than the whole");

    // One letter outside of GSM-7 decides the alphabet of the whole text.
    let cyrillic = format!("{text}\u{436}");
    assert_eq!(count(&cyrillic), exactly(cyrillic.encode_utf16().count(), 70, 67));
    assert!(segments <= count(&cyrillic), "more than in the widest alphabet");

    let plain: String = text.chars().filter(|c| c.is_ascii_alphanumeric() || " \n.,!?".contains(*c)).collect();
    assert_eq!(count(&plain), exactly(plain.len(), 160, 153));
}

fn exactly(length: usize, single: usize, several: usize) -> u32 {
    if length <= single { 1 } else { u32::try_from(length.div_ceil(several)).unwrap_or(u32::MAX) }
}
