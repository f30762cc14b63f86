//! Ack handles that record how they were settled, for the operators' own tests.

#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;

use super::{AckHandle, Acknowledge, AcknowledgeError, Delivery, Disposition, Metadata};

/// Records how ack handles were settled.
#[derive(Clone, Default)]
pub(super) struct Ledger(Arc<Entries>);

#[derive(Default)]
struct Entries {
    settled: Mutex<Vec<(u64, Disposition)>>,
    heartbeats: AtomicUsize,
    broken: AtomicBool,
    latency: Mutex<Duration>,
}

impl Ledger {
    /// Makes every further settlement and in-progress ack fail.
    pub(super) fn break_down(&self) {
        self.0.broken.store(true, Ordering::SeqCst);
    }

    /// Makes every further settlement take this long to be confirmed.
    pub(super) fn confirm_after(&self, latency: Duration) {
        *self.0.latency.lock().unwrap() = latency;
    }

    pub(super) fn receipt(&self, sequence: u64) -> AckHandle {
        self.receipt_delivered(sequence, 1)
    }

    pub(super) fn receipt_delivered(&self, sequence: u64, delivery_count: u64) -> AckHandle {
        let metadata = Metadata { stream_sequence: sequence, delivery_count, ..Metadata::new("nmc.test", "{}") };
        AckHandle::new(metadata, Entry { ledger: self.clone(), sequence })
    }

    pub(super) fn delivery<T>(&self, sequence: u64, item: T) -> Delivery<T> {
        self.receipt(sequence).with(item)
    }

    pub(super) fn settled(&self) -> Vec<(u64, Disposition)> {
        self.0.settled.lock().unwrap().clone()
    }

    pub(super) fn heartbeats(&self) -> usize {
        self.0.heartbeats.load(Ordering::SeqCst)
    }

    fn answer(&self) -> Result<(), AcknowledgeError> {
        if self.0.broken.load(Ordering::SeqCst) { Err(AcknowledgeError::new("broken")) } else { Ok(()) }
    }
}

struct Entry {
    ledger: Ledger,
    sequence: u64,
}

impl Acknowledge for Entry {
    fn settle(self: Box<Self>, how: Disposition) -> BoxFuture<'static, Result<(), AcknowledgeError>> {
        Box::pin(async move {
            let latency = *self.ledger.0.latency.lock().unwrap();
            if !latency.is_zero() {
                tokio::time::sleep(latency).await;
            }
            self.ledger.answer()?;
            self.ledger.0.settled.lock().unwrap().push((self.sequence, how));
            Ok(())
        })
    }

    fn in_progress(&self) -> BoxFuture<'_, Result<(), AcknowledgeError>> {
        self.ledger.0.heartbeats.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(self.ledger.answer()))
    }
}
