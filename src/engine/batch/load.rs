//! Loads the conversations of a batch, and leaves out what was decided before or has to wait for a neighbour.

use std::collections::{BTreeSet, HashMap, HashSet};

use futures::future::join_all;
use uuid::Uuid;

use super::{Batches, Job, Outcome, Step};
use crate::domain::business;
use crate::domain::conversation::{Business, Conversation, IfMatch};
use crate::domain::phone::PhoneNumber;
use crate::engine::ports::ConversationStore;
use crate::engine::{CallPart, EngineError, Input, Target};
use crate::store::{OutboxRow, Parties, StoreError};

/// What is to be decided on.
pub(super) enum Loaded<'a> {
    Input(Box<LoadedInput<'a>>),
    /// A call record alone: it is decided already.
    Call(&'a CallPart),
    /// An event alone.
    Event(&'a OutboxRow),
    /// A change of the ledger alone.
    Ledger,
}

/// An input with its conversation, and with the business that the conversation belongs to.
pub(super) struct LoadedInput<'a> {
    pub(super) input: &'a Input,
    pub(super) call: Option<&'a CallPart>,
    /// The state that the conversation must have.
    pub(super) if_match: Option<&'a IfMatch>,
    pub(super) state: Option<Conversation>,
    pub(super) is_cached: bool,
    pub(super) customer: PhoneNumber,
    pub(super) business: Business,
    /// Whether the business may write in the conversation.
    pub(super) may_write: bool,
}

/// The conversations that were read, by their id and by their parties.
#[derive(Default)]
struct Read {
    by_id: HashMap<Uuid, Result<Conversation, StoreError>>,
    by_parties: HashMap<Parties, Result<Conversation, StoreError>>,
}

/// The inputs and customers that a batch has already.
#[derive(Default)]
struct Taken<'a> {
    ids: HashSet<&'a str>,
    conversations: HashSet<Uuid>,
    parties: HashSet<Parties>,
    customers: HashSet<(String, PhoneNumber)>,
}

