//! Every customer message is in one window, and every window ends: answered once, superseded by one that comes after it,
//! handed over to a person, or unknown.

use std::collections::{HashMap, HashSet};

use super::{Evidence, Findings, Kind, Step};
use crate::chaos::load::What;

pub(super) fn check(evidence: &Evidence, findings: &mut Findings) {
    messages(evidence, findings);
    ends(evidence, findings);
    successors(evidence, findings);
}

/// Only an opt-out, and what follows one, is in no window.
fn messages(evidence: &Evidence, findings: &mut Findings) {
    let windows: HashMap<_, _> = evidence.windows.iter().map(|window| (window.id, window.conversation_id)).collect();
    let stops = evidence.posted.iter().filter(|posted| posted.what == What::Text { stop: true });
    let out: HashSet<_> = stops.map(|posted| posted.customer.as_str()).collect();
    let customers: HashMap<_, _> = evidence
        .conversations
        .iter()
        .map(|conversation| (conversation.id, conversation.customer_phone.as_str()))
        .collect();
    for text in evidence.texts() {
        let customer = text.conversation_id.and_then(|id| customers.get(&id).copied()).unwrap_or("nobody");
        let is_in_its_own = match text.window_id {
            Some(window) => windows.get(&window).copied() == text.conversation_id,
            None => out.contains(customer),
        };
        findings.must(is_in_its_own, Kind::WindowOfMessage, || {
            format!("message {} of {customer} is in window {:?}", text.id, text.window_id)
        });
    }
}

fn ends(evidence: &Evidence, findings: &mut Findings) {
    let at_twilio: HashSet<_> = evidence.accepted.iter().filter_map(|accepted| accepted.message).collect();
    let mut answers = HashMap::<_, u32>::new();
    for message in evidence.messages.iter().filter(|message| at_twilio.contains(&message.id)) {
        if let Some(window) = message.in_reply_to_window {
            *answers.entry(window).or_default() += 1;
        }
    }
    let unknown: HashSet<_> = evidence
        .messages
        .iter()
        .filter(|message| message.status == "unknown")
        .filter_map(|message| message.in_reply_to_window)
        .collect();
    for window in &evidence.windows {
        let count = answers.get(&window.id).copied().unwrap_or_default();
        let good = match window.state.as_str() {
            "answered" => count == 1,
            "superseded" | "handed_over" => count == 0 || (count == 1 && unknown.contains(&window.id)),
            "unknown" => count <= 1,
            _ => false,
        };
        findings.must(good, Kind::WindowEnd, || {
            format!("window {} of {} ends {} with {count} answers", window.id, window.conversation_id, window.state)
        });
    }
}

/// A superseded window leaves nobody in silence: a later step in its conversation answers, supersedes or hands over another
/// window, unless the answer that was taken for stopped had gone out.
fn successors(evidence: &Evidence, findings: &mut Findings) {
    let mut lives = HashMap::<_, Vec<&Step>>::new();
    for step in &evidence.steps {
        lives.entry(step.conversation_id).or_default().push(step);
    }
    for window in evidence.windows.iter().filter(|window| window.state == "superseded") {
        let life = lives.get(&window.conversation_id).map(Vec::as_slice).unwrap_or_default();
        let last = life.iter().rposition(|step| step.window_id == window.id);
        let followed = last.is_some_and(|at| {
            life[at].because == "sent after all"
                || life[at + 1..].iter().any(|step| step.window_id != window.id && is_an_end(&step.state))
                // The one that ends in its place may be written by the same decision, before it.
                || life[..at].iter().rev().take(1).any(|step| step.state == "answered")
        });
        findings.must(followed, Kind::WindowEnd, || {
            format!("window {} of {} is superseded, and nobody answers", window.id, window.conversation_id)
        });
    }
}

fn is_an_end(state: &str) -> bool {
    matches!(state, "answered" | "superseded" | "handed_over" | "unknown")
}
