//! Twilio's REST API: sends SMS, and finds out what became of those whose answer was lost.
//!
//! Fed by the delivery of messages; feeds it with outcomes. It guarantees that no message is sent twice from here:
//! there is one request per call, and whatever may have reached Twilio is reported as [`SendOutcome::Unknown`].

mod client;
mod errors;
mod wire;

pub use self::{
    client::{Account, ListError, OutgoingSms, SendOutcome, TwilioClient},
    errors::{explain, is_opt_out, is_permanent},
    wire::ListedMessage,
};
