//! The HTTP interface: `POST /v1/conversations/analyze`, `POST /dispatch/process` and `GET /health` of the other dialect,
//! and `/_sim/…` for shells.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use chrono::{SecondsFormat, Utc};
use poem::http::StatusCode;
use poem::web::{Data, Json};
use poem::{IntoResponse, Request, Response, Route, get, handler, post, put};
use serde_json::{Value, json};

use super::answer::answer;
use super::dispatch_bot_ai;
use super::faults::{Fault, Faults};
use super::request::problems;
use super::spoil::{error, error_of_dispatch_bot_ai, respond, spoiled, wrong_types, wrong_types_of_dispatch_bot_ai};
use crate::sim::{Connections, Journal, lock};

pub(super) struct State {
    pub(super) api_key: String,
    pub(super) faults: Mutex<Faults>,
    pub(super) scripted: Mutex<VecDeque<Value>>,
    pub(super) requests: Journal<Value>,
    pub(super) answers: Journal<Answered>,
}

/// An answer that is about to be sent, though its client may have disconnected.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The customer's number in the request.
    pub customer: String,
    /// The message to the customer.
    pub message: String,
}

pub(super) fn routes() -> Route {
    let dialects = Route::new()
        .at("/v1/conversations/analyze", post(analyze))
        .at("/dispatch/process", post(process))
        .at("/health", get(health));
    dialects.nest(
        "/_sim",
        Route::new()
            .at("/faults", put(set_faults).get(get_faults))
            .at("/answers", post(script).delete(forget_answers))
            .at("/requests", get(requests).delete(clear)),
    )
}

/// What the dialects have of their own.
pub(super) struct Dialect {
    /// The header with the key, and what comes before the key in it.
    key: (&'static str, &'static str),
    /// The field with the customer's number.
    customer: &'static str,
    /// How a wrong key is answered.
    forbidden: u16,
    problems: fn(&Value) -> Vec<String>,
    /// Answers a valid request, with the faults that change fields.
    answer: fn(&Value, &[Fault]) -> Value,
    /// Where an answer has its message.
    message: &'static str,
    /// The same in an error.
    pub(super) error: fn(u16, &str, &str, &[String]) -> Response,
    /// Half an answer.
    pub(super) half: &'static str,
    pub(super) wrong_types: fn() -> Value,
}

const V1: Dialect = Dialect {
    key: ("authorization", "Bearer "),
    customer: "customer_phone",
    forbidden: 401,
    problems,
    answer: |request, faults| spoiled(answer(request), faults, request),
    message: "/message_to_customer",
    error,
    half: r#"{"success": true, "job_type": "plumb"#,
    wrong_types,
};

const DISPATCH_BOT_AI: Dialect = Dialect {
    key: ("x-service-key", ""),
    customer: "caller_phone",
    forbidden: 403,
    problems: dispatch_bot_ai::problems,
    answer: |request, faults| {
        let asked = dispatch_bot_ai::in_v1(request);
        let answered = answer(&asked);
        let unspoiled = dispatch_bot_ai::of_v1(&answered, request);
        let problems = dispatch_bot_ai::problems_of_answer(&unspoiled);
        assert!(problems.is_empty(), "the simulator's own answer does not fit: {problems:?}");
        dispatch_bot_ai::of_v1(&spoiled(answered, faults, &asked), request)
    },
    message: "/next_action/message_to_customer",
    error: error_of_dispatch_bot_ai,
    half: r#"{"extracted_info": {"job_type": "plumb"#,
    wrong_types: wrong_types_of_dispatch_bot_ai,
};

#[handler]
async fn analyze(
    request: &Request,
    body: Vec<u8>,
    Data(state): Data<&Arc<State>>,
    Data(connections): Data<&Connections>,
) -> Response {
    answered(&V1, request, &body, state, connections).await
}

#[handler]
async fn process(
    request: &Request,
    body: Vec<u8>,
    Data(state): Data<&Arc<State>>,
    Data(connections): Data<&Connections>,
) -> Response {
    answered(&DISPATCH_BOT_AI, request, &body, state, connections).await
}

#[handler]
fn health(Data(state): Data<&Arc<State>>) -> Json<Value> {
    Json(dispatch_bot_ai::health(lock(&state.faults).unhealthy))
}

