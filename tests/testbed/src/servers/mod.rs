//! The real servers that everything is tried on: nats-server, PostgreSQL and Redis as private child processes.
//!
//! Fed by the binaries that `scripts/get-servers` found; feeds the demo (all three servers, its data kept under one
//! folder) and the tests (one PostgreSQL cluster for a whole run, see [`Shared`]; a nats-server and a Redis for each
//! test).
//!
//! Guarantees: a server listens on loopback only, on a port nobody else had; `start` returns when the server answers;
//! `restart` comes back on the same port with the same data; dropping the handle kills the server, and so does the
//! death of this process, `kill -9` included.

mod binaries;
mod cluster;
mod database;
mod nats;
mod ports;
mod postgres;
mod process;
mod ready;
mod redis;
mod shared;
#[cfg(test)]
mod tests;
mod user;

pub use binaries::{Binaries, workspace_root};
pub use cluster::{NatsCluster, meta_leader, stream_leader};
pub use database::{TestDatabase, create_database, drop_database, template_database};
pub use nats::{Member, NatsOptions, NatsServer};
pub(crate) use ports::free as free_port;
pub use postgres::{PostgresOptions, PostgresServer};
pub(crate) use process::{Process, Spec};
pub use process::{Signal, send as send_signal};
pub use redis::{RedisOptions, RedisServer};
pub use shared::{NATS_SERVER_BIN, PG_BIN_DIR, POSTGRES_URL, REDIS_SERVER_BIN, Shared, TEST_DIR};
