//! DispatchBot, the AI that answers customers.
//!
//! Fed by the analysis of closed windows; feeds it with what to tell the customer. It guarantees an answer or an error
//! within the time it is given, and that an answer has everything that the conversation's rules need.

mod client;
mod wire;

pub use self::{
    client::{AnalyzeError, DispatchBotClient},
    wire::{Analysis, AnalyzeRequest, BusinessProfile, Media, SenderType, WindowMessage, read_answer},
};
