//! The comparison: the service beside a bare handler, express + BullMQ and Restate, on one machine in one run, with one
//! load generator. `make compare`; docs/performance.md says what it measures and how to read it.
//!
//! # Layout
//!
//! - `candidate`: who is compared, and what each guarantees · `npm`: installs those that need Node
//! - `ground`: what a candidate is started on · `ours`, `bare`, `express`, `restate`: how each is started · `running`: a
//!   candidate that runs, and its progress
//! - `requests`: prepared and signed · `generator`: sends them · `measure`: the edge and the burst
//! - `results`: medians and ratios · `table`: the result in words and figures

mod bare;
mod candidate;
mod express;
mod generator;
mod ground;
mod measure;
mod npm;
mod ours;
mod requests;
mod restate;
mod results;
mod running;
mod table;

use std::path::PathBuf;

use anyhow::ensure;

use candidate::{Candidate, Fsync};
use ground::Ground;
use measure::{burst, edge};
pub use results::Results;

/// The options of a run.
#[derive(Debug, Clone)]
pub struct Options {
    /// How often each measurement is repeated; its median counts.
    pub rounds: usize,
    /// Number of webhooks of one measurement at the edge.
    pub requests: usize,
    /// Number of texts of a burst.
    pub texts: usize,
    /// Number of customers who write them.
    pub customers: usize,
    /// The program `nevermisscall`.
    pub service: PathBuf,
    /// The program `bare-handler`.
    pub bare_handler: PathBuf,
    /// Folder for data and logs; it may grow to some gigabytes.
    pub dir: PathBuf,
}

impl Options {
    fn check(&self) -> anyhow::Result<()> {
        ensure!(self.rounds > 0, "there must be at least one round");
        ensure!(self.requests > 0 && self.texts > 0, "there must be at least one request and one text");
        ensure!((1..=self.texts).contains(&self.customers), "there must be 1 to {} customers", self.texts);
        Ok(())
    }
}

/// Measures whatever can be measured here. The candidates take turns in each round, so that a machine that becomes
/// slower or faster during the run favours none.
///
/// # Errors
/// If the servers cannot be started. A measurement that fails is recorded in the results instead.
pub async fn run(options: &Options) -> anyhow::Result<Results> {
    options.check()?;
    let mut results = Results::default();
    let peers = npm::install().await.inspect_err(|why| results.missing(why)).ok();
    let mut candidates = vec![Candidate::Ours, Candidate::Bare];
    if peers.is_some() {
        candidates.extend([Candidate::Express, Candidate::Restate]);
    }
    let mut ground = Ground::start(options, peers).await?;
    for round in 1..=options.rounds {
        for fsync in [Fsync::Always, Fsync::Default] {
            for candidate in candidates.iter().copied().filter(|candidate| candidate.can(fsync)) {
                println!("round {round}, edge, {fsync}: {candidate}");
                results.edge(candidate, fsync, edge(&mut ground, candidate, fsync).await);
            }
        }
        for candidate in candidates.iter().copied().filter(|candidate| candidate.answers()) {
            println!("round {round}, burst: {candidate}");
            results.burst(candidate, burst(&mut ground, candidate).await);
        }
    }
    ground.stop().await?;
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_cannot_be_carried_out_are_refused() {
        let path = PathBuf::new;
        let (rounds, requests, texts, customers) = (1, 1, 10, 10);
        let good = Options { rounds, requests, texts, customers, service: path(), bare_handler: path(), dir: path() };
        assert!(good.check().is_ok());
        for wrong in [
            Options { rounds: 0, ..good.clone() },
            Options { requests: 0, ..good.clone() },
            Options { texts: 0, ..good.clone() },
            Options { customers: 0, ..good.clone() },
            Options { customers: 11, ..good },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}
