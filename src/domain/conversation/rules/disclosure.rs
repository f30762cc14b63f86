//! The AI's first text in a conversation says that an AI writes, unless the business has turned that off.
//!
//! The first text is the first that reaches the customer: an answer that was held back or did not arrive has told nobody.
//! While the outcome of one is open, another says so again.

use uuid::Uuid;

use super::texts;
use crate::domain::conversation::decision::Draft;
use crate::domain::conversation::input::Context;
use crate::domain::conversation::state::{Conversation, Disclosure, MOST_DISCLOSURES};

/// DispatchBot's answer as the customer gets it.
pub(in crate::domain::conversation) fn with_disclosure(
    context: Context<'_>,
    conversation: &Conversation,
    answer: &str,
) -> String {
    if !is_owed(context, conversation) {
        return answer.to_owned();
    }
    let disclosure = texts::ai_disclosure(context.business, conversation.memory.language);
    format!("{disclosure} {answer}")
}

/// Notes that the answer in this message, which is to be sent, says that an AI writes.
pub(in crate::domain::conversation) fn note(context: Context<'_>, draft: &mut Draft<'_>, message_id: Uuid) {
    if !is_owed(context, draft.state()) {
        return;
    }
    let disclosures = &mut draft.state().memory.disclosures;
    if disclosures.len() >= MOST_DISCLOSURES {
        disclosures.remove(0);
    }
    disclosures.push(Disclosure { message_id, is_told: false });
}

/// Twilio has accepted a message, or it turned out not to arrive.
pub(in crate::domain::conversation) fn reported(draft: &mut Draft<'_>, message_id: Uuid, is_told: bool) {
    for disclosure in &mut draft.state().memory.disclosures {
        if disclosure.message_id == message_id {
            disclosure.is_told = is_told;
        }
    }
}

fn is_owed(context: Context<'_>, conversation: &Conversation) -> bool {
    let is_told = conversation.memory.disclosures.iter().any(|disclosure| disclosure.is_told);
    context.business.policy.discloses_ai() && !is_told
}
