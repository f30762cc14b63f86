//! `POST …/Calls.json`: places a call, subject to Twilio's checks, its rate and the configured faults; and
//! `GET …/Calls/{Sid}.json`.
//!
//! As with messages, a call is placed by a task of its own: a client that disconnects early does not undo it.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use poem::http::{StatusCode, header};
use poem::web::{Data, Json, Path};
use poem::{IntoResponse, Request, Response, handler};
use serde_json::Value;
use tokio::time::Instant;

use super::super::check::{authorize, is_e164, is_http};
use super::super::error::ApiError;
use super::super::faults::Fault;
use super::super::header_text;
use super::super::legs::{Leg, ListedCall};
use super::super::numbers;
use super::super::sid::new_call_sid;
use super::super::state::State;
use super::super::webhooks::params;
use super::document::event_of;
use super::leg::Rung;
use super::play::Stop;
use super::progress::Progress;
use super::record::{self, PhoneCall};
use crate::sim::{Connections, Span, lock};

/// An account may place one call in this time. A bit less than a second, because the time of a request varies.
const EACH: Duration = Duration::from_millis(950);

/// The form of a request.
#[derive(Clone, Debug, Default)]
struct Form {
    to: String,
    from: String,
    url: String,
    status_callback: Option<String>,
    events: Vec<String>,
    timeout: Option<String>,
}

impl Form {
    fn parse(bytes: &[u8]) -> Self {
        let mut form = Self::default();
        for (key, value) in url::form_urlencoded::parse(bytes).into_owned() {
            match key.as_str() {
                "To" => form.to = value,
                "From" => form.from = value,
                "Url" => form.url = value,
                "StatusCallback" => form.status_callback = Some(value).filter(|url| !url.is_empty()),
                "StatusCallbackEvent" => form.events.extend(value.split_whitespace().map(str::to_owned)),
                "Timeout" => form.timeout = Some(value),
                // `MachineDetection` and the rest change nothing for these phones.
                _ => {}
            }
        }
        form
    }

    /// Checks a request as Twilio does, and refuses with Twilio's errors.
    fn check(&self, state: &State, account: &str) -> Result<(), ApiError> {
        let refuse = |code, message: String| Err(ApiError::bad_request(code, message));
        let (to, from) = (&self.to, &self.from);
        if to.is_empty() {
            return refuse(21201, "No 'To' number is specified".to_owned());
        }
        if from.is_empty() {
            return refuse(21213, "No 'From' number is specified".to_owned());
        }
        if !is_http(&self.url) {
            return refuse(21205, format!("Url is not a valid URL: {}", self.url));
        }
        if !is_e164(to) {
            return refuse(21211, format!("The phone number you are attempting to call, {to}, is not valid."));
        }
        match to.as_str() {
            "+15005550001" => return refuse(21217, format!("Phone number does not appear to be valid: {to}")),
            "+15005550002" => return refuse(21214, format!("'To' phone number {to} cannot be reached")),
            "+15005550003" => return refuse(21215, format!("Account not authorized to call {to}")),
            "+15005550004" => return refuse(21216, format!("Account not allowed to call {to}")),
            _ => {}
        }
        if !is_e164(from) || from == "+15005550001" {
            return refuse(21212, format!("The source phone number provided, {from}, is not valid."));
        }
        if !numbers::has(state, account, from) {
            return refuse(
                21210,
                format!("The source phone number provided, {from}, is not yet verified for your account."),
            );
        }
        if self.status_callback.as_deref().is_some_and(|url| !is_http(url)) {
            return refuse(21609, "The 'StatusCallback' URL is not a valid URL".to_owned());
        }
        if let Some(why) = self.events.iter().find_map(|event| event_of(event, "StatusCallbackEvent").err()) {
            return refuse(21626, why);
        }
        if self.timeout().is_none() {
            return refuse(20001, "Timeout must be from 1 to 600 seconds".to_owned());
        }
        Ok(())
    }

    /// For how long the phone may ring, in seconds.
    fn timeout(&self) -> Option<u32> {
        let Some(text) = &self.timeout else { return Some(60) };
        text.parse().ok().filter(|seconds| (1..=600).contains(seconds))
    }
}

/// The result of a request.
enum Outcome {
    Refused(ApiError),
    Cut,
    Silence,
    Placed(Box<ListedCall>, Span),
}

#[handler]
pub(in super::super) async fn create(
    request: &Request,
    Path(account): Path<String>,
    body: Vec<u8>,
    Data(state): Data<&Arc<State>>,
    Data(connections): Data<&Connections>,
) -> Response {
    let placing = place(state.clone(), account, header_text(request, header::AUTHORIZATION), Form::parse(&body));
    match tokio::spawn(placing).await {
        Ok(Outcome::Refused(error)) => error.into_response(),
        Ok(Outcome::Placed(call, hold)) => {
            state.pause(hold).await;
            let created = Response::builder().status(StatusCode::CREATED).content_type("application/json");
            created.body(call.resource().to_string())
        }
        Ok(Outcome::Silence) => std::future::pending().await,
        Err(_) | Ok(Outcome::Cut) => {
            connections.cut(request.remote_addr());
            StatusCode::OK.into_response() // never reaches the client
        }
    }
}

