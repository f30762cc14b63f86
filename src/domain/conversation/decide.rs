//! The entry point of the rules: every input goes through it.

use chrono::{DateTime, Utc};

use super::decision::{Decision, Draft};
use super::input::{Business, Context, Input, Policy, RecoveredText};
use super::pairing;
use super::rules::{
    alert_taken, answer, delivery, emergency, idle, inbound, ladder, missed_call, opening, opting, own_side, ownership,
    recovered, relays, reminders, waiting, window,
};
use super::state::{Conversation, Status};

/// Decides what the input `input`, with the id `input_id`, changes in the conversation at `now`.
///
/// If the customer has no open conversation, `state` is their last one that ended, or `None`. A missed call or a
/// customer's text then opens a new one, or the text reopens the last one; what a customer's phone writes by itself is
/// added to the last one as it is, and so is a message of ours that is recovered. Any other input without a conversation
/// changes nothing, and the result is `None`.
///
/// The same arguments give the same result, including ids.
pub fn decide(
    context: Context<'_>,
    state: Option<&Conversation>,
    input_id: &str,
    input: &Input,
    now: DateTime<Utc>,
) -> Option<Decision> {
    if let (Some(conversation), Some(sms)) = (state, pairing::text_of(input))
        && let Some(found) = pairing::find(sms, context.unpaired_texts)
    {
        return Some(pairing::second(conversation, sms, found, input_id, now).finish());
    }
    let over = |conversation: &&Conversation| conversation.status == Status::Completed;
    let mut draft = match (state, input) {
        (Some(ended), Input::SmsReceived(sms))
            if over(&ended) && !opening::is_erased(ended) && inbound::kind_of(sms).is_automatic() =>
        {
            Draft::new(waiting::known(ended), false, input_id, now)
        }
        (Some(ended), Input::SmsReceived(_)) if over(&ended) && opening::may_reopen(context, ended, now) => {
            opening::reopen(ended, input_id, now)
        }
        (ended, Input::SmsReceived(sms)) if ended.is_none_or(|ended| over(&ended)) => {
            opening::open(context, &sms.customer, &sms.business_phone, None, ended, input_id, now)
        }
        (ended, Input::CallMissed(call)) if ended.is_none_or(|ended| over(&ended)) => {
            opening::open(context, &call.customer, &call.business_phone, Some(call.call_id), ended, input_id, now)
        }
        (Some(ended), Input::TextRecovered(text))
            if over(&ended) && !opening::is_erased(ended) && inbound::kind_of(&text.sms).is_automatic() =>
        {
            Draft::new(waiting::known(ended), false, input_id, now)
        }
        (Some(ended), Input::TextRecovered(text))
            if over(&ended) && opening::may_reopen(context, ended, text.sms.received_at) =>
        {
            opening::reopen(ended, input_id, now)
        }
        (ended, Input::TextRecovered(RecoveredText { sms, .. })) if ended.is_none_or(|ended| over(&ended)) => {
            opening::open(context, &sms.customer, &sms.business_phone, None, ended, input_id, now)
        }
        (None, Input::SentRecovered(sms)) => {
            opening::open(context, &sms.customer, &sms.business_phone, None, None, input_id, now)
        }
        (None, Input::OwnSide(note)) => opening::own_side(context, note, input_id, now),
        (Some(conversation), _) => Draft::new(waiting::known(conversation), false, input_id, now),
        (None, _) => return None,
    };
    match input {
        Input::CallMissed(call) => missed_call::missed(context, &mut draft, call),
        Input::CallAnswered(_) => ownership::talked(&mut draft),
        Input::SmsReceived(sms) => inbound::received(context, &mut draft, sms),
        Input::WindowDue { complete_until } => window::due(context, &mut draft, *complete_until),
        Input::AnalysisReady { window_id, answer } => answer::ready(context, &mut draft, *window_id, answer),
        Input::AnalysisFailed { window_id, reason } => answer::failed(context, &mut draft, *window_id, *reason),
        Input::UserTookOver { user_id, reason } => ownership::taken_over(context, &mut draft, user_id, reason),
        Input::UserReplied { user_id, body } => ownership::replied(context, &mut draft, user_id, body),
        Input::Released { user_id } => ownership::released(context, &mut draft, user_id),
        Input::Completed { user_id, outcome, summary } => {
            ownership::completed(&mut draft, user_id, outcome, summary.as_deref());
        }
        Input::NumberReleased => ownership::number_released(&mut draft),
        Input::FalseAlarm { user_id } => emergency::false_alarm(&mut draft, user_id),
        Input::AlertTaken { phone, via, at } => alert_taken::taken(context, &mut draft, phone, *via, *at),
        Input::RingReported { call_id, report } => ladder::reported(context, &mut draft, *call_id, report),
        Input::OptOutRecorded { source, note, .. } => opting::recorded(context, &mut draft, *source, note.as_deref()),
        Input::OptOutLifted { .. } => opting::lifted(context, &mut draft),
        Input::MessageReported { message, report } => delivery::reported(context, &mut draft, message, report),
        Input::TextRecovered(text) => recovered::text(context, &mut draft, text),
        Input::SentRecovered(sms) => recovered::sent(context, &mut draft, sms),
        Input::Restored { alerted } => recovered::restored(context, &mut draft, alerted),
        Input::OwnSide(note) => own_side::noted(context, &mut draft, note),
    }
    waiting::end(context, &mut draft);
    relays::note(context, &mut draft, input);
    reminders::look(context, &mut draft, matches!(input, Input::WindowDue { .. }));
    idle::note(context, &mut draft);
    Some(draft.finish())
}

/// Whether a conversation has to be ended before this input can be decided: a call or a text of a customer after a time
/// without activity begins a new conversation. [`Input::WindowDue`] ends it.
pub fn must_end_first(
    policy: &Policy,
    business: &Business,
    conversation: &Conversation,
    input: &Input,
    now: DateTime<Utc>,
) -> bool {
    let at = match input {
        Input::CallMissed(_) => now,
        Input::SmsReceived(sms) | Input::TextRecovered(RecoveredText { sms, .. })
            if !inbound::kind_of(sms).is_automatic() =>
        {
            sms.received_at.min(now)
        }
        _ => return false,
    };
    idle::is_idle(policy, business, conversation, at)
}
