//! Plays documents to one side of a call.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::super::state::State;
use super::super::webhooks::params::Params;
use super::document;
use super::record::{self, TwimlFault};
use super::verbs::{Gather, Verb};
use super::{Behaviour, Phone, caller};

/// A retrieval that failed: no answer, or not what Twilio can use.
const RETRIEVAL_FAILED: u32 = 11200;
/// A document that Twilio refuses.
const INVALID_DOCUMENT: u32 = 12100;
/// How many characters are said in a second.
const CHARACTERS_PER_SECOND: f64 = 15.0;
/// More documents than a call has, unless it goes round in a circle.
const MOST_DOCUMENTS: usize = 50;

/// One side of a call while it is connected to a document.
pub(super) struct Line<'a> {
    pub(super) state: &'a State,
    pub(super) call_sid: String,
    /// What each request for a document says about the call, apart from its status.
    pub(super) params: Params,
    /// Whether its documents may dial: those of a `<Number url>` may not.
    pub(super) may_dial: bool,
    /// The keys that will be pressed.
    pub(super) keys: VecDeque<char>,
    /// When this side hangs up.
    pub(super) leaves_at: Option<Instant>,
    /// Whether it is connected; until then a customer hears ringing.
    pub(super) is_answered: bool,
}

/// Why a line ended before its documents did.
#[derive(Debug, PartialEq)]
pub(super) enum Stop {
    /// This side has hung up.
    Left,
    /// `<Hangup/>`.
    HungUp,
    /// `<Reject/>`, with its reason.
    Rejected(String),
    /// Twilio could not go on.
    Error(u32),
}

