//! A window's deadline, and what happens when it is reached.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{alerts, idle, ladder, limits, relays, reminders, waiting};
use crate::domain::conversation::decision::{Draft, Effect, MessageUpdate, Priority, WindowState};
use crate::domain::conversation::event::{AiTakenData, EventData, NeedsAttentionData};
use crate::domain::conversation::input::{Context, Policy};
use crate::domain::conversation::reason::{AttentionReason, WindowReason};
use crate::domain::conversation::state::{Answering, OpenWindow, Ownership, Phase, Status};
use crate::domain::day_limits::Limit;

/// `max(last message + quiet, opened + hold)`, never later than `opened + max`. If the AI owns the conversation, hold
/// is zero; if a person does, there is no deadline. A window that opened outside the business's hours may have another
/// hold.
pub(in crate::domain::conversation) fn deadline(
    context: Context<'_>,
    ownership: Ownership,
    window: &OpenWindow,
) -> Option<DateTime<Utc>> {
    let policy = context.policy;
    let hold = match ownership {
        // While the owner is away, the AI waits for no person.
        Ownership::None if context.business.owner_is_off => std::time::Duration::ZERO,
        Ownership::None => context.business.hold(window.opened_at, policy.hold),
        Ownership::Ai => std::time::Duration::ZERO,
        Ownership::User => return None,
    };
    let wanted = (window.last_message_at + policy.quiet).max(window.opened_at + hold);
    Some(wanted.min(window.opened_at + policy.max))
}

/// The timer fired. It is only a hint: a window that is not due is armed again, a due one is claimed, and without an
/// open window nothing happens, unless the conversation is idle. A window for which texts are missing (received before its
/// deadline, and not decided on yet) is due at `opened + max`. The same timer serves the alerts of an emergency.
pub(in crate::domain::conversation) fn due(
    context: Context<'_>,
    draft: &mut Draft<'_>,
    complete_until: Option<DateTime<Utc>>,
) {
    let now = draft.now;
    if idle::is_idle(context.policy, context.business, draft.state(), now) {
        return idle::end(draft);
    }
    alerts::escalate(context, draft);
    ladder::look(context, draft);
    relays::due(context, draft);
    draft.rearm();
    if reminders::return_to_ai(context, draft) {
        return; // the window that is armed now has its own time
    }
    let Some(window) = draft.state().window.clone() else { return };
    let Some(deadline) = window.deadline else { return };
    let is_complete = complete_until.is_some_and(|until| deadline <= until);
    if now < deadline || (!is_complete && now < window.opened_at + context.policy.max) {
        return;
    }
    if let Some(answering) = draft.state().answering.clone() {
        // An analysis that is missing `max` after its window closed may never arrive, so it is not waited for.
        let may_come = answering.phase != Phase::Analyzing || now < answering.closed_at + context.policy.max;
        if now >= answering.exempt_at && window.opened_at > answering.opened_at && may_come {
            // That answer is sent in any case. Wait for it, or the customer would get two at once.
            let at = now + context.policy.quiet;
            draft.state().window = Some(OpenWindow { deadline: Some(at), ..window });
            return;
        }
        overtake(draft, &answering, WindowReason::NewerWindow);
    }
    draft.state().window = None;
    if !context.may_write {
        return hand_over(draft, window.id, window.opened_at, WindowReason::MayNotWrite, AttentionReason::MayNotWrite);
    }
    if context.is_never_texted(&draft.state().customer_phone) {
        return never_text(draft, window.id, window.opened_at);
    }
    if replies_too_often(context.policy, draft) {
        return hand_over(draft, window.id, window.opened_at, WindowReason::AiMax, AttentionReason::AiMax);
    }
    if !context.may_answer(now) {
        return other_business(draft, window.id, window.opened_at);
    }
    if let Err(limit) = limits::use_for_answer(context, draft) {
        return limit_reached(context, draft, &window, limit);
    }
    claim(context.policy, draft, &window, Priority::Normal);
}

