//! Derived ids, never random: the same input always gives the same ids.

use uuid::Uuid;

/// Namespace of all ids of this service, itself derived from the project's name.
const NAMESPACE: Uuid = Uuid::from_u128(0x6e6d_6300_7c1e_5f0a_9d53_4e65_7665_724d);

/// The id of the `ordinal`-th `what` that the input `input_id` creates within `scope` (the conversation's id, or a name
/// if there is no conversation yet). UUIDv5.
pub fn derive_id(scope: &str, input_id: &str, what: &str, ordinal: usize) -> Uuid {
    let name = format!("{scope}\u{1f}{input_id}\u{1f}{what}\u{1f}{ordinal}");
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

/// The id of the call with Twilio's id `call_sid`.
pub fn call_id(call_sid: &str) -> Uuid {
    derive_id("call", call_sid, "call", 0)
}
