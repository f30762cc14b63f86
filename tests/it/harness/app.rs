//! The service in this process, with its servers and simulators.

use std::net::SocketAddr;

use nevermisscall::internals::{Application, KeyScope, Role, Store};
use nmc_testbed::twilio::webhooks::WebhookClient;
use nmc_testbed::twilio::{SentMessage, TwilioOptions, new_call_sid, new_message_sid};
use serde_json::Value;

use super::people::{BUSINESS, OUR_NUMBER, business, business_of_dispatch_bot_ai};
use super::rest::{Rest, query};
use super::servers::{API_KEY, PUBLIC_URL, Servers};
use super::wait::{PATIENCE, eventually};
use super::watch::Events;
use super::{Stored, settled, stored, wait_for_stored};

/// The service with the usual setup and the document's business.
pub async fn spawn_app() -> App {
    App::setup().start().await
}

/// The same with some settings changed.
pub async fn spawn_app_with(settings: &[(&str, &str)]) -> App {
    settings.iter().fold(App::setup(), |setup, (name, value)| setup.set(name, value)).start().await
}

/// What to start.
pub struct Setup {
    changes: Vec<(String, String)>,
    roles: Vec<Role>,
    twilio: TwilioOptions,
}

impl Setup {
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.changes.push((name.to_owned(), value.to_owned()));
        self
    }

    /// DispatchBot is asked in this dialect.
    pub fn dialect(self, dialect: &str) -> Self {
        self.set("DISPATCHBOT_DIALECT", dialect)
    }

    /// Starts one application per role instead of one `Serve`. Requests go to the first that listens.
    pub fn roles(self, roles: impl IntoIterator<Item = Role>) -> Self {
        Self { roles: roles.into_iter().collect(), ..self }
    }

    /// Adds an account to the Twilio simulator.
    pub fn subaccount(mut self, sid: &str, token: &str) -> Self {
        self.twilio.subaccounts.push((sid.to_owned(), token.to_owned()));
        self
    }

    /// Starts everything and puts the document's business.
    pub async fn start(self) -> App {
        log_if_asked();
        let servers = Servers::start(self.twilio).await;
        let events = Events::subscribe(&servers.redis.url()).await;
        let mut applications = Vec::new();
        for role in self.roles {
            let started = Application::start(servers.config(&self.changes), role).await;
            applications.push(started.unwrap_or_else(|error| panic!("{error:#}")));
        }
        let address = applications.iter().find_map(Application::address).expect("one that listens");
        let public_url = self.changes.iter().rev().find(|(name, _)| name == "NMC_PUBLIC_URL");
        let public_url = public_url.map_or(PUBLIC_URL, |(_, value)| value);
        servers.twilio.set_webhook_url(public_url, Some(&format!("http://{address}")));
        let rest = Rest::new(format!("http://{address}"), API_KEY);
        let app = App { applications, servers, events, rest };
        for address in app.addresses() {
            Rest::new(format!("http://{address}"), API_KEY).ready().await;
        }
        let dialect = self.changes.iter().rev().find(|(name, _)| name == "DISPATCHBOT_DIALECT");
        let is_other = dialect.is_some_and(|(_, dialect)| dialect == "dispatch-bot-ai");
        let business = if is_other { business_of_dispatch_bot_ai() } else { business() };
        app.put_business(BUSINESS, &business).await;
        app
    }
}

/// A running service with its servers and simulators. Dropping it stops everything.
pub struct App {
    applications: Vec<Application>,
    pub events: Events,
    pub rest: Rest,
    pub servers: Servers,
}

impl App {
    /// The usual setup, to be changed.
    pub fn setup() -> Setup {
        Setup { changes: Vec::new(), roles: vec![Role::Serve], twilio: TwilioOptions::default() }
    }

