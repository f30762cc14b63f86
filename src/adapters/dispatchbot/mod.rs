//! DispatchBot, the AI that proposes answers to customers.
//!
//! The workers send it closed windows. Every call ends within its time budget with an answer or an error, and an answer
//! contains everything that the conversation's rules need. What is on the wire is the business of one module for each
//! dialect, behind the seam in `wire`.

mod client;
mod dispatch_bot_ai;
mod endpoint;
mod error;
#[cfg(test)]
mod examples;
mod question;
mod reach;
mod v1;
mod wire;

pub use self::{
    client::DispatchBotClient,
    endpoint::{Endpoint, OwnEndpoints, resolves_publicly},
    error::AnalyzeError,
    question::{Question, Said, Sender},
    reach::Reached,
    wire::read_answer,
};
