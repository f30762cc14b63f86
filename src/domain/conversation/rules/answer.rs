//! DispatchBot's answer to a window: sent, dropped because something newer came, or replaced by the fallback text.

use serde_json::json;
use uuid::Uuid;

use super::alerts::{self, Customer, Sighting};
use super::disclosure::{self, with_disclosure};
use super::texts;
use super::waiting;
use super::window::{never_text, other_business};
use crate::domain::answer_check;
use crate::domain::appointment_check::{Impossible, Proposed};
use crate::domain::conversation::decision::{
    Detector, Draft, Effect, Fence, MessageKind, MessageUpdate, NewMessage, Priority, WindowState,
};
use crate::domain::conversation::event::{
    AppointmentRequestedData, CompletedBy, ConversationCompletedData, EmergencyDetectedData, EventData,
    NeedsAttentionData,
};
use crate::domain::conversation::input::{Answer, Appointment, Business, Context, Urgency};
use crate::domain::conversation::reason::{AnalysisReason, AttentionReason, WindowReason};
use crate::domain::conversation::state::{Answering, Conversation, Phase, Status};
use crate::domain::invisible::is_blank;
use crate::domain::price_check::{self, PriceRange};
use crate::domain::sms_segments::{self, MAX_BODY_CHARS};
use crate::domain::typography;

/// DispatchBot answered.
pub(in crate::domain::conversation) fn ready(
    context: Context<'_>,
    draft: &mut Draft<'_>,
    window_id: Uuid,
    answer: &Answer,
) {
    let said = serde_json::to_value(answer).unwrap_or_default();
    let Some(mut answering) = current(draft, window_id) else {
        return draft.analysis(window_id, said, Some(AnalysisReason::Overtaken));
    };
    let held = (!context.may_answer(draft.now)).then_some(AnalysisReason::OtherBusiness);
    let body = with_disclosure(context, draft.state(), &answer.text);
    let unfit = unfit(context, answer, &body, &answering, draft.state());
    draft.analysis(window_id, said, held.or(unfit));
    join_verdicts(context, draft, &mut answering, answer);
    if context.is_never_texted(&draft.state().customer_phone) {
        draft.state().answering = None;
        return never_text(draft, window_id, answering.opened_at);
    }
    if held.is_some() {
        draft.state().answering = None;
        return other_business(draft, window_id, answering.opened_at);
    }
    if let Some(reason) = unfit {
        stand_in(context, draft, answering, reason);
        return;
    }
    learn(draft, answer);
    let now = draft.now;
    draft.state().memory.ai_replies.push(now);
    answering.is_escalated = answer.is_escalated;
    let message_id = say(draft, answering, MessageKind::Reply, body);
    disclosure::note(context, draft, message_id);
    if answer.is_escalated {
        waiting::gets_no_answer(draft, window_id);
        draft.needs_attention(NeedsAttentionData::window(AttentionReason::Escalated, window_id));
    }
    if let Some(appointment) = &answer.appointment {
        draft.emit(EventData::AppointmentRequested(AppointmentRequestedData {
            window_id,
            appointment: appointment.clone(),
            job_type: answer.job_type.clone(),
            summary: answer.summary.clone(),
        }));
    }
    // A customer who wrote again has not finished: the newer window decides whether the conversation ends. While a person
    // is to go on, or may take an emergency, only a person may end it: a completed conversation could not be taken over.
    let is_left_to_a_person =
        answer.is_escalated || draft.state().memory.is_alerting() || draft.state().waits_for_a_taker(now);
    if answer.complete && draft.state().window.is_none() && !is_left_to_a_person {
        draft.state().status = Status::Completed;
        draft.state().ownership_revision += 1;
        draft.state().memory.completed_at = Some(now);
        draft.state().outcome = answer.outcome.clone();
        draft.state().summary = answer.summary.clone();
        draft.emit(EventData::ConversationCompleted(ConversationCompletedData {
            outcome: answer.outcome.clone(),
            summary: answer.summary.clone(),
            by: CompletedBy::Ai,
            user_id: None,
        }));
    }
}