    /// The addresses of all applications that listen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.applications.iter().filter_map(Application::address).collect()
    }

    /// A client of each application's port for health and metrics, without a key.
    pub fn ops(&self) -> Vec<Rest> {
        let addresses = self.applications.iter().filter_map(Application::ops_address);
        addresses.map(|address| Rest::new(format!("http://{address}"), API_KEY).with_key(None)).collect()
    }

    /// Stops the service; the servers and simulators keep running.
    pub async fn stop(&mut self) {
        for application in self.applications.drain(..) {
            application.stop().await;
        }
    }

    /// Starts the service again on the same servers, with the usual settings.
    pub async fn start_again(&mut self) {
        let started = Application::start(self.servers.config(&[]), Role::Serve).await;
        let application = started.unwrap_or_else(|error| panic!("{error:#}"));
        let base = format!("http://{}", application.address().expect("one that listens"));
        self.servers.twilio.set_webhook_url(PUBLIC_URL, Some(&base));
        self.rest = Rest::new(base, API_KEY);
        self.rest.ready().await;
        self.applications.push(application);
    }

    /// A client that plays Twilio and signs with the main account's token.
    pub fn webhook(&self) -> WebhookClient {
        self.servers.twilio.webhook_client(None).expect("the main account")
    }

    /// The same with another public URL or token.
    pub fn webhook_as(&self, public_url: &str, account_sid: &str, token: &str) -> WebhookClient {
        WebhookClient::new(public_url, account_sid, token).expect("a client").with_target(self.rest.base())
    }

    /// Puts a business and returns the answer.
    pub async fn put_business(&self, id: &str, business: &Value) -> Value {
        self.rest.put(&format!("/businesses/{id}"), business).await.ok()
    }

    /// A customer calls and nobody answers. Returns the call's SID.
    pub async fn miss_call(&self, from: &str) -> String {
        let call_sid = new_call_sid();
        let ringing = self.webhook().incoming_call(&call_sid, from, OUR_NUMBER, "ringing").await.expect("an answer");
        assert_eq!(ringing.status, 200, "{}", ringing.body);
        let ended = self.webhook().call_status(&call_sid, "no-answer", Some(from), Some(OUR_NUMBER), 0).await;
        assert_eq!(ended.expect("an answer").status, 200);
        call_sid
    }

    /// A key for these businesses (`None`: all), and a client that uses it.
    pub async fn key(&self, business_ids: Option<&[&str]>, may_write: bool) -> (uuid::Uuid, Rest) {
        self.key_with(business_ids, may_write, false).await
    }

    /// The same, with or without the scope `numbers`.
    pub async fn key_with(&self, business_ids: Option<&[&str]>, may_write: bool, numbers: bool) -> (uuid::Uuid, Rest) {
        let business_ids = business_ids.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect());
        self.key_of(KeyScope { business_ids, may_write, may_manage_numbers: numbers, ..KeyScope::ALL }).await
    }

    /// A key that belongs to a person.
    pub async fn key_of_user(&self, user_id: &str) -> Rest {
        self.key_of(KeyScope { user_id: Some(user_id.to_owned()), ..KeyScope::ALL }).await.1
    }

    async fn key_of(&self, scope: KeyScope) -> (uuid::Uuid, Rest) {
        let store = Store::owner(self.servers.database_url()).expect("a store");
        let key = nevermisscall::internals::generate_api_key();
        let id =
            store.create_api_key("test", &nevermisscall::internals::hash_api_key(&key), &scope).await.expect("a key");
        (id, self.rest.with_key(Some(&key)))
    }

    /// A customer sends a text. Returns the message's SID.
    pub async fn text(&self, from: &str, body: &str) -> String {
        let sid = new_message_sid();
        let answer = self.webhook().sms(&sid, from, OUR_NUMBER, body).await.expect("an answer");
        assert_eq!((answer.status, answer.content_type()), (200, "text/xml"), "{}", answer.body);
        assert!(answer.body.ends_with("<Response/>"), "{}", answer.body);
        sid
    }

    /// A customer's conversations, newest activity first.
    pub async fn conversations_of(&self, customer: &str) -> Vec<Value> {
        let list = self.rest.get(&query("/conversations", &[("customer_phone", customer)])).await.ok();
        list["conversations"].as_array().expect("conversations").clone()
    }

    /// Waits for the customer's newest conversation.
    pub async fn conversation_of(&self, customer: &str) -> Value {
        eventually("a conversation", async || self.conversations_of(customer).await.into_iter().next()).await
    }

    pub async fn conversation(&self, id: &str) -> Value {
        self.rest.get(&format!("/conversations/{id}")).await.ok()
    }

    /// The conversation's messages, in their order.
    pub async fn messages(&self, id: &str) -> Vec<Value> {
        let list = self.rest.get(&format!("/conversations/{id}/messages")).await.ok();
        list["messages"].as_array().expect("messages").clone()
    }

    /// The messages of the customer's newest conversation.
    pub async fn messages_of(&self, customer: &str) -> Vec<Value> {
        let conversation = self.conversation_of(customer).await;
        self.messages(conversation["id"].as_str().expect("an id")).await
    }

    /// Waits for the call record.
    pub async fn call(&self, call_sid: &str) -> Value {
        let path = format!("/calls/{call_sid}");
        eventually("a call record", async || {
            let answer = self.rest.get(&path).await;
            (answer.status == 200).then_some(answer.body)
        })
        .await
    }

    /// Waits for the first event of this type in Redis.
    pub async fn wait_for_event(&self, event_type: &str) -> Value {
        self.events.nth(1, event_type, |_| true).await
    }

    /// Waits for the `count`th event of this type about this customer.
    pub async fn wait_for_event_of(&self, customer: &str, count: usize, event_type: &str) -> Value {
        self.events.nth(count, event_type, |event| event["customer_phone"] == customer).await
    }

    /// Waits until Twilio has accepted `count` messages to a number, and returns them.
    pub async fn wait_for_sms(&self, to: &str, count: usize) -> Vec<SentMessage> {
        let enough = |all: &[SentMessage]| all.iter().filter(|message| message.to == to).count() >= count;
        let waited = self.servers.twilio.wait_for(enough, PATIENCE).await;
        waited.unwrap_or_else(|error| panic!("SMS {count} to {to}: {error}"));
        self.sms_to(to)
    }

    /// The messages to a number that Twilio has accepted.
    pub fn sms_to(&self, to: &str) -> Vec<SentMessage> {
        self.servers.twilio.messages().into_iter().filter(|message| message.to == to).collect()
    }

    /// Waits until DispatchBot was asked `count` times, and returns the requests.
    pub async fn wait_for_questions(&self, count: usize) -> Vec<Value> {
        let waited = self.servers.dispatchbot.wait_for(|asked| asked.len() >= count, PATIENCE).await;
        waited.unwrap_or_else(|error| panic!("question {count} to DispatchBot: {error}"))
    }

    /// The test publishes events of its own, or changes the service's: they are not held to the AsyncAPI document.
    pub fn publishes_its_own_events(&mut self) {
        self.servers.published.are_the_tests_own();
        self.events.are_the_tests_own();
    }

    /// Waits until no work is pending, so that what has not happened will not happen.
    pub async fn settled(&self) {
        settled(&self.servers).await;
    }

    /// The messages in a stream.
    pub async fn stored(&self, stream: &str) -> Vec<Stored> {
        stored(&self.servers, stream).await
    }

    /// Waits for `count` dead letters and returns them.
    pub async fn wait_for_dead(&self, count: u64) -> Vec<Stored> {
        wait_for_stored(&self.servers, "NMC_DEAD", count).await
    }
}

/// If `RUST_LOG` is set, writes the service's log to the test's output.
fn log_if_asked() {
    if let Ok(filter) = tracing_subscriber::EnvFilter::try_from_default_env() {
        // Fails harmlessly for the second test in a process.
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
    }
}
