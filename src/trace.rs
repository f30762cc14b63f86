//! W3C Trace Context of an input and its effects, and its spans for OpenTelemetry.
//!
//! Spans for OpenTelemetry are spans of `tracing` with the target [`TARGET`] and the level trace. While traces are not
//! exported nobody wants them, and `tracing` discards them without evaluating their fields. Their names and attributes
//! follow the semantic conventions of OpenTelemetry; none has a phone number, a text or a token.

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, KeyValue, Value};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The target of the spans that are exported. It is no module's, so that no filter of logs names it by accident.
pub const TARGET: &str = "otel";

tokio::task_local! {
    static SCOPE: Trace;
}

/// The W3C trace that an input belongs to: `traceparent`, passed on with every effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    header: String,
    is_exported: bool,
}

impl Trace {
    /// The trace from a header, or a new one if the header is missing or invalid.
    pub fn from_header(header: Option<&str>) -> Self {
        match header {
            Some(text) if is_traceparent(text) => Self { header: text.to_owned(), is_exported: false },
            _ => Self::start(),
        }
    }

    /// A new trace.
    pub fn start() -> Self {
        let header = format!("00-{:032x}-{:016x}-01", rand::random::<u128>(), rand::random::<u64>());
        Self { header, is_exported: false }
    }

    /// The trace as it is handed on from here: it names the current span. `None` while traces are not exported.
    pub fn current() -> Option<Self> {
        Context::map_current(|context| Self::of(context.span().span_context()))
    }

    /// The current trace; while traces are not exported, the one of a header.
    pub fn current_or(header: Option<&str>) -> Self {
        Self::current().unwrap_or_else(|| Self::from_header(header))
    }

    /// The current trace; while traces are not exported, the one of the request ([`Trace::scope`]), or a new one.
    pub fn of_request() -> Self {
        Self::current().or_else(|| SCOPE.try_with(Clone::clone).ok()).unwrap_or_else(Self::start)
    }

    /// Handles a request as a part of this trace.
    pub async fn scope<T>(self, handled: impl Future<Output = T>) -> T {
        SCOPE.scope(self, handled).await
    }

    /// The trace as it is handed on from a span; `None` while traces are not exported.
    pub fn of_span(span: &Span) -> Option<Self> {
        if span.is_disabled() {
            return None;
        }
        let context = span.context();
        let context = context.span();
        Self::of(context.span_context())
    }

    fn of(context: &SpanContext) -> Option<Self> {
        if !context.is_valid() {
            return None;
        }
        let sampled = u8::from(context.is_sampled());
        let header = format!("00-{}-{}-{sampled:02x}", context.trace_id(), context.span_id());
        Some(Self { header, is_exported: true })
    }

    /// The value of the `traceparent` header.
    pub fn header(&self) -> &str {
        &self.header
    }

    /// Whether it names a span that is exported, or would be if it were sampled.
    pub fn is_exported(&self) -> bool {
        self.is_exported
    }

    /// The id of the trace: 32 hex digits.
    pub fn trace_id(&self) -> &str {
        self.header.get(3..35).unwrap_or_default()
    }

    /// The id of the span that it names: 16 hex digits.
    pub fn span_id(&self) -> &str {
        self.header.get(36..52).unwrap_or_default()
    }
}

/// The trace id in a `traceparent`, if it is valid.
pub fn id_in(header: &str) -> Option<&str> {
    is_traceparent(header).then(|| header.get(3..35)).flatten()
}

/// The span that a valid `traceparent` names.
fn context_in(header: &str) -> Option<SpanContext> {
    if !is_traceparent(header) {
        return None;
    }
    let trace_id = TraceId::from_hex(header.get(3..35)?).ok()?;
    let span_id = SpanId::from_hex(header.get(36..52)?).ok()?;
    let flags = u8::from_str_radix(header.get(53..55)?, 16).ok()?;
    let flags = TraceFlags::new(flags) & TraceFlags::SAMPLED;
    Some(SpanContext::new(trace_id, span_id, flags, true, TraceState::NONE))
}

/// Makes a span the child of the span that a `traceparent` names. It must not have been entered yet.
pub fn continue_from(span: &Span, header: Option<&str>) {
    if span.is_disabled() {
        return;
    }
    if let Some(context) = header.and_then(context_in) {
        // An error means that traces are not exported.
        let _ = span.set_parent(Context::new().with_remote_span_context(context));
    }
}

