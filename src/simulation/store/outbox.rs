//! The outbox: a key's waiting rows, locked until they are marked or the connection is closed. Twin of
//! `src/adapters/postgres/outbox.rs`.

use std::pin::pin;

use uuid::Uuid;

use super::{Effect, SimStore, Tables};
use crate::engine::WaitingEffects;
use crate::store::{StoreError, WaitingRow};

impl Tables {
    pub(super) fn effect(&mut self, id: i64) -> &mut Effect {
        &mut self.outbox[usize::try_from(id).unwrap()]
    }
}

/// A key's waiting rows, locked.
pub struct SimDraining {
    store: SimStore,
    /// The locked rows.
    locked: Vec<i64>,
    rows: Vec<WaitingRow>,
}

/// A statement sees what was committed when it began; rows for which it waited are checked again.
pub(super) async fn drain(store: &SimStore, key: Uuid) -> Result<SimDraining, StoreError> {
    let waiting: Vec<i64> = store
        .ask("drain", |state, _| {
            let rows = state.db.outbox.iter().filter(|effect| effect.key == key && !effect.is_published);
            rows.map(|effect| effect.row.id).collect()
        })
        .await?;
    let mut draining = SimDraining { store: store.clone(), locked: Vec::new(), rows: Vec::new() };
    if waiting.is_empty() {
        return Ok(draining);
    }
    loop {
        let mut unlocked = pin!(store.world.unlocked.notified());
        unlocked.as_mut().enable();
        {
            let mut state = store.world.lock();
            if waiting.iter().all(|id| !state.db.draining.contains(id)) {
                state.db.draining.extend(&waiting);
                break;
            }
        }
        unlocked.await;
    }
    draining.locked = waiting;
    let mut state = store.world.lock();
    for id in &draining.locked {
        let effect = state.db.effect(*id);
        if !effect.is_published {
            draining.rows.push(effect.row.clone());
        }
    }
    drop(state);
    Ok(draining)
}

impl WaitingEffects for SimDraining {
    fn rows(&self) -> &[WaitingRow] {
        &self.rows
    }

    async fn published(self, count: usize) -> Result<(), StoreError> {
        let ids: Vec<i64> = self.rows.iter().take(count).map(|row| row.id).collect();
        self.store
            .ask("mark published", move |state, _| {
                ids.into_iter().for_each(|id| state.db.effect(id).is_published = true);
            })
            .await
    }
}

impl Drop for SimDraining {
    fn drop(&mut self) {
        if !self.locked.is_empty() {
            let mut state = self.store.world.lock();
            state.db.draining.retain(|id| !self.locked.contains(id));
            drop(state);
            self.store.world.unlocked.notify_waiters();
        }
    }
}
