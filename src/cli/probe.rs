//! `nevermisscall probe`: plays a text from a customer to the number that is kept for probes, as Twilio would, and waits
//! for its event.

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Serialize;
use serde_json::Value;
use tokio::net::lookup_host;
use tokio::time::{Instant, sleep};

use crate::adapters::http_client;
use crate::config::{ConfigError, PublicUrl, Secret, Settings};
use crate::http::twilio::signature;
use crate::trace::Trace;
use crate::webhook::{WebhookKind, probe};

/// How often to look for the event.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(super) struct ProbeCommand {
    /// The base URL of the service: the public one, or that of an edge.
    url: PublicUrl,
    /// The time until the event must be there.
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = humantime::parse_duration)]
    within: Duration,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// What is needed besides the arguments.
pub(super) struct Credentials {
    token: Secret,
    public_url: Option<PublicUrl>,
}

impl Credentials {
    /// Reads the auth token, and `NMC_PUBLIC_URL` if it is set.
    pub(super) fn of(settings: &Settings) -> Result<Self, ConfigError> {
        Ok(Self { token: settings.auth_token()?, public_url: settings.public_url_if_set()? })
    }
}

/// What is wrong, as a word for programs.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Problem {
    /// The host name cannot be resolved.
    Dns,
    /// No connection.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// A connection, and no answer in time.
    NoAnswer,
    /// 401.
    Signature,
    /// Any other status than 200.
    Status,
    /// The webhook was accepted, and there is no event in time.
    NotProcessed,
    /// The webhook was accepted, and whether there is an event cannot be read.
    Unreadable,
}

/// A step that failed.
struct Failure {
    problem: Problem,
    message: String,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    problem: Option<Problem>,
    message: String,
    probe_id: String,
    /// The trace of the probe's webhook.
    trace_id: String,
    /// From the beginning to the answer to the webhook.
    accepted_ms: Option<u64>,
    /// From the beginning until its event was seen.
    processed_ms: Option<u64>,
}

