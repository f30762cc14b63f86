//! What a run is told.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::settings::WINDOW_MAX;
use crate::sim::Latency;

/// More would not fit in memory.
const MOST_ACTIONS: f64 = 5_000_000.0;
/// At least this many businesses, so that no number's send rate matters.
const LEAST_BUSINESSES: usize = 200;
/// Each business sends at most one SMS in this time, by default.
const BETWEEN_SMS: Duration = Duration::from_secs(4);

/// The options of a run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Number of virtual users.
    pub users: usize,
    /// Average time between two actions of a user.
    pub think: Duration,
    /// How many of the actions are of which kind.
    pub mix: Mix,
    /// The time in which actions begin.
    pub duration: Duration,
    /// The time in which one user after another begins.
    pub ramp: Duration,
    /// Number of businesses, each with one number.
    pub businesses: usize,
    /// The service's `NMC_WINDOW_QUIET`.
    pub quiet: Duration,
    /// Windows that are open during the run, of customers who wait for a person.
    pub open_windows: usize,
    /// Conversations that have ended before the run.
    pub ended_conversations: usize,
    /// Processes that handle inputs: the service, and further workers.
    pub workers: usize,
    /// The service's `NMC_BATCH`, if it is not the default.
    pub batch: Option<usize>,
    /// The seed of the schedule.
    pub seed: u64,
    /// How long Twilio takes to answer; if absent, no time.
    pub twilio: Option<Latency>,
    /// How long DispatchBot takes to answer; if absent, no time.
    pub dispatchbot: Option<Latency>,
    /// The program `nevermisscall`.
    pub service: PathBuf,
    /// Folder for the service's log.
    pub dir: PathBuf,
}

impl Options {
    /// The document's load test, of this service.
    pub fn of_the_document(service: PathBuf, dir: PathBuf) -> Self {
        let latency = |p50, p99| Some(Latency { p50: Duration::from_millis(p50), p99: Duration::from_millis(p99) });
        let (users, think, mix) = (50, Duration::from_secs(1), Mix::default());
        Self {
            users,
            think,
            mix,
            duration: Duration::from_secs(300),
            ramp: Duration::from_secs(60),
            businesses: enough_businesses(users, think, mix),
            quiet: Duration::from_secs(1),
            open_windows: 0,
            ended_conversations: 0,
            workers: 1,
            batch: None,
            seed: 1,
            twilio: latency(120, 600),
            dispatchbot: latency(700, 1_800),
            service,
            dir,
        }
    }

    /// The average number of actions per second once all users have begun.
    pub fn rate(&self) -> f64 {
        self.users as f64 / self.think.as_secs_f64()
    }

    /// Checks that a run with these options is possible.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(self.users > 0, "there must be at least one user");
        ensure!(!self.think.is_zero(), "the time between two actions must not be zero");
        ensure!(!self.duration.is_zero(), "the duration must not be zero");
        ensure!(self.ramp <= self.duration, "the ramp-up must not be longer than the duration");
        ensure!(self.businesses > 0, "there must be at least one business");
        ensure!(self.workers > 0, "there must be at least one worker");
        ensure!(self.ended_conversations <= 10_000_000, "at most 10,000,000 conversations can have ended");
        ensure!(self.quiet <= WINDOW_MAX, "the quiet period must not be longer than {WINDOW_MAX:?}");
        let actions = self.rate() * self.duration.as_secs_f64();
        ensure!(actions <= MOST_ACTIONS, "{actions:.0} actions are more than {MOST_ACTIONS}");
        Ok(())
    }
}

/// So many businesses that none sends more often than a quarter of the default send rate of one segment per second;
/// at least 200.
pub fn enough_businesses(users: usize, think: Duration, mix: Mix) -> usize {
    let sms_share = f64::from(mix.calls + mix.texts) / f64::from(mix.sum());
    let sms_per_second = users as f64 / think.as_secs_f64().max(f64::MIN_POSITIVE) * sms_share;
    LEAST_BUSINESSES.max((sms_per_second * BETWEEN_SMS.as_secs_f64()).ceil() as usize)
}

/// The shares of the three kinds of action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mix {
    /// Calls that are missed.
    pub calls: u32,
    /// Texts in conversations of the AI.
    pub texts: u32,
    /// Takeovers.
    pub takeovers: u32,
}

impl Mix {
    /// The sum of the shares.
    pub(super) fn sum(self) -> u32 {
        self.calls + self.texts + self.takeovers
    }
}

impl Default for Mix {
    /// The document's weights.
    fn default() -> Self {
        Self { calls: 40, texts: 50, takeovers: 10 }
    }
}

impl FromStr for Mix {
    type Err = anyhow::Error;

    /// Reads `calls,texts,takeovers`, such as `40,50,10`.
    fn from_str(text: &str) -> anyhow::Result<Self> {
        let weights: Vec<u16> = text
            .split(',')
            .map(|weight| weight.trim().parse().with_context(|| format!("{weight:?} is not a weight of 0 to 65535")))
            .collect::<anyhow::Result<_>>()?;
        let &[calls, texts, takeovers] = weights.as_slice() else {
            anyhow::bail!("three weights are expected, for calls, texts and takeovers, such as 40,50,10");
        };
        let mix = Self { calls: calls.into(), texts: texts.into(), takeovers: takeovers.into() };
        ensure!(mix.sum() > 0, "one of the weights must not be zero");
        Ok(mix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_is_three_weights_of_which_one_is_not_zero() -> anyhow::Result<()> {
        assert_eq!("40, 50,10".parse::<Mix>()?, Mix::default());
        assert_eq!("1,0,0".parse::<Mix>()?, Mix { calls: 1, texts: 0, takeovers: 0 });
        for wrong in ["", "40,50", "40,50,10,1", "40,50,-10", "a,b,c", "0,0,0"] {
            assert!(wrong.parse::<Mix>().is_err(), "{wrong}");
        }
        Ok(())
    }

    #[test]
    fn the_documents_rate_needs_no_more_than_200_businesses_and_a_higher_one_more() {
        assert_eq!(enough_businesses(50, Duration::from_secs(1), Mix::default()), 200);
        assert_eq!(enough_businesses(50, Duration::from_millis(200), Mix::default()), 900);
    }

    #[test]
    fn options_that_cannot_be_carried_out_are_refused() {
        let good = Options::of_the_document(PathBuf::new(), PathBuf::new());
        assert!(good.check().is_ok());
        let second = Duration::from_secs(1);
        for wrong in [
            Options { users: 0, ..good.clone() },
            Options { think: Duration::ZERO, ..good.clone() },
            Options { think: Duration::from_nanos(1), ..good.clone() },
            Options { duration: Duration::ZERO, ..good.clone() },
            Options { duration: second, ramp: 2 * second, ..good.clone() },
            Options { businesses: 0, ..good.clone() },
            Options { workers: 0, ..good.clone() },
            Options { quiet: WINDOW_MAX + second, ..good },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}
