//! All random choices, drawn from one seed in advance: who writes what when, which faults Twilio has, which process is
//! killed. The same seed gives the same plan; the result depends on timing and cannot be repeated.

mod conversation;
mod kills;

pub(super) use conversation::{Command, ConversationPlan, Planned, Say, conversation};
pub(super) use kills::{Kill, Led, Part, parts, schedule};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::Duration;

/// A random generator for one purpose: draws for one purpose do not shift those for another.
fn chance(seed: u64, purpose: &str, number: u64) -> StdRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    for (at, byte) in purpose.bytes().take(16).enumerate() {
        bytes[16 + at] = byte;
    }
    StdRng::from_seed(bytes)
}

/// A random time between `from` and `to`, in milliseconds.
fn ms(random: &mut StdRng, from: u64, to: u64) -> Duration {
    Duration::from_millis(random.random_range(from..=to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_plan_and_another_gives_another() {
        let plan = |seed| {
            let conversations: Vec<_> = (0..50).map(|number| conversation(seed, number, 2.0)).collect();
            format!("{conversations:?} {:?}", schedule(seed, 100, Duration::from_secs(2), false))
        };
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
    }

    #[test]
    fn every_part_dies_at_least_once_and_as_many_as_asked_for_die() {
        for clustered in [false, true] {
            let kills = schedule(7, 20, Duration::from_secs(1), clustered);
            let dying: Vec<Part> = kills.iter().flat_map(|kill| kill.victims.iter().map(|victim| victim.0)).collect();
            assert_eq!(dying.len(), 20);
            assert!(parts(clustered).iter().all(|part| dying.contains(part)), "{dying:?}");
        }
    }

    #[test]
    fn all_that_can_happen_is_in_a_few_hundred_conversations() {
        let all: Vec<_> = (0..400).map(|number| conversation(3, number, 2.0)).collect();
        let any = |found: fn(&ConversationPlan) -> bool| all.iter().any(found);
        let does = |command: Command| all.iter().any(|plan| plan.deeds.iter().any(|deed| deed.command == command));
        assert!(any(|plan| plan.said.iter().any(|said| matches!(said.say, Say::Call { .. }))));
        assert!(any(|plan| plan.said.iter().any(|said| matches!(said.say, Say::Text { stop: true, .. }))));
        assert!(any(|plan| plan.said.iter().any(|said| !said.again.is_empty())));
        assert!(any(|plan| plan.fault.is_some()) && any(|plan| plan.fault.is_none()));
        assert!([Command::TakeOver, Command::Reply, Command::Release, Command::Complete].into_iter().all(does));
    }
}