pub(super) async fn run(command: &ProbeCommand, credentials: Credentials) -> anyhow::Result<ExitCode> {
    let client = http_client::builder().timeout(command.within).build()?;
    let signed_url = credentials.public_url.unwrap_or_else(|| command.url.clone());
    let (id, trace) = (probe::new_id(), Trace::start());
    let trace_id = trace.trace_id().to_owned();
    let prober =
        Prober { client, url: command.url.clone(), signed_url, token: credentials.token, trace, begun: Instant::now() };
    let accepted = prober.post(&id).await;
    let accepted_ms = accepted.is_ok().then(|| prober.elapsed_ms());
    let processed = match accepted {
        Ok(()) => prober.wait(&id, command.within).await,
        Err(failure) => Err(failure),
    };
    let processed_ms = processed.is_ok().then(|| prober.elapsed_ms());
    let (problem, message) = match processed {
        Ok(()) => (None, "the text was accepted and processed".to_owned()),
        Err(Failure { problem, message }) => (Some(problem), message),
    };
    let ok = problem.is_none();
    let report = Report { ok, problem, message, probe_id: id, trace_id, accepted_ms, processed_ms };
    report.print(command)?;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Report {
    /// A failure goes to standard error, so that cron sends only that if standard output is discarded.
    fn print(&self, command: &ProbeCommand) -> anyhow::Result<()> {
        let Self { message, probe_id, trace_id, accepted_ms, processed_ms, .. } = self;
        let after = |ms: &Option<u64>| ms.map_or("-".to_owned(), |ms| format!("{ms} ms"));
        let (accepted, processed) = (after(accepted_ms), after(processed_ms));
        let line =
            format!("{message} (accepted: {accepted}, processed: {processed}, probe {probe_id}, trace {trace_id})");
        match (command.json, self.ok) {
            (true, _) => println!("{}", serde_json::to_string(self)?),
            (false, true) => println!("ok: {line}"),
            (false, false) => eprintln!("FAILED: {}: {line}", command.url.as_str()),
        }
        Ok(())
    }
}

/// Asks for the event of a probe that was never sent, at the URL under which Twilio reaches the service. Only the service
/// itself, with our token and our public URL, says that there is none.
pub(super) async fn is_reached(client: Client, url: &PublicUrl, token: Secret) -> Result<(), String> {
    let (id, trace) = (probe::new_id(), Trace::start());
    let prober = Prober { client, url: url.clone(), signed_url: url.clone(), token, trace, begun: Instant::now() };
    let path = format!("{}{id}", probe::PATH);
    let request = prober.signed(prober.client.get(url.join(&path)), &path, &[]);
    match prober.send(request).await {
        Ok((StatusCode::NOT_FOUND, says)) if says.ends_with(probe::NOT_PROCESSED) => Ok(()),
        Ok((StatusCode::UNAUTHORIZED, says)) => Err(format!("our signature is refused{says}")),
        Ok((status, says)) => Err(format!("not answered by this service: status {status}{says}")),
        Err(Failure { message, .. }) => Err(message),
    }
}

struct Prober {
    client: Client,
    url: PublicUrl,
    /// The base of the URLs in signatures.
    signed_url: PublicUrl,
    token: Secret,
    trace: Trace,
    begun: Instant,
}

impl Prober {
    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Posts the webhook of a probe.
    async fn post(&self, id: &str) -> Result<(), Failure> {
        let form = [("Body", probe::BODY), ("From", probe::SENDER), ("MessageSid", id), ("To", probe::NUMBER)];
        let path = WebhookKind::Sms.path();
        let request = self.signed(self.client.post(self.url.join(path)), path, &form).form(&form);
        let (status, body) = self.send(request).await?;
        match status {
            StatusCode::OK => Ok(()),
            StatusCode::UNAUTHORIZED => {
                let signed_url = self.signed_url.as_str();
                let message = format!(
                    "the signature is refused: TWILIO_AUTH_TOKEN is not that of the service, or its NMC_PUBLIC_URL is \
                     not {signed_url}"
                );
                Err(Failure { problem: Problem::Signature, message })
            }
            status => {
                Err(Failure { problem: Problem::Status, message: format!("the webhook was answered {status}{body}") })
            }
        }
    }

    /// Waits for the event of a probe.
    async fn wait(&self, id: &str, within: Duration) -> Result<(), Failure> {
        let path = format!("{}{id}", probe::PATH);
        let accepted = self.begun.elapsed();
        let mut last = Ok(None);
        while self.begun.elapsed() < within {
            let left = within.saturating_sub(self.begun.elapsed());
            let request = self.signed(self.client.get(self.url.join(&path)), &path, &[]).timeout(left);
            last = self.send(request).await.map(Some);
            if matches!(last, Ok(Some((StatusCode::OK, _)))) {
                return Ok(());
            }
            sleep(POLL_INTERVAL).await;
        }
        let begun = format!("the webhook was accepted after {} ms", accepted.as_millis());
        Err(match last {
            Ok(None | Some((StatusCode::NOT_FOUND, _))) | Err(Failure { problem: Problem::NoAnswer, .. }) => Failure {
                problem: Problem::NotProcessed,
                message: format!(
                    "{begun}, but not processed within {}: is a worker running, and does it reach PostgreSQL and \
                     JetStream?",
                    humantime::format_duration(within)
                ),
            },
            Ok(Some((status, body))) => Failure {
                problem: Problem::Unreadable,
                message: format!("{begun}, but its event cannot be read: {status}{body}"),
            },
            Err(Failure { message, .. }) => Failure {
                problem: Problem::Unreadable,
                message: format!("{begun}, but its event cannot be read: {message}"),
            },
        })
    }

    fn signed(&self, request: RequestBuilder, path: &str, form: &[(&str, &str)]) -> RequestBuilder {
        let params: Vec<_> =
            form.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect();
        let signed = signature::compute(self.token.expose(), &self.signed_url.join(path), &params);
        request.header("x-twilio-signature", STANDARD.encode(signed)).header("traceparent", self.trace.header())
    }

    /// Sends a request. Returns the status, and what an error of the service says.
    async fn send(&self, request: RequestBuilder) -> Result<(StatusCode, String), Failure> {
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Err(self.unanswered(error).await),
        };
        let status = answer.status();
        let body: Value = serde_json::from_str(&answer.text().await.unwrap_or_default()).unwrap_or_default();
        let says = body.pointer("/error/message").and_then(Value::as_str);
        Ok((status, says.map_or_else(String::new, |says| format!(": {says}"))))
    }

    async fn unanswered(&self, error: reqwest::Error) -> Failure {
        let is_connect = error.is_connect();
        let is_tls = is_tls(&error);
        let message = http_client::describe(error);
        let problem = match () {
            () if is_tls => Problem::Tls,
            () if !is_connect => Problem::NoAnswer,
            () if self.is_unresolved().await => Problem::Dns,
            () => Problem::Connect,
        };
        let what = match problem {
            Problem::Tls => "TLS fails",
            Problem::Dns => "the host name cannot be resolved",
            Problem::Connect => "no connection",
            _ => "no answer",
        };
        Failure { problem, message: format!("{what}: {message}") }
    }

    async fn is_unresolved(&self) -> bool {
        let Ok(url) = url::Url::parse(self.url.as_str()) else { return false };
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return false };
        lookup_host((host.trim_matches(['[', ']']), port)).await.is_err()
    }
}

/// Whether rustls is among the causes of an error. `io::Error` hides what it wraps from `source`.
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is::<rustls::Error>() || wrapped.is_some_and(|inner| is_tls(inner)) || error.source().is_some_and(is_tls)
}
