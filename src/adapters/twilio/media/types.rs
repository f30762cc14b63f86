//! The content types that an attachment may have.
//!
//! Twilio's own list is at <https://www.twilio.com/docs/messaging/guides/accepted-mime-types> (as of July 2026).

/// Whole families, because phones send more of their types than the list names: `image/x-ms-bmp`, `audio/x-wav`.
const FAMILIES: [&str; 3] = ["image", "audio", "video"];

/// An image type that may contain scripts. It is not in Twilio's list.
const SCRIPTABLE: &str = "image/svg+xml";

/// All other types in the list, and plain text, which phones use for texts that are too long for an SMS.
const DOCUMENTS: [&str; 17] = [
    "application/msword",
    "application/pdf",
    "application/vcard",
    "application/vnd.apple.pkpass",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "text/calendar",
    "text/csv",
    "text/directory",
    "text/plain",
    "text/richtext",
    "text/rtf",
    "text/vcard",
    "text/x-vcard",
];

/// Whether an attachment of this content type is served; parameters are ignored.
pub(super) fn is_carried(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let of_family =
        essence.split_once('/').is_some_and(|(family, kind)| FAMILIES.contains(&family) && !kind.is_empty());
    (of_family && essence != SCRIPTABLE) || DOCUMENTS.contains(&essence.as_str())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::a_picture("image/jpeg", true)]
    #[case::a_picture_of_a_newer_phone("image/heic", true)]
    #[case::a_voice_message("audio/ogg; codecs=opus", true)]
    #[case::a_video("video/3gpp", true)]
    #[case::a_card("text/x-vCard; charset=utf-8", true)]
    #[case::a_document("application/pdf", true)]
    #[case::a_picture_with_scripts("image/svg+xml", false)]
    #[case::a_picture_with_scripts_in_other_letters("Image/SVG+XML; charset=utf-8", false)]
    #[case::a_page("text/html", false)]
    #[case::json("application/json", false)]
    #[case::anything("application/octet-stream", false)]
    #[case::a_family_alone("image/", false)]
    #[case::nothing("", false)]
    fn only_what_twilio_carries_is_handed_on(#[case] content_type: &str, #[case] carried: bool) {
        assert_eq!(is_carried(content_type), carried);
    }
}
