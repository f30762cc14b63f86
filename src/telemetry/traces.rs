//! Traces for OpenTelemetry: when they are exported, and how.

use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use super::SERVICE;

/// Whether the environment asks for traces: an endpoint is given, and neither traces nor the SDK are turned off.
pub fn traces_are_wanted(variable: impl Fn(&str) -> Option<String>) -> bool {
    let given = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let has_endpoint = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"]
        .into_iter()
        .any(|name| given(name).is_some());
    let is_disabled = given("OTEL_SDK_DISABLED").is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
    let exporters = given("OTEL_TRACES_EXPORTER");
    let to_otlp = exporters.is_none_or(|names| names.split(',').any(|name| name.trim() == "otlp"));
    has_endpoint && to_otlp && !is_disabled
}

/// Spans on their way to a collector.
#[derive(Debug)]
pub(super) struct Traces(SdkTracerProvider);

impl Traces {
    /// Sampling, batches and the resource are as the standard's variables say.
    pub(super) fn new(exporter: SpanExporter) -> Self {
        Self(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource()).build())
    }

    pub(super) fn tracer(&self) -> SdkTracer {
        self.0.tracer(SERVICE)
    }

    /// Exports what is left; blocks for at most this long.
    pub(super) fn shut_down(&self, timeout: Duration) {
        if let Err(error) = self.0.shutdown_with_timeout(timeout) {
            tracing::warn!(%error, "the last spans may not have been exported");
        }
    }
}

/// This process, in the attributes of OpenTelemetry.
fn resource() -> Resource {
    let detected = Resource::builder().build();
    let name = detected.get(&Key::new("service.name")).map(|name| name.to_string());
    let has_name = name.is_some_and(|name| !name.starts_with("unknown_service"));
    let resource = Resource::builder().with_attributes([
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", uuid::Uuid::new_v4().to_string()),
    ]);
    if has_name { resource.build() } else { resource.with_service_name(SERVICE).build() }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

    #[rstest]
    #[case::nothing(&[], false)]
    #[case::an_endpoint(&[ENDPOINT], true)]
    #[case::an_endpoint_for_traces(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector/v1/traces")], true)]
    #[case::an_empty_endpoint(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")], false)]
    #[case::disabled(&[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")], false)]
    #[case::not_disabled(&[ENDPOINT, ("OTEL_SDK_DISABLED", "1")], true)]
    #[case::no_exporter(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")], false)]
    #[case::also_otlp(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "console, otlp")], true)]
    fn traces_are_exported_only_to_an_endpoint(#[case] set: &[(&str, &str)], #[case] wanted: bool) {
        let variable = |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        assert_eq!(traces_are_wanted(variable), wanted);
    }
}