async fn answered(
    dialect: &Dialect,
    request: &Request,
    body: &[u8],
    state: &State,
    connections: &Connections,
) -> Response {
    let (header, prefix) = dialect.key;
    let key = request.header(header).and_then(|value| value.strip_prefix(prefix));
    let authorized = key == Some(state.api_key.as_str());
    let Ok(asked) = serde_json::from_slice::<Value>(body) else {
        record(state, json!({"problems": ["body: not JSON"], "answered_with": 400}));
        return (dialect.error)(400, "INVALID_JSON", "The body is not JSON", &[]);
    };
    if !authorized {
        record(state, with_outcome(&asked, dialect.forbidden, &[]));
        return (dialect.error)(dialect.forbidden, "UNAUTHORIZED", "The API key is missing or wrong", &[]);
    }
    let problems = (dialect.problems)(&asked);
    if !problems.is_empty() {
        record(state, with_outcome(&asked, 422, &problems));
        return (dialect.error)(422, "VALIDATION_FAILED", "The request is not what the contract says", &problems);
    }
    let number = asked[dialect.customer].as_str().unwrap_or_default();
    let faults = lock(&state.faults).rules.take(number, |_| true);
    let scripted = lock(&state.scripted).pop_front();
    let status = faults.iter().find_map(|fault| match fault {
        Fault::Respond(status) => Some(*status),
        Fault::HoldForever | Fault::Drop => Some(0),
        _ => None,
    });
    let mut entry = with_outcome(&asked, status.unwrap_or(200), &[]);
    if let Some(trace) = request.header("traceparent") {
        entry["traceparent"] = json!(trace);
    }
    record(state, entry);
    for fault in &faults {
        match fault {
            Fault::Delay(span) => tokio::time::sleep(span.pick(rand::random())).await,
            Fault::HoldForever => std::future::pending().await,
            Fault::Drop => {
                connections.cut(request.remote_addr());
                return StatusCode::OK.into_response(); // never reaches the client
            }
            _ => {}
        }
    }
    take_latency(state).await;
    let answer = scripted.unwrap_or_else(|| (dialect.answer)(&asked, &faults));
    let message = answer.pointer(dialect.message).and_then(Value::as_str).unwrap_or_default().to_owned();
    state.answers.push(Answered { customer: number.to_owned(), message });
    respond(&answer, &faults, dialect)
}

/// Waits as long as an answer takes.
async fn take_latency(state: &State) {
    let latency = lock(&state.faults).latency;
    if let Some(latency) = latency {
        let time = latency.draw(&mut rand::rng());
        tokio::time::sleep(time).await;
    }
}

fn with_outcome(asked: &Value, status: u16, problems: &[String]) -> Value {
    let mut entry = if asked.is_object() { asked.clone() } else { json!({"body": asked}) };
    entry["answered_with"] = json!(status);
    entry["problems"] = json!(problems);
    entry
}

fn record(state: &State, mut entry: Value) {
    entry["received_at"] = json!(Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true));
    state.requests.push(entry);
}

#[handler]
fn set_faults(Json(faults): Json<Faults>, Data(state): Data<&Arc<State>>) -> StatusCode {
    *lock(&state.faults) = faults;
    StatusCode::NO_CONTENT
}

#[handler]
fn get_faults(Data(state): Data<&Arc<State>>) -> Json<Faults> {
    Json(lock(&state.faults).clone())
}

/// One answer, or an array of answers, for the next requests.
#[handler]
fn script(Json(answers): Json<Value>, Data(state): Data<&Arc<State>>) -> StatusCode {
    let mut scripted = lock(&state.scripted);
    match answers {
        Value::Array(answers) => scripted.extend(answers),
        answer => scripted.push_back(answer),
    }
    StatusCode::NO_CONTENT
}

#[handler]
fn forget_answers(Data(state): Data<&Arc<State>>) -> StatusCode {
    lock(&state.scripted).clear();
    StatusCode::NO_CONTENT
}

#[handler]
fn requests(Data(state): Data<&Arc<State>>) -> Json<Value> {
    Json(json!({"requests": state.requests.snapshot()}))
}

#[handler]
fn clear(Data(state): Data<&Arc<State>>) -> StatusCode {
    state.requests.clear();
    StatusCode::NO_CONTENT
}
