//! NeverMissCall: turns a missed call into a conversation.
//!
//! # Layout, along the way of a message
//!
//! - [`edge`]: HTTP in. Twilio's webhooks are validated and published; the App Server's REST calls are answered.
//! - [`inbound`], [`subjects`], [`jetstream`]: the durable log. What lies in it, under which names, and how it is reached.
//! - [`operators`]: combinators on streams of deliveries. [`pipelines`]: the chains made of them.
//! - [`conversation`], [`call`], [`emergency`], [`prices`], [`quiet`]: the rules, pure code. [`shell`]: load, decide, one transaction, publish.
//! - [`numbers`]: whose number it is, and whether a phone is willing.
//! - [`dead_letters`]: what could not be processed, listed and put back.
//! - [`retention`], [`erasure`]: what goes, by its age or because a customer is to be forgotten.
//! - PostgreSQL, and only there: [`store`].
//! - [`answering`] → [`dispatchbot`], [`sending`] → [`twilio`], [`sinks`] → Redis: what leaves the house.
//! - [`services`]: how each of the others fares, and what is told of it.
//! - [`app`], [`cli`], [`config`], [`telemetry`]: the process around it.
//! - `simulation`, in tests only: all neighbours in memory, from a seed.

pub mod answering;
pub mod app;
pub mod business;
pub mod call;
pub mod cli;
pub mod config;
pub mod conversation;
pub mod dead_letters;
pub mod dispatchbot;
pub mod edge;
pub mod emergency;
pub mod erasure;
pub mod explain;
pub mod failpoint;
pub mod http_client;
pub mod inbound;
pub mod jetstream;
pub mod numbers;
pub mod operators;
pub mod phone;
pub mod pipelines;
pub mod prices;
pub mod quiet;
pub mod retention;
pub mod secrets;
pub mod segments;
pub mod sending;
pub mod services;
pub mod shell;
#[cfg(test)]
mod simulation;
pub mod sinks;
pub mod store;
pub mod subjects;
pub mod telemetry;
pub mod text_enum;
pub mod twilio;
pub mod vitals;