/// DispatchBot did not answer, or not in time.
pub(in crate::domain::conversation) fn failed(
    context: Context<'_>,
    draft: &mut Draft<'_>,
    window_id: Uuid,
    reason: AnalysisReason,
) {
    let Some(answering) = current(draft, window_id) else { return };
    draft.analysis(window_id, json!({ "failed": reason }), Some(reason));
    if !context.may_answer(draft.now) {
        draft.state().answering = None;
        return other_business(draft, window_id, answering.opened_at);
    }
    if context.is_never_texted(&draft.state().customer_phone) {
        draft.state().answering = None;
        return never_text(draft, window_id, answering.opened_at);
    }
    stand_in(context, draft, answering, reason);
}

/// The window in progress, if it is this one and its answer is still wanted. A stale one is recorded as superseded.
fn current(draft: &mut Draft<'_>, window_id: Uuid) -> Option<Answering> {
    let answering = draft.state().answering.clone()?;
    if answering.window_id != window_id || answering.phase != Phase::Analyzing {
        return None;
    }
    let (epoch, hard_epoch) = (draft.state().epoch, draft.state().hard_epoch);
    let overtaken = epoch != answering.epoch && draft.now < answering.exempt_at;
    if hard_epoch != answering.hard_epoch || overtaken {
        waiting::gets_no_answer(draft, window_id);
        draft.window(window_id, WindowState::Superseded, answering.opened_at, WindowReason::Overtaken);
        draft.state().answering = None;
        return None;
    }
    Some(answering)
}

/// If either the words or DispatchBot say emergency, it is one, even if the answer is unusable. The alerts start, and a
/// replacement for the answer is the emergency text. If only one of them says so, that is reported too.
fn join_verdicts(context: Context<'_>, draft: &mut Draft<'_>, answering: &mut Answering, answer: &Answer) {
    let seen = says_emergency(answer);
    // A person reported a false alarm after this window closed. Their judgment counts.
    if draft.state().memory.false_alarm_at.is_some_and(|at| at >= answering.closed_at) {
        return;
    }
    match (seen, answering.emergency_rule.clone()) {
        (true, by_words) if context.business.accepts_emergencies => {
            let why = EmergencyDetectedData {
                rule: by_words.clone(),
                job_type: answer.job_type.clone(),
                confidence: answer.confidence,
                disagreement: Some(by_words.is_none()),
                ..EmergencyDetectedData::by(Detector::DispatchBot)
            };
            if by_words.is_none() {
                draft.disagreement(Detector::DispatchBot);
            }
            let sighting = Sighting { why, said: None, danger: None, customer: Customer::Answered };
            alerts::emergency_seen(context, draft, sighting);
            answering.priority = Priority::Urgent;
        }
        (false, Some(rule)) if answering.priority == Priority::Urgent => {
            draft.disagreement(Detector::Words);
            draft.needs_attention(NeedsAttentionData {
                disagreement: Some(true),
                rule: Some(rule),
                by: Some(Detector::Words),
                confidence: answer.confidence,
                ..NeedsAttentionData::window(AttentionReason::EmergencyDisagreement, answering.window_id)
            });
        }
        _ => {}
    }
}

/// Why an answer is not sent, if it is not. Of what the business says of its AI only the length is checked, as a part of the
/// whole SMS, and its alphabet: a sign outside GSM-7 in it makes the AI's words take more segments. What is judged is the text
/// that is sent: an en dash, for one, becomes a hyphen of the name after it. Only characters that are not seen are looked for in
/// what DispatchBot wrote, because some are gone after that, and none comes.
fn unfit(
    context: Context<'_>,
    answer: &Answer,
    body: &str,
    answering: &Answering,
    conversation: &Conversation,
) -> Option<AnalysisReason> {
    let Business { policy, phone_numbers, .. } = context.business;
    let (own, customer) = (&conversation.business_phone, &conversation.customer_phone);
    let known: Vec<_> = phone_numbers.iter().chain([customer]).collect();
    let (whole, sent) = (typography::fold(body), typography::fold_end(&answer.text, body));
    if is_blank(&answer.text) {
        Some(AnalysisReason::EmptyAnswer)
    } else if is_too_long(&whole) || sms_segments::count_within(&sent, &whole) > policy.max_segments() {
        Some(AnalysisReason::AnswerTooLong)
    } else if answer_check::has_hidden_characters(&answer.text) {
        Some(AnalysisReason::HiddenCharacters)
    } else if is_unsure(answer, context.business.confidence_threshold) {
        Some(AnalysisReason::LowConfidence)
    } else if !names_estimates_only(&sent, answer, &context.business.price_ranges) {
        Some(AnalysisReason::PriceOutOfRange)
    } else if !answer_check::links_are_allowed(&sent, policy.links()) {
        Some(AnalysisReason::LinkNotAllowed)
    } else if !answer_check::numbers_are_known(&sent, own, &known) {
        Some(AnalysisReason::UnknownPhoneNumber)
    } else {
        impossible_appointment(context, answer, answering, customer.as_str())
    }
}

