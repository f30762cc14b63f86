//! Opting out of texts, and back in. Twilio answers these words itself: never an answer of ours to them.

use serde_json::json;

use super::ownership::{hand_over_window, silence_the_ai};
use crate::conversation::decision::{Draft, LedgerChange};
use crate::conversation::event::EventType;
use crate::conversation::words::OptWord;

/// What the customer's word does to the conversation and the ledger.
pub(in crate::conversation) fn said(draft: &mut Draft<'_>, word: OptWord, is_out: bool) {
    match word {
        OptWord::Out { by } => out(draft, by, is_out),
        OptWord::In if is_out => {
            draft.state().opted_out = false;
            draft.ledger(LedgerChange::In);
            draft.emit(EventType::OptedIn, json!({}));
        }
        OptWord::In | OptWord::Help => {}
    }
}

/// The customer wants no more texts: whatever is under way is dropped, and a person has what was unanswered.
pub(in crate::conversation) fn out(draft: &mut Draft<'_>, by: &str, is_out: bool) {
    silence_the_ai(draft, "opted_out");
    hand_over_window(draft, "opted_out");
    draft.state().opted_out = true;
    if !is_out {
        draft.ledger(LedgerChange::Out { by: by.to_owned() });
        draft.emit(EventType::OptedOut, json!({ "by": by }));
    }
}
