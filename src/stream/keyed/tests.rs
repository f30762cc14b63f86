//! Tests of `keyed`.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{poll, stream};
use proptest::prelude::*;
use tokio::{
    sync::{Semaphore, mpsc},
    time::{Instant, sleep},
};
use tokio_stream::iter;

use super::*;
use crate::stream::{DeadReason, DeliveryStreamExt, Failure, testing::Ledger};

type Item = (u8, u64);

fn key(item: &Item) -> u8 {
    item.0
}

fn steps(ledger: &Ledger, keys: &[u8]) -> Vec<Step<Item>> {
    let numbered = keys.iter().zip(1..);
    numbered.map(|(key, sequence)| Ok(ledger.delivery(sequence, (*key, sequence)))).collect()
}

/// A handler that waits until the test opens the gate.
#[derive(Clone)]
struct Gate {
    open: Arc<Semaphore>,
    entered: Arc<AtomicUsize>,
}

impl Gate {
    fn closed() -> Self {
        Self { open: Arc::new(Semaphore::new(0)), entered: Arc::default() }
    }

    async fn pass(self, delivery: Delivery<Item>) -> Step<Item> {
        self.entered.fetch_add(1, Ordering::SeqCst);
        self.open.acquire().await.unwrap().forget();
        Ok(delivery)
    }

    fn entered(&self) -> usize {
        self.entered.load(Ordering::SeqCst)
    }
}

/// Observations from one run of random work.
#[derive(Default)]
struct Watch {
    running: HashMap<u8, usize>,
    most_at_once: usize,
    overlapped: bool,
    started: HashMap<u8, Vec<u64>>,
}

async fn run_random_work(limit: usize, work: Vec<(u8, u64)>) -> (Watch, HashMap<u8, Vec<u64>>) {
    let watch = Arc::new(Mutex::new(Watch::default()));
    let ledger = Ledger::default();
    let keys: Vec<u8> = work.iter().map(|(key, _)| *key).collect();
    let durations: Arc<Vec<u64>> = Arc::new(work.iter().map(|(_, millis)| *millis).collect());
    let handler = {
        let watch = Arc::clone(&watch);
        move |delivery: Delivery<Item>| {
            let (watch, durations) = (Arc::clone(&watch), Arc::clone(&durations));
            async move {
                let (key, sequence) = delivery.item;
                {
                    let mut watch = watch.lock().unwrap();
                    let of_key = watch.running.entry(key).or_default();
                    *of_key += 1;
                    let overlapped = *of_key > 1;
                    watch.overlapped |= overlapped;
                    let at_once = watch.running.values().sum();
                    watch.most_at_once = watch.most_at_once.max(at_once);
                    watch.started.entry(key).or_default().push(sequence);
                }
                sleep(Duration::from_millis(durations[sequence as usize - 1])).await;
                *watch.lock().unwrap().running.get_mut(&key).unwrap() -= 1;
                Ok(delivery)
            }
        }
    };
    let mut finished: HashMap<u8, Vec<u64>> = HashMap::new();
    let mut results = iter(steps(&ledger, &keys)).keyed(limit, key, handler);
    while let Some(step) = results.next().await {
        let (key, sequence) = step.unwrap().item;
        finished.entry(key).or_default().push(sequence);
    }
    drop(results);
    (Arc::into_inner(watch).unwrap().into_inner().unwrap(), finished)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_delivery_is_worked_on_once_in_order_per_key_and_within_the_limit(
        limit in 1usize..6,
        work in prop::collection::vec((0u8..5, 0u64..40), 0..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (watch, finished) = runtime.block_on(run_random_work(limit, work.clone()));
        let mut expected: HashMap<u8, Vec<u64>> = HashMap::new();
        for ((key, _), sequence) in work.iter().zip(1..) {
            expected.entry(*key).or_default().push(sequence);
        }
        prop_assert_eq!(&watch.started, &expected);
        prop_assert_eq!(&finished, &expected);
        prop_assert!(!watch.overlapped);
        prop_assert!(watch.most_at_once <= limit);
    }
}

#[tokio::test]
async fn different_keys_run_in_parallel_up_to_the_limit() {
    let (ledger, gate) = (Ledger::default(), Gate::closed());
    let handler = {
        let gate = gate.clone();
        move |delivery| gate.clone().pass(delivery)
    };
    let mut results = iter(steps(&ledger, &[1, 2, 3, 4])).keyed(3, key, handler);
    assert!(poll!(results.next()).is_pending());
    assert_eq!(gate.entered(), 3);
    gate.open.add_permits(4);
    assert_eq!(results.count().await, 4);
}

#[tokio::test(start_paused = true)]
async fn a_slow_key_does_not_hold_up_the_others() {
    let ledger = Ledger::default();
    let slow_first = async |delivery: Delivery<Item>| {
        if delivery.item == (1, 1) {
            sleep(Duration::from_secs(60)).await;
        }
        Ok(delivery)
    };
    let started = Instant::now();
    let results = iter(steps(&ledger, &[1, 1, 1, 2, 3])).keyed(2, key, move |delivery| Box::pin(slow_first(delivery)));
    let order: Vec<u64> = results.map(|step: Step<Item>| step.unwrap().item.1).collect().await;
    assert_eq!(order, [4, 5, 1, 2, 3]);
    assert_eq!(started.elapsed(), Duration::from_secs(60));
}

#[tokio::test]
async fn a_busy_key_takes_turns_with_the_others() {
    let ledger = Ledger::default();
    let results = iter(steps(&ledger, &[1, 1, 1, 2, 3])).keyed(1, key, async |delivery| {
        tokio::task::yield_now().await;
        Ok(delivery)
    });
    let order: Vec<u64> = results.map(|step: Step<Item>| step.unwrap().item.1).collect().await;
    assert_eq!(order, [1, 4, 5, 2, 3]);
}

#[tokio::test]
async fn the_upstream_is_not_polled_while_four_times_the_limit_waits() {
    let (ledger, gate, pulled) = (Ledger::default(), Gate::closed(), Arc::new(AtomicUsize::new(0)));
    let endless = {
        let (ledger, pulled) = (ledger.clone(), Arc::clone(&pulled));
        stream::repeat_with(move || {
            let sequence = pulled.fetch_add(1, Ordering::SeqCst) as u64;
            Ok(ledger.delivery(sequence, (1, sequence)))
        })
    };
    let handler = {
        let gate = gate.clone();
        move |delivery| gate.clone().pass(delivery)
    };
    let mut results = endless.keyed(2, key, handler);
    assert!(poll!(results.next()).is_pending());
    assert_eq!(pulled.load(Ordering::SeqCst), 1 + 8, "one runs, eight wait");
    gate.open.add_permits(1);
    assert_eq!(results.next().await.unwrap().unwrap().item.1, 0);
    assert!(poll!(results.next()).is_pending());
    assert_eq!(pulled.load(Ordering::SeqCst), 2 + 8, "one more, for the one that is done");
}

#[tokio::test]
async fn failures_from_upstream_pass_what_is_running() {
    let (ledger, gate) = (Ledger::default(), Gate::closed());
    let mut upstream = steps(&ledger, &[1, 1]);
    upstream.push(Err(Failure::dead(ledger.receipt(3), DeadReason::UNDECODABLE, "")));
    let handler = {
        let gate = gate.clone();
        move |delivery| gate.clone().pass(delivery)
    };
    let mut results = iter(upstream).keyed(2, key, handler);
    let failure = results.next().await.unwrap().unwrap_err();
    assert_eq!(failure.receipt.metadata().stream_sequence, 3);
    assert_eq!(gate.entered(), 1);
}

#[tokio::test]
async fn it_ends_only_when_the_upstream_ended_and_everything_in_flight_is_finished() {
    let (ledger, gate) = (Ledger::default(), Gate::closed());
    let (sender, receiver) = mpsc::unbounded_channel();
    let handler = {
        let gate = gate.clone();
        move |delivery| gate.clone().pass(delivery)
    };
    let upstream = stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|step| (step, receiver)));
    let mut results = upstream.keyed(2, key, handler);
    assert!(poll!(results.next()).is_pending(), "nothing there yet");
    for step in steps(&ledger, &[1, 1]) {
        sender.send(step).unwrap();
    }
    drop(sender);
    assert!(poll!(results.next()).is_pending(), "one runs, one waits");
    gate.open.add_permits(2);
    assert_eq!((&mut results).count().await, 2);
    assert!(results.next().await.is_none());
}

