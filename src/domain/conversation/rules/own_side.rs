//! What a phone of the business's own side is told, and whether it wants texts at all.

use crate::domain::conversation::decision::{Draft, Effect, LedgerChange, MessageKind, NewMessage};
use crate::domain::conversation::input::{Context, OwnSideNote, OwnSideWhat};

/// How the ledger names an opt-out of the business's own side.
const BY: &str = "own_side";

/// Queues a text to the phone, or records in the ledger that it wants none.
pub(in crate::domain::conversation) fn noted(context: Context<'_>, draft: &mut Draft<'_>, note: &OwnSideNote) {
    let now = draft.now;
    match &note.what {
        OwnSideWhat::Told { text, .. } => {
            let id = draft.id("owner_notice");
            draft.message(NewMessage {
                recipient: Some(note.phone.clone()),
                ..NewMessage::ours(id, MessageKind::OwnerNotice, text.clone(), now)
            });
            draft.effect(Effect::SendSms { message_id: id, responds_to: now });
        }
        OwnSideWhat::OptedOut { at } => {
            let at = (*at).min(now);
            if draft.state().memory.opted_in_at <= Some(at) && context.opted_out_at < Some(at) {
                draft.state().opted_out = true;
                draft.ledger(LedgerChange::Out { by: BY.to_owned(), at, note: None });
            }
        }
        OwnSideWhat::OptedIn { at } => {
            let at = (*at).min(now);
            let last = &mut draft.state().memory.opted_in_at;
            *last = (*last).max(Some(at));
            if context.opted_out_at.is_some_and(|out_at| out_at <= at) {
                draft.state().opted_out = false;
                draft.ledger(LedgerChange::In);
            }
        }
    }
}
