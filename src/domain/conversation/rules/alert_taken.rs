//! A person who was alerted to an emergency takes it: the alerts stop, the person owns the conversation, and everybody
//! who was alerted, and the customer, are informed that somebody is on it.

use chrono::{DateTime, TimeDelta, Utc};

use super::{alerts, ownership, reminders, texts};
use crate::domain::conversation::decision::{Draft, Effect, Fence, MessageKind, NewMessage};
use crate::domain::conversation::event::{EventData, UserTakenData};
use crate::domain::conversation::input::{Context, TakenVia};
use crate::domain::conversation::reason::WindowReason;
use crate::domain::conversation::state::{Alerted, Conversation, EmergencyTaken, Ownership, Status};
use crate::domain::phone::PhoneNumber;

/// How long an alert can be answered.
pub const ANSWERABLE: TimeDelta = TimeDelta::minutes(30);

/// What stands before the phone of a contact, who has no id in the App Server, where a `user_id` names them.
const CONTACT: &str = "phone:";

/// An alert that a phone can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertState {
    /// Nobody has taken the emergency.
    Open,
    /// Somebody has.
    Taken(EmergencyTaken),
}

impl Conversation {
    /// When the newest alert of this conversation to the phone was, by what the rules remember.
    pub fn alerted_at(&self, phone: &PhoneNumber) -> Option<DateTime<Utc>> {
        self.alert_of(phone).map(|alerted| alerted.at)
    }

    fn alert_of(&self, phone: &PhoneNumber) -> Option<&Alerted> {
        self.memory.alerted.iter().find(|alerted| alerted.phone == *phone)
    }

    /// What became of the newest alert of this conversation to the phone, if it could be answered at that time: there was one
    /// by then, it was less than half an hour old, the conversation is open, and nobody has reported a false alarm.
    pub fn alert_to(&self, phone: &PhoneNumber, at: DateTime<Utc>) -> Option<AlertState> {
        let is_answerable =
            self.alert_of(phone).is_some_and(|alerted| alerted.first_at <= at && at < alerted.at + ANSWERABLE);
        if self.status == Status::Completed || !self.emergency_detected || !is_answerable {
            return None;
        }
        Some(self.memory.emergency_taken.clone().map_or(AlertState::Open, AlertState::Taken))
    }

    /// Whether there is an emergency that nobody has taken, and a phone that can still take it by answering its alert.
    pub(super) fn waits_for_a_taker(&self, now: DateTime<Utc>) -> bool {
        let is_answerable = |alerted: &Alerted| now < alerted.at + ANSWERABLE;
        self.emergency_detected
            && self.memory.emergency_taken.is_none()
            && self.memory.alerted.iter().any(is_answerable)
    }
}

/// How a `user_id` names the holder of a phone of the business: the owner by their id, a contact by the phone.
pub fn user_of(context: Context<'_>, phone: &PhoneNumber) -> String {
    match context.business.alert_numbers.first() {
        Some(owner) if owner == phone => context.business.user_id.clone(),
        _ => format!("{CONTACT}{phone}"),
    }
}

/// A new emergency, or a new danger in it: an earlier answer does not take it.
pub(super) fn begins(draft: &mut Draft<'_>, is_same: bool) {
    let memory = &mut draft.state().memory;
    memory.emergency_taken = None;
    if !is_same {
        // Who is being called answers for the new one.
        let call = memory.ladder.as_ref().and_then(|ladder| ladder.call);
        let called = memory.rungs.iter().find(|rung| Some(rung.call_id) == call).map(|rung| &rung.phone);
        memory.alerted.retain(|alerted| Some(&alerted.phone) == called);
    }
}

/// An alert goes to a phone.
pub(super) fn alerted(draft: &mut Draft<'_>, phone: &PhoneNumber, message_id: uuid::Uuid) {
    let at = draft.now;
    let alerted = &mut draft.state().memory.alerted;
    let first_at = alerted.iter().find(|earlier| earlier.phone == *phone).map_or(at, |earlier| earlier.first_at);
    alerted.retain(|earlier| earlier.phone != *phone);
    alerted.push(Alerted { phone: phone.clone(), message_id, first_at, at });
}

/// Twilio has accepted an alert, perhaps long after it was decided on: it can be answered from now on.
pub(super) fn alert_accepted(draft: &mut Draft<'_>, message_id: uuid::Uuid) {
    let now = draft.now;
    let alerted = &mut draft.state().memory.alerted;
    if let Some(alerted) = alerted.iter_mut().find(|alerted| alerted.message_id == message_id) {
        alerted.at = alerted.at.max(now);
    }
}

