//! The App Server's side: a person's commands over REST, repeated until there is an answer.

use std::time::Duration;

use anyhow::ensure;
use chrono::Utc;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{Asked, End, Journal, PATIENCE};
use crate::chaos::plan::{Command, ConversationPlan};
use crate::settings::API_KEY;
use crate::sim::http_client;

/// A takeover may wait half a minute for messages at Twilio.
const ONE_REQUEST: Duration = Duration::from_secs(45);
const BETWEEN: Duration = Duration::from_millis(200);
/// How long a person looks for the conversation of a command.
const LOOKING: Duration = Duration::from_secs(20);

/// A client of the REST API that knows both edges.
pub(in crate::chaos) struct AppServer {
    edges: Vec<String>,
    http: reqwest::Client,
}

/// A final answer to a request.
struct Answer {
    status: u16,
    body: Value,
}

impl AppServer {
    /// A client of these edges, by their URLs.
    pub(in crate::chaos) fn new(edges: Vec<String>) -> anyhow::Result<Self> {
        Ok(Self { edges, http: http_client(ONE_REQUEST)? })
    }

    /// Carries out a command of the plan, in the customer's newest conversation.
    pub(super) async fn carry_out(&self, journal: &Journal, plan: &ConversationPlan, number: usize, command: Command) {
        let conversation = self.conversation_of(&plan.customer).await;
        let body = (command == Command::Reply).then(|| format!("Joe here, about your call ({}.{number})", plan.number));
        let asked_at = Utc::now();
        let end = match conversation {
            Some(id) => self.command(id, command, body.as_deref()).await,
            None => End::NoConversation,
        };
        journal.asked(Asked { command, conversation, body, asked_at, ended_at: Utc::now(), end });
    }

    /// Completes a conversation; returns whether there was an answer.
    pub(in crate::chaos) async fn complete(&self, id: Uuid) -> bool {
        self.command(id, Command::Complete, None).await != End::NoAnswer
    }

    /// Creates or replaces a business.
    pub(in crate::chaos) async fn put_business(&self, id: &str, business: &Value) -> anyhow::Result<()> {
        let answer = self.ask(Method::PUT, &format!("/businesses/{id}"), Some(business), None).await;
        ensure!(answer.is_some_and(|answer| answer.status < 300), "business {id} could not be put");
        Ok(())
    }

    async fn command(&self, id: Uuid, command: Command, body: Option<&str>) -> End {
        let (path, request) = match command {
            Command::TakeOver => ("takeover", json!({ "user_id": "user-joe", "reason": "chaos" })),
            Command::Reply => ("messages", json!({ "user_id": "user-joe", "body": body.unwrap_or_default() })),
            Command::Release => ("release", json!({ "user_id": "user-joe" })),
            Command::Complete => ("complete", json!({ "user_id": "user-joe", "outcome": "done" })),
        };
        let path = format!("/conversations/{id}/{path}");
        // Only a reply does harm if it is carried out twice, so only a reply has an idempotency key.
        let answer = self.ask(Method::POST, &path, Some(&request), body).await;
        match answer {
            None => End::NoAnswer,
            Some(Answer { status: 200..300, body }) => End::Done { in_flight: body["in_flight"] == true },
            Some(Answer { status, body }) => {
                End::Refused(body["error"]["code"].as_str().map_or_else(|| status.to_string(), str::to_owned))
            }
        }
    }

    async fn conversation_of(&self, customer: &str) -> Option<Uuid> {
        let begun = Instant::now();
        let path = format!("/conversations?limit=1&customer_phone=%2B{}", customer.trim_start_matches('+'));
        while begun.elapsed() < LOOKING {
            let list = self.ask(Method::GET, &path, None, None).await?.body;
            let id = list["conversations"][0]["id"].as_str().and_then(|id| id.parse().ok());
            if id.is_some() {
                return id;
            }
            sleep(BETWEEN).await;
        }
        None
    }

    /// Sends the request to the edges in turn until one of them gives a final answer.
    async fn ask(&self, method: Method, path: &str, body: Option<&Value>, key: Option<&str>) -> Option<Answer> {
        let begun = Instant::now();
        for turn in 0.. {
            let url = format!("{}{path}", self.edges[turn % self.edges.len()]);
            let mut request = self.http.request(method.clone(), url).bearer_auth(API_KEY);
            if let Some(body) = body {
                request = request.json(body);
            }
            if let Some(key) = key {
                request = request.header("Idempotency-Key", key);
            }
            if let Some(answer) = read(request).await {
                return Some(answer);
            }
            if begun.elapsed() > PATIENCE {
                break;
            }
            sleep(BETWEEN).await;
        }
        None
    }
}

/// Returns an answer only if it is final: neither an error of the service nor "the first request is still in progress".
async fn read(request: reqwest::RequestBuilder) -> Option<Answer> {
    let response = request.send().await.ok()?;
    let status = response.status().as_u16();
    let later = status >= 500 || response.headers().contains_key("retry-after");
    let body = response.json().await.ok()?;
    (!later).then_some(Answer { status, body })
}
