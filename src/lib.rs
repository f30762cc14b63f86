//! NeverMissCall: turns a missed call into a conversation.
//!
//! # Layout
//!
//! Each layer uses only layers below it; [`app`] alone wires all of them together.
//!
//! | layer | what it does |
//! |---|---|
//! | [`cli`], [`app`] | the command line; start, wire, stop |
//! | [`asyncapi`] | the AsyncAPI document of the events |
//! | [`http`], [`worker`], [`health`] | incoming HTTP; chains of stream operators with their handlers; health |
//! | [`dead_letters`], [`lifecycle`] | messages that could not be processed; retention and erasure |
//! | [`engine`] | load, decide, commit in one transaction, publish |
//! | [`businesses`] | the profile of a business, its Twilio account, and which webhooks belong to it |
//! | [`adapters`] | PostgreSQL, JetStream, Redis, Twilio, DispatchBot |
//! | [`store`] | what is asked of a store, and what it answers |
//! | [`stream`] | operators on streams of deliveries, each with its acknowledgement |
//! | [`domain`] | the rules, pure code |
//! | [`telemetry`], [`config`], [`secrets`], [`outage`], [`clock`], [`trace`], [`failpoint`] | leaves |
//!
//! `simulation`, in tests only: adapters in memory, driven by a seed.

pub mod cli;
#[doc(hidden)]
pub mod internals;
pub mod stream;

mod adapters;
mod app;
mod asyncapi;
mod businesses;
mod clock;
mod config;
mod dead_letters;
mod domain;
mod engine;
mod failpoint;
mod health;
mod http;
mod lifecycle;
mod outage;
mod secrets;
#[cfg(test)]
mod simulation;
mod store;
mod telemetry;
mod trace;
mod webhook;
mod worker;
