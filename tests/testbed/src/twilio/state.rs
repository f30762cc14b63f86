//! The simulator's state, shared by its handlers, its callbacks and the test that owns it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock};

use chrono::{DateTime, Utc};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::TwilioOptions;
use super::conversations::Conversations;
use super::faults::{Endpoint, Fault, Faults, Refusal};
use super::legs::{Leg, ListedCall};
use super::media::{Media, MediaRequest};
use super::message::SentMessage;
use super::messaging::MessagingService;
use super::numbers::{Numbers, Settings};
use super::phones::Phones;
use super::webhooks::{WEBHOOK_TIMEOUT, WebhookClient};
use crate::sim::{Journal, Span, http_client, lock};

/// One status callback and its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallbackRecord {
    /// The message or call it was about.
    pub message_sid: String,
    /// The status it reported.
    pub status: String,
    /// The URL to which it was sent.
    pub url: String,
    /// The time at which it ended.
    pub at: DateTime<Utc>,
    /// Number of tries.
    pub tries: u32,
    /// The HTTP status of the answer; `None` if there was no answer.
    pub http_status: Option<u16>,
}

/// The destination of the phone network's webhooks.
#[derive(Clone, Debug, Default)]
pub(super) struct WebhookRoute {
    /// The server's public base URL, used for signatures.
    pub(super) public_url: Option<String>,
    /// The address on which it really listens, if it differs.
    pub(super) target: Option<String>,
}

pub(super) struct State {
    pub(super) main_account: String,
    /// Auth tokens by AccountSid, subaccounts included.
    pub(super) accounts: Mutex<HashMap<String, String>>,
    pub(super) faults: Mutex<Faults>,
    /// Second tokens by AccountSid, which are accepted, too.
    pub(super) secondary_tokens: Mutex<HashMap<String, String>>,
    /// The status by AccountSid of accounts that are not `active`.
    pub(super) account_statuses: Mutex<HashMap<String, String>>,
    pub(super) numbers: Mutex<Numbers>,
    pub(super) number_settings: Mutex<Settings>,
    pub(super) services: Mutex<Vec<MessagingService>>,
    /// The legs of calls, oldest first.
    pub(super) legs: Mutex<Vec<Leg>>,
    pub(super) messages: Journal<SentMessage>,
    pub(super) conversations: Conversations,
    /// Customers' texts, for the list.
    pub(super) received: Mutex<Vec<SentMessage>>,
    /// Customers' calls and those that were placed, for the list, oldest first.
    pub(super) calls: Mutex<Vec<ListedCall>>,
    pub(super) callbacks: Journal<CallbackRecord>,
    pub(super) phones: Phones,
    /// The status callbacks of calls that were placed or dialled.
    pub(super) call_callbacks: Arc<Journal<CallbackRecord>>,
    pub(super) outcomes: Mutex<BTreeMap<String, u64>>,
    /// Attachments by their SID.
    pub(super) media: Mutex<HashMap<String, Media>>,
    pub(super) media_requests: Journal<MediaRequest>,
    /// The simulator's own base URL; known once the server listens.
    pub(super) base_url: OnceLock<String>,
    pub(super) route: Mutex<WebhookRoute>,
    pub(super) random: Mutex<StdRng>,
    /// Shared by all webhooks and callbacks.
    http: reqwest::Client,
    /// Cancels the callbacks that are under way.
    pub(super) life: CancellationToken,
}

impl State {
    pub(super) fn new(options: TwilioOptions) -> anyhow::Result<Self> {
        let accounts = options.subaccounts.into_iter().chain([(options.account_sid.clone(), options.auth_token)]);
        Ok(Self {
            main_account: options.account_sid,
            accounts: Mutex::new(accounts.collect()),
            faults: Mutex::default(),
            secondary_tokens: Mutex::default(),
            account_statuses: Mutex::default(),
            numbers: Mutex::default(),
            number_settings: Mutex::default(),
            services: Mutex::default(),
            legs: Mutex::default(),
            messages: Journal::default(),
            conversations: Conversations::default(),
            received: Mutex::default(),
            calls: Mutex::default(),
            callbacks: Journal::default(),
            phones: Phones::default(),
            call_callbacks: Arc::default(),
            outcomes: Mutex::default(),
            media: Mutex::default(),
            media_requests: Journal::default(),
            base_url: OnceLock::new(),
            route: Mutex::new(WebhookRoute { public_url: options.webhook_url, target: options.webhook_target }),
            random: Mutex::new(StdRng::seed_from_u64(options.seed.unwrap_or_else(rand::random))),
            http: http_client(WEBHOOK_TIMEOUT)?,
            life: CancellationToken::new(),
        })
    }

