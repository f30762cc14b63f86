//! The drill of the alerts as a program: plants faults in a running service, and checks that each fires its alert, that
//! people are told, and that it resolves.
//!
//! Exit status: 0 all of that happened; 1 something did not; 2 the drill could not be carried out.

use std::process::ExitCode;

use nmc_testbed::alerts::drill;
use nmc_testbed::drill::conclude;
use nmc_testbed::servers::workspace_root;

#[tokio::main]
async fn main() -> ExitCode {
    let dir = workspace_root().join(format!(".run/alerts-{}", std::process::id()));
    conclude("alerts-drill", &dir, drill(&dir).await)
}
