//! DispatchBot, the AI that proposes answers to customers.
//!
//! The workers send it closed windows. Every call ends within its time budget with an answer or an error, and an answer
//! contains everything that the conversation's rules need.

mod client;
mod reach;
mod wire;

pub use self::{
    client::{AnalyzeError, DispatchBotClient},
    reach::Reached,
    wire::{Analysis, AnalyzeRequest, BusinessProfile, Media, SenderType, WindowMessage, read_answer},
};
