//! The streams and consumers as `streams/*.json` define them, in JetStream's own format, which the NATS CLI reads too.

use serde_json::{Map, Value, json};

use super::{JetStream, JetStreamError};

/// One file of `streams/`.
struct Definition {
    file: &'static str,
    text: &'static str,
}

macro_rules! definition {
    ($file:literal) => {
        Definition { file: $file, text: include_str!(concat!("../../../streams/", $file)) }
    };
}

const STREAMS: &[Definition] = &[
    definition!("NMC_INBOUND.json"),
    definition!("NMC_WINDOWS.json"),
    definition!("NMC_TASKS.json"),
    definition!("NMC_EVENTS.json"),
    definition!("NMC_DEAD.json"),
    definition!("KV_NMC_BUSINESSES.json"),
    definition!("KV_NMC_SERVICES.json"),
];

/// Named `STREAM.consumer.json`.
const CONSUMERS: &[Definition] = &[
    definition!("consumers/NMC_INBOUND.conversations.json"),
    definition!("consumers/NMC_WINDOWS.due.json"),
    definition!("consumers/NMC_TASKS.analyze.json"),
    definition!("consumers/NMC_TASKS.analyze_urgent.json"),
    definition!("consumers/NMC_TASKS.send_sms.json"),
    definition!("consumers/NMC_TASKS.send_sms_urgent.json"),
    definition!("consumers/NMC_TASKS.ring.json"),
    definition!("consumers/NMC_TASKS.express.json"),
    definition!("consumers/NMC_EVENTS.redis.json"),
];

/// The stream and the name of each consumer.
pub(super) fn consumers() -> impl Iterator<Item = (&'static str, &'static str)> {
    CONSUMERS
        .iter()
        .filter_map(|definition| definition.file.strip_prefix("consumers/")?.strip_suffix(".json")?.split_once('.'))
}

/// JetStream's error codes for a missing stream or consumer.
const STREAM_NOT_FOUND: u64 = 10_059;
const CONSUMER_NOT_FOUND: u64 = 10_014;

/// What `check` found, or `apply` changed, for one stream or consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It matches its definition.
    Same {
        /// The stream or consumer.
        name: String,
    },
    /// It did not exist; `apply` has created it.
    Missing {
        /// The stream or consumer.
        name: String,
    },
    /// It differs from its definition; `apply` has changed it.
    Different {
        /// The stream or consumer.
        name: String,
        /// For each differing key, the defined value and the server's.
        keys: Vec<String>,
    },
}

impl Finding {
    /// What `apply` did, as a suffix to the finding's text.
    pub fn mended(&self) -> &'static str {
        match self {
            Self::Same { .. } => "",
            Self::Missing { .. } => ": created",
            Self::Different { .. } => ": changed",
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Same { name } => write!(f, "{name}: as defined"),
            Self::Missing { name } => write!(f, "{name}: missing"),
            Self::Different { name, keys } => write!(f, "{name}: differs in {}", keys.join("; ")),
        }
    }
}

/// Whether differences are only reported, or corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Differences are only reported.
    Check,
    /// Missing streams and consumers are created; existing ones keep the operator's settings.
    CreateMissing,
    /// Missing streams and consumers are created, and differing ones are changed.
    Apply,
}

/// Compares the server's streams and consumers with the definitions, and corrects them as `mode` says. In a cluster,
/// each stream is kept on `replicas` nodes.
///
/// # Errors
/// If JetStream is unreachable, or refuses a change.
pub async fn reconcile(jetstream: &JetStream, replicas: u8, mode: Mode) -> Result<Vec<Finding>, JetStreamError> {
    let mut findings = Vec::new();
    for definition in STREAMS {
        findings.push(stream(jetstream, definition, replicas, mode).await?);
    }
    for definition in CONSUMERS {
        findings.push(consumer(jetstream, definition, mode).await?);
    }
    Ok(findings)
}

