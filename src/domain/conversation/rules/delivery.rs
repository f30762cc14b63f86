//! The outcome of an outgoing message, from Twilio's answer to the carrier's report.

use uuid::Uuid;

use super::ownership::raise_epochs;
use super::window::overtake;
use super::{alert_taken, alerts, disclosure, landline, opting, waiting};
use crate::domain::conversation::decision::{Draft, MessageKind, MessageUpdate, WindowState};
use crate::domain::conversation::event::{EventData, MessageData, MessageFailedData, NeedsAttentionData};
use crate::domain::conversation::input::{Context, DeliveryStatus, MessageReport, SentMessage};
use crate::domain::conversation::reason::{AttentionReason, WindowReason};
use crate::domain::conversation::state::{Answering, MessageStatus, Ownership, Phase, Status};

/// Twilio's error for a recipient who has opted out: Twilio got a STOP that we did not.
const OPTED_OUT: i32 = 21_610;

/// Applies a report on an outgoing message.
pub(in crate::domain::conversation) fn reported(
    context: Context<'_>,
    draft: &mut Draft<'_>,
    message: &SentMessage,
    report: &MessageReport,
) {
    // These reports apply to a queued message only. If another worker has claimed it meanwhile, Twilio reports its
    // outcome.
    if matches!(report, MessageReport::Superseded | MessageReport::Expired) && message.status != MessageStatus::Queued {
        return;
    }
    if message.kind.is_to_own_side() {
        return own_side_reported(context, draft, message, report);
    }
    match report {
        MessageReport::Accepted { twilio_sid, segments } => accepted(draft, message, twilio_sid, *segments),
        MessageReport::Rejected { code, why } => {
            give_up(draft, message, *code, WindowReason::Rejected, why);
            if *code == Some(OPTED_OUT) {
                opting::out(context, draft, "carrier", message.created_at);
            }
        }
        MessageReport::Superseded => superseded(context, draft, message),
        // A late answer would confuse the customer.
        MessageReport::Expired => {
            give_up(draft, message, None, WindowReason::Expired, "the message waited too long to be sent")
        }
        MessageReport::Unknown => unknown(draft, message),
        MessageReport::Delivery { twilio_sid, status, error_code, why } => {
            let problem = Problem { code: *error_code, why: why.as_deref() };
            delivery(context, draft, message, twilio_sid, *status, problem);
        }
    }
    notice_reported(context, draft, message, report);
}

/// If the safety notice does not reach the customer, they are in danger while everybody believes that they were warned.
/// A person who owns the conversation knows what was sent in it.
fn notice_reported(context: Context<'_>, draft: &mut Draft<'_>, message: &SentMessage, report: &MessageReport) {
    let may_not_have_it = match report {
        MessageReport::Accepted { .. } => false,
        MessageReport::Delivery { status, .. } => {
            matches!(status, DeliveryStatus::Undelivered | DeliveryStatus::Failed) && !message.status.is_terminal()
        }
        MessageReport::Rejected { .. }
        | MessageReport::Superseded
        | MessageReport::Expired
        | MessageReport::Unknown => !message.status.is_terminal() && !message.status.is_accepted(),
    };
    let with_a_person = draft.state().ownership == Ownership::User || draft.state().status == Status::Completed;
    if message.kind == MessageKind::Notice && may_not_have_it && !with_a_person {
        alerts::customer_was_not_told(context, draft);
    }
}

/// What goes to the business's own side is not a message of the conversation: its row is updated, and only the failure of
/// an alert is published. A relay that is lost changes nothing for the customer.
///
/// This includes error 21610: the recipient of the alert opted out of the number's texts at Twilio. It does not concern
/// the customer, so it never changes the ledger.
fn own_side_reported(context: Context<'_>, draft: &mut Draft<'_>, message: &SentMessage, report: &MessageReport) {
    if message.status.is_terminal() {
        return;
    }
    let (status, sid, code) = match report {
        MessageReport::Accepted { .. } if message.status.is_accepted() => return, // a status callback came first
        MessageReport::Accepted { twilio_sid, .. } => (MessageStatus::Sent, Some(twilio_sid), None),
        MessageReport::Rejected { code, .. } => (MessageStatus::Failed, None, *code),
        MessageReport::Superseded => (MessageStatus::Superseded, None, None),
        MessageReport::Expired => (MessageStatus::Failed, None, None),
        MessageReport::Unknown => (MessageStatus::Unknown, None, None),
        MessageReport::Delivery { twilio_sid, status, error_code, .. } => {
            (after_report(*status), Some(twilio_sid), *error_code)
        }
    };
    if status == message.status {
        return;
    }
    advance(draft, message, status, sid.map(String::as_str), code, None);
    if status.is_accepted() && !message.status.is_accepted() {
        alert_taken::alert_accepted(draft, message.id);
    }
    let is_lost = matches!(
        status,
        MessageStatus::Failed | MessageStatus::Undelivered | MessageStatus::Unknown | MessageStatus::Superseded
    );
    if is_lost && message.kind == MessageKind::Alert {
        alerts::failed(context, draft, message.id, code);
    }
}

