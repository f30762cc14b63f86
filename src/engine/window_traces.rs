//! The traces that meet in a window: each message of the customer has its own, and their answer belongs to one of them.

use uuid::Uuid;

use crate::domain::conversation::Conversation;
use crate::trace::Trace;

/// How many traces a window remembers: its first ones.
const MAX_TRACES: usize = 16;

/// Adds the trace of a message to the open window, if traces are exported.
pub(super) fn join(conversation: &mut Conversation, trace: &Trace) {
    if trace.is_exported()
        && let Some(window) = conversation.window.as_mut().filter(|window| window.traces.len() < MAX_TRACES)
    {
        window.traces.push(trace.header().to_owned());
    }
}

/// The traces of a window that has just been closed, except the one that its answer belongs to.
pub(super) fn others(before: Option<&Conversation>, window_id: Uuid, trace: &Trace) -> Vec<String> {
    let window = before.and_then(|conversation| conversation.window.as_ref()).filter(|window| window.id == window_id);
    let is_other = |header: &&String| !header.contains(trace.trace_id());
    window.map_or_else(Vec::new, |window| window.traces.iter().filter(is_other).cloned().collect())
}
