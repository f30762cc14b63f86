//! The executor of a run: the seed picks the next task among those that are ready. Time is tokio's, paused: it advances
//! to the next timer when no task is ready.
//!
//! A task belongs to a group, and a group is ended as a whole, at whichever await its tasks are: that is a crash.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use futures::FutureExt;
use futures::future::BoxFuture;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// Tasks that end together.
pub type Group = u32;

/// The world's own tasks, which never end.
pub const WORLD: Group = 0;

struct Task {
    group: Group,
    work: BoxFuture<'static, ()>,
    waker: Arc<TaskWaker>,
}

/// Starts and ends tasks; clones share them.
#[derive(Clone, Default)]
pub struct Spawner(Arc<Shared>);

#[derive(Default)]
struct Shared {
    ready: Mutex<Vec<usize>>,
    runtime: Mutex<Option<Waker>>,
    orders: Mutex<Vec<Order>>,
}

enum Order {
    Start(Group, BoxFuture<'static, ()>),
    End(Group),
}

struct TaskWaker {
    place: usize,
    is_ready: AtomicBool,
    shared: Arc<Shared>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if !self.is_ready.swap(true, Ordering::Relaxed) {
            self.shared.ready.lock().unwrap().push(self.place);
            if let Some(runtime) = &*self.shared.runtime.lock().unwrap() {
                runtime.wake_by_ref();
            }
        }
    }
}

impl Spawner {
    /// Starts a task.
    pub fn spawn(&self, group: Group, work: impl Future<Output = ()> + Send + 'static) {
        self.order(Order::Start(group, Box::pin(work)));
    }

    /// Ends every task of a group before any other task runs.
    pub fn end(&self, group: Group) {
        self.order(Order::End(group));
    }

    fn order(&self, order: Order) {
        self.0.orders.lock().unwrap().push(order);
        if let Some(runtime) = &*self.0.runtime.lock().unwrap() {
            runtime.wake_by_ref();
        }
    }

    /// Runs `main` and all tasks that are started beside it, until `main` is done.
    pub async fn run<T>(&self, seed: u64, main: impl Future<Output = T>) -> T {
        let mut main = std::pin::pin!(main);
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut tasks: Vec<Option<Task>> = Vec::new();
        // The seed, and not tokio's budget, decides what a task does in one go.
        tokio::task::unconstrained(poll_fn(move |cx| {
            *self.0.runtime.lock().unwrap() = Some(cx.waker().clone());
            loop {
                if let Poll::Ready(done) = main.as_mut().poll(cx) {
                    return Poll::Ready(done);
                }
                if !self.turn(&mut tasks, &mut rng) {
                    return Poll::Pending;
                }
                while self.turn(&mut tasks, &mut rng) {}
            }
        }))
        .await
    }

    /// Polls one ready task; `false` if none is ready.
    fn turn(&self, tasks: &mut Vec<Option<Task>>, rng: &mut SmallRng) -> bool {
        loop {
            let orders = std::mem::take(&mut *self.0.orders.lock().unwrap());
            if orders.is_empty() {
                break;
            }
            orders.into_iter().for_each(|order| self.carry_out(order, tasks));
        }
        let place = {
            let mut ready = self.0.ready.lock().unwrap();
            if ready.is_empty() {
                return false;
            }
            let chosen = rng.random_range(0..ready.len());
            ready.swap_remove(chosen)
        };
        let Some(task) = &mut tasks[place] else { return true };
        task.waker.is_ready.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&task.waker));
        if task.work.poll_unpin(&mut Context::from_waker(&waker)).is_ready() {
            tasks[place] = None;
        }
        true
    }

    fn carry_out(&self, order: Order, tasks: &mut Vec<Option<Task>>) {
        match order {
            Order::Start(group, work) => {
                let waker = TaskWaker { place: tasks.len(), is_ready: AtomicBool::new(false), shared: self.0.clone() };
                let waker = Arc::new(waker);
                tasks.push(Some(Task { group, work, waker: Arc::clone(&waker) }));
                waker.wake();
            }
            Order::End(group) => {
                for task in tasks {
                    if task.as_ref().is_some_and(|task| task.group == group) {
                        *task = None;
                    }
                }
            }
        }
    }
}