async fn place(state: Arc<State>, account: String, authorization: Option<String>, form: Form) -> Outcome {
    if let Err(error) = authorize(&state, &account, authorization.as_deref()) {
        state.count("unauthorized");
        return Outcome::Refused(error);
    }
    let faults: Vec<Fault> = state.take_faults(&form.to, |fault| matches!(fault, Fault::Call(_)));
    let faults: Vec<Fault> = faults.into_iter().filter_map(Fault::of_call).collect();
    for fault in &faults {
        match fault {
            Fault::Delay(span) => state.pause(*span).await,
            Fault::DropBefore => {
                state.count("call_dropped_before");
                return Outcome::Cut;
            }
            Fault::Respond(refusal) => {
                state.count(format!("call_fault_{}", refusal.status));
                return Outcome::Refused(refusal.clone().into());
            }
            _ => {}
        }
    }
    let refusal = form.check(&state, &account).and_then(|()| within_rate(&state, &account));
    if let Err(error) = refusal {
        state.count(format!("call_refused_{}", error.code));
        return Outcome::Refused(error);
    }
    let listed = begin(&state, account, form);
    let mut hold = Span::default();
    for fault in &faults {
        match fault {
            Fault::DropAfter => {
                state.count("call_dropped_after");
                return Outcome::Cut;
            }
            Fault::SilentAfter => {
                state.count("call_silent_after");
                return Outcome::Silence;
            }
            Fault::RespondAfter(refusal) => {
                state.count(format!("call_placed_but_{}", refusal.status));
                return Outcome::Refused(refusal.clone().into());
            }
            Fault::Hold(span) => hold = *span,
            _ => {}
        }
    }
    state.count("call_placed");
    Outcome::Placed(Box::new(listed), hold)
}

/// Refuses a call that comes within a second after another one of the same account.
fn within_rate(state: &State, account: &str) -> Result<(), ApiError> {
    let now = Instant::now();
    let mut placed = lock(&state.phones.placed);
    if placed.get(account).is_some_and(|last| now.duration_since(*last) < EACH) {
        let message = "Too many calls per second for this account".to_owned();
        return Err(ApiError { status: 429, code: 20429, message, retry_after_seconds: Some(1) });
    }
    placed.insert(account.to_owned(), now);
    Ok(())
}

/// Records the call, and lets its phone ring in the background.
fn begin(state: &Arc<State>, account_sid: String, form: Form) -> ListedCall {
    let call_sid = new_call_sid();
    let call = PhoneCall {
        call_sid: call_sid.clone(),
        parent_call_sid: None,
        account_sid: account_sid.clone(),
        direction: "outbound-api",
        from: form.from.clone(),
        to: form.to.clone(),
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
    record::begin(state, call);
    let listed = lock(&state.calls).iter().rev().find(|call| call.sid == call_sid).cloned();
    let (state, life) = (state.clone(), state.life.clone());
    let sid = call_sid.clone();
    tokio::spawn(async move { life.run_until_cancelled(play(&state, &account_sid, &sid, form)).await });
    listed.unwrap_or_else(|| ListedCall::missing(call_sid))
}

async fn play(state: &State, account: &str, call_sid: &str, form: Form) {
    let mut params = params::incoming_call(account, call_sid, &form.from, &form.to, "");
    params.retain(|(name, _)| !matches!(name.as_str(), "CallStatus" | "Direction"));
    params.push(("Direction".to_owned(), "outbound-api".to_owned()));
    let events = if form.events.is_empty() { vec!["completed".to_owned()] } else { form.events.clone() };
    let rung = Rung {
        state,
        call_sid: call_sid.to_owned(),
        params,
        phone: state.phones.pick_up(&form.to),
        timeout: f64::from(form.timeout().unwrap_or(60)),
        progress: Progress::new(form.status_callback.clone(), events),
    };
    let mut line = match rung.ring(true).await {
        Ok(line) => line,
        Err(status) => return rung.end(status, None),
    };
    let answered = Instant::now();
    match line.play(&form.url).await {
        // At the end of its documents a call is hung up.
        Ok(()) | Err(Stop::Left | Stop::HungUp | Stop::Rejected(_) | Stop::Error(_)) => {
            rung.end("completed", Some(answered));
        }
    }
}

#[handler]
pub(in super::super) async fn fetch(
    request: &Request,
    Path((account, file)): Path<(String, String)>,
    Data(state): Data<&Arc<State>>,
) -> Result<Json<Value>, ApiError> {
    authorize(state, &account, header_text(request, header::AUTHORIZATION).as_deref())?;
    let sid = file.strip_suffix(".json").unwrap_or(&file);
    let call = lock(&state.calls).iter().find(|call| call.sid == sid && call.account_sid == account).cloned();
    let leg = lock(&state.legs).iter().find(|leg| leg.call_sid == sid).cloned();
    state.count(if call.is_some() || leg.is_some() { "call_fetched" } else { "not_found" });
    let found = call.map(|call| call.resource()).or_else(|| leg.map(|leg: Leg| leg.resource(&account)));
    found.map(Json).ok_or_else(|| ApiError::not_found(request.uri().path()))
}
