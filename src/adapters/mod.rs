//! Adapters: the one place for each system outside the process. Nothing else knows its client library or its wire format.

pub mod dispatchbot;
pub mod http_client;
pub mod jetstream;
pub mod outage;
pub mod postgres;
pub mod redis;
pub mod twilio;
