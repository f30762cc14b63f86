//! NeverMissCall: turns a missed call into a conversation.
//!
//! # Layout
//!
//! Each layer uses only layers below it; [`app`] alone wires all of them together.
//!
//! | layer | what it does |
//! |---|---|
//! | [`cli`], [`app`] | the command line; start, wire, stop |
//! | [`http`], [`worker`], [`health`] | HTTP in; the chains of stream operators with their handlers; what is healthy |
//! | [`dead_letters`], [`lifecycle`] | messages that could not be processed; what is deleted |
//! | [`engine`] | load, decide, commit in one transaction, publish |
//! | [`businesses`], [`webhook`] | the profile of a business and its Twilio account; a webhook as it is kept in the log |
//! | [`adapters`] | PostgreSQL, JetStream, Redis, Twilio, DispatchBot |
//! | [`stream`] | operators on streams of deliveries, each with its acknowledgement |
//! | [`domain`] | the rules, pure code |
//! | [`telemetry`], [`config`], [`secrets`], [`outage`], [`clock`], [`trace`], [`failpoint`] | leaves |
//!
//! `simulation`, in tests only: the adapters in memory, driven from a seed.

pub mod adapters;
pub mod app;
pub mod businesses;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dead_letters;
pub mod domain;
pub mod engine;
pub mod failpoint;
pub mod health;
pub mod http;
pub mod lifecycle;
pub mod outage;
pub mod secrets;
#[cfg(test)]
mod simulation;
pub mod stream;
pub mod telemetry;
pub mod trace;
pub mod webhook;
pub mod worker;
