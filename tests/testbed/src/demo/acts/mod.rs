//! Further scenes, each with another customer: a takeover, a burst that overtakes an answer, an emergency, a STOP, the
//! voicemail trap, an emergency at night, and the owner who answers by text.
//!
//! They are played after the journey and its checks. Each act is independent, and is checked when it is over.

mod emergency;
mod ladder;
mod overtaken;
mod relay;
mod stop;
mod takeover;
mod trap;

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
use crate::dispatchbot::{Fault, asked};
use crate::sim::{Rule, Span};
use crate::twilio::SentMessage;

/// Timeout for each expected step.
const PATIENCE: Duration = Duration::from_secs(15);
/// A pause so that the user can read.
const PAUSE: Duration = Duration::from_secs(1);
/// DispatchBot's delay in the slow case: less than the service's timeout.
const SLOW: Duration = Duration::from_millis(1700);
/// After this time, an SMS sent by mistake would have gone out.
const MARGIN: Duration = Duration::from_millis(600);

/// Plays all acts, and returns whether everything happened as expected.
pub(super) async fn perform(stage: &Stage) -> bool {
    let takeover = Act::new(stage, "+12125550101").play(takeover::HEADING, takeover::play).await;
    let overtaken = Act::new(stage, "+12125550102").play(overtaken::HEADING, overtaken::play).await;
    let emergency = Act::new(stage, "+12125550103").play(emergency::HEADING, emergency::play).await;
    let stop = Act::new(stage, "+12125550104").play(stop::HEADING, stop::play).await;
    let trap = Act::new(stage, "+12125550105").play(trap::HEADING, trap::play).await;
    let ladder = Act::new(stage, "+12125550106").play(ladder::HEADING, ladder::play).await;
    let relay = Act::new(stage, "+12125550107").play(relay::HEADING, relay::play).await;
    takeover && overtaken && emergency && stop && trap && ladder && relay
}

/// One act, with its customer and its findings.
struct Act<'a> {
    stage: &'a Stage,
    customer: &'static str,
    findings: Findings,
}

impl<'a> Act<'a> {
    fn new(stage: &'a Stage, customer: &'static str) -> Self {
        Self { stage, customer, findings: Findings::default() }
    }

    /// Plays it under its heading, and returns whether everything happened as expected.
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

    /// Delays DispatchBot's next answer about this customer.
    fn slow_answer(&self) {
        let slow = Fault::Delay(Span::exactly(SLOW));
        self.stage.dispatchbot.add_rule(Rule::next(1, slow).to(self.customer));
    }

    /// Waits until DispatchBot gets a request about this customer.
    async fn asked(&self) -> anyhow::Result<()> {
        self.stage.screen.progress(Some("the question to DispatchBot"));
        let mine = |all: &[Value]| all.iter().any(|request| asked::customer(request) == self.customer);
        let waited = self.stage.dispatchbot.wait_for(mine, PATIENCE).await;
        self.stage.screen.progress(None);
        waited.map(drop).context("DispatchBot is not asked")
    }

    /// DispatchBot's requests about this customer.
    fn requests(&self) -> Vec<Value> {
        let mut all = self.stage.dispatchbot.requests();
        all.retain(|request| asked::customer(request) == self.customer);
        all
    }

    /// Waits until this many SMS went to a number.
    async fn sms(&self, to: &str, number: usize) -> anyhow::Result<()> {
        self.stage.screen.progress(Some(&format!("an SMS to {to}")));
        let enough = |all: &[SentMessage]| all.iter().filter(|sms| sms.to == to).count() >= number;
        let waited = self.stage.twilio.wait_for(enough, PATIENCE).await;
        self.stage.screen.progress(None);
        waited.map(drop).with_context(|| format!("SMS number {number} to {to} does not come to Twilio"))
    }

    /// The texts that were sent to a number.
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

    /// Adds a finding.
    fn found(&mut self, what: &str, good: bool, saw: impl ToString) {
        self.findings.add(what, good, saw);
    }
}