#[tokio::test]
async fn a_handler_that_panics_leaves_its_delivery_unsettled_and_the_rest_goes_on() {
    let ledger = Ledger::default();
    let handler = async |delivery: Delivery<Item>| {
        assert!(delivery.item.1 != 2, "a panic, as intended by this test");
        Ok(delivery)
    };
    let mut results = iter(steps(&ledger, &[1, 1, 1, 2])).keyed(2, key, move |delivery| Box::pin(handler(delivery)));
    let mut survivors = Vec::new();
    while let Some(step) = results.next().await {
        let (item, receipt) = step.unwrap().split();
        receipt.settle(crate::stream::Disposition::Ack).await.unwrap();
        survivors.push(item.1);
    }
    survivors.sort();
    assert_eq!(survivors, [1, 3, 4]);
    assert!(ledger.settled().iter().all(|(sequence, _)| *sequence != 2));
}

#[tokio::test]
async fn a_limit_of_zero_is_a_limit_of_one() {
    let ledger = Ledger::default();
    let results = iter(steps(&ledger, &[1, 2])).keyed(0, key, async |delivery| Ok(delivery));
    assert_eq!(results.count().await, 2);
}

#[tokio::test]
async fn dropping_it_drops_what_is_in_flight_unsettled() {
    let (ledger, gate) = (Ledger::default(), Gate::closed());
    let handler = {
        let gate = gate.clone();
        move |delivery| gate.clone().pass(delivery)
    };
    let mut results = iter(steps(&ledger, &[1, 2])).keyed(2, key, handler);
    assert!(poll!(results.next()).is_pending());
    drop(results);
    gate.open.add_permits(2);
    assert_eq!(ledger.settled(), []);
}
