//! Who may speak: a person takes over, replies, gives the conversation back to the AI, or ends it.
//!
//! Takeover, reply and completion raise both epochs: no AI answer computed before is sent afterwards. A release raises
//! none.

use super::window::{deadline, overtake};
use super::{alert_taken, alerts, reminders, waiting};
use crate::domain::conversation::decision::{Draft, Effect, MessageKind, MessageUpdate, NewMessage, WindowState};
use crate::domain::conversation::event::{
    CompletedBy, ConversationCompletedData, EventData, NeedsAttentionData, ReleasedData, UserTakenData,
};
use crate::domain::conversation::input::Context;
use crate::domain::conversation::reason::{AttentionReason, WindowReason};
use crate::domain::conversation::state::{OpenWindow, Ownership, Phase, Status};
use crate::domain::emergency::Reading;

/// The outcome of a conversation if the business gave up its number.
const NUMBER_RELEASED: &str = "number_released";

/// A person takes over. A second takeover changes nothing, but alerts that are still to come are stopped.
pub(in crate::domain::conversation) fn taken_over(
    context: Context<'_>,
    draft: &mut Draft<'_>,
    user_id: &str,
    reason: &str,
) {
    take(context, draft, user_id, reason, WindowReason::Takeover);
}

/// The same with a reason for the windows that it changes.
pub(super) fn take(context: Context<'_>, draft: &mut Draft<'_>, user_id: &str, reason: &str, because: WindowReason) {
    if draft.state().status == Status::Completed {
        return;
    }
    if draft.state().ownership == Ownership::User {
        // An emergency may have begun since. Who acts now has it.
        if draft.state().memory.is_alerting() {
            alerts::stop(draft);
            alert_taken::in_hand(draft, user_id, None);
            reminders::person_acted(draft);
        }
        return;
    }
    let now = draft.now;
    raise_epochs(draft);
    stop_the_answer(draft, because);
    alerts::stop(draft);
    alert_taken::in_hand(draft, user_id, None);
    draft.state().ownership = Ownership::User;
    draft.state().owned_by = Some(user_id.to_owned());
    draft.state().ownership_revision += 1;
    draft.state().status = Status::UserHandling;
    draft.state().user_takeover_at = Some(now);
    reminders::person_acted(draft);
    draft.state().last_activity = now;
    // Messages collect without a deadline while a person owns the conversation.
    if let Some(window) = draft.state().window.as_mut() {
        window.deadline = None;
    }
    let other_conversations = context.other_conversations.to_vec();
    let (by, reason) = (user_id.to_owned(), reason.to_owned());
    draft.emit(EventData::UserTaken(UserTakenData { by, reason, other_conversations }));
}

/// The answer in progress is no longer wanted, but the messages are still unanswered. They stay in a window with later
/// messages until the person answers or releases the conversation.
fn stop_the_answer(draft: &mut Draft<'_>, because: WindowReason) {
    let Some(answering) = draft.state().answering.clone() else { return };
    if draft.state().window.is_none() {
        let id = draft.id("window");
        draft.window(id, WindowState::Open, answering.opened_at, because);
        draft.state().window = Some(OpenWindow {
            id,
            opened_at: answering.opened_at,
            last_message_at: answering.closed_at,
            deadline: None,
            resumed: answering.resumed.clone().and(answering.window_id),
            reading: Reading::default(),
            traces: Vec::new(),
        });
    }
    overtake(draft, &answering, because);
}

/// A person writes. This is also a takeover, and it answers the collected messages.
pub(in crate::domain::conversation) fn replied(context: Context<'_>, draft: &mut Draft<'_>, user_id: &str, body: &str) {
    if draft.state().status == Status::Completed || context.opted_out() || !context.may_write {
        return;
    }
    taken_over(context, draft, user_id, "reply");
    raise_epochs(draft);
    draft.state().ownership_revision += 1;
    hand_over_window(draft, WindowReason::AnsweredByPerson);
    let now = draft.now;
    let id = draft.id("message");
    waiting::replied(draft, id);
    draft.message(NewMessage {
        user_id: Some(user_id.to_owned()),
        // It has no fence, so later events do not hold back a person's message.
        ..NewMessage::ours(id, MessageKind::User, body.to_owned(), now)
    });
    draft.state().last_activity = now;
    reminders::person_acted(draft);
    draft.effect(Effect::SendSms { message_id: id, responds_to: now });
}

