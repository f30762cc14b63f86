//! An emergency: nobody waits for a window. DispatchBot is asked at once, and where it does not answer in time, the
//! business's emergency text goes out.

use serde_json::{Value, json};

use super::window::{claim, overtake};
use crate::conversation::decision::{Draft, Urgent};
use crate::conversation::event::EventType;
use crate::conversation::input::Context;
use crate::conversation::state::{OpenWindow, Ownership};

/// An emergency was seen, in the customer's words or by DispatchBot. It is told once in a conversation; `true` where this
/// was the time.
pub(in crate::conversation) fn seen(draft: &mut Draft<'_>, why: Value) -> bool {
    draft.state().urgency_level = Some("emergency".to_owned());
    if draft.state().emergency_detected {
        return false;
    }
    draft.state().emergency_detected = true;
    draft.emit(EventType::EmergencyDetected, why);
    true
}

/// The customer's words tell of an emergency: the first such text closes its window at once, whoever was expected to
/// answer, unless a person owns the conversation. `true` where the window was claimed; it is handed back otherwise.
pub(in crate::conversation) fn told(
    context: Context<'_>,
    draft: &mut Draft<'_>,
    window: OpenWindow,
    why: Value,
) -> Option<OpenWindow> {
    // What was computed before is an answer to something else.
    draft.state().hard_epoch += 1;
    let first = seen(draft, why);
    if !first || draft.state().ownership == Ownership::User {
        return Some(window);
    }
    if let Some(answering) = draft.state().answering.clone() {
        overtake(draft, &answering);
    }
    claim(context.policy, draft, &window, Urgent::Emergency);
    None
}

/// Why the words were taken for an emergency, for the event.
pub(in crate::conversation) fn by_words(rule: &str, words: &[String]) -> Value {
    json!({ "by": "words", "rule": rule, "words": words })
}
