//! The maximum number of connections, bounded by the descriptors of the process and by memory.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The default: more than the number of webhooks in progress at once. If each connection holds half a head or half a
/// form, together they take about 70 MB.
const USUAL: usize = 1_500;
/// Descriptors for everything else: 28 connections to PostgreSQL, those to NATS, Redis, Twilio and DispatchBot, and
/// connections that are being closed.
const ELSEWHERE: usize = 160;
/// If there are not even enough descriptors for the rest, one in this many is used for connections.
const LEAST_SHARE: usize = 4;

/// The bound on connections. Raises the soft limit of descriptors towards the hard limit if necessary.
pub(super) fn bound(wanted: Option<usize>) -> usize {
    let descriptors = descriptors(wanted.unwrap_or(USUAL).saturating_add(ELSEWHERE));
    let bound = of(wanted, descriptors);
    if let Some(wanted) = wanted.filter(|wanted| *wanted > bound) {
        tracing::warn!(wanted, bound, descriptors, "NMC_MAX_CONNECTIONS exceeds what the file descriptor limit allows");
    }
    bound
}

fn of(wanted: Option<usize>, descriptors: usize) -> usize {
    let allowed = descriptors.saturating_sub(ELSEWHERE).max(descriptors / LEAST_SHARE).max(1);
    wanted.unwrap_or(USUAL).min(allowed)
}

/// Raises the soft limit of descriptors to `needed` if allowed, and returns the limit.
fn descriptors(needed: usize) -> usize {
    let needed = u64::try_from(needed).unwrap_or(u64::MAX);
    let limit = getrlimit(Resource::Nofile);
    let mut soft = limit.current.unwrap_or(u64::MAX);
    if soft < needed {
        let raised = needed.min(limit.maximum.unwrap_or(u64::MAX));
        if setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum }).is_ok() {
            soft = raised;
        }
    }
    usize::try_from(soft).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::plenty(None, 1_048_576, 1_500)]
    #[case::the_usual_soft_limit(None, 1_024, 864)]
    #[case::few(None, 256, 96)]
    #[case::hardly_any(None, 64, 16)]
    #[case::as_configured(Some(5_000), 1_048_576, 5_000)]
    #[case::more_than_there_are(Some(5_000), 1_024, 864)]
    #[case::fewer_than_there_are(Some(10), 1_024, 10)]
    #[case::none_at_all(None, 0, 1)]
    fn the_bound_leaves_descriptors_for_the_rest(
        #[case] wanted: Option<usize>,
        #[case] descriptors: usize,
        #[case] bound: usize,
    ) {
        assert_eq!(of(wanted, descriptors), bound);
    }
}
