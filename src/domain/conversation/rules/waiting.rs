//! Since when the customer waits for an answer, kept up to date by everything that asks or answers
//! ([`Unanswered`] has the rule).

use uuid::Uuid;

use crate::domain::conversation::decision::{Draft, MessageKind};
use crate::domain::conversation::input::{Context, InboundSms, SentMessage};
use crate::domain::conversation::state::{Conversation, Status};
use crate::domain::conversation::waiting::Unanswered;

/// The conversation as this version would have left it: what is in its windows waits.
pub(in crate::domain::conversation) fn known(conversation: &Conversation) -> Conversation {
    let mut known = conversation.clone();
    if known.memory.unanswered.is_some() {
        return known;
    }
    let mut unanswered = Unanswered::default();
    if known.status != Status::Completed {
        if let Some(answering) = &known.answering {
            unanswered.text(answering.opened_at);
            unanswered.known_to(answering.window_id);
        }
        if let Some(window) = &known.window {
            unanswered.text(window.opened_at);
        }
    }
    known.waiting_since = unanswered.since();
    known.memory.unanswered = Some(unanswered);
    known
}

/// Nobody waits in a conversation that has ended, nor if the customer has opted out.
pub(in crate::domain::conversation) fn end(context: Context<'_>, draft: &mut Draft<'_>) {
    let is_over = draft.state().status == Status::Completed || draft.state().opted_out || context.opted_out();
    update(draft, |unanswered| {
        if is_over {
            unanswered.clear();
        }
    });
}

/// A text came that may be answered.
pub(super) fn text(draft: &mut Draft<'_>, sms: &InboundSms) {
    let received_at = sms.received_at.min(draft.now);
    update(draft, |unanswered| unanswered.text(received_at));
}

/// A window closed, and will be answered.
pub(super) fn known_to(draft: &mut Draft<'_>, window_id: Uuid) {
    update(draft, |unanswered| unanswered.known_to(window_id));
}

/// A window gets no answer: it was overtaken before there was one, or what is sent only says that somebody will answer.
pub(super) fn gets_no_answer(draft: &mut Draft<'_>, window_id: Uuid) {
    update(draft, |unanswered| unanswered.forget(window_id));
}

/// A person wrote.
pub(super) fn replied(draft: &mut Draft<'_>, message_id: Uuid) {
    update(draft, |unanswered| unanswered.replied(message_id));
}

/// A person talked with the customer.
pub(super) fn talked(draft: &mut Draft<'_>) {
    update(draft, Unanswered::clear);
}

/// Twilio accepted a message.
pub(super) fn accepted(draft: &mut Draft<'_>, message: &SentMessage) {
    if let Some(by) = answers_by(message) {
        update(draft, |unanswered| unanswered.answered(by, message.id));
    }
}

/// The window that a message answers, or the message itself if a person wrote it.
fn answers_by(message: &SentMessage) -> Option<Uuid> {
    match message.kind {
        MessageKind::Reply => message.in_reply_to_window,
        MessageKind::User => Some(message.id),
        _ => None,
    }
}

/// The customer does not get a message: it was refused, held back or not delivered.
pub(super) fn failed(draft: &mut Draft<'_>, message: &SentMessage) {
    lost(draft, message);
    if let Some(by) = answers_by(message) {
        update(draft, |unanswered| unanswered.forget(by));
    }
}

/// The customer may not have got a message.
pub(super) fn lost(draft: &mut Draft<'_>, message: &SentMessage) {
    update(draft, |unanswered| unanswered.lost(message.id));
}

/// The customer has a message.
pub(super) fn delivered(draft: &mut Draft<'_>, message: &SentMessage) {
    update(draft, |unanswered| unanswered.delivered(message.id));
}

fn update(draft: &mut Draft<'_>, change: impl FnOnce(&mut Unanswered)) {
    let state = draft.state();
    let unanswered = state.memory.unanswered.get_or_insert_default();
    change(unanswered);
    state.waiting_since = unanswered.since();
}
