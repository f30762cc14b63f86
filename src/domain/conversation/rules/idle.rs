//! A conversation in which nothing happens ends: its owner has long gone on to other things, and the customer's next
//! call or text must not be left to them.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::ownership;
use crate::domain::conversation::decision::Draft;
use crate::domain::conversation::event::NeedsAttentionData;
use crate::domain::conversation::input::{Business, Context, Policy};
use crate::domain::conversation::reason::{AttentionReason, WindowReason};
use crate::domain::conversation::state::{Conversation, IDLE, Status};

/// Whether an open conversation is to be ended at `now`. A window that is still to be answered keeps it open.
pub(in crate::domain::conversation) fn is_idle(
    policy: &Policy,
    business: &Business,
    conversation: &Conversation,
    now: DateTime<Utc>,
) -> bool {
    let waits = conversation.window.as_ref().is_some_and(|window| window.deadline.is_some());
    conversation.status != Status::Completed && !waits && now >= idle_at(policy, business, conversation)
}

fn idle_at(policy: &Policy, business: &Business, conversation: &Conversation) -> DateTime<Utc> {
    conversation.last_activity + business.policy.idle_after.map_or(policy.idle_after, Duration::from)
}

/// Notes when the conversation will be idle, for the sweeper.
pub(in crate::domain::conversation) fn note(context: Context<'_>, draft: &mut Draft<'_>) {
    let is_open = draft.state().status != Status::Completed;
    let at = is_open.then(|| idle_at(context.policy, context.business, draft.state()));
    draft.state().memory.idle_at = at;
}

/// Ends an idle conversation. A person is notified if a text of the customer is unanswered.
pub(in crate::domain::conversation) fn end(draft: &mut Draft<'_>) {
    let window = draft.state().window.as_ref().map(|window| window.id);
    let unanswered = window.or(draft.state().answering.as_ref().map(|answering| answering.window_id));
    ownership::end(draft, WindowReason::Idle, IDLE);
    if let Some(window_id) = unanswered {
        draft.needs_attention(NeedsAttentionData::window(AttentionReason::Idle, window_id));
    }
    ownership::ended_by_service(draft, IDLE);
}