/// The message status for a delivery status.
pub(super) fn after_report(status: DeliveryStatus) -> MessageStatus {
    match status {
        DeliveryStatus::Accepted | DeliveryStatus::Sent => MessageStatus::Sent,
        DeliveryStatus::Delivered => MessageStatus::Delivered,
        DeliveryStatus::Undelivered => MessageStatus::Undelivered,
        DeliveryStatus::Failed => MessageStatus::Failed,
    }
}

/// Twilio accepted the message.
fn accepted(draft: &mut Draft<'_>, message: &SentMessage, twilio_sid: &str, segments: Option<u32>) {
    if message.status.is_terminal() || message.status.is_accepted() {
        return; // a status callback came first
    }
    advance(draft, message, MessageStatus::Sent, Some(twilio_sid), None, segments);
    disclosure::reported(draft, message.id, true);
    waiting::accepted(draft, message);
    draft.emit(EventData::MessageSent(data(message, Some(twilio_sid))));
    close_window(draft, message, WindowState::Answered, WindowReason::Sent);
}

/// It is unknown whether the message was sent.
fn unknown(draft: &mut Draft<'_>, message: &SentMessage) {
    if message.status.is_terminal() || message.status.is_accepted() || message.status == MessageStatus::Unknown {
        return;
    }
    advance(draft, message, MessageStatus::Unknown, None, None, None);
    waiting::lost(draft, message);
    draft.needs_attention(NeedsAttentionData::message(AttentionReason::SendUnknown, message.id));
    close_window(draft, message, WindowState::Unknown, WindowReason::SendUnknown);
}

/// The fence did not match: a newer window answers, or a person does.
fn superseded(context: Context<'_>, draft: &mut Draft<'_>, message: &SentMessage) {
    if message.kind == MessageKind::User && context.opted_out() {
        // It has no fence, so only the ledger can hold it back. Its author must be notified.
        return give_up(draft, message, None, WindowReason::OptedOut, "the customer has opted out of texts");
    }
    advance(draft, message, MessageStatus::Superseded, None, None, None);
    waiting::failed(draft, message);
    if message.kind == MessageKind::User {
        draft.needs_attention(NeedsAttentionData::message(AttentionReason::MayNotWrite, message.id));
    }
    if message.kind == MessageKind::Notice && context.opted_out() {
        draft.needs_attention(NeedsAttentionData::message(AttentionReason::NoticeNotSent, message.id));
    }
    let Some(answering) = answering(draft, message) else { return };
    draft.window(answering.window_id, WindowState::Superseded, answering.opened_at, WindowReason::Fence);
    draft.state().answering = None;
    // If the AI ended the conversation with this message, nobody will answer.
    let someone_will_answer = draft.state().window.is_some() || draft.state().ownership == Ownership::User;
    if !someone_will_answer {
        draft.needs_attention(NeedsAttentionData::message(AttentionReason::ReplySuperseded, message.id));
    }
}

/// The error that the carrier reports.
#[derive(Clone, Copy)]
struct Problem<'a> {
    code: Option<i32>,
    why: Option<&'a str>,
}

/// A status callback proves that Twilio accepted the message. The status only moves forward, and a terminal status is
/// final.
fn delivery(
    context: Context<'_>,
    draft: &mut Draft<'_>,
    message: &SentMessage,
    twilio_sid: &str,
    status: DeliveryStatus,
    problem: Problem<'_>,
) {
    if message.status.is_terminal() {
        return;
    }
    let first_proof = !message.status.is_accepted();
    let next = after_report(status);
    if !first_proof && next == MessageStatus::Sent {
        return;
    }
    advance(draft, message, next, Some(twilio_sid), problem.code, None);
    disclosure::reported(draft, message.id, matches!(next, MessageStatus::Sent | MessageStatus::Delivered));
    if first_proof {
        waiting::accepted(draft, message);
        draft.emit(EventData::MessageSent(data(message, Some(twilio_sid))));
        close_window(draft, message, WindowState::Answered, WindowReason::Sent);
    }
    match next {
        MessageStatus::Delivered => {
            waiting::delivered(draft, message);
            draft.emit(EventData::MessageDelivered(data(message, Some(twilio_sid))));
        }
        MessageStatus::Undelivered | MessageStatus::Failed => {
            waiting::failed(draft, message);
            landline::failed(draft, problem.code);
            draft.emit(EventData::MessageFailed(failure(message, Some(twilio_sid), next.as_str(), problem)));
            draft.needs_attention(attention(AttentionReason::NotDelivered, message, problem));
            // The same as if Twilio had rejected the message: the customer opted out at Twilio or at their carrier.
            if problem.code == Some(OPTED_OUT) {
                opting::out(context, draft, "carrier", message.created_at);
            }
        }
        _ => {}
    }
}