/// A person has the current emergency in hand, if there is one.
pub(super) fn in_hand(draft: &mut Draft<'_>, by: &str, phone: Option<&PhoneNumber>) {
    let at = draft.now;
    let state = draft.state();
    if state.emergency_detected && !state.memory.alerted.is_empty() {
        state.memory.emergency_taken = Some(EmergencyTaken { by: by.to_owned(), phone: phone.cloned(), at });
    }
}

/// The holder of a phone answers its alert: "I take it".
pub(in crate::domain::conversation) fn taken(
    context: Context<'_>,
    draft: &mut Draft<'_>,
    phone: &PhoneNumber,
    via: TakenVia,
    at: DateTime<Utc>,
) {
    let now = draft.now;
    let is_theirs = context.business.alert_numbers.contains(phone);
    let Some(alert) = draft.state().alert_to(phone, at.min(now)).filter(|_| is_theirs) else { return };
    if let AlertState::Taken(earlier) = alert {
        return too_late(context, draft, phone, via, &earlier);
    }
    let by = user_of(context, phone);
    if draft.state().ownership == Ownership::User {
        // A person owned it when the emergency began: from now on it is this one.
        alerts::stop(draft);
        draft.state().owned_by = Some(by.clone());
        draft.state().ownership_revision += 1;
        draft.state().user_takeover_at = Some(now);
        reminders::person_acted(draft);
        draft.state().last_activity = now;
        let other_conversations = context.other_conversations.to_vec();
        draft.emit(EventData::UserTaken(UserTakenData {
            by: by.clone(),
            reason: via.reason().to_owned(),
            other_conversations,
        }));
    } else {
        ownership::take(context, draft, &by, via.reason(), WindowReason::AlertTaken);
    }
    in_hand(draft, &by, Some(phone));
    inform_the_others(context, draft, phone);
    inform_the_customer(context, draft, &by);
}

/// Somebody else was faster. A text is answered with that; in a call it was not known yet.
fn too_late(context: Context<'_>, draft: &mut Draft<'_>, phone: &PhoneNumber, via: TakenVia, earlier: &EmergencyTaken) {
    if via == TakenVia::Sms || earlier.phone.as_ref() == Some(phone) {
        return;
    }
    let who = name_of(&context.business.user_id, earlier);
    let customer = draft.state().customer_phone.to_string();
    let text = format!(
        "{}: the emergency of {customer} is already taken, by {who}. You need not do anything.",
        context.business.name
    );
    alerts::inform(draft, phone, &text);
}

fn inform_the_others(context: Context<'_>, draft: &mut Draft<'_>, phone: &PhoneNumber) {
    let Some(taken) = draft.state().memory.emergency_taken.clone() else { return };
    let (who, customer) = (name_of(&context.business.user_id, &taken), draft.state().customer_phone.to_string());
    let text =
        format!("{}: the emergency of {customer} is taken, by {who}. You need not do anything.", context.business.name);
    let others: Vec<PhoneNumber> = draft.state().memory.alerted.iter().map(|alerted| alerted.phone.clone()).collect();
    for other in others.iter().filter(|other| *other != phone) {
        alerts::inform(draft, other, &text);
    }
}

/// How a text names who took an emergency: the owner, whose `user_id` is given, a contact by their phone, or anybody else by
/// their `user_id`.
pub fn name_of(owner: &str, taken: &EmergencyTaken) -> String {
    match &taken.phone {
        _ if taken.by == owner => "the owner".to_owned(),
        Some(phone) => phone.to_string(),
        None => taken.by.clone(),
    }
}

/// The text is not the AI's, but it is automatic: its fence is of this moment, so what silences it comes later, and a number
/// that is never texted does not get it.
fn inform_the_customer(context: Context<'_>, draft: &mut Draft<'_>, by: &str) {
    let customer = draft.state().customer_phone.clone();
    if context.opted_out() || !context.may_write || context.is_never_texted(&customer) {
        return;
    }
    let now = draft.now;
    let id = draft.id("taken");
    let fence = Fence { epoch: draft.state().epoch, exempt_at: now, hard_epoch: draft.state().hard_epoch };
    let text = texts::taken(context.business, draft.state().memory.language);
    draft.message(NewMessage {
        user_id: Some(by.to_owned()),
        fence: Some(fence),
        ..NewMessage::ours(id, MessageKind::Taken, text, now)
    });
    draft.effect(Effect::SendSms { message_id: id, responds_to: now });
}
