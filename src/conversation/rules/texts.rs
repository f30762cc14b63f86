//! What we say where the business has no text of its own. The contract fixes how two of them read.

use crate::conversation::input::Business;

/// Begins `Hi! I missed your call` unless the business has its own (contract, section 3).
pub(in crate::conversation) fn missed_call(business: &Business) -> String {
    business.templates.missed_call.clone().unwrap_or_else(|| {
        format!(
            "Hi! I missed your call. This is {}. What can we help you with? Reply here and we'll get right back to you.",
            business.name
        )
    })
}

/// Says that we `received your message` unless the business has its own (contract, section 3).
pub(in crate::conversation) fn fallback(business: &Business) -> String {
    business.templates.fallback.clone().unwrap_or_else(|| {
        format!("Thanks, we received your message. Someone from {} will get back to you shortly.", business.name)
    })
}

/// Stands in for DispatchBot's answer in an emergency, unless the business has its own.
pub(in crate::conversation) fn emergency(business: &Business) -> String {
    business.templates.emergency.clone().unwrap_or_else(|| {
        format!(
            "We see that this is an emergency, and {} is being told now. If anyone is in danger, get out and call 911.",
            business.name
        )
    })
}
