//! Ids, derived and never drawn: the same input gives the same ids, however often it is repeated.

use uuid::Uuid;

/// Namespace of every id of this service, itself derived from the project's name.
const NAMESPACE: Uuid = Uuid::from_u128(0x6e6d_6300_7c1e_5f0a_9d53_4e65_7665_724d);

/// The id of the `ordinal`-th `what` that the input `input_id` brings about within `scope` (the conversation's
/// id, or a name where there is none yet). UUIDv5.
pub fn derive_id(scope: &str, input_id: &str, what: &str, ordinal: usize) -> Uuid {
    let name = format!("{scope}\u{1f}{input_id}\u{1f}{what}\u{1f}{ordinal}");
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

/// The id of the call that Twilio names `call_sid`.
pub fn call_id(call_sid: &str) -> Uuid {
    derive_id("call", call_sid, "call", 0)
}
