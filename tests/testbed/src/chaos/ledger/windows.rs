//! Every customer message is in one window, and every window ends: answered once, superseded by a later one, handed
//! over to a person, or unknown.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Evidence, Findings, Kind, Message, Step};
use crate::chaos::load::What;

pub(super) fn check(evidence: &Evidence, findings: &mut Findings) {
    messages(evidence, findings);
    ends(evidence, findings);
    successors(evidence, findings);
}

/// Only an opt-out and what follows it are in no window: messages received after it, or processed after it in the same
/// conversation.
fn messages(evidence: &Evidence, findings: &mut Findings) {
    let windows: HashMap<_, _> = evidence.windows.iter().map(|window| (window.id, window.conversation_id)).collect();
    let opt_outs = OptOuts::of(evidence);
    for text in evidence.texts() {
        let is_in_its_own = match text.window_id {
            Some(window) => windows.get(&window).copied() == text.conversation_id,
            None => opt_outs.precede(text),
        };
        findings.must(is_in_its_own, Kind::WindowOfMessage, || {
            format!("message {} of {:?} is in window {:?}", text.id, text.conversation_id, text.window_id)
        });
    }
}

/// Who has opted out, and when.
struct OptOuts<'a> {
    customers: HashMap<Uuid, &'a str>,
    /// The time at which each customer's first STOP was received.
    received: HashMap<&'a str, DateTime<Utc>>,
    /// The sequence of the first `conversation.opted_out` of each conversation.
    told: HashMap<Uuid, i64>,
    /// The sequence of the `message.received` of each text.
    texts: HashMap<Uuid, i64>,
}

impl<'a> OptOuts<'a> {
    fn of(evidence: &'a Evidence) -> Self {
        let conversations = evidence.conversations.iter();
        let customers: HashMap<_, _> = conversations.map(|c| (c.id, c.customer_phone.as_str())).collect();
        let stops = evidence.posted.iter().filter(|posted| posted.what == What::Text { stop: true });
        let stops: HashSet<_> = stops.map(|posted| posted.sid.as_str()).collect();
        let mut received = HashMap::new();
        for text in evidence.texts().filter(|text| text.twilio_sid.as_deref().is_some_and(|sid| stops.contains(sid))) {
            if let Some(customer) = text.conversation_id.and_then(|id| customers.get(&id)) {
                let first = received.entry(*customer).or_insert(text.created_at);
                *first = text.created_at.min(*first);
            }
        }
        let (mut told, mut texts) = (HashMap::new(), HashMap::new());
        for event in &evidence.events {
            match (event.event_type.as_str(), event.about, event.message) {
                ("conversation.opted_out", Some(about), _) => drop(told.entry(about).or_insert(event.sequence)),
                ("message.received", _, Some(message)) => drop(texts.insert(message, event.sequence)),
                _ => {}
            }
        }
        Self { customers, received, told, texts }
    }

    fn precede(&self, text: &Message) -> bool {
        let Some(conversation) = text.conversation_id else { return false };
        let received = self.customers.get(&conversation).and_then(|customer| self.received.get(customer));
        let processed = (self.told.get(&conversation), self.texts.get(&text.id));
        received.is_some_and(|stop| *stop <= text.created_at)
            || matches!(processed, (Some(out), Some(place)) if out < place)
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

/// A superseded window leaves no customer without an answer: another window of its conversation existed at that moment
/// and ended later (if that one was superseded, the same holds for it). The exception is an answer that was believed
/// stopped but had been sent.
fn successors(evidence: &Evidence, findings: &mut Findings) {
    let mut lives = HashMap::<_, Vec<&Step>>::new();
    for step in &evidence.steps {
        lives.entry(step.conversation_id).or_default().push(step);
    }
    for window in evidence.windows.iter().filter(|window| window.state == "superseded") {
        let life = lives.get(&window.conversation_id).map(Vec::as_slice).unwrap_or_default();
        let last = life.iter().rposition(|step| step.window_id == window.id);
        let followed = last.is_some_and(|at| {
            let (before, after) = (&life[..at], &life[at + 1..]);
            let ends = |id| after.iter().any(|step| step.window_id == id && is_an_end(&step.state));
            let mut others = before.iter().map(|step| step.window_id).filter(|id| *id != window.id);
            life[at].because == "sent after all" || others.any(ends)
        });
        findings.must(followed, Kind::WindowEnd, || {
            format!("window {} of {} is superseded, and nobody answers", window.id, window.conversation_id)
        });
    }
}

fn is_an_end(state: &str) -> bool {
    matches!(state, "answered" | "superseded" | "handed_over" | "unknown")
}
