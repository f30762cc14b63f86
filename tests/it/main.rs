//! The integration tests: the service over HTTP on real servers, with Twilio and DispatchBot simulated.
//!
//! They are one binary. `harness` gives each test its own database, nats-server, Redis and simulators, and access to
//! the service's output. The other modules are the tests, one subject each. `make test` runs them; they fail if a
//! server is missing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
// Without the feature `failpoints`, code used only by the crash tests is dead.
#![cfg_attr(not(feature = "failpoints"), allow(dead_code, unused_imports))]

mod accounts;
mod again;
mod answering;
mod api_story;
mod attacks;
mod bad_input;
mod batches;
mod calls;
mod check;
mod cli;
mod console;
mod conversations;
#[cfg(feature = "failpoints")]
mod crash;
mod day_limits;
mod dead_letters;
mod debugging;
mod dialects;
mod disclosure;
mod document;
mod drain;
mod emergencies;
mod emergency_corpus;
mod erasure;
#[cfg(feature = "sentry")]
mod error_reports;
mod etags;
mod event_clients;
mod event_contract;
mod event_stream;
mod event_time;
mod events_to_redis;
mod export;
mod failover;
mod figures;
mod forward_to;
mod fuzz_corpus;
mod group_publish;
mod harness;
mod idle;
mod journey;
mod keys;
mod ladder;
mod layers;
mod lists;
mod live;
mod load;
mod logs;
mod media;
mod metrics;
mod migrations;
mod missing;
mod missing_postgres;
mod never_text;
mod nobody_forgotten;
mod once;
mod ops_port;
mod opt_outs;
mod opting;
mod overload;
mod owner_sms;
mod pages;
mod paging;
mod performance;
mod power_cut;
mod probe;
mod rate_limit;
mod record;
mod recovery;
mod rest;
mod retention;
mod rotation;
mod screening;
mod sending;
mod signatures;
mod takeover;
mod takeover_race;
mod threat_model;
mod traces;
mod transport;
mod twilio_setup;
mod two_workers;
mod waiting;
