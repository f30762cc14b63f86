//! Attacks on the running service, each of which did harm once.

mod connections;
mod door;
mod http2;
mod patience;
mod places;
