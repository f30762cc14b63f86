//! Rings a phone: for a `<Dial>`, or for a call that the server placed.

use std::time::Duration;

use chrono::Utc;
use tokio::time::Instant;

use super::super::state::State;
use super::super::webhooks::params::Params;
use super::play::{Line, Stop, habits};
use super::progress::Progress;
use super::record;
use super::{Behaviour, Phone};

/// A phone that rings.
pub(super) struct Rung<'a> {
    pub(super) state: &'a State,
    pub(super) call_sid: String,
    /// What each request about this call says.
    pub(super) params: Params,
    pub(super) phone: Phone,
    /// For how long it may ring, in seconds.
    pub(super) timeout: f64,
    pub(super) progress: Progress,
}

impl<'a> Rung<'a> {
    /// Lets the phone ring. Returns its line if it answers, or the status with which the call ended.
    pub(super) async fn ring(&self, may_dial: bool) -> Result<Line<'a>, &'static str> {
        self.report("initiated", "initiated");
        self.set_status("ringing");
        self.report("ringing", "ringing");
        let rings_for = self.phone.rings_for;
        let (time, ending) = match self.phone.behaviour {
            Behaviour::RingsOut => (self.timeout, Some("no-answer")),
            Behaviour::Unreachable => (0.0, Some("failed")),
            _ if rings_for >= self.timeout => (self.timeout, Some("no-answer")),
            Behaviour::Busy => (rings_for, Some("busy")),
            Behaviour::Rejects => (rings_for, Some("no-answer")),
            _ => (rings_for, None),
        };
        tokio::time::sleep(self.state.phones.seconds(time)).await;
        if let Some(status) = ending {
            return Err(status);
        }
        record::change(self.state, &self.call_sid, |call| {
            call.status = "in-progress".to_owned();
            call.answered_at = Some(Utc::now());
        });
        self.report("answered", "in-progress");
        let (keys, stays_for) = habits(&self.phone);
        Ok(Line {
            state: self.state,
            call_sid: self.call_sid.clone(),
            params: self.params.clone(),
            may_dial,
            keys,
            leaves_at: Some(Instant::now() + self.state.phones.seconds(stays_for)),
            is_answered: true,
        })
    }

    /// Ends the call with this status; `connected` says since when it was connected.
    pub(super) fn end(&self, status: &str, connected: Option<Instant>) {
        let duration_seconds = connected.map_or(0, |since| self.state.phones.seconds_since(since));
        record::change(self.state, &self.call_sid, |call| {
            call.status = status.to_owned();
            call.duration_seconds = duration_seconds;
            call.ended_at = Some(Utc::now());
        });
        self.progress.report(self.state, &self.params, "completed", status, Some(duration_seconds));
    }

    fn set_status(&self, status: &str) {
        record::change(self.state, &self.call_sid, |call| call.status = status.to_owned());
    }

    fn report(&self, event: &str, status: &str) {
        self.progress.report(self.state, &self.params, event, status, None);
    }
}

/// How the leg of a dial ended.
pub(super) struct LegEnd {
    pub(super) status: String,
    pub(super) is_bridged: bool,
    pub(super) duration_seconds: u32,
}

/// Rings the phone of a dial; if it answers, plays the document of its `<Number url>`, and connects it until one side hangs
/// up. `bridged` is called when the two are connected.
pub(super) async fn dialled(
    rung: &Rung<'_>,
    url: Option<&str>,
    time_limit: Duration,
    bridged: impl FnOnce(),
) -> LegEnd {
    let mut line = match rung.ring(false).await {
        Ok(line) => line,
        Err(status) => {
            rung.end(status, None);
            return LegEnd { status: status.to_owned(), is_bridged: false, duration_seconds: 0 };
        }
    };
    let answered = Instant::now();
    let screened = match url {
        Some(url) => line.play(url).await,
        None => Ok(()),
    };
    match screened {
        Ok(()) => {
            record::change(rung.state, &rung.call_sid, |call| call.bridged = true);
            bridged();
            // The phone hangs up; if the caller does so before, this is dropped.
            drop(tokio::time::timeout(time_limit, line.left()).await);
            rung.end("completed", Some(answered));
            let duration_seconds = rung.state.phones.seconds_since(answered);
            LegEnd { status: "completed".to_owned(), is_bridged: true, duration_seconds }
        }
        // Without its document the leg is hung up.
        Err(Stop::Left | Stop::HungUp | Stop::Rejected(_) | Stop::Error(_)) => {
            rung.end("completed", Some(answered));
            let status = rung.state.phones.options().unbridged_status.to_owned();
            let duration_seconds = rung.state.phones.seconds_since(answered);
            LegEnd { status, is_bridged: false, duration_seconds }
        }
    }
}
