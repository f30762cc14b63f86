//! The `nevermisscall` program: see [`nevermisscall::cli`].

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    nevermisscall::cli::run().await
}
