//! Whether a text is the answer to a code that was sent to its sender's phone. It is then not a customer's message.

use crate::domain::business::Profile;
use crate::domain::conversation::words::opt_word;
use crate::domain::emergency::Reading;
use crate::domain::phone::PhoneNumber;
use crate::domain::phones::code;
use crate::engine::{ConversationStore, Engine, Publish};
use crate::store::{CodeAnswer, PhoneAnswer, StoreError};

/// The parts of a text that are needed to decide this.
pub(super) struct CodeText<'a> {
    pub(super) business: &'a Profile,
    pub(super) customer: &'a PhoneNumber,
    pub(super) message_sid: &'a str,
    pub(super) body: &'a str,
    pub(super) opt_out_type: &'a Option<String>,
}

/// What a text was taken as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// The answer to a code and nothing else: it is done.
    AsAnswer,
    /// The answer to a code, and also relevant to a person or to the opt-out ledger: it continues as a customer's.
    AsBoth,
    /// Not an answer to a code.
    No,
}

impl CodeText<'_> {
    /// Takes the text as the answer to a code, if its sender was asked for one.
    ///
    /// # Errors
    /// When the store is unavailable; the same text may be taken again.
    pub(super) async fn taken<R: ConversationStore, P: Publish>(
        &self,
        engine: &Engine<R, P>,
        reading: &Reading,
    ) -> Result<Taken, StoreError> {
        let Some(code) = code::in_text(self.body) else { return Ok(Taken::No) };
        let (business_id, phone) = (self.business.id.as_str(), self.customer);
        let answer = CodeAnswer { business_id, phone, message_sid: self.message_sid, code: &code };
        Ok(match engine.store().phone_answered(&answer).await? {
            PhoneAnswer::NotAsked => Taken::No,
            PhoneAnswer::Right { now } => {
                if now {
                    tracing::info!(business_id, "a phone answered with its confirmation code");
                    engine.business_cache().forget_all();
                }
                if self.says_more(reading) { Taken::AsBoth } else { Taken::AsAnswer }
            }
            PhoneAnswer::Wrong => {
                tracing::info!(business_id, "a phone answered with a wrong confirmation code");
                // A text that is more than a number may come from a customer: it must not be lost.
                if code::is_all(self.body) { Taken::AsAnswer } else { Taken::No }
            }
        })
    }

    /// Whether the text also contains an emergency, or a word for the opt-out ledger.
    fn says_more(&self, reading: &Reading) -> bool {
        reading.verdict().is_some() || opt_word(self.body, self.opt_out_type.as_deref(), false).is_some()
    }
}
