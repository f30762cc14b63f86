//! What a person records about the texts of a customer who has no conversation: the ledger alone changes, by the same
//! transaction as everything else. No event is published, because each belongs to a conversation.

use super::{Applied, ConversationStore, Engine, EngineError, Job, Publish, Until, audit};
use crate::domain::conversation::{Input, LedgerChange};
use crate::domain::phone::PhoneNumber;
use crate::store::LedgerEntry;
use crate::trace::Trace;

impl<R: ConversationStore, P: Publish> Engine<R, P> {
    /// Commits a record of an opt-out, or that one was lifted. Any other input changes nothing.
    ///
    /// # Errors
    /// When a service is unavailable, and nothing was changed.
    pub async fn command_without_conversation(
        &self,
        business_id: &str,
        customer: &PhoneNumber,
        input_id: &str,
        command: &Input,
    ) -> Result<Applied, EngineError> {
        let change = match command {
            Input::OptOutRecorded { source, note, .. } => {
                LedgerChange::Out { by: source.to_string(), at: self.now(), note: note.clone() }
            }
            Input::OptOutLifted { .. } => LedgerChange::In,
            _ => return Ok(Applied::Nothing { status: None }),
        };
        let (business_id, customer) = (business_id.to_owned(), customer.clone());
        let entry = LedgerEntry { business_id, customer, change, audit: audit::ledger_entry(command) };
        let (input_id, trace) = (input_id.to_owned(), Trace::of_request());
        self.finish(Job::Ledger { input_id, trace, entry }, Until::Committed).await
    }
}
