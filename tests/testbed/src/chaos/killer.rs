//! Kills by the schedule, and counts.

use std::collections::BTreeMap;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::plan::{Kill, Part};
use super::servers::Servers;

/// How often each part was killed.
pub(super) type Killed = BTreeMap<Part, usize>;

/// Carries out the whole schedule, and returns when everything is back. A kill may come later than planned, where the part
/// is still coming back from its last one.
pub(super) async fn run(servers: &Servers, schedule: Vec<Kill>) -> anyhow::Result<Killed> {
    let mut under_way = FuturesUnordered::new();
    let mut killed = Killed::new();
    let mut next = Instant::now();
    for kill in schedule {
        // Where kills fall behind, the rest of the schedule moves.
        next = next.max(Instant::now()) + kill.after;
        // Those under way go on meanwhile.
        let due = sleep_until(next);
        tokio::pin!(due);
        loop {
            tokio::select! {
                () = &mut due => break,
                Some(part) = under_way.next() => *killed.entry(part?).or_default() += 1,
            }
        }
        for (part, down) in kill.victims {
            under_way.push(async move { servers.kill(part, down).await.map(|()| part) });
        }
        // As many as there are parts at the most wait for their turn.
        while under_way.len() > MOST_AT_ONCE {
            let Some(part) = under_way.next().await else { break };
            *killed.entry(part?).or_default() += 1;
        }
    }
    while let Some(part) = under_way.next().await {
        *killed.entry(part?).or_default() += 1;
    }
    Ok(killed)
}

/// How many parts may be away, or on their way back, at the same time.
const MOST_AT_ONCE: usize = 3;
