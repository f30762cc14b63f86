//! `POST …/Messages.json`: accepts a message, subject to the configured faults.
//!
//! Acceptance runs in its own task, so that a client that disconnects early does not undo it; Twilio behaves the same.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use poem::http::{StatusCode, header};
use poem::web::{Data, Path};
use poem::{IntoResponse, Request, Response, handler};
use rand::RngExt;

use super::check::{Form, authorize};
use super::error::ApiError;
use super::faults::Fault;
use super::message::SentMessage;
use super::sid::sid;
use super::state::State;
use super::{callbacks, header_text};
use crate::sim::{Connections, Span, lock};

/// The result of a request.
enum Outcome {
    Refused(ApiError),
    Cut,
    Accepted { message: Box<SentMessage>, ending: Ending },
}

/// How an accepted request is answered.
enum Ending {
    Answer(Span),
    Cut,
    Silence,
    Error(ApiError),
}

#[handler]
pub(super) async fn create(
    request: &Request,
    Path(account): Path<String>,
    body: Vec<u8>,
    Data(state): Data<&Arc<State>>,
    Data(connections): Data<&Connections>,
) -> Response {
    let accepting = accept(state.clone(), account, header_text(request, header::AUTHORIZATION), Form::parse(&body));
    let cut = || {
        connections.cut(request.remote_addr());
        StatusCode::OK.into_response() // never reaches the client
    };
    match tokio::spawn(accepting).await {
        Err(_) | Ok(Outcome::Cut) => cut(),
        Ok(Outcome::Refused(error)) => error.into_response(),
        Ok(Outcome::Accepted { message, ending }) => match ending {
            Ending::Answer(hold) => {
                state.pause(hold).await;
                state.take_latency().await;
                state.change_message(&message.sid, |message| message.answered = true);
                let created = Response::builder().status(StatusCode::CREATED).content_type("application/json");
                created.body(message.resource().to_string())
            }
            Ending::Cut => cut(),
            Ending::Silence => std::future::pending().await,
            Ending::Error(error) => error.into_response(),
        },
    }
}

async fn accept(state: Arc<State>, account: String, authorization: Option<String>, form: Form) -> Outcome {
    if let Err(error) = authorize(&state, &account, authorization.as_deref()) {
        state.count("unauthorized");
        return Outcome::Refused(error);
    }
    let faults = state.take_faults(&form.to, Fault::is_of_message);
    for fault in &faults {
        match fault {
            Fault::Delay(span) => state.pause(*span).await,
            Fault::DropBefore => {
                state.count("dropped_before");
                return Outcome::Cut;
            }
            Fault::Respond(refusal) => {
                state.count(format!("fault_{}", refusal.status));
                return Outcome::Refused(refusal.clone().into());
            }
            _ => {}
        }
    }
    let opted_out = lock(&state.faults).opted_out.clone();
    if let Err(error) = form.check(&opted_out) {
        state.count(format!("refused_{}", error.code));
        return Outcome::Refused(error);
    }
    let message = store(&state, account, form, &faults);
    callbacks::start(state.clone(), message.clone(), &faults);
    Outcome::Accepted { message: Box::new(message), ending: ending(&state, &faults) }
}

fn store(state: &State, account_sid: String, form: Form, faults: &[Fault]) -> SentMessage {
    let now = Utc::now();
    let hidden = faults.iter().find_map(|fault| match fault {
        Fault::HideFromList(time) => TimeDelta::from_std(*time).ok(),
        _ => None,
    });
    let message = SentMessage {
        sid: sid("SM", lock(&state.random).random()),
        account_sid,
        to: form.to,
        from: form.from,
        body: form.body,
        media_urls: form.media_urls,
        status_callback: form.status_callback,
        validity_period: form.validity_period.and_then(|text| text.parse().ok()),
        status: "queued".to_owned(),
        error_code: None,
        accepted_at: now,
        sent_at: None,
        updated_at: now,
        answered: false,
        listed_from: hidden.map_or(now, |time| now + time),
        direction: "outbound-api",
    };
    state.messages.push(message.clone());
    message
}

fn ending(state: &State, faults: &[Fault]) -> Ending {
    let mut hold = Span::default();
    for fault in faults {
        match fault {
            Fault::DropAfter => {
                state.count("dropped_after");
                return Ending::Cut;
            }
            Fault::SilentAfter => {
                state.count("silent_after");
                return Ending::Silence;
            }
            Fault::RespondAfter(refusal) => {
                state.count(format!("accepted_but_{}", refusal.status));
                return Ending::Error(refusal.clone().into());
            }
            Fault::Hold(span) => hold = *span,
            _ => {}
        }
    }
    state.count("accepted");
    Ending::Answer(hold)
}
