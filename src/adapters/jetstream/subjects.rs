//! The subjects that streams, publishers and consumers agree on (docs/contract.md, section 5), in one place.
//!
//! A subject never contains a phone number: conversations are identified by their id, webhooks by a CallSid, a hash of
//! the two numbers, or our message id.

use uuid::Uuid;

use crate::webhook::WebhookKind;

use crate::domain::conversation::Priority;

/// The subject on which a timer is armed. The timer is a scheduled message; the next one on the same subject replaces
/// it.
pub fn window_arm(conversation_id: Uuid) -> String {
    format!("nmc.window.arm.{conversation_id}")
}

/// The subject on which a timer fires.
pub fn window_due(conversation_id: Uuid) -> String {
    format!("nmc.window.due.{conversation_id}")
}

/// A window to analyze; each priority has its own queue.
pub fn analyze(conversation_id: Uuid, priority: Priority) -> String {
    format!("nmc.task.analyze{}.{conversation_id}", queue_suffix(priority))
}

/// A message to send; each priority has its own queue.
pub fn send_sms(conversation_id: Uuid, priority: Priority) -> String {
    format!("nmc.task.send_sms{}.{conversation_id}", queue_suffix(priority))
}

/// A call to place in an emergency.
pub fn ring(conversation_id: Uuid) -> String {
    format!("nmc.task.ring.{conversation_id}")
}

/// The suffix of the subjects and consumers of a priority.
fn queue_suffix(priority: Priority) -> &'static str {
    match priority {
        Priority::Normal => "",
        Priority::Urgent => "_urgent",
    }
}

/// A copy of a webhook for the express lane, which does not wait in the main queue.
pub fn express(kind: WebhookKind, key: &str) -> String {
    format!("nmc.task.express.{kind}.{}", token(key))
}

/// An event. Without a conversation, the subject ends in `_`.
pub fn event(event_type: &str, conversation_id: Option<Uuid>) -> String {
    match conversation_id {
        Some(id) => format!("nmc.event.{event_type}.{id}"),
        None => format!("nmc.event.{event_type}._"),
    }
}

/// The event of a probe. It ends in the probe's id, so that the edge finds it.
pub fn probed(probe_id: &str) -> String {
    format!("{PROBED}{}", token(probe_id))
}

/// Whether this is the subject of a probe's event, which no subscriber needs and no figure counts.
pub fn is_probed(subject: &str) -> bool {
    subject.starts_with(PROBED)
}

/// All events of probes.
pub const ALL_PROBED: &str = "nmc.event.service.probed.>";
const PROBED: &str = "nmc.event.service.probed.";

/// A filter for the events of the same conversation as this one; without a conversation, for all such events. An event
/// type consists of two tokens.
pub fn events_like(subject: &str) -> String {
    format!("nmc.event.*.*.{}", subject.rsplit('.').next().unwrap_or_default())
}

/// What the sequence of an event counts within: the id of a conversation or a call, a business, or a service, as in the
/// header `ce-subject`. Without the header, the event's subject.
pub fn event_scope<'a>(ce_subject: Option<&'a str>, subject: &'a str) -> &'a str {
    ce_subject.unwrap_or(subject)
}

/// A validated webhook.
pub fn inbound(kind: WebhookKind, key: &str) -> String {
    format!("nmc.inbound.{kind}.{}", token(key))
}

/// Whether this is the subject of a validated webhook.
pub fn is_inbound(subject: &str) -> bool {
    subject.starts_with("nmc.inbound.")
}

/// A dead letter.
pub fn dead(reason: &str) -> String {
    format!("nmc.dead.{}", token(reason))
}

/// Twilio's ids are plain words, but they come from outside: characters that a subject token cannot contain are
/// replaced.
fn token(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' })
        .take(64)
        .collect();
    if plain.is_empty() { "_".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::a_sid("CA0123", "nmc.inbound.call.CA0123")]
    #[case::wildcards_and_dots("a.b*>", "nmc.inbound.call.a_b__")]
    #[case::nothing("", "nmc.inbound.call._")]
    fn a_key_from_outside_becomes_one_plain_token(#[case] key: &str, #[case] subject: &str) {
        assert_eq!(inbound(WebhookKind::Call, key), subject);
    }
}
