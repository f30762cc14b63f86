//! `service.degraded` and `service.restored`: published once, even if several processes notice the change.
//!
//! The bucket NMC_SERVICES holds the state last published for each service. A process that notices a change publishes
//! the event under an id derived from the entry's revision, and then updates the entry. Two processes that do so at the
//! same time publish one event. If a process dies in between, another one publishes the event again under the same id.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::State;
use crate::adapters::jetstream::{BucketError, JetStream, Outgoing, PublishError, subjects};
use crate::domain::conversation::{Envelope, EventData, ServiceData, derive_id};
use crate::engine::cloud_event;
use crate::outage::Service;
use crate::trace::Trace;

/// A change could not be published; it is published later.
#[derive(Debug, thiserror::Error)]
pub enum AnnounceError {
    /// The bucket entry cannot be read, or another process updated it first.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// JetStream is unavailable.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// A change of a service's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) service: Service,
    pub(super) state: State,
    pub(super) at: DateTime<Utc>,
}

/// The state last published for a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    state: State,
    at: DateTime<Utc>,
}

impl Told {
    /// Whether a change needs no event: it is not newer, or the service is as healthy or unhealthy as before. Events do
    /// not distinguish down from degraded.
    fn is_old(told: Option<Self>, change: &Change) -> bool {
        let healthy = |state: State| state == State::Healthy;
        match told {
            Some(told) => told.at >= change.at || healthy(told.state) == healthy(change.state),
            None => healthy(change.state),
        }
    }
}

/// Publishes a change, unless it has been published.
pub(super) async fn announce(jetstream: &JetStream, change: &Change) -> Result<(), AnnounceError> {
    let key = change.service.as_str();
    let entry = jetstream.service_entry(key).await?;
    let told = entry.as_ref().and_then(|(value, _)| serde_json::from_slice::<Told>(value).ok());
    if Told::is_old(told, change) {
        return Ok(());
    }
    let revision = entry.map_or(0, |(_, revision)| revision);
    jetstream.publisher().publish(event(change, revision)).await?;
    let told = serde_json::to_vec(&Told { state: change.state, at: change.at }).unwrap_or_default();
    jetstream.set_service_entry(key, told.into(), revision).await?;
    Ok(())
}

/// The envelope of docs/contract.md, section 5, without a conversation. `sequence` rises with each change of a service.
fn event(change: &Change, revision: u64) -> Outgoing {
    let service = change.service.as_str();
    let data = ServiceData { service: service.to_owned(), state: change.state.to_string() };
    let data = if change.state == State::Healthy {
        EventData::ServiceRestored(data)
    } else {
        EventData::ServiceDegraded(data)
    };
    let event_type = data.event_type().as_str();
    let event_id: Uuid = derive_id(service, event_type, "revision", usize::try_from(revision).unwrap_or_default());
    let payload = Envelope {
        event_id,
        event_type: data.event_type(),
        occurred_at: change.at,
        sequence: i64::try_from(revision).unwrap_or(i64::MAX).saturating_add(1),
        business_id: None,
        user_id: None,
        conversation_id: None,
        customer_phone: None,
        data: &data,
    };
    Outgoing {
        subject: subjects::event(event_type, None),
        message_id: Some(event_id.to_string()),
        headers: cloud_event(event_id, event_type, service, change.at, &Trace::start()),
        payload: serde_json::to_vec(&payload).unwrap_or_default().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap_or_default()
    }

    #[rstest]
    #[case::well_from_the_start(None, State::Healthy, true)]
    #[case::the_first_outage(None, State::Down, false)]
    #[case::told_by_another(Some((State::Degraded, 5)), State::Down, true)]
    #[case::back_again(Some((State::Down, 5)), State::Healthy, false)]
    #[case::noticed_before_what_was_told_since(Some((State::Healthy, 20)), State::Down, true)]
    #[case::the_next_outage(Some((State::Healthy, 5)), State::Degraded, false)]
    fn a_change_is_told_once(#[case] told: Option<(State, i64)>, #[case] state: State, #[case] old: bool) {
        let told = told.map(|(state, second)| Told { state, at: at(second) });
        let change = Change { service: Service::Redis, state, at: at(10) };
        assert_eq!(Told::is_old(told, &change), old);
    }

    #[test]
    fn the_same_change_has_the_same_id_whoever_tells_it() {
        let down = Change { service: Service::Redis, state: State::Down, at: at(1) };
        let noticed_later = Change { at: at(2), state: State::Degraded, ..down };
        assert_eq!(event(&down, 4).message_id, event(&noticed_later, 4).message_id);
        assert_ne!(event(&down, 4).message_id, event(&down, 6).message_id);
        assert_eq!(event(&down, 4).subject, "nmc.event.service.degraded._");
    }
}
