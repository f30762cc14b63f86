//! An emergency told in words: nobody waits for a window. DispatchBot is asked at once, and where it does not answer in
//! time, the business's emergency text goes out.

use serde_json::{Value, json};

use super::alerts;
use super::window::{claim, overtake};
use crate::conversation::decision::{Draft, Urgent};
use crate::conversation::input::Context;
use crate::conversation::state::{OpenWindow, Ownership};
use crate::emergency::Verdict;

/// The first text that tells of an emergency closes its window at once, unless a person owns the conversation. What is
/// returned is the window where it stays open.
pub(in crate::conversation) fn told(
    context: Context<'_>,
    draft: &mut Draft<'_>,
    window: OpenWindow,
    verdict: &Verdict,
    said: &str,
) -> Option<OpenWindow> {
    if !alerts::emergency_seen(context, draft, why(verdict), Some(said)) {
        return Some(window); // it was told before: what is under way is its answer
    }
    // What was computed before is an answer to something else.
    draft.state().hard_epoch += 1;
    if draft.state().ownership == Ownership::User {
        return Some(window);
    }
    if let Some(answering) = draft.state().answering.clone() {
        overtake(draft, &answering, "newer window");
    }
    claim(context.policy, draft, &window, Urgent::Emergency);
    None
}

/// Why the words were taken for an emergency, for the event.
pub(in crate::conversation) fn why(verdict: &Verdict) -> Value {
    json!({ "by": "words", "rule": verdict.rule, "words": verdict.words })
}