/// The customer is another business, and the AI has answered it already.
pub(super) fn other_business(draft: &mut Draft<'_>, window_id: Uuid, opened_at: DateTime<Utc>) {
    hand_over(draft, window_id, opened_at, WindowReason::OtherBusiness, AttentionReason::OtherBusiness);
}

/// The business has used up a limit of the day. The customer waits for an answer, so a person is told of each window.
pub(super) fn limit_reached(context: Context<'_>, draft: &mut Draft<'_>, window: &OpenWindow, limit: Limit) {
    limits::is_first(context, draft, limit);
    draft.window(window.id, WindowState::HandedOver, window.opened_at, WindowReason::Limit);
    draft.needs_attention(NeedsAttentionData { window_id: Some(window.id), ..NeedsAttentionData::limit(limit) });
}

/// The customer's number has come on the list of those that are never texted.
pub(super) fn never_text(draft: &mut Draft<'_>, window_id: Uuid, opened_at: DateTime<Utc>) {
    hand_over(draft, window_id, opened_at, WindowReason::NeverText, AttentionReason::NeverText);
}

/// The AI does not answer the window: a person is notified.
fn hand_over(
    draft: &mut Draft<'_>,
    window_id: Uuid,
    opened_at: DateTime<Utc>,
    reason: WindowReason,
    attention: AttentionReason,
) {
    draft.window(window_id, WindowState::HandedOver, opened_at, reason);
    draft.needs_attention(NeedsAttentionData::window(attention, window_id));
}

/// Closes a window and requests its analysis. In an emergency the answer is sent even if newer texts arrive.
pub(super) fn claim(policy: &Policy, draft: &mut Draft<'_>, window: &OpenWindow, priority: Priority) {
    let now = draft.now;
    let (exempt_at, reason) = match priority {
        Priority::Normal => (window.opened_at + policy.max, WindowReason::Deadline),
        Priority::Urgent => (now, WindowReason::Emergency),
    };
    let (epoch, hard_epoch) = (draft.state().epoch, draft.state().hard_epoch);
    draft.state().answering = Some(Answering {
        window_id: window.id,
        opened_at: window.opened_at,
        closed_at: now,
        due_at: Some(window.deadline.unwrap_or(now).min(now)),
        exempt_at,
        epoch,
        hard_epoch,
        resumed: window.resumed.clone(),
        emergency_rule: window.reading.verdict().map(|verdict| verdict.rule),
        priority,
        is_escalated: false,
        phase: Phase::Analyzing,
    });
    waiting::known_to(draft, window.id);
    draft.window(window.id, WindowState::Claimed, window.opened_at, reason);
    if draft.state().ownership != Ownership::Ai {
        draft.state().ownership = Ownership::Ai;
        draft.state().owned_by = None;
        draft.state().ownership_revision += 1;
        draft.state().status = Status::AiHandling;
        draft.emit(EventData::AiTaken(AiTakenData { window_id: window.id }));
    }
    draft.effect(Effect::Analyze { window_id: window.id, closed_at: now, priority });
}

/// A newer window answers: the older answer is held back unless it was already sent.
pub(super) fn overtake(draft: &mut Draft<'_>, answering: &Answering, reason: WindowReason) {
    draft.window(answering.window_id, WindowState::Superseded, answering.opened_at, reason);
    match answering.phase {
        Phase::Analyzing => waiting::gets_no_answer(draft, answering.window_id),
        Phase::Replying { message_id } => draft.update_message(MessageUpdate::hold_back(message_id)),
    }
    draft.state().answering = None;
}

fn replies_too_often(policy: &Policy, draft: &mut Draft<'_>) -> bool {
    let since = draft.now - policy.ai_max_period;
    let replies = &mut draft.state().memory.ai_replies;
    replies.retain(|at| *at > since);
    replies.len() >= policy.ai_max_replies
}