    /// Whether this is a token of the account: its own, or its second one.
    pub(super) fn accepts_token(&self, account: &str, token: &str) -> bool {
        let is = |tokens: &Mutex<HashMap<String, String>>| lock(tokens).get(account).is_some_and(|own| own == token);
        is(&self.accounts) || is(&self.secondary_tokens)
    }

    /// Counts a request by its outcome.
    pub(super) fn count(&self, outcome: impl Into<String>) {
        *lock(&self.outcomes).entry(outcome.into()).or_default() += 1;
    }

    /// Removes all records; faults stay.
    pub(super) fn clear(&self) {
        self.messages.clear();
        self.conversations.clear();
        self.callbacks.clear();
        self.phones.clear();
        self.call_callbacks.clear();
        self.media_requests.clear();
        lock(&self.media).clear();
        lock(&self.legs).clear();
        lock(&self.received).clear();
        lock(&self.calls).clear();
        lock(&self.outcomes).clear();
    }

    pub(super) fn set_leg(&self, leg: Leg) {
        let mut legs = lock(&self.legs);
        legs.retain(|other| other.call_sid != leg.call_sid);
        legs.push(leg);
    }

    /// Adds a call to the list, or changes its status.
    pub(super) fn set_call(&self, call: ListedCall) {
        let mut calls = lock(&self.calls);
        match calls.iter_mut().find(|other| other.sid == call.sid) {
            Some(other) => {
                other.status = call.status;
                other.duration_seconds = call.duration_seconds;
            }
            None => calls.push(call),
        }
    }

    pub(super) fn take_faults(&self, number: &str, of_interest: impl Fn(&Fault) -> bool) -> Vec<Fault> {
        lock(&self.faults).rules.take(number, of_interest)
    }

    /// The error that this endpoint answers with now, if a rule applies.
    pub(super) fn take_refusal(&self, endpoint: Endpoint, number: &str) -> Option<Refusal> {
        let of_interest = |fault: &Fault| fault.refusal().is_some_and(|(of, _)| of == endpoint);
        self.take_faults(number, of_interest).first()?.refusal().map(|(_, refusal)| refusal.clone())
    }

    pub(super) async fn pause(&self, span: Span) {
        let fraction = lock(&self.random).random::<f64>();
        tokio::time::sleep(span.pick(fraction)).await;
    }

    /// Waits as long as an answer takes.
    pub(super) async fn take_latency(&self) {
        let latency = lock(&self.faults).latency;
        let time = latency.map(|latency| latency.draw(&mut *lock(&self.random)));
        if let Some(time) = time {
            tokio::time::sleep(time).await;
        }
    }

    /// Changes a message by its SID; does nothing if it is unknown (deleted in the meantime).
    pub(super) fn change_message(&self, sid: &str, change: impl FnOnce(&mut SentMessage)) {
        self.messages.change(|all| all.iter_mut().rev().find(|message| message.sid == sid).map(change));
    }

    /// A client that posts as this account (if absent, the main one).
    pub(super) fn webhook_client(&self, account_sid: Option<&str>) -> anyhow::Result<WebhookClient> {
        let account = account_sid.unwrap_or(&self.main_account);
        let Some(token) = lock(&self.accounts).get(account).cloned() else { anyhow::bail!("no account {account}") };
        let route = lock(&self.route).clone();
        let client = WebhookClient::over(self.http.clone(), route.public_url.unwrap_or_default(), account, &token);
        Ok(match route.target {
            Some(target) => client.with_target(target),
            None => client,
        })
    }
}
