//! Opens a conversation: after a missed call, or after a text from a customer who did not call.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::waiting;
use crate::domain::conversation::decision::Draft;
use crate::domain::conversation::event::{ConversationCreatedData, EventData, OpenedBy};
use crate::domain::conversation::ids::derive_id;
use crate::domain::conversation::input::{Context, OwnSideNote};
use crate::domain::conversation::state::{Conversation, ERASED, IDLE, Memory, Ownership, Status};
use crate::domain::emergency::Language;
use crate::domain::phone::PhoneNumber;

/// The draft of a new conversation, with its first event.
pub(in crate::domain::conversation) fn open<'a>(
    context: Context<'_>,
    customer: &PhoneNumber,
    business_phone: &PhoneNumber,
    call_id: Option<Uuid>,
    last: Option<&Conversation>,
    input_id: &'a str,
    now: DateTime<Utc>,
) -> Draft<'a> {
    let mut draft =
        Draft::new(new(context, customer, business_phone, call_id, last, input_id, now), true, input_id, now);
    if let Some(last) = last {
        draft.follows(last);
    }
    draft.emit(EventData::ConversationCreated(ConversationCreatedData {
        business_phone: business_phone.to_string(),
        call_id,
        opened_by: if call_id.is_some() { OpenedBy::MissedCall } else { OpenedBy::Sms },
    }));
    draft
}

/// A conversation as it begins.
fn new(
    context: Context<'_>,
    customer: &PhoneNumber,
    business_phone: &PhoneNumber,
    call_id: Option<Uuid>,
    last: Option<&Conversation>,
    input_id: &str,
    now: DateTime<Utc>,
) -> Conversation {
    Conversation {
        id: derive_id("conversation", input_id, "conversation", 0),
        business_id: context.business.id.clone(),
        user_id: context.business.user_id.clone(),
        call_id,
        customer_phone: customer.clone(),
        business_phone: business_phone.clone(),
        own_account: None, // set by the input that opens it
        status: Status::Active,
        ownership: Ownership::None,
        ai_timer_started: false,
        ai_timer_started_at: None,
        user_takeover_at: None,
        owned_by: None,
        waiting_since: None,
        emergency_detected: false,
        job_type: None,
        urgency_level: None,
        outcome: None,
        summary: None,
        opted_out: context.opted_out(),
        created_at: now,
        last_activity: now,
        version: 0,
        event_sequence: 0,
        epoch: 0,
        hard_epoch: 0,
        ownership_revision: 0,
        text_revision: 0,
        own_side: false,
        window: None,
        answering: None,
        // These also count if they belong to an earlier conversation.
        memory: Memory {
            missed_call_sms_at: last.and_then(|last| last.memory.missed_call_sms_at),
            opted_in_at: last.and_then(|last| last.memory.opted_in_at),
            language: last.map_or(Language::En, |last| last.memory.language),
            landline: last.map(|last| last.memory.landline).unwrap_or_default(),
            newest_text: last.map_or(0, |last| last.memory.newest_text),
            texted: last.is_some_and(|last| last.memory.texted),
            emergencies: last.map(|last| last.memory.emergencies.clone()).unwrap_or_default(),
            ..Memory::default()
        },
    }
}

/// The draft of a conversation with a phone of the business's own side. It has ended from its beginning: nobody is answered
/// in it, and no event tells of it.
pub(in crate::domain::conversation) fn own_side<'a>(
    context: Context<'_>,
    note: &OwnSideNote,
    input_id: &'a str,
    now: DateTime<Utc>,
) -> Draft<'a> {
    let mut conversation = new(context, &note.phone, &note.business_phone, None, None, input_id, now);
    conversation.status = Status::Completed;
    conversation.own_side = true;
    conversation.own_account = note.own_account.clone();
    conversation.memory.completed_at = Some(now);
    Draft::new(conversation, true, input_id, now)
}

/// Whether a text comes soon enough after the end to open the conversation again. One that is being erased stays ended:
/// who writes meanwhile is a new customer. So does one that ended as idle: it has been over for long.
pub(in crate::domain::conversation) fn may_reopen(
    context: Context<'_>,
    ended: &Conversation,
    now: DateTime<Utc>,
) -> bool {
    let ended_at = ended.memory.completed_at.unwrap_or(ended.last_activity);
    !is_erased(ended)
        && !ended.own_side
        && ended.outcome.as_deref() != Some(IDLE)
        && now < ended_at + context.policy.reopen_within
}

/// Whether the customer of a conversation was erased.
pub(in crate::domain::conversation) fn is_erased(conversation: &Conversation) -> bool {
    conversation.outcome.as_deref() == Some(ERASED)
}

/// The draft of a conversation that a text reopens. It starts like a new one, but keeps its memory.
pub(in crate::domain::conversation) fn reopen<'a>(
    ended: &Conversation,
    input_id: &'a str,
    now: DateTime<Utc>,
) -> Draft<'a> {
    let mut draft = Draft::new(waiting::known(ended), false, input_id, now);
    let state = draft.state();
    state.status = Status::Active;
    state.ownership = Ownership::None;
    state.owned_by = None;
    state.ownership_revision += 1;
    state.ai_timer_started = false;
    state.ai_timer_started_at = None;
    state.emergency_detected = false;
    state.urgency_level = None;
    state.outcome = None;
    state.summary = None;
    state.memory.completed_at = None;
    draft
}
