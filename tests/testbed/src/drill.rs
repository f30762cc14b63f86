//! How a drill ends: its report, its exit status, and where its data and logs are.

use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

/// What a drill has found, for display.
pub trait DrillReport: Display {
    /// Whether everything was as it must be.
    fn held(&self) -> bool;
}

/// Prints the report, and removes the data if all is well. The exit status is 0; 1 if the drill did not hold; 2 if it could
/// not be carried out, which proves nothing.
pub fn conclude(name: &str, dir: &Path, outcome: anyhow::Result<impl DrillReport>) -> ExitCode {
    let held = outcome.map(|report| {
        println!("{report}");
        report.held()
    });
    // A drill may have removed it already.
    let removed = match &held {
        Ok(true) if dir.exists() => std::fs::remove_dir_all(dir).map_err(anyhow::Error::from),
        _ => Ok(()),
    };
    match held.and_then(|held| removed.map(|()| held)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            println!("data and logs: {}", dir.display());
            ExitCode::from(1)
        }
        Err(error) => {
            eprintln!("{name}: {error:#}\ndata and logs: {}", dir.display());
            ExitCode::from(2)
        }
    }
}
