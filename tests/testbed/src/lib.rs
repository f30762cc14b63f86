//! The test environment of the service, for its tests and for trying it out.
//!
//! It uses only the service's public contract: HTTP, JetStream subjects, the Redis channel and the command line.
//!
//! # Layout
//!
//! - [`servers`]: nats-server, PostgreSQL and Redis as private child processes; `with-servers` runs a command beside
//!   them
//! - [`twilio`]: a simulator that sends signed webhooks and serves the REST API, with configurable faults; also
//!   `twilio-sim`
//! - [`dispatchbot`]: a simulator that returns plausible answers, with configurable faults; also `dispatchbot-sim`
//! - [`syscalls`]: a server's system calls, traced with `strace`: is data on disk before it is acknowledged?
//! - [`sim`]: code shared by both simulators
//! - [`chaos`]: all of it under load, with random kills and a ledger that must balance; `make chaos`
//! - [`load`]: all of it under the document's load, with its bounds on latency and errors; `make load`
//! - [`compare`]: the service beside other ways to build it, under one load; `make compare`
//! - [`demo`]: all of it together, from a missed call to an appointment; `make run`
//! - [`alerts`]: Prometheus and Alertmanager beside it (`make observe`), and faults that must fire alerts
//!   (`make drill-alerts`)
//! - [`rollout`]: releases that replace the running one under load, good and bad (`make drill-rollout`)
//! - [`restore`]: everything is destroyed under load, and restored from the encrypted backup; `make drill-restore`
//! - [`settings`]: the service's settings on these servers
//! - [`drill`]: how a drill ends
//! - [`event_contract`]: `openapi/asyncapi.yaml` as the judge of every event that a test sees
//! - `program`: our own programs as child processes

pub mod alerts;
pub mod chaos;
pub mod compare;
pub mod demo;
pub mod dispatchbot;
pub mod drill;
pub mod event_contract;
pub mod load;
mod program;
pub mod restore;
pub mod rollout;
pub mod servers;
pub mod settings;
pub mod sim;
pub mod syscalls;
pub mod twilio;
