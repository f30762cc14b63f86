//! Redis received each event once, in sequence within a conversation or a call, and none is missing.

use std::collections::{HashMap, HashSet};

use super::{Evidence, Findings, Kind};

pub(super) fn check(evidence: &Evidence, findings: &mut Findings) {
    let mut seen = HashSet::new();
    let mut last = HashMap::new();
    for event in &evidence.events {
        findings.must(seen.insert(event.id.as_str()), Kind::Events, || {
            format!("{} {} is told twice", event.event_type, event.id)
        });
        let Some(about) = event.about else { continue };
        let before = last.insert(about, event.sequence).unwrap_or_default();
        findings.must(event.sequence == before + 1, Kind::Events, || {
            format!("{} of {about}: {} is told after {before}", event.event_type, event.sequence)
        });
    }
    let conversations =
        evidence.conversations.iter().map(|conversation| (conversation.id, conversation.event_sequence));
    let calls = evidence.calls.iter().map(|call| (call.id, call.event_sequence));
    for (id, events) in conversations.chain(calls) {
        let told = last.get(&id).copied().unwrap_or_default();
        findings.must(told == events, Kind::Events, || {
            format!("{id} has had {events} events, and the last one told is {told}")
        });
    }
}
