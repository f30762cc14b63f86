//! Opting out of texts, and back in. Twilio answers these words itself: never an answer of ours to them.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::alerts;
use super::ownership::{hand_over_window, silence_the_ai};
use crate::domain::conversation::decision::{Draft, LedgerChange};
use crate::domain::conversation::event::EventType;
use crate::domain::conversation::input::Context;
use crate::domain::conversation::words::OptWord;

/// What the customer's word, sent at `sent_at`, does to the conversation and the ledger: the newest word counts, in
/// whichever order they come.
pub(in crate::domain::conversation) fn said(
    context: Context<'_>,
    draft: &mut Draft<'_>,
    word: OptWord,
    sent_at: DateTime<Utc>,
) {
    // The stamp of an edge whose clock is ahead would outdo what the customer says next.
    let at = sent_at.min(draft.now);
    match word {
        OptWord::Out { by } => out(context, draft, by, at),
        OptWord::In => {
            let last = &mut draft.state().memory.opted_in_at;
            *last = (*last).max(Some(at));
            if context.opted_out_at.is_some_and(|out_at| out_at <= at) {
                draft.state().opted_out = false;
                draft.ledger(LedgerChange::In);
                draft.emit(EventType::OptedIn, json!({}));
            }
        }
        OptWord::Help | OptWord::Doubtful => {}
    }
}

/// The customer wants no more texts, since `at`: whatever is under way is dropped, and a person has what was unanswered.
/// Unless they have said since that they want them again.
pub(in crate::domain::conversation) fn out(context: Context<'_>, draft: &mut Draft<'_>, by: &str, at: DateTime<Utc>) {
    if draft.state().memory.opted_in_at > Some(at) {
        return;
    }
    silence_the_ai(draft, "opted_out");
    hand_over_window(draft, "opted_out");
    draft.state().opted_out = true;
    alerts::customer_is_out(draft);
    if context.opted_out_at < Some(at) {
        draft.ledger(LedgerChange::Out { by: by.to_owned(), at });
    }
    if !context.opted_out() {
        draft.emit(EventType::OptedOut, json!({ "by": by }));
    }
}