/// Makes a span the child of the first of these traces, and links it to the others: for work that several inputs share.
pub fn shared_by<'a>(span: &Span, traces: impl IntoIterator<Item = &'a Trace>) {
    if span.is_disabled() {
        return;
    }
    let mut traces = traces.into_iter();
    continue_from(span, traces.next().map(Trace::header));
    traces.filter_map(|trace| context_in(trace.header())).for_each(|context| span.add_link(context));
}

/// Links the current span to the spans that these `traceparent`s name.
pub fn link_current<'a>(headers: impl IntoIterator<Item = &'a str>) {
    for context in headers.into_iter().filter_map(context_in) {
        Context::map_current(|current| current.span().add_link(context, Vec::new()));
    }
}

/// Sets an attribute of the current span.
pub fn attribute<V: Into<Value>>(name: &'static str, value: impl FnOnce() -> V) {
    Context::map_current(|current| {
        if current.span().is_recording() {
            current.span().set_attribute(KeyValue::new(name, value()));
        }
    });
}

/// Names a span that has been entered: the field `otel.name` counts only before.
pub fn rename(span: &Span, name: String) {
    if !span.is_disabled() {
        span.context().span().update_name(name);
    }
}

/// Marks a span as failed, with the kind of error: `error.type` is one of a few words, never a message.
pub fn failed(span: &Span, error_type: &str) {
    span.record("otel.status_code", "ERROR");
    span.record("error.type", error_type);
}

/// Whether this is a valid `traceparent`: lower-case hex, a version other than `ff`, ids that are not all zeros.
fn is_traceparent(text: &str) -> bool {
    let hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let none = |part: &&str| *part == "ff" || (part.len() > 2 && part.bytes().all(|byte| byte == b'0'));
    lengths == [2, 32, 16, 2] && parts.iter().all(|part| hex(part)) && !parts.iter().take(3).any(none)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::good("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true)]
    #[case::short("00-4bf9-00f067aa0ba902b7-01", false)]
    #[case::not_hex("00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01", false)]
    #[case::upper_case("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false)]
    #[case::no_trace("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false)]
    #[case::no_parent("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false)]
    #[case::no_version("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false)]
    #[case::nothing("", false)]
    fn a_trace_is_handed_on_only_if_it_can_be_read(#[case] header: &str, #[case] kept: bool) {
        assert_eq!(Trace::from_header(Some(header)).header() == header, kept);
    }

    #[test]
    fn a_new_trace_can_be_read() {
        assert!(is_traceparent(Trace::start().header()));
    }

    #[test]
    fn the_parts_of_a_trace_are_its_ids_and_whether_it_is_sampled() {
        let trace = Trace::from_header(Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03"));
        assert_eq!((trace.trace_id(), trace.span_id()), ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"));
        let context = context_in(trace.header());
        assert!(context.as_ref().is_some_and(|context| context.is_sampled() && context.is_remote()), "{context:?}");
    }

    #[test]
    fn while_nothing_is_exported_a_trace_is_handed_on_as_it_came() {
        let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_test_writer().finish();
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::trace_span!(target: TARGET, "test");
            continue_from(&span, Some(header));
            assert_eq!(Trace::of_span(&span), None);
            let _entered = span.enter();
            assert_eq!(Trace::current(), None);
            assert_eq!(Trace::current_or(Some(header)).header(), header);
        });
    }

    #[tokio::test]
    async fn what_a_request_causes_belongs_to_its_trace() {
        let trace = Trace::start();
        assert_eq!(trace.clone().scope(async { Trace::of_request() }).await, trace);
        assert_ne!(Trace::of_request(), trace);
    }

    #[test]
    fn an_exported_span_is_handed_on_with_its_trace_and_work_that_is_shared_links_the_others() {
        use opentelemetry::trace::TracerProvider;
        use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
        use tracing_subscriber::layer::SubscriberExt;

        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let inputs: Vec<Trace> = (0..3).map(|_| Trace::start()).collect();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let span = tracing::trace_span!(target: TARGET, parent: None, "shared");
            shared_by(&span, &inputs);
            span.in_scope(|| {
                let current = Trace::current().unwrap();
                assert!(current.is_exported());
                assert_eq!(current.trace_id(), inputs[0].trace_id());
                assert_eq!(Trace::of_span(&span), Some(current));
            });
        });
        let spans = exporter.get_finished_spans().unwrap();
        let linked: Vec<String> = spans[0].links.iter().map(|link| link.span_context.span_id().to_string()).collect();
        assert_eq!(spans[0].parent_span_id.to_string(), inputs[0].span_id());
        assert_eq!(linked, [inputs[1].span_id(), inputs[2].span_id()]);
    }
}
