//! A customer calls: the document of the number's webhook is played, with the dials in it and their results.

use std::time::Duration;

use anyhow::Context;
use chrono::Utc;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::super::sid::new_call_sid;
use super::super::state::State;
use super::super::webhooks::params;
use super::leg::{LegEnd, Rung, dialled};
use super::play::{Line, Stop};
use super::progress::Progress;
use super::record::{self, PhoneCall};
use super::verbs::{Dial, Verb};
use crate::sim::lock;

/// A customer's call. The JSON of `POST /_sim/ring`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomerCall {
    /// The customer's number, or a word if it is withheld.
    pub from: String,
    /// The business's number.
    pub to: String,
    /// After how many seconds of the phones the customer hangs up; if absent, when the call is over.
    #[serde(default)]
    pub hangs_up_after: Option<f64>,
    /// The account that owns `to`; if absent, the main one.
    #[serde(default)]
    pub account_sid: Option<String>,
}

/// A customer's call that is over.
#[derive(Clone, Debug, Serialize)]
pub struct PlayedCall {
    /// The call.
    pub call: PhoneCall,
    /// The legs that were rung for it, in order.
    pub legs: Vec<PhoneCall>,
}

impl PlayedCall {
    /// The numbers that rang, in order.
    pub fn rang(&self) -> Vec<&str> {
        self.legs.iter().map(|leg| leg.to.as_str()).collect()
    }

    /// The number of the phone with which the customer talked.
    pub fn talked_with(&self) -> Option<&str> {
        self.legs.iter().find(|leg| leg.bridged).map(|leg| leg.to.as_str())
    }
}

/// Plays a call until it is over.
pub(in super::super) async fn ring(state: &State, call: CustomerCall) -> anyhow::Result<PlayedCall> {
    let base = lock(&state.route).public_url.clone().context("no webhook_url is set")?;
    let client = state.webhook_client(call.account_sid.as_deref())?;
    let call_sid = new_call_sid();
    let mut params = params::incoming_call(client.account_sid(), &call_sid, &call.from, &call.to, "ringing");
    params.retain(|(name, _)| name != "CallStatus");
    record::begin(
        state,
        PhoneCall {
            call_sid: call_sid.clone(),
            parent_call_sid: None,
            account_sid: client.account_sid().to_owned(),
            direction: "inbound",
            from: call.from,
            to: call.to,
            status: "ringing".to_owned(),
            heard: Vec::new(),
            pressed: String::new(),
            bridged: false,
            began_at: Utc::now(),
            answered_at: None,
            ended_at: None,
            duration_seconds: 0,
            error: None,
        },
    );
    let began = Instant::now();
    let mut line = Line {
        state,
        call_sid: call_sid.clone(),
        params,
        may_dial: true,
        keys: std::collections::VecDeque::new(),
        leaves_at: call.hangs_up_after.map(|seconds| began + state.phones.seconds(seconds)),
        is_answered: false,
    };
    let played = line.play(&format!("{}/webhooks/twilio/call", base.trim_end_matches('/'))).await;
    let status = match played {
        Err(Stop::Rejected(reason)) => {
            record::change(state, &call_sid, |call| call.heard.push(format!("({reason})")));
            if reason == "busy" { "busy" } else { "no-answer" }
        }
        Err(Stop::Error(_)) if !line.is_answered => "failed",
        Err(Stop::Left) if !line.is_answered => "canceled",
        _ => "completed",
    };
    let duration_seconds = state.phones.seconds_since(began);
    record::change(state, &call_sid, |call| {
        call.status = status.to_owned();
        call.duration_seconds = duration_seconds;
        call.ended_at = Some(Utc::now());
    });
    let all = state.phones.calls().snapshot();
    let legs = all.iter().filter(|leg| leg.parent_call_sid.as_deref() == Some(call_sid.as_str())).cloned().collect();
    Ok(PlayedCall { call: record::of(state, &call_sid).context("the call was removed")?, legs })
}

