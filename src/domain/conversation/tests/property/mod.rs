//! Random sequences of everything that may happen to a conversation, run through the rules in a model of their
//! environment. The guarantees of docs/design.md are checked after every step and at the end, including that no
//! customer is left without an answer.
//!
//! `NMC_PROPERTY_CASES` is the number of sequences over all families; `NMC_PROPERTY_SEED` repeats a run. A failure
//! prints the seed and the shrunk sequence. To run a million of them, without nextest's time limit:
//! `NMC_PROPERTY_CASES=1000000 cargo test -p nevermisscall --lib property::`

mod guarantees;
mod readings;
mod reminders;
mod scenario;
mod sending;
mod waiting;
mod world;

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use super::*;
use crate::domain::hours::DailyHours;
use scenario::{Bot, Happens, Kind, Profile, Says, Scenario, Step};
use world::{Planted, Settings, World};

/// The number of sequences over all families.
const CASES: u32 = 100_000;

/// All kinds of steps, evenly.
const MIXED: Profile = Profile {
    name: "mixed",
    share: 30,
    weights: &[
        (30, Kind::Text),
        (4, Kind::Emergency),
        (6, Kind::Word),
        (6, Kind::MissedCall),
        (8, Kind::TakeOver),
        (6, Kind::Reply),
        (8, Kind::Release),
        (4, Kind::FalseAlarm),
        (8, Kind::AlertTaken),
        (4, Kind::Complete),
        (6, Kind::Again),
        (4, Kind::Fires),
        (4, Kind::TimerLost),
        (2, Kind::ClockStep),
        (1, Kind::TakeOverOlder),
    ],
    punctual: false,
    steady: false,
    steps: 40,
};
/// Texts that arrive while answers are in progress.
const RACES: Profile = Profile {
    name: "races",
    share: 25,
    weights: &[
        (60, Kind::Text),
        (4, Kind::Emergency),
        (6, Kind::TakeOver),
        (6, Kind::Release),
        (6, Kind::Fires),
        (4, Kind::TimerLost),
    ],
    punctual: false,
    steady: true,
    steps: 40,
};
/// The ownership changes often.
const OWNERSHIP: Profile = Profile {
    name: "ownership",
    share: 20,
    weights: &[
        (24, Kind::Text),
        (12, Kind::TakeOver),
        (8, Kind::Reply),
        (16, Kind::Release),
        (4, Kind::Emergency),
        (2, Kind::FalseAlarm),
        (6, Kind::AlertTaken),
        (4, Kind::Complete),
        (4, Kind::MissedCall),
        (2, Kind::Again),
        (2, Kind::NumberLeaves),
        (3, Kind::NumberReturns),
    ],
    punctual: false,
    steady: false,
    steps: 30,
};
/// Opt-outs and opt-ins across several conversations, with calls and emergencies between.
const LEDGER: Profile = Profile {
    name: "ledger",
    share: 15,
    weights: &[
        (20, Kind::Text),
        (16, Kind::Word),
        (8, Kind::MissedCall),
        (4, Kind::Emergency),
        (4, Kind::AlertTaken),
        (4, Kind::Reply),
        (4, Kind::Release),
        (6, Kind::Complete),
        (2, Kind::Again),
    ],
    punctual: false,
    steady: false,
    steps: 30,
};
/// A customer who keeps writing while everything else works: the time limits are checked here too.
const STEADY: Profile = Profile {
    name: "steady",
    share: 10,
    weights: &[(30, Kind::Text), (10, Kind::Emergency), (1, Kind::MissedCall), (1, Kind::Again)],
    punctual: true,
    steady: true,
    steps: 60,
};

fn cases(profile: Profile) -> u32 {
    let all = std::env::var("NMC_PROPERTY_CASES").map_or(CASES, |n| n.parse().expect("NMC_PROPERTY_CASES"));
    (all / 100).max(1) * profile.share
}

/// The same sequences in every run, unless another seed or `random` is given: a failure then comes from the change
/// under test.
fn seed() -> u64 {
    match std::env::var("NMC_PROPERTY_SEED").as_deref() {
        Ok("random") => rand::random(),
        Ok(n) => n.parse().expect("NMC_PROPERTY_SEED"),
        Err(_) => 20_261_123,
    }
}

fn run(profile: Profile, cases: u32, seed: u64, planted: Planted) -> Result<(), Box<TestError<Scenario>>> {
    run_with(&Settings::new(), profile, cases, seed, planted)
}

