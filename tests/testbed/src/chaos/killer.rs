//! Kills parts by the schedule, and counts the kills.

use std::collections::BTreeMap;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::plan::{Kill, Part};
use super::servers::Servers;

/// How often each part was killed.
pub(super) type Killed = BTreeMap<Part, usize>;

/// Carries out the whole schedule, and returns when everything runs again. A kill is later than planned if the part is
/// still restarting after its last one.
pub(super) async fn run(servers: &Servers, schedule: Vec<Kill>) -> anyhow::Result<Killed> {
    let mut under_way = FuturesUnordered::new();
    let mut killed = Killed::new();
    let mut next = Instant::now();
    for kill in schedule {
        // If kills fall behind, the rest of the schedule moves.
        next = next.max(Instant::now()) + kill.after;
        // Kills under way continue in the meantime.
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
        // Limits the number of kills under way.
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

/// How many parts may be down or restarting when the next kill begins.
const MOST_AT_ONCE: usize = 3;
