//! The dialect `dispatch-bot-ai`: `POST /dispatch/process` of the open dispatch-bot-ai, a FastAPI program.
//!
//! `openapi/dispatch-bot-ai.json` describes requests and answers. What is not defined there, and how it is decided, is in
//! ADR 30.

mod answer;
mod bounds;
mod calendar;
mod jobs;
mod request;
mod settings;

use super::wire::Wire;

pub(super) const WIRE: Wire = Wire {
    path: "/dispatch/process",
    health_path: Some("/health"),
    authorize: |request, key| request.header("X-Service-Key", key.expose()),
    write: request::write,
    read: answer::read,
};