impl Line<'_> {
    /// Plays the document at this URL, and those to which it leads. Returns if the last one ends without a hang-up.
    pub(super) async fn play(&mut self, url: &str) -> Result<(), Stop> {
        let mut document = VecDeque::from(self.document(url, &[]).await?);
        for _ in 0..MOST_DOCUMENTS {
            match self.play_one(document).await? {
                None => return Ok(()),
                Some(next) => document = next.into(),
            }
        }
        Err(self.refuse(url, "the documents of this call lead in a circle".to_owned(), ""))
    }

    /// Plays a document. Returns the one that it leads to.
    async fn play_one(&mut self, mut verbs: VecDeque<Verb>) -> Result<Option<Vec<Verb>>, Stop> {
        while let Some(verb) = verbs.pop_front() {
            let next = match verb {
                Verb::Say(text) => self.say(&text).await.map(|()| None)?,
                Verb::Pause(seconds) => self.wait(seconds).await.map(|()| None)?,
                Verb::Hangup => return Err(Stop::HungUp),
                Verb::Reject(reason) => return Err(Stop::Rejected(reason)),
                Verb::Redirect(url) => Some(self.document(&url, &[]).await?),
                Verb::Gather(gather) => self.gather(&gather).await?,
                // A leg never dials, so this does not go deeper.
                Verb::Dial(dial) => Box::pin(caller::dial(self, &dial)).await?,
            };
            if next.is_some() {
                return Ok(next);
            }
        }
        Ok(None)
    }

    /// Requests a document, and reads it.
    pub(super) async fn document(&mut self, url: &str, more: &[(&str, &str)]) -> Result<Vec<Verb>, Stop> {
        let mut params = self.params.clone();
        let status = if self.is_answered { "in-progress" } else { "ringing" };
        params.push(("CallStatus".to_owned(), status.to_owned()));
        params.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        params.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let account = params.iter().find(|(name, _)| name == "AccountSid").map(|(_, sid)| sid.clone());
        let client = self.state.webhook_client(account.as_deref()).map_err(|_| self.fail(RETRIEVAL_FAILED))?;
        // Twilio repeats a request once if it could not connect.
        let mut answer = client.post_url(url, &params).await;
        if answer.is_err() {
            answer = client.post_url(url, &params).await;
        }
        let Ok(answer) = answer else { return Err(self.fail(RETRIEVAL_FAILED)) };
        match answer.twiml_error() {
            // A service that is overloaded or going down answers so; that is for the test to judge.
            Some(error) if answer.status != 200 => Err(self.fail(error)),
            Some(error) => Err(self.refuse(url, format!("error {error}"), &answer.body)),
            None => document::read(&answer.body, self.may_dial).map_err(|why| self.refuse(url, why, &answer.body)),
        }
    }

    /// Waits this many seconds, unless this side hangs up before.
    pub(super) async fn wait(&self, seconds: f64) -> Result<(), Stop> {
        let until = Instant::now() + self.state.phones.seconds(seconds);
        match self.leaves_at.filter(|leaves_at| *leaves_at < until) {
            Some(leaves_at) => {
                tokio::time::sleep_until(leaves_at).await;
                Err(Stop::Left)
            }
            None => {
                tokio::time::sleep_until(until).await;
                Ok(())
            }
        }
    }

    /// Waits until this side hangs up; for ever if it does not.
    pub(super) async fn left(&self) {
        match self.leaves_at {
            Some(leaves_at) => tokio::time::sleep_until(leaves_at).await,
            None => std::future::pending().await,
        }
    }

    /// Connects this side, if it was not: whatever is said connects a call that rings.
    pub(super) fn answer(&mut self) {
        if !self.is_answered {
            self.is_answered = true;
            record::change(self.state, &self.call_sid, |call| {
                call.status = "in-progress".to_owned();
                call.answered_at = Some(chrono::Utc::now());
            });
        }
    }

    async fn say(&mut self, text: &str) -> Result<(), Stop> {
        self.answer();
        record::change(self.state, &self.call_sid, |call| call.heard.push(text.to_owned()));
        #[allow(clippy::cast_precision_loss)] // a text has few characters
        let seconds = text.chars().count() as f64 / CHARACTERS_PER_SECOND;
        self.wait(seconds).await
    }

    async fn gather(&mut self, gather: &Gather) -> Result<Option<Vec<Verb>>, Stop> {
        self.answer();
        for verb in &gather.prompt {
            match verb {
                Verb::Say(text) => self.say(text).await?,
                Verb::Pause(seconds) => self.wait(*seconds).await?,
                _ => {}
            }
        }
        let most = gather.digits.map_or(usize::MAX, |digits| digits as usize);
        let pressed: String = self.keys.drain(..self.keys.len().min(most)).collect();
        let is_complete = gather.digits.is_some_and(|digits| pressed.len() == digits as usize);
        self.wait(if is_complete { 1.0 } else { gather.timeout }).await?;
        record::change(self.state, &self.call_sid, |call| call.pressed.push_str(&pressed));
        if pressed.is_empty() && !gather.on_empty {
            return Ok(None);
        }
        self.document(&gather.action, &[("Digits", &pressed), ("msg", "Gather End")]).await.map(Some)
    }

    /// Records the error with which the call goes on or ends.
    fn fail(&self, error: u32) -> Stop {
        record::change(self.state, &self.call_sid, |call| call.error = Some(error));
        Stop::Error(error)
    }

    /// Records a document that Twilio refuses.
    pub(super) fn refuse(&self, url: &str, reason: String, twiml: &str) -> Stop {
        let fault =
            TwimlFault { call_sid: self.call_sid.clone(), url: url.to_owned(), reason, twiml: twiml.to_owned() };
        self.state.phones.faults.push(fault);
        self.fail(INVALID_DOCUMENT)
    }
}

/// The keys that a phone will press, and after how many seconds it hangs up.
pub(super) fn habits(phone: &Phone) -> (VecDeque<char>, f64) {
    match &phone.behaviour {
        Behaviour::Presses(keys) => (keys.chars().collect(), phone.talks_for),
        Behaviour::Voicemail => (VecDeque::new(), 180.0),
        Behaviour::HangsUp => (VecDeque::new(), 0.5),
        _ => (VecDeque::new(), phone.talks_for),
    }
}
