//! What a business's document says for DispatchBot alone: its own DispatchBot, and the address that one dialect needs.

mod address;
mod own;
mod public_address;

pub use address::BusinessAddress;
pub use own::{EndpointUrl, OwnDispatchBot};
pub use public_address::is_public;
