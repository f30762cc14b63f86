//! The outbox: a key's waiting rows, locked until they are marked or the connection is closed. Twin of
//! `src/adapters/postgres/outbox.rs`.

use std::pin::pin;

use uuid::Uuid;

use super::SimStore;
use crate::adapters::postgres::{StoreError, WaitingRow};
use crate::engine::WaitingEffects;

/// A key's waiting rows, locked.
pub struct SimDraining {
    store: SimStore,
    /// The locked key; `None` if nothing waited.
    locked: Option<Uuid>,
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
    let mut draining = SimDraining { store: store.clone(), locked: None, rows: Vec::new() };
    if waiting.is_empty() {
        return Ok(draining);
    }
    loop {
        let mut unlocked = pin!(store.world.unlocked.notified());
        unlocked.as_mut().enable();
        if store.world.lock().db.draining.insert(key) {
            break;
        }
        unlocked.await;
    }
    draining.locked = Some(key);
    let state = store.world.lock();
    draining.rows = waiting
        .into_iter()
        .map(|id| &state.db.outbox[usize::try_from(id).unwrap()])
        .filter(|effect| !effect.is_published)
        .map(|effect| effect.row.clone())
        .collect();
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
                ids.into_iter().for_each(|id| state.db.outbox[usize::try_from(id).unwrap()].is_published = true);
            })
            .await
    }
}

impl Drop for SimDraining {
    fn drop(&mut self) {
        if let Some(key) = self.locked {
            self.store.world.lock().db.draining.remove(&key);
            self.store.world.unlocked.notify_waiters();
        }
    }
}
