//! A Twilio for tests: the REST API for messages and their attachments, status callbacks, and a phone network whose
//! customers call and text.
//!
//! The server under test calls the REST API and receives the webhooks; the test controls the simulator (faults,
//! [`TwilioSim::call`], [`TwilioSim::text`], or HTTP under `/_sim`). It makes Twilio's checks and refuses with Twilio's
//! errors.

mod account;
mod callbacks;
mod check;
mod control;
mod conversations;
mod create;
mod error;
mod faults;
mod legs;
mod list;
mod media;
mod message;
mod messaging;
mod network;
mod numbers;
mod page;
mod phones;
mod sid;
mod state;
#[cfg(test)]
mod tests;
pub mod webhooks;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use poem::http::HeaderName;
use poem::middleware::AddData;
use poem::{EndpointExt, Request, Route, get};

use conversations::rest;
pub use conversations::{ConversationText, ConversationTextResult, Format, PostedMessage};
pub use error::ApiError;
pub use faults::{Callbacks, Fault, Faults, Refusal};
pub use legs::Leg;
pub use media::{Media, MediaRequest};
pub use message::{SentMessage, segments};
pub use messaging::MessagingService;
pub use network::{Call, CallResult, Exchange, Text, TextResult};
pub use numbers::Numbers;
pub use phones::{Behaviour, CustomerCall, Options as PhoneOptions, Phone, PhoneCall, PlayedCall, TwimlFault};
pub use sid::{new_account_sid, new_call_sid, new_message_sid, new_mms_sid};
pub use state::CallbackRecord;
use state::{State, WebhookRoute};
use webhooks::WebhookClient;

use crate::sim::{Rule, SimServer, lock};

/// Start options of the simulator.
#[derive(Clone, Debug)]
pub struct TwilioOptions {
    /// The address on which it listens; port 0 takes any free one.
    pub bind: SocketAddr,
    /// The SID of the main account.
    pub account_sid: String,
    /// The main account's token.
    pub auth_token: String,
    /// Further accounts: SID and token.
    pub subaccounts: Vec<(String, String)>,
    /// Makes SIDs and delays repeatable; if absent, they are random.
    pub seed: Option<u64>,
    /// The public base URL of the server under test, used for signatures.
    pub webhook_url: Option<String>,
    /// The address on which that server really listens, if it differs: every webhook and callback below `webhook_url`
    /// goes there.
    pub webhook_target: Option<String>,
}

impl Default for TwilioOptions {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            account_sid: "AC00000000000000000000000000000001".to_owned(),
            auth_token: "a-token-for-tests".to_owned(),
            subaccounts: Vec::new(),
            seed: None,
            webhook_url: None,
            webhook_target: None,
        }
    }
}

/// A running simulator; dropping it stops it.
pub struct TwilioSim {
    server: SimServer,
    state: Arc<State>,
}

impl TwilioSim {
    /// Starts the simulator.
    pub async fn start(options: TwilioOptions) -> anyhow::Result<Self> {
        let bind = options.bind;
        let state = Arc::new(State::new(options)?);
        let server = SimServer::start(bind, |connections| {
            Route::new()
                .at("/2010-04-01/Accounts/:file", get(account::fetch))
                .at("/2010-04-01/Accounts/:account/Messages.json", get(list::list).post(create::create))
                .at("/2010-04-01/Accounts/:account/Messages/:file", get(list::fetch))
                .at("/2010-04-01/Accounts/:account/Messages/:file/Media/:sid", get(media::lead))
                .at("/2010-04-01/Accounts/:account/Calls.json", get(legs::list).post(phones::create))
                .at("/2010-04-01/Accounts/:account/Calls/:file", get(phones::fetch))
                .at("/2010-04-01/Accounts/:account/IncomingPhoneNumbers.json", get(numbers::list))
                .at(
                    "/2010-04-01/Accounts/:account/IncomingPhoneNumbers/:file",
                    get(numbers::fetch).post(numbers::update),
                )
                .at("/v1/Services", get(messaging::list_services))
                .at("/v1/Services/:sid", get(messaging::fetch_service))
                .at("/v1/Services/:sid/PhoneNumbers", get(messaging::list_senders))
                .at("/v1/Services/:sid/Compliance/Usa2p", get(messaging::list_campaigns))
                .at("/v1/Conversations", get(rest::list).post(rest::create))
                .at("/v1/Conversations/:sid", get(rest::fetch).post(rest::update).delete(rest::delete))
                .at("/v1/Conversations/:sid/Participants", get(rest::participants).post(rest::add_participant))
                .at("/v1/Conversations/:sid/Participants/:participant", get(rest::fetch_participant))
                .at("/v1/Conversations/:sid/Messages", get(rest::messages).post(rest::post))
                .at("/v1/Services/:sid/Media/:media/Content", get(rest::content))
                .at("/_cdn/:sid", get(media::give))
                .nest("/_sim", control::routes())
                .with(AddData::new(state.clone()))
                .with(AddData::new(connections))
        })
        .await?;
        let _ = state.base_url.set(server.base_url()); // it is new, so nobody has set it
        Ok(Self { server, state })
    }

