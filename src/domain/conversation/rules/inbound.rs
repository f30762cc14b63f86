//! A customer's message is stored and put into at most one window, and the window's deadline moves.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::alerts::{self, Customer};
use super::ownership::{hand_over_window, silence_the_ai};
use super::window::{deadline, overtake};
use super::{emergency, landline, opting, relays, waiting};
use crate::domain::conversation::automatic;
use crate::domain::conversation::decision::{Draft, KeptVerdict, MessageKind, NewMessage, WindowState};
use crate::domain::conversation::event::{AiTimerStartedData, EventData, MessageReceivedData, NeedsAttentionData};
use crate::domain::conversation::input::{Context, InboundSms};
use crate::domain::conversation::reason::{AttentionReason, WindowReason};
use crate::domain::conversation::state::{OpenWindow, Resumed};
use crate::domain::conversation::words::{OptWord, opt_word};
use crate::domain::emergency::Reading;
use crate::domain::language;

/// What a text is. What Twilio reports as an opt-out or an opt-in is the customer's own.
pub(in crate::domain::conversation) fn kind_of(sms: &InboundSms) -> MessageKind {
    if sms.opt_out_type.is_some() { MessageKind::Customer } else { automatic::kind_of(&sms.body) }
}

/// Says that a text came, and what that alone changes. Returns the id that it will have, and what it is.
pub(super) fn announce(context: Context<'_>, draft: &mut Draft<'_>, sms: &InboundSms) -> (Uuid, MessageKind) {
    let kind = kind_of(sms);
    if !kind.is_automatic() {
        draft.state().text_revision += 1;
    }
    let message_id = draft.id("message");
    // The ledger applies to the whole business: the customer may have opted out at another of its numbers.
    draft.state().opted_out = context.opted_out();
    draft.state().own_account = sms.own_account.clone();
    draft.emit(EventData::MessageReceived(MessageReceivedData {
        message_id,
        kind: kind.as_str().to_owned(),
        twilio_sid: sms.twilio_sid.clone(),
        body: sms.body.clone(),
        media: sms.media.clone(),
        received_at: sms.received_at,
    }));
    landline::wrote(draft);
    (message_id, kind)
}

/// A text is read for three independent questions: does it change the opt-out, does it report an emergency, and does it
/// need an answer. No result suppresses another. A reaction or an automatic reply is only kept.
pub(in crate::domain::conversation) fn received(context: Context<'_>, draft: &mut Draft<'_>, sms: &InboundSms) {
    let (message_id, kind) = announce(context, draft, sms);
    draft.state().memory.newest_text = draft.state().memory.newest_text.max(sms.stream_sequence);
    let (window_id, verdict) = if kind.is_automatic() { (None, None) } else { read(context, draft, sms, message_id) };
    if window_id.is_none() {
        // The text before it, if it came late, has left the timer to this one.
        draft.rearm();
    }
    draft.message(NewMessage { window_id, verdict, ..NewMessage::theirs(message_id, kind, sms) });
    if !kind.is_automatic() {
        relays::heard(context, draft, sms, message_id);
    }
}

/// Reads the customer's words. Returns the window that they are in, and what they say of an emergency.
fn read(
    context: Context<'_>,
    draft: &mut Draft<'_>,
    sms: &InboundSms,
    message_id: Uuid,
) -> (Option<Uuid>, Option<KeptVerdict>) {
    let seen_at = seen_at(context, sms, draft.now);
    if let Some(language) = language::of(&sms.body) {
        draft.state().memory.language = language;
    }
    draft.state().last_activity = draft.state().last_activity.max(seen_at);
    // Texts may arrive out of order. What a keyword means depends on when it was sent.
    let was_out = context.opted_out_at.is_some_and(|at| at <= sms.received_at);
    match opt_word(&sms.body, sms.opt_out_type.as_deref(), was_out) {
        Some(word @ (OptWord::Out { .. } | OptWord::In | OptWord::Help)) => {
            (None, says_a_word(context, draft, sms, word, message_id))
        }
        // The customer has opted out already, so a doubtful text is treated like any other.
        None | Some(OptWord::Doubtful) if context.opted_out() => {
            // We must not answer, so a person is notified.
            draft.needs_attention(NeedsAttentionData::message(AttentionReason::OptedOut, message_id));
            let verdict = sms.reading.verdict().map(|verdict| emergency::kept(context, verdict));
            emergency::told_without_an_answer(context, draft, verdict.as_ref(), &sms.body, Customer::Out);
            (None, verdict)
        }
        None | Some(OptWord::Doubtful) if context.is_never_texted(&sms.customer) => {
            draft.needs_attention(NeedsAttentionData::message(AttentionReason::NeverText, message_id));
            let verdict = sms.reading.verdict().map(|verdict| emergency::kept(context, verdict));
            emergency::told_without_an_answer(context, draft, verdict.as_ref(), &sms.body, Customer::NeverTexted);
            (None, verdict)
        }
        Some(OptWord::Doubtful) => {
            let (window_id, verdict) = may_want_no_texts(context, draft, sms, seen_at, message_id);
            (Some(window_id), verdict)
        }
        None => {
            let (window_id, verdict) = wants_an_answer(context, draft, sms, seen_at);
            (Some(window_id), verdict)
        }
    }
}