fn run_with(
    settings: &Settings,
    profile: Profile,
    cases: u32,
    seed: u64,
    planted: Planted,
) -> Result<(), Box<TestError<Scenario>>> {
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None, // the seed is printed
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&profile.scenarios(), |scenario| {
        World::new(settings, &scenario, profile.punctual, planted).play().map_err(TestCaseError::fail)
    });
    result.map_err(Box::new)
}

fn guarantees_hold(profile: Profile) {
    guarantees_hold_with(&Settings::new(), profile);
}

fn guarantees_hold_with(settings: &Settings, profile: Profile) {
    let (cases, seed) = (cases(profile), seed());
    println!("{}: {cases} sequences, NMC_PROPERTY_SEED={seed}", profile.name);
    match run_with(settings, profile, cases, seed, Planted::Nothing).map_err(|error| *error) {
        Ok(()) => {}
        Err(TestError::Fail(why, scenario)) => {
            panic!("{}, NMC_PROPERTY_SEED={seed}: {why}{scenario:?}", profile.name);
        }
        Err(error) => panic!("{}: {error}", profile.name),
    }
}

#[test]
fn guarantees_hold_whatever_happens() {
    guarantees_hold(MIXED);
}

#[test]
fn guarantees_hold_when_texts_race_with_answers() {
    guarantees_hold(RACES);
}

#[test]
fn guarantees_hold_while_the_owner_changes() {
    guarantees_hold(OWNERSHIP);
}

#[test]
fn guarantees_hold_for_who_opts_out_and_in() {
    guarantees_hold(LEDGER);
}

#[test]
fn time_limits_hold_for_a_steady_texter() {
    // Calls would make these runs, which are long, much longer.
    let mut settings = Settings::new();
    settings.business.policy.voice_ladder = None;
    guarantees_hold_with(&settings, STEADY);
}

/// In addition to the families: the same sequences with another business as the customer.
#[test]
fn guarantees_hold_towards_another_business() {
    let settings = Settings { other_business: true, ..Settings::new() };
    guarantees_hold_with(&settings, Profile { share: 5, ..MIXED });
    guarantees_hold_with(&settings, Profile { share: 5, punctual: false, ..STEADY });
}

/// In addition to the families: the same sequences while the owner's phone gets every text, and while the owner is away.
#[test]
fn guarantees_hold_while_texts_are_relayed_and_while_the_owner_is_away() {
    let mut settings = Settings::new();
    settings.business.relay_to = Some("+12125550001".parse().unwrap());
    guarantees_hold_with(&settings, Profile { share: 5, ..MIXED });
    guarantees_hold_with(&settings, Profile { share: 5, ..LEDGER });
    guarantees_hold_with(&settings, Profile { share: 2, ..STEADY });
    // The runs begin at 8:00.
    settings.business.policy.owner_quiet_hours = Some(DailyHours::new("07:00", "08:05").unwrap());
    guarantees_hold_with(&settings, Profile { share: 5, ..MIXED });
    settings.business.policy.owner_quiet_hours = None;
    settings.business.relay_to = None;
    (settings.business.owner_is_off, settings.business.remind_to) = (true, None);
    guarantees_hold_with(&settings, Profile { share: 5, ..MIXED });
}

/// In addition to the families: people record opt-outs that did not come as texts, and their ends.
#[test]
fn guarantees_hold_when_people_record_opt_outs() {
    const WEIGHTS: &[(u8, Kind)] = &[
        (24, Kind::Text),
        (6, Kind::Word),
        (8, Kind::OptOut),
        (8, Kind::OptIn),
        (6, Kind::MissedCall),
        (4, Kind::Emergency),
        (4, Kind::Reply),
        (4, Kind::Complete),
        (2, Kind::ClockStep),
        (2, Kind::Again),
    ];
    guarantees_hold(Profile { name: "consent", share: 5, weights: WEIGHTS, ..LEDGER });
}

/// The same sequences with limits of the day that are soon reached: whoever gets no answer is handed over to a person.
#[test]
fn guarantees_hold_when_the_limits_of_the_day_are_used_up() {
    let mut settings = Settings::new();
    settings.policy.day_limits = DayLimits { texts: 6, new_numbers: 1, ai: 5, alerts: 4 };
    guarantees_hold_with(&settings, Profile { share: 5, ..MIXED });
    guarantees_hold_with(&settings, Profile { share: 5, ..STEADY });
    settings.policy.day_limits = DayLimits { texts: 0, new_numbers: 0, ai: 0, alerts: 0 };
    guarantees_hold_with(&settings, Profile { share: 2, ..MIXED });
}

