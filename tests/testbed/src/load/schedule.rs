//! When each user does what: fixed before the run begins, so that a slow service delays no later action.
//!
//! The users begin one after another during the ramp-up. Between two actions of a user is half to one and a half times
//! the thought, drawn evenly; without that, users would act in step. A user's actions depend on the seed and on the
//! user's number.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Mix, Options};

/// A kind of action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// A customer calls, and nobody picks up.
    Call,
    /// A customer texts in a conversation of the AI.
    Text,
    /// A person takes a conversation over.
    Takeover,
}

/// An action: its kind, and when it begins, counted from the beginning of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) at: Duration,
    pub(super) kind: Kind,
}

/// The actions of all users, in order of time.
pub(super) fn schedule(options: &Options) -> Vec<Planned> {
    let mut all: Vec<_> = (0..options.users).flat_map(|user| of_user(options, user)).collect();
    all.sort_by_key(|planned| planned.at);
    all
}

fn of_user(options: &Options, user: usize) -> Vec<Planned> {
    let mut random = StdRng::seed_from_u64(options.seed.wrapping_add((user as u64) << 32));
    let mut at = options.ramp.mul_f64(user as f64 / options.users as f64);
    let mut planned = Vec::new();
    loop {
        at += options.think.mul_f64(random.random_range(0.5..1.5));
        if at >= options.duration {
            return planned;
        }
        planned.push(Planned { at, kind: kind(options.mix, random.random_range(0..options.mix.sum())) });
    }
}

fn kind(mix: Mix, drawn: u32) -> Kind {
    if drawn < mix.calls {
        Kind::Call
    } else if drawn < mix.calls + mix.texts {
        Kind::Text
    } else {
        Kind::Takeover
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn document() -> Options {
        Options::of_the_document(PathBuf::new(), PathBuf::new())
    }

    fn share(all: &[Planned], kind: Kind) -> f64 {
        all.iter().filter(|planned| planned.kind == kind).count() as f64 / all.len() as f64
    }

    #[test]
    fn the_document_s_mix_and_rate_are_met() {
        let all = schedule(&document());
        for (kind, wanted) in [(Kind::Call, 0.4), (Kind::Text, 0.5), (Kind::Takeover, 0.1)] {
            let share = share(&all, kind);
            assert!((share - wanted).abs() < 0.02, "{kind:?}: {share}");
        }
        let after_ramp = all.iter().filter(|planned| planned.at >= Duration::from_secs(60)).count();
        let rate = after_ramp as f64 / 240.0;
        assert!((49.0..51.0).contains(&rate), "{rate}");
    }

    #[test]
    fn users_begin_one_after_another_during_the_ramp_up() {
        let options = document();
        let in_time = |from: u64, to: u64| {
            let (from, to) = (Duration::from_secs(from), Duration::from_secs(to));
            schedule(&options).iter().filter(|planned| (from..to).contains(&planned.at)).count()
        };
        let (first, last, full) = (in_time(0, 20), in_time(40, 60), in_time(60, 80));
        assert!(first < last && last < full, "{first} {last} {full}");
        assert!(schedule(&options).iter().all(|planned| planned.at < options.duration));
    }

    #[test]
    fn a_user_thinks_half_to_one_and_a_half_times_the_thought() {
        let one = Options { users: 1, ..document() };
        let all = schedule(&one);
        let thoughts = all.windows(2).map(|two| two[1].at - two[0].at);
        assert!(thoughts.clone().all(|thought| (0.5..1.5).contains(&thought.as_secs_f64())));
        assert!((290..=310).contains(&all.len()), "{}", all.len());
    }

    #[test]
    fn the_same_seed_gives_the_same_schedule_and_another_one_another() {
        let options = document();
        assert_eq!(schedule(&options), schedule(&options));
        assert_ne!(schedule(&options), schedule(&Options { seed: 2, ..options }));
    }

    #[test]
    fn a_kind_without_weight_is_not_drawn() {
        let calls = Options { mix: Mix { calls: 1, texts: 0, takeovers: 0 }, ..document() };
        assert!(schedule(&calls).iter().all(|planned| planned.kind == Kind::Call));
    }
}
