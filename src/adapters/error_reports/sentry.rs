//! Sentry's client, and what leaves the process with a report.
//!
//! A report is a log line at error, with its fields, the stack, the trace and the version: nothing about the request or
//! the person. Such lines have no text, number or token; in case one does, its long numbers are masked.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use sentry::integrations::tracing::ErrorLayer;
use sentry::protocol::{Context, Event, TraceContext, Value};
use sentry::transports::ReqwestHttpTransportOptions;
use sentry::types::Dsn;
use sentry::{ClientInitGuard, ClientOptions, Transport, TransportFactory, TransportOptions};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterExt;

use super::{Reporter, ReportsError};
use crate::adapters::http_client;
use crate::telemetry::FewRepeats;
use crate::trace::Trace;

/// The version that reports name.
const RELEASE: &str = concat!("nevermisscall@", env!("CARGO_PKG_VERSION"));
/// Phone numbers have at least this many digits.
const LONG_NUMBER: usize = 7;

static CLIENT: OnceLock<ClientInitGuard> = OnceLock::new();

/// The reporter to this address.
pub(super) fn reporter(dsn: &str) -> Result<Reporter, ReportsError> {
    let dsn: Dsn = dsn.parse().map_err(|_| ReportsError::Dsn)?;
    let http = http_client::builder().build()?;
    let mut options = options(Arc::new(Http(http)));
    options.dsn = Some(dsn);
    CLIENT.get_or_init(|| sentry::init(options));
    Ok(layer())
}

/// Of lines that repeat, only some are reported.
fn layer() -> Reporter {
    ErrorLayer::new().with_filter(LevelFilter::ERROR.and(FewRepeats::default())).boxed()
}

fn options(transport: Arc<dyn TransportFactory>) -> ClientOptions {
    let mut options = ClientOptions::new().release(RELEASE).max_breadcrumbs(0).attach_stacktrace(true);
    options.environment = std::env::var("SENTRY_ENVIRONMENT").ok().filter(|name| !name.is_empty()).map(Into::into);
    options.before_send = Some(Arc::new(|event| Some(scrubbed(event))));
    options.transport = Some(transport);
    options
}

/// Sends what waits.
pub(super) fn flush(timeout: Duration) {
    if let Some(client) = CLIENT.get() {
        let begun = Instant::now();
        if !client.flush(Some(timeout)) {
            tracing::warn!(after_ms = begun.elapsed().as_millis() as u64, "the last errors may not have been reported");
        }
    }
}

/// Sends reports with our HTTP client, from a thread of Sentry's client.
struct Http(reqwest::Client);

impl TransportFactory for Http {
    fn create_transport_with_options(&self, options: TransportOptions) -> Arc<dyn Transport> {
        Arc::new(ReqwestHttpTransportOptions::from(options).with_client(self.0.clone()).build())
    }
}

/// A report without anything about people, and with its trace.
fn scrubbed(mut event: Event<'static>) -> Event<'static> {
    (event.request, event.user, event.server_name) = (None, None, None);
    event.breadcrumbs.values.clear();
    event.message = event.message.map(|message| masked(&message));
    event.logentry = None;
    for exception in &mut event.exception.values {
        exception.value = exception.value.take().map(|value| masked(&value));
    }
    for context in event.contexts.values_mut() {
        if let Context::Other(fields) = context {
            // Sentry's own stack says the same, and can be read by it.
            fields.remove("error.stack_trace");
            fields.values_mut().for_each(mask);
        }
    }
    // Sentry's own names a trace that nobody else knows.
    event.contexts.remove("trace");
    if let Some(trace) = Trace::current().as_ref().and_then(trace_context) {
        event.contexts.insert("trace".to_owned(), trace);
    }
    event
}

fn trace_context(trace: &Trace) -> Option<Context> {
    let (trace_id, span_id) = (trace.trace_id().parse().ok()?, trace.span_id().parse().ok()?);
    Some(TraceContext { trace_id, span_id, ..TraceContext::default() }.into())
}

fn mask(value: &mut Value) {
    if let Value::String(text) = value {
        *text = masked(text);
    }
}

/// The text with each long number replaced.
fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(start);
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        masked.push_str(before);
        masked.push_str(if end < LONG_NUMBER { &number[..end] } else { "[number]" });
        rest = &number[end..];
    }
    masked + rest
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::sync::Mutex;

    use rstest::rstest;
    use sentry::Envelope;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Keeps reports as they would be sent.
    #[derive(Default)]
    struct Kept(Mutex<Vec<Value>>);

    impl Transport for Kept {
        fn send_envelope(&self, envelope: Envelope) {
            let event = serde_json::to_value(envelope.event().unwrap()).unwrap();
            self.0.lock().unwrap().push(event);
        }
    }

    struct Factory(Arc<Kept>);

    impl TransportFactory for Factory {
        fn create_transport_with_options(&self, _options: TransportOptions) -> Arc<dyn Transport> {
            Arc::clone(&self.0) as Arc<dyn Transport>
        }
    }

    fn reports_of(log: impl FnOnce()) -> Vec<Value> {
        let kept = Arc::new(Kept::default());
        let mut options = options(Arc::new(Factory(Arc::clone(&kept))));
        options.dsn = Some("http://key@127.0.0.1/1".parse().unwrap());
        let hub = sentry::Hub::new(Some(Arc::new(sentry::apply_defaults(options).into())), Arc::default());
        sentry::Hub::run(Arc::new(hub), || {
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer()), log);
        });
        kept.0.lock().unwrap().clone()
    }

    #[rstest]
    #[case::a_phone("to +12125551234 failed", "to +[number] failed")]
    #[case::short("status 503 after 3 tries", "status 503 after 3 tries")]
    #[case::at_the_end("é 5551234", "é [number]")]
    #[case::nothing("", "")]
    fn long_numbers_are_masked(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(masked(text), expected);
    }

    #[test]
    fn an_error_is_reported_with_its_fields_its_stack_and_the_version() {
        let reports = reports_of(|| {
            tracing::warn!("not this one");
            tracing::error!(error = "no answer from +12125551234", "a request failed");
        });
        assert_eq!(reports.len(), 1, "{reports:?}");
        let report = &reports[0];
        assert_eq!(report["release"], RELEASE);
        assert!(report.get("level").is_none_or(|level| level == "error"), "the protocol's default is error: {report}");
        assert_eq!(report["message"], "a request failed");
        assert_eq!(report["contexts"]["Rust Tracing Fields"]["error"], "no answer from +[number]");
        let stack = report.to_string();
        assert!(stack.contains("stacktrace") && stack.contains("an_error_is_reported"), "{stack}");
        for part in ["request", "user", "server_name", "breadcrumbs"] {
            assert!(report.get(part).is_none_or(Value::is_null), "{part}: {report}");
        }
    }

    #[test]
    fn of_errors_that_repeat_some_are_reported() {
        let reports = reports_of(|| (0..1_000).for_each(|_| tracing::error!("again")));
        assert!(!reports.is_empty() && reports.len() < 50, "{}", reports.len());
    }
}
