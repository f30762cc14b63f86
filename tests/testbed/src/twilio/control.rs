//! `/_sim/…`: the in-process controls of a test, for a shell.

use std::collections::HashMap;
use std::sync::Arc;

use poem::http::StatusCode;
use poem::web::{Data, Json};
use poem::{Route, get, handler, post, put};
use serde::Deserialize;
use serde_json::{Value, json};

use super::faults::Faults;
use super::legs::Leg;
use super::messaging::MessagingService;
use super::network::{self, Call, CallResult, Text, TextResult};
use super::numbers::Numbers;
use super::phones::{self, CustomerCall, Phone, PlayedCall};
use super::state::{State, WebhookRoute};
use crate::sim::lock;

/// The routes below `/_sim`.
pub(super) fn routes() -> Route {
    Route::new()
        .at("/faults", put(set_faults).get(get_faults))
        .at("/numbers", put(set_numbers))
        .at("/services", put(set_services))
        .at("/legs", post(set_leg))
        .at("/messages", get(messages).delete(clear))
        .at("/callbacks", get(callbacks))
        .at("/requests", get(requests))
        .at("/media_requests", get(media_requests))
        .at("/webhook_url", put(set_webhook_url))
        .at("/sms", post(sms))
        .at("/call", post(call))
        .at("/ring", post(ring))
        .at("/phones", put(set_phones))
        .at("/phone_calls", get(phone_calls))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookUrl {
    webhook_url: String,
    #[serde(default)]
    webhook_target: Option<String>,
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

#[handler]
fn set_numbers(Json(numbers): Json<Numbers>, Data(state): Data<&Arc<State>>) -> StatusCode {
    *lock(&state.numbers) = numbers;
    StatusCode::NO_CONTENT
}

#[handler]
fn set_services(Json(services): Json<Vec<MessagingService>>, Data(state): Data<&Arc<State>>) -> StatusCode {
    *lock(&state.services) = services;
    StatusCode::NO_CONTENT
}

#[handler]
fn set_leg(Json(leg): Json<Leg>, Data(state): Data<&Arc<State>>) -> StatusCode {
    state.set_leg(leg);
    StatusCode::NO_CONTENT
}

#[handler]
fn messages(Data(state): Data<&Arc<State>>) -> Json<Value> {
    Json(json!({"messages": state.messages.snapshot()}))
}

#[handler]
fn clear(Data(state): Data<&Arc<State>>) -> StatusCode {
    state.clear();
    StatusCode::NO_CONTENT
}

#[handler]
fn callbacks(Data(state): Data<&Arc<State>>) -> Json<Value> {
    Json(json!({"callbacks": state.callbacks.snapshot()}))
}

#[handler]
fn requests(Data(state): Data<&Arc<State>>) -> Json<Value> {
    Json(json!({"requests": *lock(&state.outcomes)}))
}

#[handler]
fn media_requests(Data(state): Data<&Arc<State>>) -> Json<Value> {
    Json(json!({"media_requests": state.media_requests.snapshot()}))
}

#[handler]
fn set_webhook_url(Json(url): Json<WebhookUrl>, Data(state): Data<&Arc<State>>) -> StatusCode {
    *lock(&state.route) = WebhookRoute { public_url: Some(url.webhook_url), target: url.webhook_target };
    StatusCode::NO_CONTENT
}

#[handler]
async fn sms(Json(text): Json<Text>, Data(state): Data<&Arc<State>>) -> poem::Result<Json<TextResult>> {
    network::text(state, text).await.map(Json).map_err(unreachable)
}

#[handler]
async fn call(Json(call): Json<Call>, Data(state): Data<&Arc<State>>) -> poem::Result<Json<CallResult>> {
    network::call(state, call).await.map(Json).map_err(unreachable)
}

#[handler]
async fn ring(Json(customer): Json<CustomerCall>, Data(state): Data<&Arc<State>>) -> poem::Result<Json<PlayedCall>> {
    phones::ring(state, customer).await.map(Json).map_err(unreachable)
}

/// How phones behave in their next calls, by number.
#[handler]
fn set_phones(Json(scripts): Json<HashMap<String, Vec<Phone>>>, Data(state): Data<&Arc<State>>) -> StatusCode {
    for (number, script) in scripts {
        state.phones.set(&number, script);
    }
    StatusCode::NO_CONTENT
}

#[handler]
fn phone_calls(Data(state): Data<&Arc<State>>) -> Json<Value> {
    Json(json!({"phone_calls": state.phones.calls().snapshot(), "twiml_faults": state.phones.faults()}))
}

/// The server under test did not answer, or none is set; the full error, for the user of the shell.
fn unreachable(error: anyhow::Error) -> poem::Error {
    poem::Error::from_string(format!("{error:#}\n"), StatusCode::BAD_GATEWAY)
}
