//! `nevermisscall twilio check`: accounts, numbers, what they can do, and their registration.

use clap::Args;
use serde::Serialize;

use super::{Selection, of_argument};
use crate::businesses::at_twilio::{AtTwilio, Fallback, Finding, Verdict};

#[derive(Debug, Args)]
pub(in crate::cli) struct CheckCommand {
    #[command(flatten)]
    selection: Selection,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    checks: Vec<Finding>,
}

/// Returns whether nothing is wrong.
pub(super) async fn run(at_twilio: &AtTwilio, command: &CheckCommand) -> anyhow::Result<bool> {
    let selection = &command.selection;
    let checks = at_twilio
        .check(&selection.meant(), Fallback::To(selection.fallback_url.as_ref()))
        .await
        .map_err(of_argument)?;
    let ok = checks.iter().all(|finding| finding.result != Verdict::Wrong);
    let report = Report { ok, checks };
    if command.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        report.checks.iter().for_each(|finding| println!("{finding}"));
    }
    Ok(ok)
}
