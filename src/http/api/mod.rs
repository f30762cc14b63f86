//! The REST API for the App Server (docs/contract.md, section 3), with its OpenAPI document.

mod after_hours;
mod audit;
mod auth;
mod body;
mod businesses;
mod calls;
mod carry_out;
mod commands;
mod conversation_order;
mod conversations;
mod cursor;
mod customers;
mod dead_letters;
mod dispatchbot;
mod docs;
mod emergencies;
mod events;
pub mod explain;
mod failed_keys;
mod failure;
mod figures;
mod forward_to;
mod health;
mod idempotency;
mod if_match;
mod key;
mod last_message;
mod media;
mod metrics;
mod never_text;
mod openapi;
mod opt_outs;
mod page;
mod phones;
mod rate_limit_headers;
mod read_deadline;
mod twilio_account;
mod twilio_check;
mod undelivered;
mod validation;

use poem::endpoint::make_sync;
use poem::error::NotFoundError;
use poem::web::Data;
use poem::{Endpoint, EndpointExt, IntoResponse, Response, Route};
use poem_openapi::{OpenApiService, Tags};

use super::problem::Problem;
use super::{Edge, Operation, exported};

pub use auth::Keys;
pub use events::Envelope;

/// The groups of operations in the OpenAPI document.
#[derive(Tags)]
enum Group {
    /// Businesses, their numbers and settings.
    Businesses,
    /// Conversations and their messages.
    Conversations,
    /// Call records.
    Calls,
    /// Customers who want no texts; what is kept of a customer, and its erasure.
    Customers,
    /// Messages that could not be processed, and their replay.
    #[oai(rename = "Dead letters")]
    DeadLetters,
    /// How calls and texts went, per day.
    Figures,
    /// API keys: that of a request, and which there are.
    Keys,
    /// Events as they occur.
    Events,
    /// Health and metrics of the service. No API key is required.
    Operation,
}

type Apis = (
    businesses::BusinessesApi,
    never_text::NeverTextApi,
    conversations::ConversationsApi,
    commands::CommandsApi,
    emergencies::EmergenciesApi,
    audit::RecordApi,
    events::EventsApi,
    media::MediaApi,
    calls::CallsApi,
    dead_letters::DeadLettersApi,
    customers::CustomersApi,
    opt_outs::OptOutsApi,
    // A tuple of operations has at most 16 members.
    (figures::FiguresApi, undelivered::UndeliveredApi, key::KeyApi, twilio_check::TwilioCheckApi),
    health::HealthApi,
    metrics::MetricsApi,
);

fn service() -> OpenApiService<openapi::Told<Apis>, ()> {
    let apis = (
        businesses::BusinessesApi,
        never_text::NeverTextApi,
        conversations::ConversationsApi,
        commands::CommandsApi,
        emergencies::EmergenciesApi,
        audit::RecordApi,
        events::EventsApi,
        media::MediaApi,
        calls::CallsApi,
        dead_letters::DeadLettersApi,
        customers::CustomersApi,
        opt_outs::OptOutsApi,
        (figures::FiguresApi, undelivered::UndeliveredApi, key::KeyApi, twilio_check::TwilioCheckApi),
        health::HealthApi,
        metrics::MetricsApi,
    );
    OpenApiService::new(openapi::Told(apis), "NeverMissCall", env!("CARGO_PKG_VERSION")).description(
        "Turns a missed call into a conversation. Every request except those in the group Operation needs \
         `Authorization: Bearer <key>`. Times are in RFC 3339 format and UTC; phone numbers are in E.164 format.",
    )
}

/// The OpenAPI document, as stored in `openapi/openapi.json`.
pub fn openapi() -> String {
    let mut text = service().spec();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// The routes of the REST API.
pub fn routes(edge: &Edge) -> Route {
    let service = service();
    let route = docs::routes(Route::new(), edge.shows_docs);
    let route = if edge.shows_metrics { route } else { route.at("/metrics", hidden()) };
    route.nest(
        "/",
        service
            .around(read_deadline::kept)
            .around(idempotency::answered)
            .around(failed_keys::counted)
            .data(edge.clone())
            .data(edge.operation.clone())
            .around(rate_limit_headers::told)
            .around(exported::traced),
    )
}

/// The routes of health and metrics alone, for a port of their own.
pub fn operation_routes(operation: Operation) -> Route {
    let apis = openapi::Told((health::HealthApi, metrics::MetricsApi));
    Route::new().nest("/", OpenApiService::new(apis, "NeverMissCall", env!("CARGO_PKG_VERSION")).data(operation))
}

/// Answers as if there were no such path.
fn hidden() -> impl Endpoint<Output = Response> {
    make_sync(|_| Problem::from_poem(&NotFoundError.into()).into_response())
}

/// The edge, as handlers get it from the request.
type EdgeData<'a> = Data<&'a Edge>;

/// What health and metrics are answered from.
type OperationData<'a> = Data<&'a Operation>;
