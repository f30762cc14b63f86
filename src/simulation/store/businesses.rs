//! Businesses and their numbers: twins of the statements in `src/adapters/postgres/businesses.rs`, `business_numbers.rs`
//! and `sweep.rs`.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{MessageRow, SimStore, Tables};
use crate::adapters::postgres::BusinessRecord;
use crate::businesses::Businesses;
use crate::domain::business::Profile;
use crate::domain::conversation::{Conversation, MessageStatus, OtherBusiness, Status};
use crate::domain::phone::PhoneNumber;
use crate::domain::phones::Verified;
use crate::simulation::planted::Planted;
use crate::simulation::world::State;
use crate::store::{FactsOf, ReleasedConversation, StoreError};

/// Released numbers are remembered for at least this long.
const RELEASED_FOR: TimeDelta = TimeDelta::minutes(1);

/// A number of a business.
pub(super) struct NumberRow {
    business_id: String,
    verified: Verified,
}

impl Tables {
    /// Stores a business without an account of its own. Numbers that it had and has no longer are released.
    pub fn put_business(&mut self, profile: &Profile, now: DateTime<Utc>) {
        let created_at = self.businesses.get(&profile.id).map_or(now, |before| before.created_at);
        let record = BusinessRecord {
            id: profile.id.clone(),
            profile: serde_json::to_value(profile).unwrap(),
            twilio_account_sid: None,
            twilio_auth_token: None,
            next_auth_token: None,
            pending_account_sid: None,
            pending_auth_token: None,
            refused_at: None,
            dispatchbot_api_key: None,
            owner_off_since: None,
            opted_out_phones: Vec::new(),
            forwards_to_business: false,
            never_text: profile.never_text.iter().map(PhoneNumber::to_string).collect(),
            created_at,
            updated_at: now,
        };
        self.businesses.insert(profile.id.clone(), record);
        let kept = |phone: &PhoneNumber, row: &NumberRow| row.business_id != profile.id || profile.has_number(phone);
        let gone = self.numbers.extract_if(.., |phone, row| !kept(phone, row));
        self.released.extend(gone.map(|(phone, row)| ((row.business_id, phone), now)));
        for phone in &profile.phone_numbers {
            let row = NumberRow { business_id: profile.id.clone(), verified: Verified::Unknown };
            self.numbers.entry(phone.clone()).or_insert(row);
        }
    }

    /// A business, with what is known of its own side.
    fn business(&self, id: &str) -> Option<BusinessRecord> {
        let record = self.businesses.get(id)?.clone();
        let profile: Profile = serde_json::from_value(record.profile.clone()).unwrap();
        let phones = profile.forward_to.iter().chain(&profile.emergency_contacts);
        let is_out = |phone: &&PhoneNumber| self.opt_outs.contains_key(&(id.to_owned(), (*phone).clone()));
        Some(BusinessRecord {
            opted_out_phones: phones.filter(is_out).map(PhoneNumber::to_string).collect(),
            forwards_to_business: self.numbers.contains_key(profile.forward_to.first()),
            ..record
        })
    }

    /// Records whether the account of its business has a number.
    pub(super) fn set_verified(&mut self, phone: &PhoneNumber, verified: Verified) {
        self.numbers.get_mut(phone).unwrap().verified = verified;
    }

    /// Whether the customer of a conversation never gets an automatic text.
    pub(super) fn is_never_texted(&self, conversation: &Conversation) -> bool {
        let business = self.businesses.get(&conversation.business_id);
        business.is_some_and(|b| b.never_text.iter().any(|phone| phone == conversation.customer_phone.as_str()))
    }

    /// Whether a business has this number now.
    pub fn has_number(&self, business_id: &str, phone: &PhoneNumber) -> bool {
        self.numbers.get(phone).is_some_and(|row| row.business_id == business_id)
    }

