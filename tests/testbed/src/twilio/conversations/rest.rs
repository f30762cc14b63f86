//! `/v1/Conversations…` and the Media Content Service.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use poem::http::{StatusCode, header};
use poem::web::{Data, Json, Path};
use poem::{IntoResponse, Request, Response, handler};
use serde_json::Value;
use url::form_urlencoded::parse;

use super::webhooks;
use super::{Conversation, Participant, PostedMessage, carried};
use crate::sim::{Connections, lock};
use crate::twilio::check::{authorize, credentials, is_e164};
use crate::twilio::error::ApiError;
use crate::twilio::faults::{Endpoint, Fault};
use crate::twilio::header_text;
use crate::twilio::list::parameter;
use crate::twilio::media;
use crate::twilio::page::page;
use crate::twilio::sid::{new_message_sid, sid};
use crate::twilio::state::State;

/// Maximum length of a message in characters.
const MAX_BODY: usize = 1600;
/// Maximum length of a page.
const MAX_PAGE_SIZE: usize = 100;

type Form = Vec<(String, String)>;

fn form(body: &[u8]) -> Form {
    parse(body).into_owned().collect()
}

fn field(form: &Form, name: &str) -> Option<String> {
    form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
}

/// The account whose credentials the request has.
fn account(state: &State, request: &Request) -> Result<String, ApiError> {
    let authorization = header_text(request, header::AUTHORIZATION);
    let user = authorization.as_deref().and_then(credentials).map(|(user, _)| user);
    let account = user.ok_or_else(ApiError::unauthorized)?;
    authorize(state, &account, authorization.as_deref())?;
    Ok(account)
}

