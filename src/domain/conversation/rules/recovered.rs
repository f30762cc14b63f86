//! What was found at Twilio after a restore of the database: it is kept, and the conversation is left to a person.
//!
//! Nothing is answered, because the answer may have been sent before the restore. Alerts of an emergency go on, to those
//! whom Twilio has sent none.

use super::alerts::Customer;
use super::ownership::{hand_over_window, silence_the_ai, taken_over};
use super::{delivery, emergency, inbound, opting, waiting};
use crate::domain::conversation::decision::{Draft, KeptVerdict, MessageKind, NewMessage};
use crate::domain::conversation::event::{EventData, MessageData, NeedsAttentionData};
use crate::domain::conversation::input::{Context, InboundSms, RecoveredSms, RecoveredText};
use crate::domain::conversation::reason::{AttentionReason, WindowReason};
use crate::domain::conversation::state::Ownership;
use crate::domain::conversation::words::{OptWord, opt_word};
use crate::domain::language;
use crate::domain::phone::PhoneNumber;

/// Why a person took over, as the event says it.
const TAKEN_OVER_BECAUSE: &str = "recovered";

/// A text of the customer. Words that opt out or in count, and an emergency is reported unless it was.
pub(in crate::domain::conversation) fn text(context: Context<'_>, draft: &mut Draft<'_>, found: &RecoveredText) {
    let RecoveredText { sms, is_alerted } = found;
    let (message_id, kind) = inbound::announce(context, draft, sms);
    let verdict = if kind.is_automatic() { None } else { read(context, draft, sms, *is_alerted) };
    hand_over(context, draft);
    draft.message(NewMessage { verdict, is_recovered: true, ..NewMessage::theirs(message_id, kind, sms) });
    draft.needs_attention(NeedsAttentionData::message(AttentionReason::Recovered, message_id));
}

fn read(context: Context<'_>, draft: &mut Draft<'_>, sms: &InboundSms, is_alerted: bool) -> Option<KeptVerdict> {
    if let Some(language) = language::of(&sms.body) {
        draft.state().memory.language = language;
    }
    draft.state().last_activity = draft.state().last_activity.max(sms.received_at.min(draft.now));
    let was_out = context.opted_out_at.is_some_and(|at| at <= sms.received_at);
    match opt_word(&sms.body, sms.opt_out_type.as_deref(), was_out) {
        Some(word @ (OptWord::Out { .. } | OptWord::In)) => opting::said(context, draft, word, sms.received_at),
        Some(OptWord::Help) => {}
        _ if context.is_never_texted(&sms.customer) => {}
        // It may have got an answer since, which the person can see at Twilio.
        Some(OptWord::Doubtful) | None => waiting::text(draft, sms),
    }
    let verdict = sms.reading.verdict().map(|verdict| emergency::kept(context, verdict));
    let customer = match context.is_never_texted(&sms.customer) {
        _ if draft.state().opted_out => Customer::Out,
        true => Customer::NeverTexted,
        false => Customer::WithAPerson,
    };
    if !is_alerted {
        emergency::told_without_an_answer(context, draft, verdict.as_ref(), &sms.body, customer);
    }
    verdict
}

/// A message of ours.
pub(in crate::domain::conversation) fn sent(context: Context<'_>, draft: &mut Draft<'_>, sms: &RecoveredSms) {
    let id = draft.id("message");
    if draft.state().version == 0 {
        draft.state().own_account = sms.own_account.clone();
    }
    draft.state().memory.texted = true;
    draft.state().last_activity = draft.state().last_activity.max(sms.sent_at.min(draft.now));
    draft.emit(EventData::MessageSent(MessageData {
        message_id: id,
        twilio_sid: Some(sms.twilio_sid.clone()),
        sender_type: MessageKind::Recovered.sender_type().to_owned(),
        kind: MessageKind::Recovered,
        in_reply_to_window: None,
    }));
    hand_over(context, draft);
    draft.message(NewMessage {
        body: sms.body.clone(),
        twilio_sid: Some(sms.twilio_sid.clone()),
        status: delivery::after_report(sms.status),
        created_at: sms.sent_at,
        stream_sequence: sms.place,
        is_recovered: true,
        ..NewMessage::ours(id, MessageKind::Recovered, String::new(), draft.now)
    });
    draft.needs_attention(NeedsAttentionData::message(AttentionReason::Recovered, id));
}

/// A conversation in which something was under way when the database was saved.
pub(in crate::domain::conversation) fn restored(context: Context<'_>, draft: &mut Draft<'_>, alerted: &[PhoneNumber]) {
    if let Some(mut alerting) = draft.state().memory.alerting.take() {
        let numbers = &context.business.alert_numbers;
        while numbers.get(alerting.next).is_some_and(|number| alerted.contains(number)) {
            alerting.told.push(draft.id("alert"));
            alerting.next += 1;
        }
        draft.state().memory.alerting = (alerting.next < numbers.len()).then_some(alerting);
    }
    let state = draft.state();
    let is_with_a_person = state.ownership == Ownership::User && state.window.is_none() && state.answering.is_none();
    if is_with_a_person && !state.memory.is_alerting() {
        return; // something was found in it
    }
    hand_over(context, draft);
    draft.needs_attention(NeedsAttentionData::new(AttentionReason::Recovered));
}

/// Leaves the conversation to a person. While people are still to be alerted it belongs to nobody, because a takeover
/// would end the alerts.
pub(in crate::domain::conversation) fn hand_over(context: Context<'_>, draft: &mut Draft<'_>) {
    silence_the_ai(draft, WindowReason::Recovered);
    hand_over_window(draft, WindowReason::Recovered);
    draft.state().memory.held_missed_call_sms = None;
    if draft.state().memory.is_alerting() {
        return draft.rearm();
    }
    let user_id = draft.state().user_id.clone();
    taken_over(context, draft, &user_id, TAKEN_OVER_BECAUSE);
}
