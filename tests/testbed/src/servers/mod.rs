//! The real servers that tests and demo use: nats-server, PostgreSQL and Redis as private child processes, and those that
//! watch the service: Prometheus, Alertmanager and, where Go is there, the OpenTelemetry Collector.
//!
//! They use the programs that `scripts/get-servers` found. The demo runs all three servers, with its data under one
//! folder. The tests share one PostgreSQL cluster per run, see [`Shared`]; each test gets its own nats-server and
//! Redis.
//!
//! Guarantees: nats-server and Redis listen on loopback only, on a port that was free, and PostgreSQL on a socket that
//! no other user reaches; `start` returns when the server answers;
//! after `restart` it has the same address and the same data; dropping the handle kills the server, and so does the death
//! of this process, `kill -9` included.

mod binaries;
mod cluster;
mod collector;
mod database;
mod in_memory;
mod monitor;
mod nats;
mod ports;
mod postgres;
mod process;
mod ready;
mod redis;
mod replica;
mod shared;
#[cfg(test)]
mod tests;
mod user;

pub use binaries::{Binaries, MonitoringBinaries, workspace_root};
pub use cluster::{NatsCluster, meta_leader, stream_leader};
pub use collector::{CollectedSpan, OtelCollector};
pub use database::{TestDatabase, create_database, drop_database, schema_key, template_database};
pub use in_memory::MemoryDir;
pub use monitor::{Monitor, MonitorOptions};
pub use nats::{Member, NatsOptions, NatsServer};
pub(crate) use ports::free as free_port;
pub use postgres::{PostgresOptions, PostgresServer};
pub(crate) use process::{Process, Spec, cpu_time, memory};
pub use process::{Signal, peak_memory, send as send_signal};
pub use redis::{RedisOptions, RedisServer, connect_redis};
pub use shared::{NATS_SERVER_BIN, PG_BIN_DIR, POSTGRES_URL, REDIS_SERVER_BIN, Shared, TEST_DIR};
pub(crate) use user::{postgres_privileges, postgres_reaches};
