//! What a person records about a customer's consent to texts: an opt-out that did not come as a text, and its end
//! (docs/design.md, Opt-outs).
//!
//! It is an input of each conversation that is open with the customer, like the customer's own word, so that the rules hold
//! back what is decided and not claimed yet; if none is open, of the newest. Without any, the ledger alone changes.

use crate::domain::conversation::Input;
use crate::domain::phone::PhoneNumber;
use crate::engine::{Applied, Engine, EngineError};

/// Applies a record of an opt-out, or that one was lifted; `once` names the request. May be repeated.
///
/// The first commit changes the ledger, which every claim checks: from then on, nothing goes to the customer at any number
/// of the business, although the other conversations follow.
///
/// # Errors
/// When a service is unavailable. Some of the conversations may have changed; the request may be repeated.
pub async fn record(
    engine: &Engine,
    business_id: &str,
    customer: &PhoneNumber,
    once: &str,
    command: &Input,
) -> Result<(), EngineError> {
    let mut is_recorded = false;
    for id in engine.store().conversations_of_ledger(business_id, customer).await? {
        let applied = engine.command(id, &format!("consent:{id}:{once}"), command.clone()).await?;
        // One that was deleted meanwhile has recorded nothing.
        is_recorded |= !matches!(applied, Applied::Nothing { status: None });
    }
    if !is_recorded {
        engine.command_without_conversation(business_id, customer, &format!("consent:{once}"), command).await?;
    }
    Ok(())
}
