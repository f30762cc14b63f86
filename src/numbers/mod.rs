//! Whose number, whose phone (docs/design.md): which numbers a key may claim, whether Twilio confirms a claim, and whether
//! a phone that we are to call and text is willing.
//!
//! Fed by the REST API and by the texts of phones; feeds the businesses in the store. Two tasks of the worker belong to
//! it, [`verify()`] and [`send_codes()`].

pub mod code;
mod phones;
mod premium;
pub(crate) mod scope;
mod send_codes;
mod verify;

pub use phones::Phones;
pub use premium::why_refused;
pub use scope::beyond_scope;
pub use send_codes::{CodeSender, send_codes};
pub use verify::{Verifier, verify};

/// How many numbers a business may have.
pub const MAX_NUMBERS: usize = 100;
