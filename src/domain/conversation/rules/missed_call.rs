//! A missed call: the caller gets one text, and the call joins the open conversation.

use super::{landline, limits, recovered, texts};
use crate::domain::conversation::decision::{Draft, Effect, Fence, MessageKind, NewMessage};
use crate::domain::conversation::event::{CallData, EventData, NeedsAttentionData};
use crate::domain::conversation::input::{Context, MissedCall};
use crate::domain::conversation::reason::AttentionReason;
use crate::domain::conversation::state::Ownership;
use crate::domain::phones::why_refused;

/// Sends the missed-call text at most once per cooldown, and not while a person owns the conversation.
pub(in crate::domain::conversation) fn missed(context: Context<'_>, draft: &mut Draft<'_>, call: &MissedCall) {
    let now = draft.now;
    draft.emit(EventData::CallMissed(CallData {
        call_id: call.call_id,
        call_sid: call.call_sid.clone(),
        business_phone: call.business_phone.to_string(),
        dial_status: Some(call.dial_status.clone()),
        duration_seconds: Some(0),
    }));
    draft.state().last_activity = now;
    draft.state().own_account = call.own_account.clone();
    if call.recovered {
        // Long ago, and the caller may have got the text.
        recovered::hand_over(context, draft);
        return draft.needs_attention(NeedsAttentionData::new(AttentionReason::Recovered));
    }
    let told = draft.state().memory.missed_call_sms_at.max(context.missed_call_sms_at);
    if told.is_some_and(|at| now < at + context.policy.missed_call_cooldown) {
        return;
    }
    let customer = &call.customer;
    if draft.state().ownership == Ownership::User || context.opted_out() || context.is_never_texted(customer) {
        return;
    }
    if let Some(reason) = why_not(context, draft, call) {
        return draft.needs_attention(NeedsAttentionData::new(reason));
    }
    if let Err(limit) = limits::use_for_text(context, draft) {
        return limits::tell_once(context, draft, limit);
    }
    let language = draft.state().memory.language;
    draft.state().memory.missed_call_sms_at = Some(now);
    let quiet = context.business.quiet_hours.filter(|quiet| quiet.missed_call);
    let not_before = quiet.and_then(|quiet| quiet.over_at(now));
    let id = draft.id("message");
    let body = texts::missed_call(context.business, language, not_before.unwrap_or(now));
    draft.state().memory.held_missed_call_sms = not_before.map(|_| id);
    // A customer who texts meanwhile still needs to know that the call was noticed. Only what silences the AI holds it
    // back.
    let fence = Fence { epoch: draft.state().epoch, exempt_at: now, hard_epoch: draft.state().hard_epoch };
    draft.message(NewMessage {
        fence: Some(fence),
        not_before,
        ..NewMessage::ours(id, MessageKind::MissedCall, body, now)
    });
    draft.effect(Effect::SendSms { message_id: id, responds_to: now });
}

/// Why the caller gets no text: it would reach nobody, or cost more than the call is likely worth. A person may call back.
fn why_not(context: Context<'_>, draft: &mut Draft<'_>, call: &MissedCall) -> Option<AttentionReason> {
    let policy = &context.business.policy;
    if why_refused(&call.customer).is_some() {
        Some(AttentionReason::CostlyNumber)
    } else if !policy.texts_region(&call.customer, &call.business_phone) {
        Some(AttentionReason::Region)
    } else if call.verification_failed && policy.text_unverified == Some(false) {
        Some(AttentionReason::UnverifiedCaller)
    } else if !landline::takes_texts(draft) {
        Some(AttentionReason::Landline)
    } else {
        None
    }
}