fn is_unsure(answer: &Answer, threshold: f64) -> bool {
    answer.confidence.is_some_and(|confidence| confidence.is_nan() || confidence < threshold)
}

fn names_estimates_only(sent: &str, answer: &Answer, ranges: &[PriceRange]) -> bool {
    price_check::are_estimated(sent, ranges) && price_check::are_within(&answer.prices, ranges)
}

fn is_too_long(sent: &str) -> bool {
    sent.chars().count() > MAX_BODY_CHARS
}

fn impossible_appointment(
    context: Context<'_>,
    answer: &Answer,
    answering: &Answering,
    customer: &str,
) -> Option<AnalysisReason> {
    let Appointment { starts_at, ends_at, .. } = answer.appointment.as_ref()?;
    let proposed = Proposed {
        starts_at: *starts_at,
        ends_at: *ends_at,
        customer,
        agreed_at: answering.closed_at, // DispatchBot knew this time, and not how long it would take to answer
        is_emergency: answering.priority == Priority::Urgent || says_emergency(answer),
    };
    context.business.schedule.check(&proposed).err().map(|why| match why {
        Impossible::InPast => AnalysisReason::AppointmentInPast,
        Impossible::EndsBeforeStart => AnalysisReason::AppointmentEndsBeforeStart,
        Impossible::OutsideHours => AnalysisReason::AppointmentOutsideHours,
        Impossible::Taken => AnalysisReason::AppointmentTaken,
    })
}

fn says_emergency(answer: &Answer) -> bool {
    answer.emergency_detected || answer.urgency == Urgency::Emergency
}

fn learn(draft: &mut Draft<'_>, answer: &Answer) {
    let state = draft.state();
    state.job_type = answer.job_type.clone().or_else(|| state.job_type.take());
    let contradicted = state.memory.false_alarm_at.is_some() && !state.emergency_detected;
    if !(contradicted && answer.urgency == Urgency::Emergency) {
        state.urgency_level = Some(answer.urgency.as_str().to_owned());
    }
}

/// Sends the fallback text, at most once per `fallback_every`. In every case a person is notified.
fn stand_in(context: Context<'_>, draft: &mut Draft<'_>, answering: Answering, reason: AnalysisReason) {
    let now = draft.now;
    let window_id = answering.window_id;
    let language = draft.state().memory.language;
    waiting::gets_no_answer(draft, window_id);
    if answering.priority == Priority::Urgent {
        say(draft, answering, MessageKind::Emergency, texts::emergency(context.business, language));
        draft.needs_attention(NeedsAttentionData::window(reason.into(), window_id));
        return;
    }
    let recently = draft.state().memory.fallback_at.is_some_and(|at| now < at + context.policy.fallback_every);
    if recently {
        draft.window(window_id, WindowState::HandedOver, answering.opened_at, reason.into());
        draft.state().answering = None;
    } else {
        draft.state().memory.fallback_at = Some(now);
        say(draft, answering, MessageKind::Fallback, texts::fallback(context.business, language));
    }
    draft.needs_attention(NeedsAttentionData::window(reason.into(), window_id));
}

/// Sends an answer to a window; returns the id of the message.
fn say(draft: &mut Draft<'_>, answering: Answering, kind: MessageKind, body: String) -> Uuid {
    let (now, responds_to) = (draft.now, answering.closed_at);
    // "I missed your call" is settled by now.
    if let Some(id) = draft.state().memory.held_missed_call_sms.take() {
        draft.update_message(MessageUpdate::hold_back(id));
    }
    let id = draft.id("message");
    draft.message(NewMessage {
        in_reply_to_window: Some(answering.window_id),
        fence: Some(Fence { epoch: answering.epoch, exempt_at: answering.exempt_at, hard_epoch: answering.hard_epoch }),
        ..NewMessage::ours(id, kind, body, now)
    });
    draft.state().answering = Some(Answering { phase: Phase::Replying { message_id: id }, ..answering });
    draft.state().last_activity = now;
    draft.effect(Effect::SendSms { message_id: id, responds_to });
    id
}