/// Rings a phone for this line. Returns the document of the dial's action.
pub(super) async fn dial(line: &mut Line<'_>, dial: &Dial) -> Result<Option<Vec<Verb>>, Stop> {
    if !dial.answer_on_bridge {
        line.answer();
    }
    let state = line.state;
    let leg_sid = new_call_sid();
    let rung = begin_leg(line, dial, &leg_sid);
    // The numbers of the phones' calls are not longer than a day.
    let time_limit: Duration = state.phones.seconds(dial.time_limit);
    let connect = std::sync::atomic::AtomicBool::new(false);
    let end = tokio::select! {
        end = dialled(&rung, dial.url.as_deref(), time_limit, || connect.store(true, std::sync::atomic::Ordering::SeqCst)) => Some(end),
        () = line.left() => None,
    };
    let is_bridged = connect.load(std::sync::atomic::Ordering::SeqCst);
    if is_bridged {
        line.answer();
    }
    let has_left = end.is_none();
    let end = end.unwrap_or_else(|| left(&rung, is_bridged));
    let Some(action) = dial.action.as_deref().filter(|_| state.phones.options().tells_result) else {
        return if has_left || dial.action.is_some() { Err(Stop::Left) } else { Ok(None) };
    };
    let result = result_of(state, &leg_sid, &end);
    let result: Vec<(&str, &str)> = result.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut more = result;
    if has_left {
        more.push(("CallStatus", "completed"));
    }
    let document = line.document(action, &more).await?;
    // Nobody is left to whom it could be played.
    if has_left { Err(Stop::Left) } else { Ok(Some(document)) }
}

fn begin_leg<'a>(line: &Line<'a>, dial: &Dial, leg_sid: &str) -> Rung<'a> {
    let state = line.state;
    let param = |name: &str| {
        line.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let from = dial.caller_id.clone().unwrap_or_else(|| param("From"));
    let account_sid = param("AccountSid");
    let leg = PhoneCall {
        call_sid: leg_sid.to_owned(),
        parent_call_sid: Some(line.call_sid.clone()),
        account_sid: account_sid.clone(),
        direction: "outbound-dial",
        from: from.clone(),
        to: dial.number.clone(),
        status: "queued".to_owned(),
        heard: Vec::new(),
        pressed: String::new(),
        bridged: false,
        began_at: Utc::now(),
        answered_at: None,
        ended_at: None,
        duration_seconds: 0,
        error: None,
    };
    record::begin(state, leg);
    let mut params = params::incoming_call(&account_sid, leg_sid, &from, &dial.number, "");
    params.retain(|(name, _)| !matches!(name.as_str(), "CallStatus" | "Direction"));
    params.push(("Direction".to_owned(), "outbound-dial".to_owned()));
    params.push(("ParentCallSid".to_owned(), line.call_sid.clone()));
    Rung {
        state,
        call_sid: leg_sid.to_owned(),
        params,
        phone: state.phones.pick_up(&dial.number),
        timeout: dial.timeout,
        progress: Progress::new(dial.status_callback.clone(), dial.events.clone()),
    }
}

/// The caller has hung up, and with that the leg ends.
fn left(rung: &Rung<'_>, is_bridged: bool) -> LegEnd {
    let answered_at = record::of(rung.state, &rung.call_sid).and_then(|leg| leg.answered_at);
    let answered = answered_at.and_then(|at| (Utc::now() - at).to_std().ok()).map(|ago| Instant::now() - ago);
    let status = if is_bridged { "completed" } else { "canceled" };
    // A leg that was answered is completed, even if the caller never heard it.
    rung.end(if answered.is_some() { "completed" } else { "canceled" }, answered);
    let duration_seconds = answered.map_or(0, |since| rung.state.phones.seconds_since(since));
    LegEnd { status: status.to_owned(), is_bridged, duration_seconds }
}

/// The parameters of a dial's result.
fn result_of(state: &State, leg_sid: &str, end: &LegEnd) -> Vec<(&'static str, String)> {
    let mut result = vec![("DialCallSid", leg_sid.to_owned()), ("DialCallStatus", end.status.clone())];
    if state.phones.options().tells_bridged {
        result.push(("DialBridged", end.is_bridged.to_string()));
    }
    if end.status == "completed" {
        result.push(("DialCallDuration", end.duration_seconds.to_string()));
    }
    result
}
