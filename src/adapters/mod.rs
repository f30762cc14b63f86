//! Adapters: one module for each external system. No other module uses its client library or knows its wire format.

pub mod dispatchbot;
pub mod error_reports;
pub mod http_client;
pub mod jetstream;
pub mod otlp;
pub mod outage;
pub mod postgres;
pub mod redis;
mod tls;
pub mod twilio;
