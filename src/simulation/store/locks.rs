//! The locks of a transaction: taken one by one, in the order that `src/adapters/postgres/commit.rs` documents.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::SimStore;
use crate::simulation::planted::Planted;
use crate::simulation::weather::Fault;
use crate::simulation::world::{State, World};
use crate::store::{self, Commit, Parties, StoreError};

/// How long a transaction waits for a lock: `BEGIN_BATCH` and `SESSION_TIMEOUTS` in `src/adapters/postgres/`.
const PATIENCE_OF_A_BATCH: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(10);

/// What a transaction locks. The order of the variants is the order in which it does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lock {
    /// The id of an input, written to the inbox.
    Input(String),
    Conversation(Uuid),
    /// The place of a new conversation: only one may be open.
    Place([String; 3]),
    Call(Uuid),
    /// The entry of a customer of a business in the ledger.
    OptOut(String, String),
}

/// Who holds which locks, and who waits for which.
#[derive(Default)]
pub(super) struct Locks {
    last: u64,
    held: BTreeMap<Lock, u64>,
    wanted: BTreeMap<u64, Lock>,
}

impl Locks {
    fn is_free(&self, lock: &Lock, transaction: u64) -> bool {
        self.held.get(lock).is_none_or(|holder| *holder == transaction)
    }

    /// Whether a transaction waits for others that wait for it.
    fn is_deadlocked(&self, transaction: u64) -> bool {
        let mut seen = BTreeSet::new();
        let mut next = self.wanted.get(&transaction).and_then(|lock| self.held.get(lock));
        while let Some(holder) = next.filter(|holder| seen.insert(**holder)) {
            next = self.wanted.get(holder).and_then(|lock| self.held.get(lock));
        }
        seen.contains(&transaction)
    }

    fn release(&mut self, transaction: u64) {
        self.held.retain(|_, holder| *holder != transaction);
        self.wanted.remove(&transaction);
    }
}

/// The locks of a transaction, until it ends.
pub(super) struct Locked {
    world: World,
    transaction: u64,
    /// Conversations that others have locked, and that the transaction leaves out.
    pub(super) skipped: BTreeSet<Uuid>,
}

impl Locked {
    /// A transaction without locks.
    pub(super) fn nothing(world: &World) -> Self {
        let mut state = world.lock();
        state.db.locks.last += 1;
        Self { world: world.clone(), transaction: state.db.locks.last, skipped: BTreeSet::new() }
    }

    /// Takes one more lock.
    pub(super) async fn take(&mut self, lock: Lock, patience: Duration) -> Result<(), StoreError> {
        let until = Instant::now() + patience;
        loop {
            let mut unlocked = pin!(self.world.unlocked.notified());
            unlocked.as_mut().enable();
            {
                let mut state = self.world.lock();
                let state = &mut *state;
                let locks = &mut state.db.locks;
                if locks.is_free(&lock, self.transaction) {
                    locks.wanted.remove(&self.transaction);
                    locks.held.insert(lock, self.transaction);
                    return Ok(());
                }
                locks.wanted.insert(self.transaction, lock.clone());
                if locks.is_deadlocked(self.transaction) {
                    state.ledger.breach(|| format!("two transactions wait for each other, one for {lock:?}"));
                }
            }
            if tokio::time::timeout_at(until, unlocked).await.is_err() {
                return Err(StoreError::Conflict("a lock was not released in time".into()));
            }
        }
    }

    /// The transaction ends: others may have its locks.
    pub(super) fn end(&self, state: &mut State) {
        state.db.locks.release(self.transaction);
        self.world.unlocked.notify_waiters();
    }

    fn is_free(&self, lock: &Lock) -> bool {
        self.world.lock().db.locks.is_free(lock, self.transaction)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.world.lock().db.locks.release(self.transaction);
        self.world.unlocked.notify_waiters();
    }
}

/// Takes the locks of a batch.
pub(super) async fn of_batch(
    store: &SimStore,
    batch: &[Commit<'_>],
    locks: store::Locks,
) -> Result<Locked, StoreError> {
    let mut locked = Locked::nothing(&store.world);
    let skips = locks == store::Locks::Skip;
    let patience = if skips { PATIENCE_OF_A_BATCH } else { PATIENCE };
    let mut wanted: Vec<Lock> = batch.iter().flat_map(wanted).collect();
    wanted.sort();
    if store.world.lock().planted == Planted::LocksInAnyOrder && store.group % 2 == 1 {
        wanted.reverse();
    }
    for (place, lock) in wanted.into_iter().enumerate() {
        if place > 0 {
            store.world.pause(store.group).await;
        }
        if let Lock::Input(id) = &lock
            && batch.iter().any(|commit| commit.input_id == id && commit.body_hash.is_some())
            && let Some(still) = stuck(&store.world, id)
        {
            tokio::time::sleep(still.min(patience)).await;
            if still > patience {
                return Err(StoreError::Conflict("a lock was not released in time".into()));
            }
        }
        match lock {
            Lock::Conversation(id) if skips && !locked.is_free(&lock) => drop(locked.skipped.insert(id)),
            lock => locked.take(lock, patience).await?,
        }
    }
    Ok(locked)
}

/// For how much longer somebody outside the service holds the id of a webhook.
fn stuck(world: &World, input_id: &str) -> Option<Duration> {
    let now_ms = world.ms();
    let mut state = world.lock();
    let state = &mut *state;
    let until_ms = *state.db.stuck.entry(input_id.to_owned()).or_insert_with(|| {
        let is_stuck = state.weather.strikes(Fault::Stuck);
        if is_stuck { now_ms + 5_000 + state.weather.below(15_000) } else { 0 }
    });
    until_ms.checked_sub(now_ms).filter(|left| *left > 0).map(Duration::from_millis)
}

fn wanted(commit: &Commit<'_>) -> Vec<Lock> {
    let mut wanted = vec![Lock::Input(commit.input_id.to_owned())];
    wanted.extend(commit.call.map(|call| Lock::Call(call.id)));
    let of_entry = commit.ledger.map(|entry| Lock::OptOut(entry.business_id.clone(), entry.customer.to_string()));
    wanted.extend(of_entry);
    let Some(decision) = commit.decision else { return wanted };
    let conversation = &decision.conversation;
    wanted.push(match conversation.version {
        0 => {
            let (business, customer) = (&conversation.business_phone, &conversation.customer_phone);
            let parties = Parties::of(&conversation.business_id, business, customer);
            Lock::Place([parties.business_id, parties.business_phone, parties.customer_phone])
        }
        _ => Lock::Conversation(conversation.id),
    });
    let opts = decision.ledger.is_some();
    let of_ledger = || Lock::OptOut(conversation.business_id.clone(), conversation.customer_phone.to_string());
    wanted.extend(opts.then(of_ledger));
    wanted
}
