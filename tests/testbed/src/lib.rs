//! What the service is tried on, by the tests and by whoever wants to see it run.
//!
//! Nothing of the service is used here but its contract: HTTP, JetStream subjects, the Redis channel, the command line.
//!
//! # Layout
//!
//! - [`servers`]: nats-server, PostgreSQL and Redis as private child processes; `with-servers` runs a command beside them
//! - [`twilio`]: a Twilio that sends signed webhooks and takes REST calls, with faults to switch on; also `twilio-sim`
//! - [`dispatchbot`]: a DispatchBot that answers plausibly, with faults to switch on; also `dispatchbot-sim`
//! - [`syscalls`]: what a server asks of the kernel, followed by `strace`: is it on disk before it is answered?
//! - [`sim`]: what both simulators are made of
//! - [`chaos`]: all of it under load, killed at random, with a ledger that has to balance; `make chaos`
//! - [`demo`]: all of it together, playing the journey from a missed call to an appointment; `make run`

pub mod chaos;
pub mod demo;
pub mod dispatchbot;
pub mod servers;
pub mod sim;
pub mod syscalls;
pub mod twilio;
