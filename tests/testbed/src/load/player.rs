//! Carries out the actions, each at its time, whether or not earlier ones have ended.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep_until;
use uuid::Uuid;

use super::app_server::AppServer;
use super::book::Book;
use super::cast::{Action, number_of};
use super::records::{Failure, Measure};
use super::schedule::Kind;
use super::stage::Stage;
use crate::twilio::webhooks::{WebhookAnswer, WebhookClient};
use crate::twilio::{new_call_sid, new_message_sid};

/// How long a call rings until nobody has picked up. Shorter than a real one, but nothing depends on it: latencies
/// count from its end.
const RINGING: Duration = Duration::from_secs(1);
/// What customers write: no emergency, no opt-out, no agreement to an appointment.
const TEXTS: [&str; 4] = [
    "The kitchen sink drains slowly, can you have a look?",
    "How much is a new tap?",
    "The toilet keeps running, what can I do?",
    "When could somebody come to look at the boiler?",
];

/// Plays the customers and the people.
pub(super) struct Player {
    webhooks: WebhookClient,
    app_server: AppServer,
    conversations: HashMap<String, Uuid>,
    book: Arc<Book>,
}

impl Player {
    /// A player on this stage; `conversations` are those to be taken over, by the customer's number.
    pub(super) fn new(stage: &Stage, conversations: HashMap<String, Uuid>) -> Self {
        let (webhooks, app_server) = (stage.webhooks.clone(), stage.app_server.clone());
        Self { webhooks, app_server, conversations, book: Arc::clone(&stage.book) }
    }

    /// Carries out all actions; returns when every request has its outcome.
    pub(super) async fn play(self: &Arc<Self>, actions: &[Action]) {
        let mut playing = JoinSet::new();
        for (number, action) in actions.iter().enumerate() {
            sleep_until(self.book.moment(action.at)).await;
            self.book.begins(action.at);
            let (player, action) = (Arc::clone(self), action.clone());
            playing.spawn(async move { player.act(number, &action).await });
            while playing.try_join_next().is_some() {}
        }
        playing.join_all().await;
    }

    async fn act(&self, number: usize, action: &Action) {
        match action.kind {
            Kind::Call => self.call(number, action).await,
            Kind::Text => self.text(number, action).await,
            Kind::Takeover => self.take_over(number, action).await,
        }
    }

    /// A call rings, and the dial ends without an answer.
    async fn call(&self, number: usize, action: &Action) {
        let (from, to) = (action.customer.phone.as_str(), number_of(action.customer.business));
        let sid = new_call_sid();
        let ringing = self.webhooks.incoming_call(&sid, from, &to, "ringing").await;
        let Some(answer) = self.webhook(number, action.at, ringing) else {
            return;
        };
        if answer.dial_action().is_none() {
            return self.book.failed(number, Failure::NotDialled);
        }
        let missed = action.at + RINGING;
        sleep_until(self.book.moment(missed)).await;
        self.book.expect_missed_call_text(number, from, missed);
        let ended = self.webhooks.call_status(&sid, "no-answer", Some(from), Some(&to), 0).await;
        if self.webhook(number, missed, ended).is_none() {
            self.book.withdraw(number, from);
        }
    }

    async fn text(&self, number: usize, action: &Action) {
        let (from, to) = (action.customer.phone.as_str(), number_of(action.customer.business));
        self.book.expect_answer(number, from, action.at);
        let body = TEXTS[number % TEXTS.len()];
        let answer = self.webhooks.sms(&new_message_sid(), from, &to, body).await;
        if self.webhook(number, action.at, answer).is_none() {
            self.book.withdraw(number, from);
        }
    }

    /// Takes a conversation of the AI over, and gives it back, so that it can be taken over again.
    async fn take_over(&self, number: usize, action: &Action) {
        let Some(id) = self.conversations.get(&action.customer.phone).copied() else {
            return self.book.failed(number, Failure::NoConversation);
        };
        let taken = self.app_server.take_over(id).await;
        self.book.measured(Measure::Takeover, action.at);
        if !self.command(number, "takeover", taken.ok()) {
            return;
        }
        let released = self.app_server.release(id).await;
        self.command(number, "release", released.ok());
    }

    /// Records the outcome of a webhook that was to be sent at `at`; returns the answer if it was accepted.
    fn webhook(&self, number: usize, at: Duration, answer: anyhow::Result<WebhookAnswer>) -> Option<WebhookAnswer> {
        self.book.measured(Measure::Webhook, at);
        match answer {
            Ok(answer) if answer.status < 300 => return Some(answer),
            Ok(answer) => self.book.failed(number, Failure::Webhook(Some(answer.status))),
            Err(_) => self.book.failed(number, Failure::Webhook(None)),
        }
        None
    }

    /// Records a command's failure; returns whether it was carried out.
    fn command(&self, number: usize, command: &'static str, status: Option<u16>) -> bool {
        let done = status.is_some_and(|status| status < 300);
        if !done {
            self.book.failed(number, Failure::Command(command, status));
        }
        done
    }
}
