//! Calls in the engine: the call record, and the conversation that a missed call opens, in one transaction.

use std::sync::Arc;

use super::{
    Applied, CallPart, ConversationStore, Engine, EngineError, Happening, Input, Job, Publish, Target, Until, effects,
};
use crate::domain::business::Profile;
use crate::domain::call::{self, CallInput, CallStatus};
use crate::domain::conversation;
use crate::domain::phone::PhoneNumber;
use crate::trace::Trace;

/// The result of a report of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum CallReport {
    /// It is applied, or changed nothing.
    Done,
    /// It is a duplicate.
    Before {
        /// Whether the body was the same as the first time.
        same_body: bool,
    },
    /// There is no record of the call yet, and the report does not name the business's number.
    NotYet,
}

impl<R: ConversationStore, P: Publish> Engine<R, P> {
    /// Decides what a report means for the call, and for the caller's conversation if the call has ended.
    ///
    /// # Errors
    /// When a service is unavailable or other changes keep conflicting. The same report may be applied again.
    pub async fn apply_call(
        &self,
        business: &Arc<Profile>,
        input_id: &str,
        body_hash: Option<&str>,
        trace: Trace,
        report: &CallInput,
    ) -> Result<CallReport, EngineError> {
        if let Some(seen) = self.store().seen(&[input_id]).await?.remove(input_id) {
            self.parts.metrics.inbox_duplicate();
            let same_body = seen.has_body(body_hash);
            self.outbox.drain_all(seen.outbox_keys).await?;
            return Ok(CallReport::Before { same_body });
        }
        let state = self.store().call(report.call_sid()).await?;
        let caller = state.as_ref().map_or_else(|| report.customer(), |call| call.customer_phone.as_ref());
        // If the number moved to another business while the call rang, this business must not send texts from it.
        let is_its_own = state.as_ref().is_none_or(|call| business.has_number(&call.business_phone));
        let is_texted = |phone: &PhoneNumber| !business.is_own_side(phone) && !business.never_text.contains(phone);
        let may_text = is_its_own && caller.is_some_and(is_texted);
        let now = self.now();
        let Some(decision) = call::decide(self.policy(), &business.id, state.as_ref(), report, may_text, now) else {
            return Ok(CallReport::NotYet);
        };
        if !decision.changed {
            return Ok(CallReport::Done);
        }
        let rows = effects::call_rows(&decision.call, &business.user_id, &decision.events, &trace, now);
        let was = state.map_or(CallStatus::Ringing, |call| call.status);
        let outcome = Some(decision.call.status).filter(|status| *status != was);
        let part = CallPart { call: decision.call, rows, outcome };
        let (id, body_hash) = (input_id.to_owned(), body_hash.map(str::to_owned));
        let told = match (decision.missed, decision.answered) {
            (Some(missed), _) => {
                Some((missed.business_phone.clone(), missed.customer.clone(), conversation::Input::CallMissed(missed)))
            }
            (None, Some(answered)) => Some((
                answered.business_phone.clone(),
                answered.customer.clone(),
                conversation::Input::CallAnswered(answered),
            )),
            (None, None) => None,
        };
        let job = match told {
            None => Job::Call { input_id: id, body_hash, trace, part },
            Some((business_phone, customer_phone, told)) => {
                let target = Target::Open { business_phone, customer_phone, business: Arc::clone(business) };
                let happening = Happening::Input(told);
                Job::Input(Box::new(Input { id, body_hash, trace, target, happening }), Some(part), None)
            }
        };
        self.finish(job, Until::Published).await.map(CallReport::from)
    }
}

impl From<Applied> for CallReport {
    fn from(applied: Applied) -> Self {
        match applied {
            Applied::Before { same_body } => Self::Before { same_body },
            Applied::Now(_) | Applied::Nothing { .. } => Self::Done,
        }
    }
}
