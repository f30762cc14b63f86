//! The service as a process of its own, with its servers and simulators.

use nmc_testbed::servers::Signal;
use nmc_testbed::twilio::{TwilioOptions, new_message_sid};

use super::child::Child;
use super::people::{BUSINESS, OUR_NUMBER, business};
use super::rest::Rest;
use super::servers::{API_KEY, PUBLIC_URL, Servers};
use super::watch::Events;

/// A running `nevermisscall serve` with the document's business.
pub struct Operated {
    pub servers: Servers,
    pub events: Events,
    pub rest: Rest,
    pub child: Child,
}

impl Operated {
    /// Starts it; `environment` is added to the usual settings.
    pub async fn start(environment: &[(&str, &str)]) -> Self {
        Self::beside(Servers::start(TwilioOptions::default()).await, environment).await
    }

    /// The same on servers that run already.
    pub async fn beside(servers: Servers, environment: &[(&str, &str)]) -> Self {
        let environment: Vec<_> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut child = Child::start(&servers, "service", &["serve"], &servers.settings(&environment));
        let base = format!("http://{}", child.address().await);
        servers.twilio.set_webhook_url(PUBLIC_URL, Some(&base));
        let events = Events::subscribe(&servers.redis.url()).await;
        let rest = Rest::new(base, API_KEY);
        rest.ready().await;
        rest.put(&format!("/businesses/{BUSINESS}"), &business()).await.ok();
        Self { servers, events, rest, child }
    }

    /// A customer sends a text.
    pub async fn text(&self, from: &str, body: &str) {
        let webhook = self.servers.twilio.webhook_client(None).expect("the main account");
        let answer = webhook.sms(&new_message_sid(), from, OUR_NUMBER, body).await.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Waits for the `count`th event of this type about this customer.
    pub async fn wait_for_event_of(&self, customer: &str, count: usize, event_type: &str) {
        self.events.nth(count, event_type, |event| event["customer_phone"] == customer).await;
    }

    /// Stops it as operators do.
    pub async fn stop(&mut self) {
        self.child.signal(Signal::Term);
        let status = self.child.end().await;
        assert!(status.success(), "{status}\n{}", self.child.log());
    }
}
