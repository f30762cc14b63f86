//! The open window as far as an observer can know it: from the events and the demo's settings.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::demo::settings::{HOLD, MAX, QUIET};

/// Words that opt out or in; they need no answer, so they open no window.
const OPT_WORDS: [&str; 2] = ["STOP", "START"];

/// Who may speak in the conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Owner {
    #[default]
    Nobody,
    Ai,
    Person,
}

/// The conversation with the latest event.
#[derive(Debug, Default)]
pub(super) struct Onlooker {
    conversation: Value,
    owner: Owner,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    since: DateTime<Utc>,
    last: DateTime<Utc>,
    messages: usize,
}

impl Onlooker {
    /// Applies an event; returns a line to print if the window has changed.
    pub(super) fn event(&mut self, envelope: &Value) -> Option<String> {
        let conversation = &envelope["conversation_id"];
        if conversation.is_null() {
            return None;
        }
        if *conversation != self.conversation {
            *self = Self { conversation: conversation.clone(), ..Self::default() };
        }
        match envelope["event_type"].as_str()? {
            "message.received" if is_opt_word(&envelope["data"]["body"]) => None,
            "message.received" => Some(self.message(time(&envelope["data"]["received_at"], envelope)?)),
            "conversation.ai_taken" => self.owned_by(Owner::Ai),
            "conversation.user_taken" => self.owned_by(Owner::Person),
            "conversation.released" => self.owned_by(Owner::Ai),
            "emergency.detected" if envelope["data"]["by"] == "words" && self.owner != Owner::Person => {
                self.open.take().map(|_| "closed at once: an emergency waits for nobody".to_owned())
            }
            "conversation.opted_out" => self.open.take().map(|_| "dropped: the customer wants no texts".to_owned()),
            "conversation.completed" => {
                self.open = None;
                None
            }
            _ => None,
        }
    }

    /// Applies a request to DispatchBot: the window has closed.
    pub(super) fn asked(&mut self, request: &Value, now: DateTime<Utc>) -> Option<String> {
        if request["conversation_id"] != self.conversation {
            return None;
        }
        let open = self.open.take()?;
        let after = seconds(now - open.since);
        Some(format!("closed after {after:.1} s with {}: the AI is to answer", messages(open.messages)))
    }

    /// The time until the window closes; `None` if no window is open, or a person has to close it.
    pub(super) fn left(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        let open = self.open.as_ref()?;
        let hold = match self.owner {
            Owner::Nobody => HOLD,
            Owner::Ai => std::time::Duration::ZERO,
            Owner::Person => return None,
        };
        let due = (open.last + QUIET).max(open.since + hold).min(open.since + MAX);
        Some(due - now)
    }

    fn message(&mut self, at: DateTime<Utc>) -> String {
        let open = self.open.get_or_insert(Open { since: at, last: at, messages: 0 });
        open.last = open.last.max(at);
        open.messages += 1;
        let joins = open.messages > 1;
        let (hold, quiet) = (HOLD.as_secs_f64(), QUIET.as_secs_f64());
        match (joins, self.owner) {
            (true, _) => format!("joined by message {}", self.open.as_ref().map_or(0, |open| open.messages)),
            (false, Owner::Nobody) => format!("opened: a person has {hold} s to answer, then the AI does"),
            (false, Owner::Ai) => format!("opened: closes after {quiet} s of quiet, the AI has the conversation"),
            (false, Owner::Person) => "opened: without a deadline, a person has the conversation".to_owned(),
        }
    }

    fn owned_by(&mut self, owner: Owner) -> Option<String> {
        let before = std::mem::replace(&mut self.owner, owner);
        let text = match owner {
            Owner::Person => "held: a person has the conversation",
            _ if before == Owner::Person => "goes on: the AI has the conversation again",
            _ => return None,
        };
        self.open.as_ref().map(|_| text.to_owned())
    }
}

/// The time in seconds, with fraction.
pub(super) fn seconds(time: TimeDelta) -> f64 {
    time.as_seconds_f64()
}

fn is_opt_word(body: &Value) -> bool {
    body.as_str().is_some_and(|body| OPT_WORDS.contains(&body))
}

fn messages(count: usize) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }
}

fn time(value: &Value, envelope: &Value) -> Option<DateTime<Utc>> {
    value.as_str().or(envelope["occurred_at"].as_str())?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message(at: DateTime<Utc>) -> Value {
        json!({"event_type": "message.received", "conversation_id": "c", "data": {"received_at": at}})
    }

    #[test]
    fn the_first_window_is_held_for_a_person_and_the_next_only_for_quiet() {
        let (mut onlooker, start) = (Onlooker::default(), Utc::now());
        onlooker.event(&message(start));
        onlooker.event(&message(start + TimeDelta::seconds(1)));
        assert_eq!(onlooker.left(start), TimeDelta::from_std(HOLD).ok());
        onlooker.event(&json!({"event_type": "conversation.ai_taken", "conversation_id": "c"}));
        let closed = onlooker.asked(&json!({"conversation_id": "c"}), start + TimeDelta::seconds(6)).unwrap();
        assert_eq!(closed, "closed after 6.0 s with 2 messages: the AI is to answer");
        onlooker.event(&message(start));
        assert_eq!(onlooker.left(start), TimeDelta::from_std(QUIET).ok());
    }

    #[test]
    fn an_emergency_and_a_stop_end_the_window() {
        let ends = [("emergency.detected", "words"), ("conversation.opted_out", "word")];
        for (event_type, by) in ends {
            let (mut onlooker, start) = (Onlooker::default(), Utc::now());
            onlooker.event(&message(start));
            let end = json!({"event_type": event_type, "conversation_id": "c", "data": {"by": by}});
            assert!(onlooker.event(&end).is_some());
            assert_eq!(onlooker.left(start), None);
        }
    }

    #[test]
    fn a_person_stops_the_countdown() {
        let (mut onlooker, start) = (Onlooker::default(), Utc::now());
        onlooker.event(&message(start));
        assert!(onlooker.event(&json!({"event_type": "conversation.user_taken", "conversation_id": "c"})).is_some());
        assert_eq!(onlooker.left(start), None);
    }
}
