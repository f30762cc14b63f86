//! Twilio's REST API: sends SMS, finds out what became of those whose answer was lost, and fetches attachments.
//!
//! Fed by the delivery of messages, and by the edge for attachments; feeds them with outcomes, and with bytes. It guarantees that no message is sent twice from here:
//! there is one request per call, and whatever may have reached Twilio is reported as [`SendOutcome::Unknown`].

mod client;
mod errors;
mod media;
mod numbers;
mod proof;
mod wire;

pub use self::{
    client::{Account, ListError, OutgoingSms, SendOutcome, TwilioClient},
    errors::explain,
    media::{FetchedMedia, MediaClient, MediaError},
    numbers::NumberFound,
    proof::Proof,
    wire::{ListedMessage, read_created, read_page},
};