/// A person has talked with the customer on the phone, which answers what was written and whatever is still to be sent.
/// Who speaks for the business stays as it was.
pub(in crate::domain::conversation) fn talked(draft: &mut Draft<'_>) {
    if draft.state().status == Status::Completed {
        return;
    }
    silence_the_ai(draft, WindowReason::AnsweredByCall);
    hand_over_window(draft, WindowReason::AnsweredByCall);
    reminders::person_acted(draft);
    waiting::talked(draft);
    draft.state().last_activity = draft.now;
}

/// A person gives the conversation back. Unanswered customer messages get a window.
pub(in crate::domain::conversation) fn released(context: Context<'_>, draft: &mut Draft<'_>, user_id: &str) {
    if draft.state().status == Status::Completed || draft.state().ownership != Ownership::User || !context.may_write {
        return;
    }
    let now = draft.now;
    draft.state().ownership = Ownership::Ai;
    draft.state().owned_by = None;
    draft.state().ownership_revision += 1;
    draft.state().status = Status::AiHandling;
    draft.state().last_activity = now;
    draft.emit(EventData::Released(ReleasedData { by: user_id.to_owned() }));
    if let Some(mut window) = draft.state().window.take() {
        // The time with the person does not count: the AI has as long as for a new window.
        window.opened_at = now;
        window.deadline = deadline(context, Ownership::Ai, &window);
        draft.state().window = Some(window);
        draft.rearm();
    }
}

/// A person ends the conversation. Unanswered messages are left to them.
pub(in crate::domain::conversation) fn completed(
    draft: &mut Draft<'_>,
    user_id: &str,
    outcome: &str,
    summary: Option<&str>,
) {
    if draft.state().status == Status::Completed {
        return;
    }
    end(draft, WindowReason::Completed, outcome);
    draft.state().last_activity = draft.now;
    draft.state().summary = summary.map(str::to_owned);
    draft.emit(EventData::ConversationCompleted(ConversationCompletedData {
        outcome: Some(outcome.to_owned()),
        summary: summary.map(str::to_owned),
        by: CompletedBy::User,
        user_id: Some(user_id.to_owned()),
    }));
}

/// The business gave up the number of the conversation, so no message can be sent in it any more. Unanswered messages
/// and an emergency with outstanding alerts are handed over to a person.
pub(in crate::domain::conversation) fn number_released(draft: &mut Draft<'_>) {
    if draft.state().status == Status::Completed {
        return;
    }
    let unanswered = draft.state().window.is_some() || draft.state().answering.is_some();
    let emergency = draft.state().memory.is_alerting();
    end(draft, WindowReason::NumberReleased, NUMBER_RELEASED);
    if unanswered || emergency {
        draft.needs_attention(NeedsAttentionData {
            emergency: Some(emergency),
            ..NeedsAttentionData::new(AttentionReason::NumberReleased)
        });
    }
    ended_by_service(draft, NUMBER_RELEASED);
}

/// Announces that the service has ended the conversation.
pub(super) fn ended_by_service(draft: &mut Draft<'_>, outcome: &str) {
    draft.emit(EventData::ConversationCompleted(ConversationCompletedData {
        outcome: Some(outcome.to_owned()),
        summary: None,
        by: CompletedBy::Service,
        user_id: None,
    }));
}

pub(super) fn end(draft: &mut Draft<'_>, reason: WindowReason, outcome: &str) {
    let now = draft.now;
    silence_the_ai(draft, reason);
    alerts::stop(draft);
    hand_over_window(draft, reason);
    draft.state().status = Status::Completed;
    draft.state().ownership_revision += 1;
    draft.state().memory.completed_at = Some(now);
    draft.state().outcome = Some(outcome.to_owned());
    draft.state().summary = None;
}

/// Drops the AI's answer in progress, whether DispatchBot is working on it or it is waiting to be sent.
pub(super) fn silence_the_ai(draft: &mut Draft<'_>, reason: WindowReason) {
    raise_epochs(draft);
    let Some(answering) = draft.state().answering.take() else { return };
    draft.window(answering.window_id, WindowState::HandedOver, answering.opened_at, reason);
    if let Phase::Replying { message_id } = answering.phase {
        draft.update_message(MessageUpdate::hold_back(message_id));
    }
}

pub(super) fn raise_epochs(draft: &mut Draft<'_>) {
    draft.state().epoch += 1;
    draft.state().hard_epoch += 1;
}

pub(super) fn hand_over_window(draft: &mut Draft<'_>, reason: WindowReason) {
    if let Some(window) = draft.state().window.take() {
        draft.window(window.id, WindowState::HandedOver, window.opened_at, reason);
    }
}
