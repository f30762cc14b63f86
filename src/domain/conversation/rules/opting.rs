//! Opting out of texts and back in. Twilio answers these keywords itself; we never do.

use chrono::{DateTime, Utc};

use super::alerts;
use super::ownership::{hand_over_window, silence_the_ai};
use crate::domain::conversation::decision::{Draft, LedgerChange};
use crate::domain::conversation::event::{EventData, OptedInData, OptedOutData};
use crate::domain::conversation::input::Context;
use crate::domain::conversation::reason::WindowReason;
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

/// The customer opted out at `at`: everything in progress is dropped, and unanswered messages are handed over to a
/// person. It has no effect if they opted in again later than `at`.
pub(in crate::domain::conversation) fn out(context: Context<'_>, draft: &mut Draft<'_>, by: &str, at: DateTime<Utc>) {
    if draft.state().memory.opted_in_at > Some(at) {
        return;
    }
    silence_the_ai(draft, WindowReason::OptedOut);
    hand_over_window(draft, WindowReason::OptedOut);
    draft.state().opted_out = true;
    alerts::customer_is_out(draft);
    if context.opted_out_at < Some(at) {
        draft.ledger(LedgerChange::Out { by: by.to_owned(), at });
    }
    if !context.opted_out() {
        draft.emit(EventData::OptedOut(OptedOutData { by: by.to_owned() }));
    }
}