/// An opt-out, an opt-in, or a keyword that Twilio answers: we never answer it. An emergency in the same text is still
/// reported, also if the text only completes the report.
fn says_a_word(
    context: Context<'_>,
    draft: &mut Draft<'_>,
    sms: &InboundSms,
    word: OptWord,
    message_id: Uuid,
) -> Option<KeptVerdict> {
    let verdict = emergency::beside(context, draft.state().window.as_ref(), &sms.reading);
    opting::said(context, draft, word, sms.received_at);
    let customer = match context.is_never_texted(&sms.customer) {
        _ if draft.state().opted_out => Customer::Out,
        true => Customer::NeverTexted,
        false => Customer::OfTwilio,
    };
    if word == (OptWord::Out { by: "sentence" }) && customer == Customer::Out {
        // Twilio does not confirm an opt-out by sentence, so the customer got no confirmation.
        draft.needs_attention(NeedsAttentionData::message(AttentionReason::OptedOutCallThem, message_id));
    }
    // An opt-in has an event of its own.
    if word == OptWord::Help || (word == OptWord::In && !context.opted_out()) {
        draft.needs_attention(NeedsAttentionData::message(AttentionReason::Keyword, message_id));
    }
    emergency::told_without_an_answer(context, draft, verdict.as_ref(), &sms.body, customer);
    verdict
}

/// The text may be an opt-out, or may not. The ledger does not change, nothing is answered, and unanswered messages are
/// handed over to a person. Safety notices and emergency alerts are still sent.
fn may_want_no_texts(
    context: Context<'_>,
    draft: &mut Draft<'_>,
    sms: &InboundSms,
    seen_at: DateTime<Utc>,
    message_id: Uuid,
) -> (Uuid, Option<KeptVerdict>) {
    let under_way = draft.state().answering.clone().filter(|_| alerts::is_about_life(draft));
    if let Some(answering) = under_way {
        // Not the hard epoch: it would also hold back a queued safety notice.
        draft.state().epoch += 1;
        overtake(draft, &answering, WindowReason::PossibleOptOut);
    } else if alerts::is_about_life(draft) {
        draft.state().epoch += 1;
    } else {
        silence_the_ai(draft, WindowReason::PossibleOptOut);
    }
    waiting::text(draft, sms);
    let mut window = join_or_open(context, draft, seen_at);
    let id = window.id;
    let verdict = emergency::add_up(context, &mut window, &sms.reading);
    draft.state().window = Some(window);
    hand_over_window(draft, WindowReason::PossibleOptOut);
    draft.needs_attention(NeedsAttentionData {
        window_id: Some(id),
        ..NeedsAttentionData::message(AttentionReason::PossibleOptOut, message_id)
    });
    emergency::told_without_an_answer(context, draft, verdict.as_ref(), &sms.body, Customer::PerhapsOut);
    draft.rearm();
    (id, verdict)
}

/// Raises the epoch: every reply that was computed without this message is stale.
fn wants_an_answer(
    context: Context<'_>,
    draft: &mut Draft<'_>,
    sms: &InboundSms,
    seen_at: DateTime<Utc>,
) -> (Uuid, Option<KeptVerdict>) {
    draft.state().epoch += 1;
    start_timer(draft, seen_at);
    waiting::text(draft, sms);
    let mut window = join_or_open(context, draft, seen_at);
    let id = window.id;
    let verdict = emergency::add_up(context, &mut window, &sms.reading);
    draft.state().window = match &verdict {
        Some(kept) if kept.accepted => emergency::told(context, draft, window, &kept.verdict, &sms.body),
        _ => Some(window),
    };
    // A window that is late waits for the text that follows, which arms the timer. That one may have been decided on since.
    let is_followed = sms.is_followed && draft.state().memory.newest_text == sms.stream_sequence;
    let is_late = draft.state().window.as_ref().and_then(|window| window.deadline).is_some_and(|at| at <= draft.now);
    if !(is_followed && is_late && !draft.state().memory.is_alerting()) {
        draft.rearm();
    }
    (id, verdict)
}

/// The time that counts for the window: the edge's timestamp. A message that was delayed by more than `max` (an outage)
/// counts from now, so that a backlog is answered as one burst and not text by text. A timestamp in the future (an edge
/// whose clock is ahead) counts as now.
fn seen_at(context: Context<'_>, sms: &InboundSms, now: DateTime<Utc>) -> DateTime<Utc> {
    if sms.received_at + context.policy.max < now { now } else { sms.received_at.min(now) }
}

fn start_timer(draft: &mut Draft<'_>, seen_at: DateTime<Utc>) {
    if draft.state().ai_timer_started {
        return;
    }
    draft.state().ai_timer_started = true;
    draft.state().ai_timer_started_at = Some(seen_at);
    draft.emit(EventData::AiTimerStarted(AiTimerStartedData { started_at: seen_at }));
}

/// Joins the open window, or opens one. A window that supersedes an answer in progress inherits its opening time, so
/// that the customer waits no longer. If that answer is sent in any case, the new window gets its own opening time.
fn join_or_open(context: Context<'_>, draft: &mut Draft<'_>, seen_at: DateTime<Utc>) -> OpenWindow {
    let now = draft.now;
    let mut window = match draft.state().window.take() {
        Some(mut open) => {
            open.last_message_at = open.last_message_at.max(seen_at);
            open.resumed = Resumed::default();
            open
        }
        None => {
            let inherited = draft.state().answering.as_ref().filter(|a| now < a.exempt_at).map(|a| a.opened_at);
            let opened_at = inherited.unwrap_or(seen_at);
            let id = draft.id("window");
            let reason = if inherited.is_some() { WindowReason::OvertookAnswer } else { WindowReason::Message };
            draft.window(id, WindowState::Open, opened_at, reason);
            OpenWindow {
                id,
                opened_at,
                last_message_at: seen_at,
                deadline: None,
                resumed: Resumed::default(),
                reading: Reading::default(),
                traces: Vec::new(),
            }
        }
    };
    let ownership = draft.state().ownership;
    window.deadline = deadline(context, ownership, &window);
    window
}
