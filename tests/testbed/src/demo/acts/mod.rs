//! What else there is to see, in four short acts, each with a customer of its own: a takeover, a burst that overtakes an
//! answer, an emergency and a STOP.
//!
//! Played after the journey and its checks; each act stands alone, and is checked when it is over.

mod emergency;
mod overtaken;
mod stop;
mod takeover;

use std::time::Duration;

use anyhow::Context;
use reqwest::Method;
use serde_json::{Value, json};

use super::api::Answer;
use super::business::USER_ID;
use super::findings::Findings;
use super::screen::Tag;
use super::stage::Stage;
use super::watch::{Seen, is};
use crate::dispatchbot::Fault;
use crate::sim::{Rule, Span};
use crate::twilio::SentMessage;

/// How long anything may take that is expected.
const PATIENCE: Duration = Duration::from_secs(15);
/// For the reader.
const PAUSE: Duration = Duration::from_secs(1);
/// How long DispatchBot thinks where it is slow: less than the service waits for it.
const SLOW: Duration = Duration::from_millis(1700);
/// What would go out by mistake has gone out by then.
const MARGIN: Duration = Duration::from_millis(600);

/// Plays all, and tells whether all of it came.
pub(super) async fn perform(stage: &Stage) -> bool {
    let takeover = Act::new(stage, "+12125550101").play(takeover::HEADING, takeover::play).await;
    let overtaken = Act::new(stage, "+12125550102").play(overtaken::HEADING, overtaken::play).await;
    let emergency = Act::new(stage, "+12125550103").play(emergency::HEADING, emergency::play).await;
    let stop = Act::new(stage, "+12125550104").play(stop::HEADING, stop::play).await;
    takeover && overtaken && emergency && stop
}

/// An act, as its play has it.
struct Act<'a> {
    stage: &'a Stage,
    customer: &'static str,
    findings: Findings,
}

impl<'a> Act<'a> {
    fn new(stage: &'a Stage, customer: &'static str) -> Self {
        Self { stage, customer, findings: Findings::default() }
    }

    /// Plays it under its heading, and tells whether all of it came.
    async fn play(mut self, heading: &str, play: impl AsyncFnOnce(&mut Self) -> anyhow::Result<()>) -> bool {
        tokio::time::sleep(PAUSE).await;
        self.stage.screen.scene(heading);
        let played = play(&mut self).await;
        self.stage.screen.progress(None);
        if let Err(error) = &played {
            self.stage.screen.line(Tag::Failed, &format!("the act stops here: {error:#}"), "");
        }
        let complete = self.findings.print(&self.stage.screen);
        played.is_ok() && complete
    }

    async fn text(&self, body: &str) -> anyhow::Result<()> {
        self.stage.phone.text_from(self.customer, body).await
    }

    /// DispatchBot is slow with its next answer to this customer.
    fn slow_answer(&self) {
        let slow = Fault::Delay(Span::exactly(SLOW));
        self.stage.dispatchbot.add_rule(Rule::next(1, slow).to(self.customer));
    }

    /// Waits until DispatchBot is asked about this customer.
    async fn asked(&self) -> anyhow::Result<()> {
        self.stage.screen.progress(Some("the question to DispatchBot"));
        let mine = |all: &[Value]| all.iter().any(|request| request["customer_phone"] == self.customer);
        let waited = self.stage.dispatchbot.wait_for(mine, PATIENCE).await;
        self.stage.screen.progress(None);
        waited.map(drop).context("DispatchBot is not asked")
    }

    /// What DispatchBot was asked about this customer.
    fn requests(&self) -> Vec<Value> {
        let mut all = self.stage.dispatchbot.requests();
        all.retain(|request| request["customer_phone"] == self.customer);
        all
    }

    /// Waits until so many SMS went to a number.
    async fn sms(&self, to: &str, number: usize) -> anyhow::Result<()> {
        self.stage.screen.progress(Some(&format!("an SMS to {to}")));
        let enough = |all: &[SentMessage]| all.iter().filter(|sms| sms.to == to).count() >= number;
        let waited = self.stage.twilio.wait_for(enough, PATIENCE).await;
        self.stage.screen.progress(None);
        waited.map(drop).with_context(|| format!("SMS number {number} to {to} does not come to Twilio"))
    }

    /// The texts that went to a number.
    fn texts_to(&self, to: &str) -> Vec<String> {
        self.stage.twilio.messages().into_iter().filter(|sms| sms.to == to).map(|sms| sms.body).collect()
    }

    /// Waits until an event of the customer's conversation is on the screen.
    async fn event(&self, event_type: &str) -> anyhow::Result<()> {
        let id = self.conversation().await?["id"].clone();
        let here = |all: &[Seen]| {
            all.iter().any(|seen| seen.shown && is(seen, event_type) && seen.envelope["conversation_id"] == id)
        };
        let waited = self.stage.events.wait_for(here, PATIENCE).await;
        waited.map(drop).with_context(|| format!("{event_type} is not seen"))
    }

    /// How often an event was seen in the customer's conversation.
    async fn events(&self, event_type: &str) -> anyhow::Result<usize> {
        let id = self.conversation().await?["id"].clone();
        let all = self.stage.events.snapshot();
        Ok(all.iter().filter(|seen| is(seen, event_type) && seen.envelope["conversation_id"] == id).count())
    }

    async fn conversation(&self) -> anyhow::Result<Value> {
        let conversation = self.stage.api.newest_conversation(self.customer).await?;
        conversation.context("the customer has no conversation")
    }

    /// The owner takes the conversation over.
    async fn take_over(&self, reason: &str) -> anyhow::Result<Answer> {
        self.owner("takeover", json!({"user_id": USER_ID, "reason": reason})).await
    }

    /// The owner writes to the customer.
    async fn reply(&self, body: &str) -> anyhow::Result<Answer> {
        self.owner("messages", json!({"user_id": USER_ID, "body": body})).await
    }

    async fn owner(&self, act: &str, body: Value) -> anyhow::Result<Answer> {
        let conversation = self.conversation().await?;
        let id = conversation["id"].as_str().unwrap_or_default();
        self.stage.api.call(Method::POST, &format!("/conversations/{id}/{act}"), Some(&body)).await
    }

    /// Notes a finding.
    fn found(&mut self, what: &str, good: bool, saw: impl ToString) {
        self.findings.add(what, good, saw);
    }
}
