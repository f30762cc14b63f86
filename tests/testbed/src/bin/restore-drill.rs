//! The restore drill as a program: everything is destroyed under load, and restored from the encrypted backup.
//!
//! Exit status: 0 nothing was lost for good, and it was fast enough; 1 something was; 2 the drill could not be carried out.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use nmc_testbed::drill::conclude;
use nmc_testbed::restore::{RestoreOptions, drill};

/// Destroys everything under load, and restores it.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many conversations the database has before the load begins.
    #[arg(long, default_value_t = 2_000)]
    conversations: u32,
    /// How long the load runs before the backup, and again before the disaster.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    load: Duration,
    /// PostgreSQL's archive_timeout; in production it is a minute.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    archive_timeout: Duration,
    /// At most this much may be lost.
    #[arg(long, default_value = "1m", value_parser = humantime::parse_duration)]
    rpo: Duration,
    /// It may take at most this long.
    #[arg(long, default_value = "15m", value_parser = humantime::parse_duration)]
    rto: Duration,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { conversations, load, archive_timeout, rpo, rto } = Arguments::parse();
    // PostgreSQL's user must be able to reach it.
    let reachable = Permissions::from_mode(0o755);
    let dir = match tempfile::Builder::new().prefix("nmc-restore-drill-").permissions(reachable).tempdir() {
        Ok(dir) => dir.keep(),
        Err(error) => {
            eprintln!("restore-drill: {error}");
            return ExitCode::from(2);
        }
    };
    let options = RestoreOptions { conversations, load, archive_timeout, rpo, rto };
    conclude("restore-drill", &dir, drill(&dir, &options).await)
}