async fn stream(
    jetstream: &JetStream,
    definition: &Definition,
    replicas: u8,
    mode: Mode,
) -> Result<Finding, JetStreamError> {
    let defined = definition.parse()?;
    let can_be_lost = is_async(defined.get("persist_mode"));
    let wanted = replicated(defined, replicas);
    let name = definition.name("name", &wanted)?;
    let found = match jetstream.api(&format!("STREAM.INFO.{name}"), &json!({})).await {
        Ok(info) => Some(info),
        Err(JetStreamError::Refused { code: STREAM_NOT_FOUND, .. }) => None,
        Err(error) => return Err(error),
    };
    let finding = compare(name.clone(), &wanted, found.as_ref());
    match (&finding, mode) {
        (Finding::Missing { .. }, Mode::Apply | Mode::CreateMissing) => {
            jetstream.api(&format!("STREAM.CREATE.{name}"), &Value::Object(wanted)).await?;
        }
        (Finding::Different { .. }, Mode::Apply) if can_be_lost && is_kept_otherwise(&wanted, found.as_ref()) => {
            jetstream.api(&format!("STREAM.DELETE.{name}"), &json!({})).await?;
            jetstream.api(&format!("STREAM.CREATE.{name}"), &Value::Object(wanted)).await?;
        }
        (Finding::Different { .. }, Mode::Apply) => {
            jetstream.api(&format!("STREAM.UPDATE.{name}"), &Value::Object(wanted)).await?;
        }
        _ => {}
    }
    Ok(finding)
}

/// The definition for several nodes. JetStream refuses `persist_mode` with replicas, so streams that have it are then
/// fsynced like the others.
fn replicated(mut config: Map<String, Value>, replicas: u8) -> Map<String, Value> {
    if replicas > 1 {
        config.insert("num_replicas".to_owned(), json!(replicas));
        config.remove("persist_mode");
    }
    config
}

/// Whether the server's `persist_mode` differs from the wanted one, as after a change between one node and several.
/// JetStream cannot change it, so a stream that may lose its messages (timers, which the sweeper arms again) is deleted
/// and created again.
fn is_kept_otherwise(wanted: &Map<String, Value>, found: Option<&Value>) -> bool {
    let found = found.and_then(|info| info.get("config")?.get("persist_mode"));
    is_async(found) != is_async(wanted.get("persist_mode"))
}

fn is_async(persist_mode: Option<&Value>) -> bool {
    persist_mode.is_some_and(|mode| mode == "async")
}

async fn consumer(jetstream: &JetStream, definition: &Definition, mode: Mode) -> Result<Finding, JetStreamError> {
    let wanted = definition.parse()?;
    let name = definition.name("durable_name", &wanted)?;
    let stream = definition.stream()?;
    let found = match jetstream.api(&format!("CONSUMER.INFO.{stream}.{name}"), &json!({})).await {
        Ok(info) => Some(info),
        Err(JetStreamError::Refused { code: CONSUMER_NOT_FOUND | STREAM_NOT_FOUND, .. }) => None,
        Err(error) => return Err(error),
    };
    let finding = compare(format!("{stream}.{name}"), &wanted, found.as_ref());
    let change = matches!(
        (&finding, mode),
        (Finding::Missing { .. }, Mode::Apply | Mode::CreateMissing) | (Finding::Different { .. }, Mode::Apply)
    );
    if change {
        let filter = wanted.get("filter_subject").and_then(Value::as_str).unwrap_or(">").to_owned();
        let request = json!({ "stream_name": stream, "config": wanted });
        jetstream.api(&format!("CONSUMER.CREATE.{stream}.{name}.{filter}"), &request).await?;
    }
    Ok(finding)
}

