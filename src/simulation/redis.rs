//! Redis as the forwarder of events sees it: twin of `src/adapters/redis/forward.lua`, in one step for each call. It may
//! refuse an event, or lose its memory.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::planted::Planted;
use super::scheduler::Group;
use super::weather::Fault;
use super::world::{State, World};
use crate::adapters::redis::{ForwardError, Forwarded, Order, OutgoingEvent};
use crate::worker::EventSink;

/// What Redis has recorded.
#[derive(Default)]
pub struct Memory {
    seen: BTreeSet<Uuid>,
    last: BTreeMap<String, i64>,
}

/// A worker's connection to Redis.
pub struct SimRedis {
    pub world: World,
    pub group: Group,
}

impl EventSink for SimRedis {
    async fn forward(&self, events: &[OutgoingEvent]) -> Result<Vec<Forwarded>, ForwardError> {
        let events = events.to_vec();
        let forwarded = self.world.ask(self.group, "forward to Redis", move |state, _| {
            if state.weather.strikes(Fault::RedisForgets) {
                state.redis = Memory::default();
                state.ledger.redis_forgot();
            }
            events.iter().map(|event| forward(state, event)).collect()
        });
        forwarded.await.ok_or_else(ForwardError::timed_out)
    }
}

fn forward(state: &mut State, event: &OutgoingEvent) -> Forwarded {
    if state.weather.strikes(Fault::EventRefused) {
        return Forwarded::Refused("refused".to_owned());
    }
    if state.redis.seen.contains(&event.event_id) {
        return Forwarded::Before;
    }
    let missing = event.sequence - 1 - state.redis.last.get(&event.scope).copied().unwrap_or_default();
    let is_checked = state.planted != Planted::SequenceNotChecked;
    if is_checked && event.order == Order::Next && missing != 0 {
        return Forwarded::Early { missing };
    }
    state.ledger.event_forwarded(event);
    state.redis.seen.insert(event.event_id);
    state.redis.last.insert(event.scope.clone(), event.sequence);
    Forwarded::Now
}
