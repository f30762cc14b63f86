//! Log lines as JSON with the field names of the Elastic Common Schema, which Elasticsearch indexes as they are.
//!
//! Fields that the schema has no name for are under `nmc.`. A line has the fields of its event and of the spans around
//! it; the inner one counts.

use std::fmt;

use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// The version of the schema whose names are used.
const ECS_VERSION: &str = "8.11.0";
/// The groups of the schema's fields that our fields belong to by their names.
const OF_SCHEMA: [&str; 7] = ["trace.", "span.", "error.", "http.", "url.", "event.", "process."];

/// Formats log lines.
#[derive(Debug)]
pub(super) struct Ecs {
    service: String,
}

impl Ecs {
    /// `service` is the value of `service.name`.
    pub(super) fn new(service: String) -> Self {
        Self { service }
    }
}

impl<S, N> FormatEvent<S, N> for Ecs
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        let mut line = Map::new();
        line.insert("@timestamp".to_owned(), Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true).into());
        line.insert("log.level".to_owned(), metadata.level().as_str().to_ascii_lowercase().into());
        line.insert("message".to_owned(), "".into());
        line.insert("ecs.version".to_owned(), ECS_VERSION.into());
        line.insert("service.name".to_owned(), self.service.as_str().into());
        line.insert("service.version".to_owned(), env!("CARGO_PKG_VERSION").into());
        line.insert("log.logger".to_owned(), metadata.target().into());
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<JsonFields>>().map(|fields| fields.fields.as_str());
            let fields = fields.and_then(|fields| serde_json::from_str::<Map<String, Value>>(fields).ok());
            for (name, value) in fields.unwrap_or_default() {
                line.insert(name_of(&name), value);
            }
        }
        event.record(&mut Fields(&mut line));
        let line = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
        out.write_str(&line)?;
        out.write_char('\n')
    }
}

/// A field's name in the schema, or below `nmc.`.
fn name_of(field: &str) -> String {
    match field {
        "message" => "message".to_owned(),
        "error" => "error.message".to_owned(),
        field if OF_SCHEMA.iter().any(|group| field.starts_with(group)) => field.to_owned(),
        field => format!("nmc.{}", field.trim_start_matches("r#")),
    }
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(name_of(field.name()), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_has_the_names_of_the_schema_and_our_own_below_nmc() {
        let written = Written::default();
        let out = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(JsonFields::new())
            .event_format(Ecs::new("calls".to_owned()))
            .with_writer(move || out.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let span =
                tracing::info_span!("delivery", nats.delivery_count = 2, trace.id = "4bf9", conversation.id = "c");
            let _entered = span.enter();
            tracing::warn!(error = %"no connection", attempts = 3, conversation.id = "d", "it \"failed\"");
        });
        let written = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let mut line: Map<String, Value> = serde_json::from_str(&written).unwrap();
        let time = line.remove("@timestamp").unwrap();
        assert!(time.as_str().is_some_and(|time| time.len() == 24 && time.ends_with('Z')), "{time}");
        let expected = serde_json::json!({
            "log.level": "warn", "message": "it \"failed\"", "ecs.version": "8.11.0", "service.name": "calls",
            "service.version": env!("CARGO_PKG_VERSION"), "log.logger": "nevermisscall::telemetry::ecs::tests",
            "trace.id": "4bf9", "error.message": "no connection", "nmc.attempts": 3, "nmc.nats.delivery_count": 2,
            "nmc.conversation.id": "d",
        });
        assert_eq!(Value::Object(line), expected);
    }
}
