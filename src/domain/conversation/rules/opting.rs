//! Opting out of texts and back in, by the customer's word or as a person records it. Twilio answers the keywords itself; we
//! never do.

use chrono::{DateTime, Utc};

use super::alerts;
use super::ownership::{hand_over_window, silence_the_ai};
use crate::domain::conversation::decision::{Draft, LedgerChange};
use crate::domain::conversation::event::{EventData, OptedInData, OptedOutData};
use crate::domain::conversation::input::{Context, OptOutSource};
use crate::domain::conversation::reason::WindowReason;
use crate::domain::conversation::state::Status;
use crate::domain::conversation::words::OptWord;

/// Applies the customer's keyword, sent at `sent_at`, to the conversation and the ledger. The newest keyword counts, in
/// whatever order they arrive.
pub(in crate::domain::conversation) fn said(
    context: Context<'_>,
    draft: &mut Draft<'_>,
    word: OptWord,
    sent_at: DateTime<Utc>,
) {
    // A timestamp in the future (an edge whose clock is ahead) would take precedence over the customer's next keyword.
    let at = sent_at.min(draft.now);
    match word {
        OptWord::Out { by } => out(context, draft, by, at),
        OptWord::In => {
            let last = &mut draft.state().memory.opted_in_at;
            *last = (*last).max(Some(at));
            if context.opted_out_at.is_some_and(|out_at| out_at <= at) {
                draft.state().opted_out = false;
                draft.ledger(LedgerChange::In);
                draft.emit(EventData::OptedIn(OptedInData {}));
            }
        }
        OptWord::Help | OptWord::Doubtful => {}
    }
}

/// A person records, now, what the customer said elsewhere: it counts like the customer's own newest word. A conversation
/// that has ended stays so; its last answer may still wait to be sent.
pub(in crate::domain::conversation) fn recorded(
    context: Context<'_>,
    draft: &mut Draft<'_>,
    source: OptOutSource,
    note: Option<&str>,
) {
    // Another process, whose clock is ahead, may have stamped an earlier word.
    let at = draft.state().memory.opted_in_at.max(Some(draft.now)).unwrap_or(draft.now);
    is_active(draft);
    leave(context, draft, &Word { by: source.as_str(), at, note });
}

/// A person records, now, that the customer consents to texts again. Windows that were handed over stay with the person.
pub(in crate::domain::conversation) fn lifted(context: Context<'_>, draft: &mut Draft<'_>) {
    let at = context.opted_out_at.max(Some(draft.now));
    let last = &mut draft.state().memory.opted_in_at;
    *last = (*last).max(at);
    is_active(draft);
    draft.state().opted_out = false;
    if context.opted_out() {
        draft.ledger(LedgerChange::In);
        draft.emit(EventData::OptedIn(OptedInData {}));
    }
}

/// What a person does in an open conversation is activity.
fn is_active(draft: &mut Draft<'_>) {
    let now = draft.now;
    if draft.state().status != Status::Completed {
        draft.state().last_activity = now;
    }
}

/// The customer opted out at `at`: everything in progress is dropped, and unanswered messages are handed over to a
/// person. It has no effect if they opted in again later than `at`.
pub(in crate::domain::conversation) fn out(context: Context<'_>, draft: &mut Draft<'_>, by: &str, at: DateTime<Utc>) {
    leave(context, draft, &Word { by, at, note: None });
}

/// An opt-out: how and when it was said, and what a person wrote about it.
struct Word<'a> {
    by: &'a str,
    at: DateTime<Utc>,
    note: Option<&'a str>,
}

fn leave(context: Context<'_>, draft: &mut Draft<'_>, &Word { by, at, note }: &Word<'_>) {
    if draft.state().memory.opted_in_at > Some(at) {
        return;
    }
    silence_the_ai(draft, WindowReason::OptedOut);
    hand_over_window(draft, WindowReason::OptedOut);
    draft.state().opted_out = true;
    alerts::customer_is_out(draft);
    if context.opted_out_at < Some(at) {
        draft.ledger(LedgerChange::Out { by: by.to_owned(), at, note: note.map(str::to_owned) });
    }
    if !context.opted_out() {
        draft.emit(EventData::OptedOut(OptedOutData { by: by.to_owned() }));
    }
}
