//! The test harness: separate servers for each test, both simulators, the service, and access to its output.
//!
//! [`spawn_app`] starts the usual setup, [`App::setup`] a changed one. Tests wait for the thing itself: an event, an
//! SMS at the simulator, a message in a stream. If polling is the only way, [`eventually`] polls, with the common time
//! limit. Every event that is seen is held to the AsyncAPI document ([`contract`]).

mod app;
mod child;
mod collector;
pub mod contract;
mod operated;
mod people;
mod rest;
mod servers;
mod settled;
mod stored;
mod wait;
mod watch;

pub use app::{App, spawn_app, spawn_app_with};
pub use child::{Child, run};
pub use collector::{Collector, Span};
pub use operated::Operated;
pub use people::{BUSINESS, CUSTOMER, OUR_NUMBER, OWNER, business, business_of_dispatch_bot_ai, customer};
pub use rest::{Answer, Rest, query};
pub use servers::{API_KEY, PUBLIC_URL, Servers};
pub use settled::settled;
pub use stored::{Stored, stored, wait_for_stored};
pub use wait::{PATIENCE, eventually};
pub use watch::Events;
