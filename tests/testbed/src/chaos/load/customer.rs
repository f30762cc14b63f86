//! The customer's side: the webhooks that Twilio posts when somebody calls or writes.

use std::time::Duration;

use chrono::Utc;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Load, Outcome, Posted, What};
use crate::chaos::BUSINESSES;
use crate::chaos::plan::{ConversationPlan, Planned, Say};
use crate::twilio::webhooks::{Params, WebhookAnswer, params};

/// Twilio tries once more if no connection was made.
const CONNECTION_TRIES: usize = 2;

impl Load {
    /// Sends a webhook at its planned time, and repeats it as planned.
    pub(super) async fn say(&self, plan: &ConversationPlan, said: &Planned, begun: Instant) {
        let mut copies = FuturesUnordered::new();
        copies.push(self.copy(plan, said, said.edge, begun + said.at));
        for (later, edge) in &said.again {
            copies.push(self.copy(plan, said, *edge, begun + said.at + *later));
        }
        while copies.next().await.is_some() {}
    }

    async fn copy(&self, plan: &ConversationPlan, said: &Planned, edge: usize, at: Instant) {
        sleep_until(at).await;
        match &said.say {
            Say::Call { outcome, rings } => self.call(plan, said, edge, outcome, *rings).await,
            Say::Text { body, stop } => self.text(plan, said, edge, body, *stop).await,
        }
        self.journal.sent();
    }

    /// A call rings; the end of the dial is reported only if the answer dials.
    async fn call(&self, plan: &ConversationPlan, said: &Planned, edge: usize, dial: &'static str, rings: Duration) {
        let (sid, from, to) = (said.sid.as_str(), plan.customer.as_str(), BUSINESSES[plan.business].1);
        let ringing = params::incoming_call(self.account(), sid, from, to, "ringing");
        let request = Request { what: What::Call, sid, path: "/webhooks/twilio/call".to_owned(), params: ringing };
        let answer = self.post(request, edge).await;
        if answer.is_none_or(|answer| answer.dial_action().is_none()) {
            return;
        }
        sleep(rings).await;
        // A call dials once, so the result is the same each time it is reported.
        let leg = sid.replacen("CA", "CB", 1);
        let ended = params::dial_result(self.account(), sid, &leg, dial, Some(from), Some(to), 0);
        let path = format!("/webhooks/twilio/call/status/{sid}");
        self.post(Request { what: What::CallStatus(dial), sid, path, params: ended }, edge).await;
    }

    async fn text(&self, plan: &ConversationPlan, said: &Planned, edge: usize, body: &'static str, stop: bool) {
        if stop {
            // Twilio records the opt-out before it posts the webhook.
            let customer = plan.customer.clone();
            self.surroundings.twilio.change_faults(|faults| {
                faults.opted_out.insert(customer);
            });
        }
        let (sid, to) = (said.sid.as_str(), BUSINESSES[plan.business].1);
        let params = params::sms(self.account(), sid, &plan.customer, to, body);
        let request = Request { what: What::Text { stop }, sid, path: "/webhooks/twilio/sms".to_owned(), params };
        self.post(request, edge).await;
    }

    /// Posts one webhook; returns the answer if it was acknowledged.
    async fn post(&self, request: Request<'_>, edge: usize) -> Option<WebhookAnswer> {
        let (answer, outcomes) = self.try_post(request, edge).await;
        self.journal.served(answer.is_some(), outcomes);
        answer
    }

    /// The answer, and the outcome of each request that was made for it.
    async fn try_post(&self, request: Request<'_>, edge: usize) -> (Option<WebhookAnswer>, Vec<Outcome>) {
        let mut outcomes = Vec::new();
        for turn in 0..CONNECTION_TRIES {
            let sent_at = Utc::now();
            self.journal.begins();
            // The proxy in front of the edges sends it to the other one.
            let answer = self.surroundings.webhooks(edge + turn).post(&request.path, &request.params).await;
            let outcome = match &answer {
                Ok(answer) => Outcome::Answered(answer.status),
                Err(error) if is_refused(error) => Outcome::Refused,
                Err(_) => Outcome::Broken,
            };
            let (what, sid) = (request.what.clone(), request.sid.to_owned());
            self.journal.posted(Posted { what, sid, sent_at, ended_at: Utc::now(), outcome });
            outcomes.push(outcome);
            let fails = outcome == Outcome::Refused || (self.plan.falls_back && !outcome.is_acknowledged());
            if !fails {
                return (answer.ok().filter(|_| outcome.is_acknowledged()), outcomes);
            }
        }
        (None, outcomes)
    }

    fn account(&self) -> &str {
        self.surroundings.webhooks(0).account_sid()
    }
}

/// A webhook to be posted.
struct Request<'a> {
    what: What,
    sid: &'a str,
    path: String,
    params: Params,
}

fn is_refused(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<reqwest::Error>()).any(reqwest::Error::is_connect)
}