impl<R: ConversationStore> Batches<R> {
    pub(super) async fn load<'a>(&self, jobs: &[&'a Job]) -> Result<Vec<(&'a Job, Step<Loaded<'a>>)>, StoreError> {
        let mut taken = Taken::default();
        let jobs: Vec<(&'a Job, bool)> = jobs.iter().map(|job| (*job, taken.take(job))).collect();
        let hashed: Vec<&str> = jobs.iter().filter_map(|(job, _)| job.id().1.map(|_| job.id().0)).collect();
        let mut seen = if hashed.is_empty() { HashMap::new() } else { self.store.seen(&hashed).await? };
        let cached: Vec<Option<Conversation>> = jobs.iter().map(|(job, _)| self.cached(job)).collect();
        let mut read = self.read(&jobs, &cached).await?;
        self.look_up_businesses(&jobs, &cached, &read).await;
        let mut loaded = Vec::with_capacity(jobs.len());
        for ((job, is_first), cached) in jobs.into_iter().zip(cached) {
            let (id, body_hash) = job.id();
            let step = if !is_first {
                Step::Ended(Outcome::Again)
            } else if let Some(seen) = body_hash.and_then(|_| seen.remove(id)) {
                let same_body = seen.has_body(body_hash);
                Step::Ended(Outcome::Seen { outbox_keys: seen.outbox_keys, same_body })
            } else {
                match job {
                    Job::Call { part, .. } => Step::Next(Loaded::Call(part)),
                    Job::Event { event, .. } => Step::Next(Loaded::Event(event)),
                    Job::Ledger { entry, .. } if taken.is_of_new_customer(&entry.business_id, &entry.customer) => {
                        Step::Next(Loaded::Ledger)
                    }
                    Job::Ledger { .. } => Step::Ended(Outcome::Again),
                    Job::Input(input, call, if_match) => {
                        let asked = (&**input, call.as_ref(), if_match.as_ref());
                        self.ready(asked, cached, &mut read, &mut taken).await
                    }
                }
            };
            loaded.push((job, step));
        }
        Ok(loaded)
    }

    fn cached(&self, job: &Job) -> Option<Conversation> {
        let Job::Input(input, ..) = job else { return None };
        let cached = self.conversation_cache.find(&input.target);
        self.metrics.cache(cached.is_some());
        cached
    }

    /// Reads what is not cached.
    async fn read(&self, jobs: &[(&Job, bool)], cached: &[Option<Conversation>]) -> Result<Read, StoreError> {
        let (mut ids, mut parties) = (Vec::new(), Vec::new());
        for ((job, _), cached) in jobs.iter().zip(cached) {
            match job {
                Job::Input(input, ..) if cached.is_none() => match &input.target {
                    Target::Id(id) => ids.push(*id),
                    Target::Open { .. } => parties.extend(input.target.parties()),
                },
                _ => {}
            }
        }
        let mut read = Read::default();
        if !ids.is_empty() {
            read.by_id = self.store.conversations_by_id(&ids).await?;
        }
        if !parties.is_empty() {
            read.by_parties = self.store.conversations_of_parties(&parties).await?;
        }
        Ok(read)
    }

    /// Looks up the businesses of the conversations that are given by their ids, all at once. What fails is looked up
    /// again by its own input.
    async fn look_up_businesses(&self, jobs: &[(&Job, bool)], cached: &[Option<Conversation>], read: &Read) {
        let is_by_id = |job: &Job| matches!(job, Job::Input(input, ..) if matches!(input.target, Target::Id(_)));
        let cached =
            jobs.iter().zip(cached).filter(|((job, _), _)| is_by_id(job)).filter_map(|(_, cached)| cached.as_ref());
        let read = read.by_id.values().filter_map(|read| read.as_ref().ok());
        let businesses: BTreeSet<&str> =
            cached.chain(read).map(|conversation| conversation.business_id.as_str()).collect();
        join_all(businesses.into_iter().map(|id| self.business_cache.by_id(id))).await;
    }

    async fn ready<'a>(
        &self,
        (input, call, if_match): (&'a Input, Option<&'a CallPart>, Option<&'a IfMatch>),
        cached: Option<Conversation>,
        read: &mut Read,
        taken: &mut Taken<'_>,
    ) -> Step<Loaded<'a>> {
        let is_cached = cached.is_some();
        let found = match (cached, &input.target) {
            (Some(cached), _) => Some(Ok(cached)),
            (None, Target::Id(id)) => read.by_id.remove(id),
            (None, Target::Open { .. }) => input.target.parties().and_then(|parties| read.by_parties.remove(&parties)),
        };
        let state = match found.transpose() {
            Ok(state) => state,
            Err(error) => return Step::Ended(Outcome::Failed(error.into())),
        };
        let (business, may_write, customer) = match (&input.target, &state) {
            (Target::Open { business, customer_phone, .. }, _) => (business.for_rules(), true, customer_phone),
            (Target::Id(_), None) => return Step::Ended(Outcome::NotFound),
            (Target::Id(_), Some(c)) => match self.business_cache.by_id(&c.business_id).await {
                Ok(Some(profile)) => (profile.for_rules(), profile.may_write_in(c), &c.customer_phone),
                Ok(None) => (business::forgotten(c), false, &c.customer_phone),
                Err(error) => return Step::Ended(Outcome::Failed(EngineError::BusinessCache(error))),
            },
        };
        if !taken.is_of_new_customer(&business.id, customer) {
            return Step::Ended(Outcome::Again);
        }
        let customer = customer.clone();
        Step::Next(Loaded::Input(Box::new(LoadedInput {
            input,
            call,
            if_match,
            state,
            is_cached,
            customer,
            business,
            may_write,
        })))
    }
}

impl<'a> Taken<'a> {
    /// Whether the batch has no other input of this customer of the business yet.
    fn is_of_new_customer(&mut self, business_id: &str, customer: &PhoneNumber) -> bool {
        self.customers.insert((business_id.to_owned(), customer.clone()))
    }

    /// Whether the batch does not have this input or its target yet.
    fn take(&mut self, job: &'a Job) -> bool {
        let is_new = match job {
            Job::Call { .. } | Job::Event { .. } | Job::Ledger { .. } => true,
            Job::Input(input, ..) => match (&input.target, input.target.parties()) {
                (Target::Id(id), _) => self.conversations.insert(*id),
                (Target::Open { .. }, parties) => parties.is_none_or(|parties| self.parties.insert(parties)),
            },
        };
        self.ids.insert(job.id().0) && is_new
    }
}
