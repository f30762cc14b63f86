//! Redis was told each event once, a conversation's in their sequence, and none is missing.

use std::collections::{HashMap, HashSet};

use super::{Evidence, Findings, Kind};

pub(super) fn check(evidence: &Evidence, findings: &mut Findings) {
    let mut seen = HashSet::new();
    let mut last = HashMap::new();
    for event in &evidence.events {
        findings.must(seen.insert(event.id.as_str()), Kind::Events, || {
            format!("{} {} is told twice", event.event_type, event.id)
        });
        let Some(conversation) = event.conversation else { continue };
        let before = last.insert(conversation, event.sequence).unwrap_or_default();
        findings.must(event.sequence == before + 1, Kind::Events, || {
            format!("{} of {conversation}: {} is told after {before}", event.event_type, event.sequence)
        });
    }
    for conversation in &evidence.conversations {
        let told = last.get(&conversation.id).copied().unwrap_or_default();
        findings.must(told == conversation.event_sequence, Kind::Events, || {
            format!(
                "{} has had {} events, and the last one told is {told}",
                conversation.id, conversation.event_sequence
            )
        });
    }
}
