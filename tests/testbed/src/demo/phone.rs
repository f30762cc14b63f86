//! The customer's side: calls and texts in the form of Twilio's webhooks, each shown with the edge's answer.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::business::{CUSTOMER_PHONE, OWNER_PHONE, PHONE};
use super::screen::{Screen, Tag};
use super::text::short;
use crate::sim::lock;
use crate::twilio::webhooks::{Params, WebhookAnswer, WebhookClient, params};
use crate::twilio::{TwilioSim, new_call_sid, new_message_sid};

const CALL: &str = "/webhooks/twilio/call";
const SMS: &str = "/webhooks/twilio/sms";
/// How long the owner's phone rings here; the TwiML contains the time for Twilio.
const RINGING: Duration = Duration::from_millis(1500);

/// The customer's phone.
pub(super) struct Phone {
    screen: Screen,
    twilio: Arc<TwilioSim>,
    calls: Mutex<Vec<Call>>,
}

/// A call that the customer made.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) sid: String,
    /// The number that the edge's TwiML dials.
    pub(super) dialled: Option<String>,
    /// HTTP status of each webhook, and the error that Twilio would have logged.
    pub(super) answers: Vec<(u16, Option<u32>)>,
}

impl Phone {
    pub(super) fn new(screen: Screen, twilio: Arc<TwilioSim>) -> Self {
        Self { screen, twilio, calls: Mutex::default() }
    }

    /// All calls so far.
    pub(super) fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }

    /// Calls the business; its owner does not answer.
    pub(super) async fn missed_call(&self) -> anyhow::Result<()> {
        self.screen.line(Tag::Customer, &format!("{CUSTOMER_PHONE} calls {PHONE}"), "");
        let client = self.twilio.webhook_client(None)?;
        let sid = new_call_sid();
        let ringing = params::incoming_call(client.account_sid(), &sid, CUSTOMER_PHONE, PHONE, "ringing");
        let answer = self.post(&client, CALL, &ringing, "CallStatus=ringing").await?;
        self.screen.below(&answer.body);
        let mut call = Call { sid: sid.clone(), dialled: answer.dial_number(), answers: vec![outcome(&answer)] };
        let action = answer.dial_action();
        lock(&self.calls).push(call.clone());
        let action = action.context("the edge's answer dials nobody")?;
        self.screen.progress(Some(&format!("{OWNER_PHONE} rings")));
        tokio::time::sleep(RINGING).await;
        self.screen.progress(None);
        let leg = new_call_sid();
        let account = client.account_sid();
        let dialled = params::dial_result(account, &sid, &leg, "no-answer", Some(CUSTOMER_PHONE), Some(PHONE), 0);
        let answer = self.post(&client, &action, &dialled, "DialCallStatus=no-answer").await?;
        call.answers.push(outcome(&answer));
        if let Some(last) = lock(&self.calls).last_mut() {
            *last = call;
        }
        Ok(())
    }

    /// Texts the business.
    pub(super) async fn text(&self, body: &str) -> anyhow::Result<()> {
        self.screen.line(Tag::Customer, &format!("“{body}”"), "");
        self.send(CUSTOMER_PHONE, body).await
    }

    /// Another customer texts the business.
    pub(super) async fn text_from(&self, customer: &str, body: &str) -> anyhow::Result<()> {
        self.screen.line(Tag::Customer, &format!("“{body}”"), customer);
        self.send(customer, body).await
    }

    async fn send(&self, customer: &str, body: &str) -> anyhow::Result<()> {
        let client = self.twilio.webhook_client(None)?;
        let sid = new_message_sid();
        let params = params::sms(client.account_sid(), &sid, customer, PHONE, body);
        self.post(&client, SMS, &params, &format!("MessageSid={}", short(&sid, 9))).await?;
        Ok(())
    }

    /// Posts a webhook to a path, or, byte for byte, to the URL in the TwiML.
    async fn post(
        &self,
        client: &WebhookClient,
        target: &str,
        params: &Params,
        about: &str,
    ) -> anyhow::Result<WebhookAnswer> {
        let begun = Instant::now();
        let answer = if target.contains("://") {
            client.post_url(target, params).await?
        } else {
            client.post(target, params).await?
        };
        let took = begun.elapsed().as_millis();
        let path = url::Url::parse(target).map_or_else(|_| target.to_owned(), |url| url.path().to_owned());
        let error = answer.twiml_error().map(|code| format!(", Twilio error {code}")).unwrap_or_default();
        let text = format!("POST {path} {about} → {}{error}", answer.status);
        self.screen.line(Tag::Webhook, &text, &format!("signed, {took} ms"));
        if answer.status != 200 {
            self.screen.below(&answer.body);
        }
        Ok(answer)
    }
}

fn outcome(answer: &WebhookAnswer) -> (u16, Option<u32>) {
    (answer.status, answer.twiml_error())
}
