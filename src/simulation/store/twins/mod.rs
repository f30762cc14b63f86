//! One suite of tests for PostgreSQL and its twin in the simulation, so that the twin does not depart from it.
//!
//! A scenario is a function of a [`TestStore`], and ends in comparisons with values that are the same for both;
//! `on_both_stores!` makes two tests of it. What it commits was decided by the rules, as far as they lead there. The
//! tests on PostgreSQL need the servers that `make test` starts.

mod batches;
mod calls;
mod day_limits;
mod facts;
mod fence;
mod locks;
mod messages;
mod outbox;
mod owner_texts;
mod pairing;
mod postgres;
mod reads;
mod releases;
mod rings;
mod sending;
mod simulated;
mod slots;
mod talk;

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::business::Profile;
use crate::domain::phone::PhoneNumber;
use crate::worker::analyze::AnalysisStore;
use crate::worker::ring::RingStore;
use crate::worker::send::OutboundStore;
use crate::worker::settle_calls::UnsettledCalls;

/// What another transaction holds.
#[derive(Debug, Clone, Copy)]
enum Row<'a> {
    Conversation(Uuid),
    /// The id of an input that it is about to commit.
    Input(&'a str),
}

/// A store, and what happens around it.
trait TestStore: Sync {
    /// The ports under test.
    type Store: OutboundStore + AnalysisStore + UnsettledCalls + RingStore;
    /// A transaction that holds a row.
    type Holder;

    fn store(&self) -> &Self::Store;
    /// The time by the store's clock, in whole milliseconds.
    async fn now(&self) -> DateTime<Utc>;
    /// Everything in the store gets older.
    async fn time_passes(&self, time: Duration);
    /// Stores a business; the numbers that it does not have any more are given up.
    async fn put_business(&self, profile: &Profile);
    /// Twilio says that this number is not in the account of its business.
    async fn disprove(&self, phone: &PhoneNumber);
    /// Puts a number on the list of those that the business never texts.
    async fn never_text(&self, business_id: &str, phone: &PhoneNumber);
    /// Erases a customer, whose conversations have ended.
    async fn erase(&self, business_id: &str, customer: &PhoneNumber);
    /// Stores a webhook that waits for JetStream.
    async fn keep_webhook(&self, subject: &str, payload: &[u8]);
    /// Locks a row in a transaction of its own.
    async fn hold(&self, row: Row<'_>) -> Self::Holder;
    /// Rolls that transaction back.
    async fn let_go(&self, holder: Self::Holder);
}

/// Makes a test on PostgreSQL and one on its twin of each scenario.
macro_rules! on_both_stores {
    ($($scenario:ident,)+) => {
        mod on_postgres {
            $(
                #[tokio::test]
                async fn $scenario() {
                    super::$scenario(crate::simulation::store::twins::postgres::OnPostgres::start().await).await;
                }
            )+
        }
        mod on_the_twin {
            $(
                #[tokio::test(start_paused = true)]
                async fn $scenario() {
                    super::$scenario(crate::simulation::store::twins::simulated::OnTheTwin::start()).await;
                }
            )+
        }
    };
}
use on_both_stores;
