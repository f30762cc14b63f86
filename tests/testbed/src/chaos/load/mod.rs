//! The load: customers who call and write, people who take over, and a journal of every request and its outcome.
//!
//! A webhook is sent as Twilio sends it: once, and once more if no connection was made or, where Twilio has a fallback
//! URL, if it failed. Nothing else is tried again, except what the plan repeats. Only an answer with a 2xx counts as
//! acknowledged.

mod app_server;
mod customer;
mod journal;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

pub(super) use app_server::AppServer;
pub(super) use journal::Both;
pub(super) use journal::{Asked, Count, End, Journal, Outcome, Posted, What};

use super::plan::{self, ConversationPlan};
use super::stage::Plan;
use super::surroundings::Surroundings;
use crate::sim::Rule;

/// Generates the load.
pub(super) struct Load {
    plan: Plan,
    surroundings: Arc<Surroundings>,
    app_server: AppServer,
    journal: Arc<Journal>,
}

impl Load {
    /// The load of this plan.
    pub(super) fn new(plan: Plan, surroundings: Arc<Surroundings>, app_server: AppServer) -> Self {
        Self { plan, surroundings, app_server, journal: Arc::default() }
    }

    /// The journal of all requests and their outcomes.
    pub(super) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Begins conversations until `enough`, and returns when all of them have ended.
    pub(super) async fn run(self: &Arc<Self>, enough: CancellationToken) {
        let mut playing = JoinSet::new();
        let mut next = Instant::now();
        for number in 0.. {
            let plan = plan::conversation(self.plan.seed, number, self.plan.rate);
            next += plan.after;
            if enough.run_until_cancelled(sleep_until(next)).await.is_none() {
                break;
            }
            self.journal.planned(&plan);
            let load = Arc::clone(self);
            playing.spawn(async move { load.play(&plan).await });
        }
        while let Some(played) = playing.join_next().await {
            if played.is_err() {
                self.journal.lost_a_task();
            }
        }
    }

    async fn play(&self, plan: &ConversationPlan) {
        if let Some((times, fault)) = &plan.fault {
            self.surroundings.twilio.add_rule(Rule::next(*times, fault.clone()).to(&plan.customer));
        }
        let begun = Instant::now();
        let said = futures::future::join_all(plan.said.iter().map(|said| self.say(plan, said, begun)));
        let done = async {
            for (number, deed) in plan.deeds.iter().enumerate() {
                sleep_until(begun + deed.at).await;
                self.app_server.carry_out(&self.journal, plan, number, deed.command).await;
            }
        };
        tokio::join!(said, done);
        self.journal.finished();
    }
}

/// How long a person tries a command; a request that has begun by then may still finish.
const PATIENCE: Duration = Duration::from_secs(20);