/// The message will not be sent. A person is notified, because the customer got no answer.
fn give_up(draft: &mut Draft<'_>, message: &SentMessage, code: Option<i32>, reason: WindowReason, why: &str) {
    if message.status.is_terminal() || message.status.is_accepted() {
        return;
    }
    advance(draft, message, MessageStatus::Failed, None, code, None);
    waiting::failed(draft, message);
    landline::failed(draft, code);
    let problem = Problem { code, why: Some(why) };
    draft.emit(EventData::MessageFailed(failure(message, None, reason.as_str(), problem)));
    let needed = match reason {
        WindowReason::Expired => AttentionReason::MessageExpired,
        WindowReason::OptedOut => AttentionReason::MessageOptedOut,
        _ => AttentionReason::MessageRejected,
    };
    draft.needs_attention(attention(needed, message, problem));
    close_window(draft, message, WindowState::HandedOver, reason);
}

fn advance(
    draft: &mut Draft<'_>,
    message: &SentMessage,
    status: MessageStatus,
    twilio_sid: Option<&str>,
    error_code: Option<i32>,
    segments: Option<u32>,
) {
    draft.update_message(MessageUpdate {
        id: message.id,
        expected: Some(message.status),
        status,
        twilio_sid: twilio_sid.map(str::to_owned),
        error_code,
        segments: segments.and_then(|n| i32::try_from(n).ok()),
    });
}

fn data(message: &SentMessage, twilio_sid: Option<&str>) -> MessageData {
    MessageData {
        message_id: message.id,
        twilio_sid: twilio_sid.or(message.twilio_sid.as_deref()).map(str::to_owned),
        sender_type: message.kind.sender_type().to_owned(),
        kind: message.kind,
        in_reply_to_window: message.in_reply_to_window,
    }
}

fn failure(message: &SentMessage, twilio_sid: Option<&str>, reason: &str, problem: Problem<'_>) -> MessageFailedData {
    MessageFailedData {
        message: data(message, twilio_sid),
        reason: reason.to_owned(),
        error_code: problem.code,
        why: problem.why.map(str::to_owned),
    }
}

fn attention(reason: AttentionReason, message: &SentMessage, problem: Problem<'_>) -> NeedsAttentionData {
    NeedsAttentionData {
        error_code: problem.code,
        why: problem.why.map(str::to_owned),
        ..NeedsAttentionData::message(reason, message.id)
    }
}

/// The answer in progress, if this message is its reply.
fn answering(draft: &mut Draft<'_>, message: &SentMessage) -> Option<Answering> {
    draft.state().answering.clone().filter(|a| a.phase == Phase::Replying { message_id: message.id })
}

fn close_window(draft: &mut Draft<'_>, message: &SentMessage, state: WindowState, reason: WindowReason) {
    if let Some(answering) = answering(draft, message) {
        let (state, reason) = match (state, answering.is_escalated) {
            (WindowState::Answered, true) => (WindowState::HandedOver, WindowReason::Escalated),
            _ => (state, reason),
        };
        draft.window(answering.window_id, state, answering.opened_at, reason);
        draft.state().answering = None;
    } else if state == WindowState::Answered
        && let Some(window_id) = message.in_reply_to_window
    {
        // It was superseded or abandoned, but was sent after all: record it.
        let opened_at = draft.now;
        draft.window(window_id, state, opened_at, WindowReason::SentAfterAll);
        nothing_left_of(draft, window_id);
    }
}

/// A takeover stopped this window's answer too late. The window that took its messages is therefore answered as well.
fn nothing_left_of(draft: &mut Draft<'_>, window_id: Uuid) {
    if let Some(window) = draft.state().window.take_if(|open| open.resumed.contains(window_id)) {
        draft.window(window.id, WindowState::Superseded, window.opened_at, WindowReason::SentAfterAll);
    }
    if let Some(answering) = draft.state().answering.clone().filter(|a| a.resumed.contains(window_id)) {
        overtake(draft, &answering, WindowReason::SentAfterAll);
        // The newer message may be claimed already and be queued again later: the fence must then hold it back.
        raise_epochs(draft);
    }
}
