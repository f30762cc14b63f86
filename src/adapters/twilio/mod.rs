//! Twilio's REST API: sends SMS, finds out the status of messages whose answer was lost, and fetches attachments.
//!
//! No message is sent twice by this module: each call makes one request, and anything that may have reached Twilio is
//! reported as [`SendOutcome::Unknown`].

mod account;
mod calls;
mod client;
mod clock;
mod conversations;
mod errors;
mod gap;
mod incoming_numbers;
mod legs;
mod media;
mod messaging;
mod numbers;
mod proof;
mod wire;

pub use self::{
    account::AccountFound,
    calls::OutgoingCall,
    client::{Account, ListError, OutgoingSms, SendOutcome, TwilioClient},
    conversations::{Binding, OpenedConversation, OutgoingMessage},
    errors::{codes, explain},
    gap::ListedCall,
    incoming_numbers::IncomingNumber,
    legs::{LegFound, call_is_over},
    media::{FetchedMedia, MediaClient, MediaError},
    messaging::{MessagingClient, MessagingService},
    numbers::NumberFound,
    proof::Proof,
    wire::{ListedMessage, read_created, read_page},
};