/// Compares each defined key with the server's value; keys that are not defined are ignored.
fn compare(name: String, wanted: &Map<String, Value>, found: Option<&Value>) -> Finding {
    let Some(config) = found.and_then(|info| info.get("config")) else { return Finding::Missing { name } };
    let keys: Vec<String> = wanted
        .iter()
        .filter_map(|(key, value)| {
            let has = config.get(key).unwrap_or(&Value::Null);
            // The server omits values that are zero.
            let same = has == value || (has.is_null() && (value == 0 || value == false || value == ""));
            (!same).then(|| format!("{key}: expected {value}, found {has}"))
        })
        .collect();
    if keys.is_empty() { Finding::Same { name } } else { Finding::Different { name, keys } }
}

impl Definition {
    fn parse(&self) -> Result<Map<String, Value>, JetStreamError> {
        serde_json::from_str(self.text)
            .map_err(|error| JetStreamError::Definition { file: self.file, what: error.to_string() })
    }

    fn name(&self, key: &str, config: &Map<String, Value>) -> Result<String, JetStreamError> {
        config
            .get(key)
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| JetStreamError::Definition { file: self.file, what: format!("{key} is missing") })
    }

    fn stream(&self) -> Result<&'static str, JetStreamError> {
        self.file
            .strip_prefix("consumers/")
            .and_then(|name| name.split('.').next())
            .ok_or_else(|| JetStreamError::Definition { file: self.file, what: "not named STREAM.consumer".to_owned() })
    }
}

impl JetStream {
    /// Sends one request to the JetStream API.
    pub(super) async fn api(&self, call: &str, request: &Value) -> Result<Value, JetStreamError> {
        let answer: Value = self.context.request(call.to_owned(), request).await.map_err(|source| {
            let subject = call.to_owned();
            self.unreachable().unwrap_or(JetStreamError::Request { subject, source })
        })?;
        match answer.get("error") {
            None => Ok(answer),
            Some(error) => Err(JetStreamError::Refused {
                subject: call.to_owned(),
                code: error.get("err_code").and_then(Value::as_u64).unwrap_or_default(),
                description: error.get("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
            }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_parses_and_carries_its_files_name() {
        for definition in STREAMS {
            let name = definition.name("name", &definition.parse().unwrap()).unwrap();
            assert_eq!(definition.file, format!("{name}.json"));
        }
        for definition in CONSUMERS {
            let name = definition.name("durable_name", &definition.parse().unwrap()).unwrap();
            assert_eq!(definition.file, format!("consumers/{}.{name}.json", definition.stream().unwrap()));
        }
    }

    #[test]
    fn what_the_server_leaves_out_counts_as_its_zero() {
        let wanted: Map<String, Value> = serde_json::from_str(r#"{"max_age":0,"subjects":["a"]}"#).unwrap();
        let found = json!({ "config": { "subjects": ["a"], "storage": "file" } });
        assert_eq!(compare("S".into(), &wanted, Some(&found)), Finding::Same { name: "S".into() });
    }

    #[test]
    fn on_several_nodes_only_the_number_of_replicas_and_the_persist_mode_are_others() {
        for definition in STREAMS {
            let defined = definition.parse().unwrap();
            assert_eq!(replicated(defined.clone(), 1), defined);
            let three = replicated(defined.clone(), 3);
            assert_eq!(three["num_replicas"], 3);
            let others = |(key, _): &(&String, &Value)| !matches!(key.as_str(), "num_replicas" | "persist_mode");
            assert!(three.iter().filter(others).eq(defined.iter().filter(others)));
            assert!(!three.contains_key("persist_mode"));
        }
    }

    #[test]
    fn a_difference_names_the_key_and_both_values() {
        let wanted: Map<String, Value> = serde_json::from_str(r#"{"max_age":5}"#).unwrap();
        let found = json!({ "config": { "max_age": 7 } });
        let finding = compare("S".into(), &wanted, Some(&found));
        assert_eq!(finding.to_string(), "S: differs in max_age: expected 5, found 7");
    }
}
