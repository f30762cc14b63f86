//! The simulation's store under test, in a world without faults.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Row, TestStore};
use crate::domain::business::Profile;
use crate::domain::phone::PhoneNumber;
use crate::domain::phones::Verified;
use crate::simulation::planted::Planted;
use crate::simulation::store::SimStore;
use crate::simulation::store::locks::{Lock, Locked};
use crate::simulation::world::World;

pub(super) struct OnTheTwin(SimStore);

impl OnTheTwin {
    pub(super) fn start() -> Self {
        let world = World::new(0, Planted::Nothing, false);
        world.lock().weather.clear_up();
        let group = world.group();
        Self(SimStore { world, group })
    }
}

impl TestStore for OnTheTwin {
    type Store = SimStore;
    type Holder = Locked;

    fn store(&self) -> &SimStore {
        &self.0
    }

    async fn now(&self) -> DateTime<Utc> {
        self.0.world.now()
    }

    async fn time_passes(&self, time: Duration) {
        tokio::time::advance(time).await;
    }

    async fn put_business(&self, profile: &Profile) {
        let now = self.0.world.now();
        self.0.world.lock().db.put_business(profile, now);
    }

    async fn disprove(&self, phone: &PhoneNumber) {
        self.0.world.lock().db.set_verified(phone, Verified::No);
    }

    async fn never_text(&self, business_id: &str, phone: &PhoneNumber) {
        let mut state = self.0.world.lock();
        state.db.businesses.get_mut(business_id).unwrap().never_text.push(phone.to_string());
    }

    async fn erase(&self, business_id: &str, customer: &PhoneNumber) {
        let mut state = self.0.world.lock();
        state.db.conversations.retain(|c| c.business_id != business_id || c.customer_phone != *customer);
        state.db.erase_from_ledger(business_id, customer);
    }

    async fn keep_webhook(&self, subject: &str, payload: &[u8]) {
        let ms = self.0.world.ms();
        self.0.world.lock().kept.push((subject.to_owned(), payload.to_vec().into(), ms));
    }

    async fn hold(&self, row: Row<'_>) -> Locked {
        let lock = match row {
            Row::Conversation(id) => Lock::Conversation(id),
            Row::Input(id) => Lock::Input(id.to_owned()),
        };
        let mut holder = Locked::nothing(&self.0.world);
        holder.take(lock, Duration::ZERO).await.unwrap();
        holder
    }

    async fn let_go(&self, holder: Locked) {
        drop(holder);
    }
}