fn wants_webhooks(request: &Request) -> bool {
    let wants = request.headers().get("X-Twilio-Webhook-Enabled").and_then(|value| value.to_str().ok());
    wants.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

fn base(state: &State) -> String {
    state.base_url.get().cloned().unwrap_or_default()
}

fn created(resource: &Value) -> Response {
    Response::builder().status(StatusCode::CREATED).content_type("application/json").body(resource.to_string())
}

/// A conversation of the account, as it is.
fn find(state: &State, request: &Request, account: &str, conversation: &str) -> Result<Conversation, ApiError> {
    let found = state.conversations.change(account, conversation, |found| found.clone());
    found.ok_or_else(|| ApiError::not_found(request.uri().path()))
}

/// `POST /v1/Conversations`.
#[handler]
pub(in crate::twilio) async fn create(
    request: &Request,
    body: Vec<u8>,
    Data(state): Data<&Arc<State>>,
) -> Result<Response, ApiError> {
    let (account, form) = (account(state, request)?, form(&body));
    if let Some(refusal) = state.take_refusal(Endpoint::NewConversations, "") {
        return Err(refusal.into());
    }
    let attributes = field(&form, "Attributes").unwrap_or_else(|| "{}".to_owned());
    let conversation = state.conversations.create(&account, field(&form, "FriendlyName"), attributes);
    state.count("conversation_created");
    if wants_webhooks(request) {
        let (state, conversation) = (state.clone(), conversation.clone());
        tokio::spawn(async move { webhooks::added(&state, &conversation).await });
    }
    Ok(created(&conversation.resource(&base(state))))
}

/// `GET /v1/Conversations`.
#[handler]
pub(in crate::twilio) fn list(request: &Request, Data(state): Data<&Arc<State>>) -> Result<Json<Value>, ApiError> {
    let account = account(state, request)?;
    let all = lock(&state.conversations.all).clone();
    let base = base(state);
    let own: Vec<Value> = all.iter().filter(|one| one.account_sid == account).map(|one| one.resource(&base)).collect();
    Ok(Json(page(&base, request, "conversations", &own, MAX_PAGE_SIZE)))
}

/// `GET /v1/Conversations/{Sid}`.
#[handler]
pub(in crate::twilio) fn fetch(
    request: &Request,
    Path(conversation): Path<String>,
    Data(state): Data<&Arc<State>>,
) -> Result<Json<Value>, ApiError> {
    let account = account(state, request)?;
    if let Some(refusal) = state.take_refusal(Endpoint::Conversations, "") {
        return Err(refusal.into());
    }
    let found = find(state, request, &account, &conversation)?;
    Ok(Json(found.resource(&base(state))))
}

/// `POST /v1/Conversations/{Sid}`: changes the state.
#[handler]
pub(in crate::twilio) async fn update(
    request: &Request,
    Path(conversation): Path<String>,
    body: Vec<u8>,
    Data(state): Data<&Arc<State>>,
) -> Result<Json<Value>, ApiError> {
    let account = account(state, request)?;
    let before = find(state, request, &account, &conversation)?;
    let wanted = field(&form(&body), "State").unwrap_or_else(|| before.state.clone());
    state.conversations.change(&account, &conversation, |found| found.state.clone_from(&wanted));
    let after = find(state, request, &account, &conversation)?;
    if wants_webhooks(request) && before.state != after.state {
        webhooks::state_updated(state, &after, &before.state).await;
    }
    Ok(Json(after.resource(&base(state))))
}

/// `DELETE /v1/Conversations/{Sid}`.
#[handler]
pub(in crate::twilio) fn delete(
    request: &Request,
    Path(conversation): Path<String>,
    Data(state): Data<&Arc<State>>,
) -> Result<StatusCode, ApiError> {
    let account = account(state, request)?;
    find(state, request, &account, &conversation)?;
    lock(&state.conversations.all).retain(|one| one.sid != conversation || one.account_sid != account);
    Ok(StatusCode::NO_CONTENT)
}

/// `POST …/Participants`.
#[handler]
pub(in crate::twilio) fn add_participant(
    request: &Request,
    Path(conversation): Path<String>,
    body: Vec<u8>,
    Data(state): Data<&Arc<State>>,
    Data(connections): Data<&Connections>,
) -> Result<Response, ApiError> {
    let (account, form) = (account(state, request)?, form(&body));
    find(state, request, &account, &conversation)?;
    let address = field(&form, "MessagingBinding.Address").unwrap_or_default();
    let proxy = field(&form, "MessagingBinding.ProxyAddress").unwrap_or_default();
    let identity = field(&form, "Identity");
    if identity.is_none() && !is_e164(&address) {
        return Err(ApiError::bad_request(50407, "Invalid messaging binding address"));
    }
    if !proxy.is_empty() && !is_e164(&proxy) {
        return Err(ApiError::bad_request(50408, "Invalid messaging binding proxy address"));
    }
    if !proxy.is_empty()
        && let Some((named, _)) = state.conversations.of_pair(&account, &address, &proxy)
    {
        state.count("refused_50416");
        let message =
            format!("A binding for this participant and proxy address already exists in Conversation {named}");
        return Err(ApiError { status: 409, ..ApiError::bad_request(50416, message) });
    }
    let faults = state.take_faults(&address, |fault| matches!(fault, Fault::AddParticipant(_)));
    let fault = faults.into_iter().find_map(Fault::of_participant);
    match &fault {
        Some(Fault::Respond(refusal)) => return Err(refusal.clone().into()),
        Some(Fault::DropBefore) => return Ok(cut(request, connections)),
        _ => {}
    }
    let participant = Participant::new(identity, &address, &proxy);
    let add = |found: &mut Conversation| {
        found.participants.push(participant.clone());
        found.clone()
    };
    let conversation = state.conversations.change(&account, &conversation, add);
    let conversation = conversation.ok_or_else(|| ApiError::not_found(request.uri().path()))?;
    match fault {
        Some(Fault::RespondAfter(refusal)) => Err(refusal.into()),
        Some(Fault::DropAfter) => Ok(cut(request, connections)),
        _ => Ok(created(&participant.resource(&base(state), &conversation))),
    }
}

/// Closes the connection; the answer never reaches the client.
fn cut(request: &Request, connections: &Connections) -> Response {
    connections.cut(request.remote_addr());
    StatusCode::OK.into_response()
}

/// `GET …/Participants`.
#[handler]
pub(in crate::twilio) fn participants(
    request: &Request,
    Path(conversation): Path<String>,
    Data(state): Data<&Arc<State>>,
) -> Result<Json<Value>, ApiError> {
    let found = find(state, request, &account(state, request)?, &conversation)?;
    let base = base(state);
    let all: Vec<Value> = found.participants.iter().map(|one| one.resource(&base, &found)).collect();
    Ok(Json(page(&base, request, "participants", &all, MAX_PAGE_SIZE)))
}

/// `GET …/Participants/{Sid}`.
#[handler]
pub(in crate::twilio) fn fetch_participant(
    request: &Request,
    Path((conversation, participant)): Path<(String, String)>,
    Data(state): Data<&Arc<State>>,
) -> Result<Json<Value>, ApiError> {
    state.count("participant_fetched");
    let account = account(state, request)?;
    if let Some(refusal) = state.take_refusal(Endpoint::Participants, "") {
        return Err(refusal.into());
    }
    let found = find(state, request, &account, &conversation)?;
    let one = found.participants.iter().find(|one| one.sid == participant);
    let one = one.ok_or_else(|| ApiError::not_found(request.uri().path()))?;
    Ok(Json(one.resource(&base(state), &found)))
}

/// `POST …/Messages`, subject to the faults of an SMS to the customer.
#[handler]
pub(in crate::twilio) async fn post(
    request: &Request,
    Path(conversation): Path<String>,
    body: Vec<u8>,
    Data(state): Data<&Arc<State>>,
    Data(connections): Data<&Connections>,
) -> Result<Response, ApiError> {
    let account = account(state, request)?;
    let found = find(state, request, &account, &conversation)?;
    let form = form(&body);
    let author = field(&form, "Author").unwrap_or_else(|| "system".to_owned());
    let (state, wants_webhooks) = (state.clone(), wants_webhooks(request));
    let is_author = |one: &&Participant| one.address == author || one.identity.as_deref() == Some(&*author);
    let participant_sid = found.participants.iter().find(is_author).map(|one| one.sid.clone());
    let others = found.participants.iter().filter(|one| !is_author(one) && one.identity.is_none());
    let others: Vec<(String, String)> = others.map(|one| (one.address.clone(), one.proxy_address.clone())).collect();
    let to = others.first().map(|(address, _)| address.clone()).unwrap_or_default();
    let faults = state.take_faults(&to, Fault::is_of_message);
    // As with an SMS, a client that hangs up does not undo it.
    let accepting = tokio::spawn(async move {
        for fault in &faults {
            match fault {
                Fault::Delay(span) => state.pause(*span).await,
                Fault::DropBefore => return Ok(None),
                Fault::Respond(refusal) => return Err(ApiError::from(refusal.clone())),
                _ => {}
            }
        }
        let body = field(&form, "Body").unwrap_or_default();
        check(&state, &found, &others, &body)?;
        let now = Utc::now();
        let hidden = faults.iter().find_map(|fault| match fault {
            Fault::HideFromList(time) => TimeDelta::from_std(*time).ok(),
            _ => None,
        });
        let message = state.conversations.push(PostedMessage {
            sid: sid("IM", rand::random()),
            conversation_sid: found.sid,
            account_sid: found.account_sid,
            participant_sid,
            author,
            body,
            attributes: field(&form, "Attributes").unwrap_or_else(|| "{}".to_owned()),
            media: Vec::new(),
            source: "API",
            index: 0,
            to: others.iter().map(|(address, _)| address.clone()).collect(),
            created_at: now,
            listed_from: hidden.map_or(now, |time| now + time),
        });
        for (address, proxy) in &others {
            let sms = carried(&message, &new_message_sid(), proxy, address, "outbound-api");
            lock(&state.conversations.carried).push(sms);
        }
        state.count("posted");
        report(&state, &message, wants_webhooks, &faults);
        for fault in &faults {
            match fault {
                Fault::DropAfter => return Ok(None),
                Fault::SilentAfter => std::future::pending::<()>().await,
                Fault::RespondAfter(refusal) => return Err(refusal.clone().into()),
                Fault::Hold(span) => state.pause(*span).await,
                _ => {}
            }
        }
        Ok(Some(created(&message.resource(&base(&state)))))
    });
    match accepting.await {
        Ok(Ok(Some(response))) => Ok(response),
        Ok(Err(error)) => Err(error),
        Ok(Ok(None)) | Err(_) => Ok(cut(request, connections)),
    }
}

fn check(state: &State, to: &Conversation, others: &[(String, String)], body: &str) -> Result<(), ApiError> {
    if to.state == "closed" {
        // The code is not documented.
        return Err(ApiError::bad_request(50384, "The conversation is closed"));
    }
    if body.is_empty() {
        return Err(ApiError::bad_request(20001, "Body or MediaSid is required"));
    }
    if body.chars().count() > MAX_BODY {
        return Err(ApiError::bad_request(20001, format!("Body has more than {MAX_BODY} characters")));
    }
    let opted_out = lock(&state.faults).opted_out.clone();
    if others.iter().any(|(address, _)| opted_out.contains(address)) {
        return Err(ApiError::bad_request(21610, "Attempt to send to unsubscribed recipient"));
    }
    Ok(())
}

/// Posts the webhooks about a message that was posted by the API.
fn report(state: &Arc<State>, message: &PostedMessage, wants_webhooks: bool, faults: &[Fault]) {
    let last = faults.iter().rev().find_map(|fault| match fault {
        Fault::Deliver { status, error_code } => Some((status.clone(), *error_code)),
        _ => None,
    });
    let (last, code) = last.unwrap_or_else(|| ("delivered".to_owned(), None));
    let callbacks = lock(&state.faults).callbacks.clone();
    let (state, message) = (state.clone(), message.clone());
    tokio::spawn(async move {
        if wants_webhooks && callbacks.enabled {
            drop(webhooks::message_added(&state, &message).await);
        }
        if message.to.is_empty() || !callbacks.enabled {
            return;
        }
        for (status, code) in [("sent", None), (&*last, code)] {
            state.pause(callbacks.delay).await;
            webhooks::delivery_updated(&state, &message, status, code).await;
        }
    });
}

/// `GET …/Messages`.
#[handler]
pub(in crate::twilio) fn messages(
    request: &Request,
    Path(conversation): Path<String>,
    Data(state): Data<&Arc<State>>,
) -> Result<Json<Value>, ApiError> {
    let account = account(state, request)?;
    let found = find(state, request, &account, &conversation)?;
    let to = found.participants.first().map(|one| one.address.clone()).unwrap_or_default();
    if let Some(refusal) = state.take_refusal(Endpoint::List, &to) {
        return Err(refusal.into());
    }
    state.count("messages_listed");
    let (base, now) = (base(state), Utc::now());
    let all = state.conversations.messages.shared();
    let mut shown: Vec<&PostedMessage> =
        all.iter().filter(|one| one.conversation_sid == conversation && one.listed_from <= now).collect();
    if parameter(request.uri().query().unwrap_or_default(), "Order").as_deref() == Some("desc") {
        shown.reverse();
    }
    let items: Vec<Value> = shown.iter().map(|one| one.resource(&base)).collect();
    Ok(Json(page(&base, request, "messages", &items, MAX_PAGE_SIZE)))
}

/// `GET /v1/Services/{Sid}/Media/{Sid}/Content`: leads to the content network.
#[handler]
pub(in crate::twilio) fn content(
    request: &Request,
    Path((_, media)): Path<(String, String)>,
    Data(state): Data<&Arc<State>>,
) -> Result<Response, ApiError> {
    let asked = media::MediaRequest::of(request);
    state.media_requests.push(asked.clone());
    account(state, request)?;
    media::redirect(state, &asked, &media)
}
