//! Who wants texts: what customers said last, in whatever order it was processed.

use chrono::{DateTime, Utc};

use super::Ledger;
use crate::domain::conversation::words::{OptWord, opt_word};
use crate::domain::conversation::{Decision, LedgerChange, MessageKind};
use crate::simulation::store::Tables;

/// The newest word for and against texts, by the time of sending.
#[derive(Default)]
pub(super) struct Words {
    for_texts: Option<DateTime<Utc>>,
    against: Option<DateTime<Utc>>,
    /// A carrier has refused a message because the customer opted out.
    refused: bool,
}

impl Ledger {
    pub(super) fn hears(&mut self, db: &Tables, decision: &Decision, now: DateTime<Utc>) {
        let conversation = &decision.conversation;
        let out = db.opted_out_at(&conversation.business_id, &conversation.customer_phone);
        let words = self.words.entry(conversation.customer_phone.clone()).or_default();
        for text in decision.messages.iter().filter(|message| message.kind == MessageKind::Customer) {
            let was_out = out.is_some_and(|at| at <= text.created_at);
            // A timestamp from the future counts as now.
            let said_at = Some(text.created_at.min(now));
            match opt_word(&text.body, None, was_out) {
                Some(OptWord::In) => words.for_texts = words.for_texts.max(said_at),
                Some(OptWord::Out { .. }) => words.against = words.against.max(said_at),
                Some(OptWord::Help | OptWord::Doubtful) | None => {}
            }
        }
        words.refused |= matches!(&decision.ledger, Some(LedgerChange::Out { by, .. }) if by == "carrier");
    }

    pub(super) fn the_newest_word_counts(&self, db: &Tables) -> Result<(), String> {
        let decided = self.words.iter().filter(|(_, words)| words.for_texts != words.against);
        for (customer, Words { for_texts, against, refused }) in decided {
            let said = if against > for_texts { "STOP" } else { "START" };
            let out = db.businesses.keys().any(|business_id| db.opted_out_at(business_id, customer).is_some());
            if out != (against > for_texts) && !(out && *refused) {
                return Err(format!("{customer} said {said} last, but the opt-out ledger does not show it"));
            }
        }
        Ok(())
    }
}