    /// If the customer's number belongs to another business: when the AI last answered it.
    pub(super) fn other_business(&self, wanted: &FactsOf<'_>) -> Option<OtherBusiness> {
        let is_other = |row: &&NumberRow| row.business_id != wanted.business_id && row.verified != Verified::No;
        self.numbers.get(wanted.customer).filter(is_other)?;
        let is_theirs = |c: &&Conversation| c.business_id == wanted.business_id && c.customer_phone == *wanted.customer;
        let counts = |row: &&MessageRow| match row.message.status {
            MessageStatus::Queued => Some(row.message.conversation_id) != wanted.conversation_id,
            // Without an id, Twilio rejected it.
            MessageStatus::Failed => row.message.twilio_sid.is_some(),
            MessageStatus::Superseded | MessageStatus::Received => false,
            _ => true,
        };
        let answers = self.messages.iter().filter(|row| {
            row.message.kind.answers() && self.conversation(row.message.conversation_id).filter(is_theirs).is_some()
        });
        Some(OtherBusiness { answered_at: answers.filter(counts).map(|row| row.message.created_at).max() })
    }

    /// What else is open between the business and the customer, ordered by id.
    pub(super) fn other_conversations(&self, wanted: &FactsOf<'_>) -> Vec<Uuid> {
        let is_open = |c: &&Conversation| c.status != Status::Completed && Some(c.id) != wanted.conversation_id;
        let is_theirs = |c: &&Conversation| c.business_id == wanted.business_id && c.customer_phone == *wanted.customer;
        let mut ids: Vec<Uuid> = self.conversations.iter().filter(is_theirs).filter(is_open).map(|c| c.id).collect();
        ids.sort();
        ids
    }

    /// Open conversations of numbers that their business gave up, ordered by id.
    pub(super) fn conversations_of_released_numbers(&self) -> Vec<ReleasedConversation> {
        let open = self.conversations.iter().filter(|c| c.status != Status::Completed);
        let released = open.filter(|c| !self.has_number(&c.business_id, &c.business_phone));
        let released_at = |c: &Conversation| self.released.get(&(c.business_id.clone(), c.business_phone.clone()));
        let of = |c: &Conversation| Some(ReleasedConversation { conversation_id: c.id, released_at: *released_at(c)? });
        let mut found: Vec<ReleasedConversation> = released.filter_map(of).collect();
        found.sort_by_key(|released| released.conversation_id);
        found
    }

    /// Forgets numbers that were released a while ago and have no open conversation, or are back; returns how many.
    pub(super) fn forget_released_numbers(&mut self, now: DateTime<Utc>) -> u64 {
        let waiting: Vec<Uuid> =
            self.conversations_of_released_numbers().into_iter().map(|released| released.conversation_id).collect();
        let waits = |business_id: &str, phone: &PhoneNumber| {
            let of_theirs = |c: &&Conversation| c.business_id == business_id && c.business_phone == *phone;
            self.conversations.iter().filter(of_theirs).any(|c| waiting.contains(&c.id))
        };
        let (kept, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.released)
            .into_iter()
            .partition(|((business_id, phone), at)| *at >= now - RELEASED_FOR || waits(business_id, phone));
        self.released = kept.into_iter().collect();
        gone.len() as u64
    }
}

impl Businesses for SimStore {
    async fn business(&self, id: &str) -> Result<Option<BusinessRecord>, StoreError> {
        self.ask("read business", |state, _| Some(heard(state, state.db.business(id)?))).await
    }

    async fn business_by_phone(&self, phone: &PhoneNumber) -> Result<Option<BusinessRecord>, StoreError> {
        self.ask("read business", |state, _| {
            let row = state.db.numbers.get(phone)?;
            Some(heard(state, state.db.business(&row.business_id)?))
        })
        .await
    }
}

/// A planted bug: the owner is always there.
fn heard(state: &State, business: BusinessRecord) -> BusinessRecord {
    match state.planted {
        Planted::AwayForgotten => BusinessRecord { owner_off_since: None, opted_out_phones: Vec::new(), ..business },
        _ => business,
    }
}
