//! Events as seen in two places, and their lines on the screen.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::demo::screen::{Screen, Tag};
use crate::demo::text::short;
use crate::sim::Journal;

/// How long a line waits until the event is seen in the second place.
const TOGETHER: Duration = Duration::from_millis(500);
/// Longer than any wait: the journal needs a timeout even if there is no limit.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// All events, in the order in which they were first seen.
pub(in crate::demo) type Events = Journal<Seen>;

/// An event, and where it was seen.
#[derive(Clone, Debug)]
pub(in crate::demo) struct Seen {
    /// The envelope defined by the contract.
    pub(in crate::demo) envelope: Value,
    /// Its arrivals from the stream, in ms after it occurred.
    pub(in crate::demo) jetstream: Vec<i64>,
    /// Its arrivals from the Redis channel, in ms after it occurred.
    pub(in crate::demo) redis: Vec<i64>,
    /// Whether it is on the screen.
    pub(in crate::demo) shown: bool,
}

/// Whether the event has this type.
pub(in crate::demo) fn is(seen: &Seen, event_type: &str) -> bool {
    seen.envelope["event_type"] == event_type
}

/// The place at which an event was seen.
#[derive(Clone, Copy)]
pub(super) enum Source {
    JetStream,
    Redis,
}

/// Records that an event was seen.
pub(super) fn record(events: &Events, source: Source, payload: &[u8]) -> anyhow::Result<()> {
    let envelope: Value = serde_json::from_slice(payload).context("an event that is not JSON")?;
    let occurred_at: DateTime<Utc> = envelope["occurred_at"]
        .as_str()
        .and_then(|time| time.parse().ok())
        .with_context(|| format!("an event without its time: {envelope}"))?;
    let after = (Utc::now() - occurred_at).num_milliseconds();
    events.change(|all| {
        let known = all.iter().rposition(|seen| seen.envelope["event_id"] == envelope["event_id"]);
        let at = known.unwrap_or_else(|| {
            all.push(Seen { envelope, jetstream: Vec::new(), redis: Vec::new(), shown: false });
            all.len() - 1
        });
        match source {
            Source::JetStream => all[at].jetstream.push(after),
            Source::Redis => all[at].redis.push(after),
        }
    });
    Ok(())
}

/// Prints each event once it was seen in both places, or after a short wait in any case.
pub(super) async fn print(screen: Screen, events: Arc<Events>) {
    for index in 0.. {
        if events.wait_for(|all| all.len() > index, FOR_EVER).await.is_err() {
            return;
        }
        let both = |all: &[Seen]| !all[index].jetstream.is_empty() && !all[index].redis.is_empty();
        let _ = events.wait_for(both, TOGETHER).await; // the line says what is missing
        let seen = &events.shared()[index];
        screen.line(Tag::Event, &describe(&seen.envelope), &places(seen));
        events.change(|all| all[index].shown = true);
    }
}

fn places(seen: &Seen) -> String {
    let place = |name: &str, after: &[i64]| match after.first() {
        Some(after) => format!("{name} {after} ms"),
        None => format!("{name} not yet"),
    };
    format!("{}, {}", place("JetStream", &seen.jetstream), place("Redis", &seen.redis))
}

/// The type, the sequence, and the most useful data.
fn describe(envelope: &Value) -> String {
    let data = &envelope["data"];
    let worth = ["dial_status", "opened_by", "by", "kind", "reason", "error_code", "job_type", "outcome", "in_flight"];
    let mut words = vec![envelope["event_type"].as_str().unwrap_or("?").to_owned()];
    if !envelope["conversation_id"].is_null() {
        words.push(format!("#{}", envelope["sequence"]));
    }
    words.extend(worth.iter().filter_map(|key| Some(format!("{key}={}", plain(&data[*key])?))));
    words.extend(plain(&data["appointment"]["starts_at"]).map(|time| format!("starts_at={time}")));
    words.extend(plain(&data["summary"]).map(|summary| format!("“{}”", short(&summary, 80))));
    words.join(" ")
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_seen_in_two_places_is_one_event() {
        let events = Events::default();
        let payload = json!({"event_id": "1", "event_type": "call.missed", "occurred_at": Utc::now()}).to_string();
        record(&events, Source::Redis, payload.as_bytes()).unwrap();
        record(&events, Source::JetStream, payload.as_bytes()).unwrap();
        let all = events.snapshot();
        assert_eq!((all.len(), all[0].jetstream.len(), all[0].redis.len()), (1, 1, 1));
    }

    #[test]
    fn a_line_tells_what_is_worth_knowing() {
        let envelope = json!({"event_type": "conversation.completed", "conversation_id": "c", "sequence": 7,
            "data": {"by": "ai", "outcome": "appointment_requested", "summary": "A sink", "window_id": "w"}});
        assert_eq!(describe(&envelope), "conversation.completed #7 by=ai outcome=appointment_requested “A sink”");
    }
}