    /// Base URL of the REST API: the value for `TWILIO_API_URL`.
    pub fn base_url(&self) -> String {
        self.server.base_url()
    }

    /// Refuses connections until [`TwilioSim::up`]; callbacks under way continue.
    pub async fn down(&self) {
        self.server.down().await;
    }

    /// Accepts connections again, on the same port, with all messages kept.
    pub async fn up(&self) -> anyhow::Result<()> {
        self.server.up().await
    }

    /// Stops the simulator and the callbacks under way.
    pub async fn stop(self) {
        self.state.life.cancel();
        self.server.down().await;
    }

    /// Replaces all faults.
    pub fn set_faults(&self, faults: Faults) {
        *lock(&self.state.faults) = faults;
    }

    /// Changes some faults.
    pub fn change_faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut lock(&self.state.faults));
    }

    /// Adds one rule to the existing ones.
    pub fn add_rule(&self, rule: Rule<Fault>) {
        self.change_faults(|faults| faults.rules.push(rule));
    }

    /// Adds an account, or changes the token of an existing one.
    pub fn set_account(&self, sid: &str, token: &str) {
        lock(&self.state.accounts).insert(sid.to_owned(), token.to_owned());
    }

    /// Lets an account have a second token beside its own, as long as its token is replaced; `None`: it has none.
    pub fn set_secondary_token(&self, sid: &str, token: Option<&str>) {
        let mut secondary = lock(&self.state.secondary_tokens);
        match token {
            Some(token) => drop(secondary.insert(sid.to_owned(), token.to_owned())),
            None => drop(secondary.remove(sid)),
        }
    }

    /// Makes an account `suspended`, `closed` or `active`.
    pub fn set_account_status(&self, sid: &str, status: &str) {
        lock(&self.state.account_statuses).insert(sid.to_owned(), status.to_owned());
    }

    /// A number as `IncomingPhoneNumbers` shows it.
    pub fn number(&self, account: &str, number: &str) -> serde_json::Value {
        numbers::resource(&self.state, account, number)
    }

    /// Changes settings of a number, such as `("voice_url", "https://…")`.
    pub fn set_number(&self, account: &str, number: &str, settings: &[(&str, &str)]) {
        let changed =
            settings.iter().filter_map(|(field, value)| Some((numbers::setting(field)?, (*value).to_owned())));
        numbers::set(&self.state, account, number, changed);
    }

    /// Changes the Messaging Services.
    pub fn change_services(&self, change: impl FnOnce(&mut Vec<MessagingService>)) {
        change(&mut lock(&self.state.services));
    }

    /// Changes which account has which numbers.
    pub fn change_numbers(&self, change: impl FnOnce(&mut Numbers)) {
        change(&mut lock(&self.state.numbers));
    }

    /// Adds the leg of a call, or changes it.
    pub fn set_leg(&self, leg: Leg) {
        self.state.set_leg(leg);
    }

    /// Sets where webhooks go: the URL used for signatures, and the address really used (if absent, that URL).
    pub fn set_webhook_url(&self, public_url: impl Into<String>, target: Option<&str>) {
        let route = WebhookRoute { public_url: Some(public_url.into()), target: target.map(str::to_owned) };
        *lock(&self.state.route) = route;
    }

    /// All accepted messages, oldest first.
    pub fn messages(&self) -> Vec<SentMessage> {
        self.state.messages.snapshot()
    }

    /// Waits until the accepted messages satisfy `satisfied`, checking at each change; fails after `timeout`.
    pub async fn wait_for(
        &self,
        satisfied: impl FnMut(&[SentMessage]) -> bool,
        timeout: Duration,
    ) -> anyhow::Result<Vec<SentMessage>> {
        self.state.messages.wait_for(satisfied, timeout).await
    }

    /// Calls `listener` with each message when it is accepted; the answer waits for it.
    pub fn on_message(&self, listener: impl Fn(&SentMessage) + Send + Sync + 'static) {
        self.state.messages.on_push(listener);
    }

    /// Calls `listener` with each completed status callback.
    pub fn on_callback(&self, listener: impl Fn(&CallbackRecord) + Send + Sync + 'static) {
        self.state.callbacks.on_push(listener);
    }

    /// Completed status callbacks, oldest first.
    pub fn callbacks(&self) -> Vec<CallbackRecord> {
        self.state.callbacks.snapshot()
    }

    /// Waits until the completed status callbacks satisfy `satisfied`.
    pub async fn wait_for_callbacks(
        &self,
        satisfied: impl FnMut(&[CallbackRecord]) -> bool,
        timeout: Duration,
    ) -> anyhow::Result<Vec<CallbackRecord>> {
        self.state.callbacks.wait_for(satisfied, timeout).await
    }

    /// REST requests by outcome: `accepted`, `dropped_before`, `dropped_after`, `silent_after`, `fault_<status>`,
    /// `accepted_but_<status>`, `refused_<code>`, `unauthorized`, `listed`, `list_fault_<status>`, `fetched`,
    /// `account_confirmed`, `account_refused`, `account_fault_<status>`, `not_found`, `numbers_listed`,
    /// `numbers_unauthorized`, `numbers_fault_<status>`, `number_fetched`, `number_updated`,
    /// `number_update_fault_<status>`, `services_listed`, `campaigns_listed`, `messaging_fault_<status>`, `calls_listed`,
    /// `calls_fault_<status>`, `call_placed`, `call_dropped_before`, `call_dropped_after`, `call_silent_after`,
    /// `call_placed_but_<status>`, `call_fault_<status>`, `call_refused_<code>`, `call_fetched`, `conversation_created`, `participant_fetched`, `posted`, `messages_listed`, `refused_50416`.
    pub fn requests(&self) -> BTreeMap<String, u64> {
        lock(&self.state.outcomes).clone()
    }

    /// Requests for attachments, oldest first, including those to the content network.
    pub fn media_requests(&self) -> Vec<MediaRequest> {
        self.state.media_requests.snapshot()
    }

    /// Removes all messages, attachments, callbacks and counts; faults stay.
    pub fn clear(&self) {
        self.state.clear();
    }

    /// A customer texts one of our numbers.
    pub async fn text(&self, from: &str, to: &str, body: &str) -> anyhow::Result<TextResult> {
        let text = Text { from: from.to_owned(), to: to.to_owned(), body: body.to_owned(), ..Text::default() };
        self.deliver(text).await
    }

    /// Like [`TwilioSim::text`], with all options of a text.
    pub async fn deliver(&self, text: Text) -> anyhow::Result<TextResult> {
        network::text(&self.state, text).await
    }

    /// A customer texts a number of ours that belongs to Conversations; the text comes by no other way.
    pub async fn converse(&self, from: &str, to: &str, body: &str) -> anyhow::Result<ConversationTextResult> {
        let (from, to, body) = (from.to_owned(), to.to_owned(), body.to_owned());
        self.deliver_to_conversation(ConversationText { from, to, body, ..ConversationText::default() }).await
    }

    /// Like [`TwilioSim::converse`], with all options of a text.
    pub async fn deliver_to_conversation(&self, text: ConversationText) -> anyhow::Result<ConversationTextResult> {
        conversations::text(&self.state, text).await
    }

    /// How the webhooks of Conversations are sent from now on.
    pub fn set_conversation_webhooks(&self, format: Format) {
        *lock(&self.state.conversations.format) = format;
    }

    /// All messages of conversations, oldest first, those of customers included.
    pub fn posted(&self) -> Vec<PostedMessage> {
        self.state.conversations.messages.snapshot()
    }

    /// Waits until the messages of conversations satisfy `satisfied`.
    pub async fn wait_for_posted(
        &self,
        satisfied: impl FnMut(&[PostedMessage]) -> bool,
        timeout: Duration,
    ) -> anyhow::Result<Vec<PostedMessage>> {
        self.state.conversations.messages.wait_for(satisfied, timeout).await
    }

    /// A customer calls one of our numbers; `outcome` is the result of the dial.
    pub async fn call(&self, from: &str, to: &str, outcome: &str) -> anyhow::Result<CallResult> {
        let call = Call { from: from.to_owned(), to: to.to_owned(), outcome: outcome.to_owned(), ..Call::default() };
        self.place(call).await
    }

    /// Sets how a phone behaves in the calls to it from now on. A phone that was not set rings out.
    pub fn set_phone(&self, number: &str, phone: impl Into<Phone>) {
        self.state.phones.set(number, [phone.into()]);
    }

    /// Sets how a phone behaves in its next calls, one after the other; the last entry stays.
    pub fn set_phone_script(&self, number: &str, script: impl IntoIterator<Item = Phone>) {
        self.state.phones.set(number, script);
    }

    /// Sets how fast time passes for the phones, and what Twilio does where its documentation leaves that open.
    pub fn set_phone_options(&self, options: PhoneOptions) {
        self.state.phones.set_options(options);
    }

    /// A customer calls one of our numbers, and stays until the call is over.
    ///
    /// # Errors
    /// If no webhook URL is set, or Twilio would refuse one of the documents.
    pub async fn ring(&self, from: &str, to: &str) -> anyhow::Result<PlayedCall> {
        self.ring_with(CustomerCall { from: from.to_owned(), to: to.to_owned(), ..CustomerCall::default() }).await
    }

    /// Like [`TwilioSim::ring`], with all options of a call.
    pub async fn ring_with(&self, call: CustomerCall) -> anyhow::Result<PlayedCall> {
        let before = self.twiml_faults().len();
        let played = phones::ring(&self.state, call).await?;
        match self.twiml_faults().get(before) {
            Some(fault) => anyhow::bail!("Twilio refuses a document: {fault:?}"),
            None => Ok(played),
        }
    }

    /// The calls to and from the phones, oldest first: of customers, legs of dials, and those that the server placed.
    pub fn phone_calls(&self) -> Vec<PhoneCall> {
        self.state.phones.calls().snapshot()
    }

    /// Waits until the calls of the phones satisfy `satisfied`.
    pub async fn wait_for_phone_calls(
        &self,
        satisfied: impl FnMut(&[PhoneCall]) -> bool,
        timeout: Duration,
    ) -> anyhow::Result<Vec<PhoneCall>> {
        self.state.phones.calls().wait_for(satisfied, timeout).await
    }

    /// Completed status callbacks of calls, oldest first.
    pub fn call_callbacks(&self) -> Vec<CallbackRecord> {
        self.state.call_callbacks.snapshot()
    }

    /// The documents that Twilio would refuse. If there is one, the simulator panics when it is dropped, so that the test
    /// fails even if it does not look here.
    pub fn twiml_faults(&self) -> Vec<TwimlFault> {
        self.state.phones.faults()
    }

    /// The same, for a test that expects them: they are removed.
    pub fn take_twiml_faults(&self) -> Vec<TwimlFault> {
        self.state.phones.take_faults()
    }

    /// Like [`TwilioSim::call`], with all options of a call.
    pub async fn place(&self, call: Call) -> anyhow::Result<CallResult> {
        network::call(&self.state, call).await
    }

    /// The texts that customers have sent, oldest first.
    pub fn received(&self) -> Vec<SentMessage> {
        lock(&self.state.received).clone()
    }

    /// The SIDs of the calls that customers have placed, oldest first.
    pub fn calls(&self) -> Vec<String> {
        lock(&self.state.calls).iter().map(|call| call.sid.clone()).collect()
    }

    /// A webhook client of an account (if absent, the main one) for the configured webhook URL.
    pub fn webhook_client(&self, account_sid: Option<&str>) -> anyhow::Result<WebhookClient> {
        self.state.webhook_client(account_sid)
    }
}

impl Drop for TwilioSim {
    fn drop(&mut self) {
        self.state.life.cancel();
        let faults = self.twiml_faults();
        if !std::thread::panicking() {
            assert!(faults.is_empty(), "Twilio would refuse these documents: {faults:#?}");
        }
    }
}

/// The value of a request header as text.
fn header_text(request: &Request, name: HeaderName) -> Option<String> {
    request.headers().get(name)?.to_str().ok().map(str::to_owned)
}