/// In addition to the families: people are silent, the AI gets conversations back, and the owner has quiet hours.
#[test]
fn nobody_is_forgotten_whatever_happens() {
    const WEIGHTS: &[(u8, Kind)] = &[
        (20, Kind::Text),
        (14, Kind::TakeOver),
        (4, Kind::Reply),
        (4, Kind::Release),
        (3, Kind::FalseAlarm),
        (2, Kind::Emergency),
        (2, Kind::Word),
        (2, Kind::Complete),
        (2, Kind::MissedCall),
        (6, Kind::Fires),
        (2, Kind::TimerLost),
        (1, Kind::ClockStep),
        (2, Kind::Again),
        (1, Kind::NumberLeaves),
        (2, Kind::NumberReturns),
    ];
    let family = Profile { name: "waiting", share: 5, weights: WEIGHTS, punctual: false, steady: false, steps: 30 };
    let mut settings = Settings::new();
    settings.policy.idle_after = Duration::from_secs(7_200);
    guarantees_hold_with(&settings, family);
    let policy = &mut settings.business.policy;
    policy.remind_after = Some("2m".parse().unwrap());
    policy.return_to_ai_after = Some("5m".parse().unwrap());
    guarantees_hold_with(&settings, family);
    // The runs begin at 8:00.
    settings.business.policy.owner_quiet_hours = Some(DailyHours::new("07:00", "08:20").unwrap());
    guarantees_hold_with(&settings, family);
}

/// Sequences on which the rules failed once. A random run may not find them again.
#[rstest::rstest]
#[case::an_emergency_is_told_twice(emergencies(2, 1_000), true)]
#[case::an_emergency_is_told_on_and_on(emergencies(60, 3_000), true)]
#[case::an_older_conversation_hears_of_its_message_later(calls_after_the_end(), false)]
fn a_found_sequence_holds(#[case] scenario: Scenario, #[case] punctual: bool) {
    let played = World::new(&Settings::new(), &scenario, punctual, Planted::Nothing).play();
    assert_eq!(played, Ok(()), "{scenario:?}");
}

fn emergencies(times: usize, after_ms: i64) -> Scenario {
    let what = Happens::Emergency { held_up_ms: 0, copy_after_ms: None };
    Scenario {
        steps: vec![Step { after_ms, what }; times],
        bot: vec![Bot { after_ms: 1_500, says: Says::Answer }; times],
        ..Scenario::default()
    }
}

fn calls_after_the_end() -> Scenario {
    let text = Happens::Text { held_up_ms: 0, copy_after_ms: None };
    let steps = [
        (0, text),
        (61_200, Happens::Complete),
        (0, Happens::MissedCall),
        (0, Happens::Complete),
        (5_000, Happens::MissedCall),
    ];
    Scenario { steps: steps.map(|(after_ms, what)| Step { after_ms, what }).to_vec(), ..Scenario::default() }
}

#[test]
fn the_families_share_all_sequences() {
    assert_eq!([MIXED, RACES, OWNERSHIP, LEDGER, STEADY].iter().map(|profile| profile.share).sum::<u32>(), 100);
}

/// Checks that the guarantees detect planted defects.
#[rstest::rstest]
#[case::takeovers_do_not_fence(Planted::NoHardFence, OWNERSHIP)]
#[case::newer_texts_do_not_fence(Planted::NoFence, RACES)]
#[case::the_ledger_is_not_asked(Planted::NoLedger, LEDGER)]
#[case::whose_number_it_is_is_not_asked(Planted::NoOwner, OWNERSHIP)]
#[case::an_early_timer_is_not_armed_again(Planted::NoRearm, MIXED)]
#[case::an_input_is_applied_twice(Planted::NoInbox, MIXED)]
#[case::a_lost_answer_counts_as_a_refusal(Planted::NoReconciling, MIXED)]
fn a_planted_mistake_is_noticed(#[case] planted: Planted, #[case] profile: Profile) {
    let seed = seed();
    let result = run(profile, 2_000, seed, planted).map_err(|error| *error);
    assert!(matches!(result, Err(TestError::Fail(..))), "{planted:?} is not noticed, NMC_PROPERTY_SEED={seed}");
}
