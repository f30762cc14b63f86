//! `observe`: Prometheus and Alertmanager beside `make run`; `make observe` runs it. See `nmc_testbed::alerts`.

use std::process::ExitCode;

use nmc_testbed::alerts::observe;

#[tokio::main]
async fn main() -> ExitCode {
    match observe().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("observe: {error:#}");
            ExitCode::FAILURE
        }
    }
}
