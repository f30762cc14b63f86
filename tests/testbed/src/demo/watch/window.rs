//! The open window as far as an observer can know it: from the events, the record and the demo's settings.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::demo::settings::{HOLD, MAX, QUIET};

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
    /// Applies an event; returns a line to print if the window has changed. `explained` is the record of the
    /// conversation, which says whether a message is in a window.
    pub(super) fn event(&mut self, envelope: &Value, explained: &Value) -> Option<String> {
        let conversation = &envelope["conversation_id"];
        if conversation.is_null() {
            return None;
        }
        if *conversation != self.conversation {
            *self = Self { conversation: conversation.clone(), ..Self::default() };
        }
        match envelope["event_type"].as_str()? {
            "message.received" if !is_to_be_answered(explained, &envelope["data"]["message_id"]) => None,
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
        // The other dialect does not name the conversation: it is taken for this one.
        if !request["conversation_id"].is_null() && request["conversation_id"] != self.conversation {
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

/// Whether the message is in a window that was not handed over to a person at once. A text that needs no answer, such as
/// STOP or a reaction, is in none.
fn is_to_be_answered(explained: &Value, message_id: &Value) -> bool {
    let windows = explained["windows"].as_array().into_iter().flatten();
    windows.filter(|window| window["state"] != "handed_over").any(|window| {
        let joined = window["joined_by"].as_array().into_iter().flatten();
        joined
            .chain([&window["opened_by"]])
            .any(|message| !message_id.is_null() && message["message_id"] == *message_id)
    })
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
        let data = json!({"message_id": "m", "received_at": at});
        json!({"event_type": "message.received", "conversation_id": "c", "data": data})
    }

    /// The record of a conversation with the message in one window.
    fn in_window(state: &str) -> Value {
        json!({"windows": [{"state": state, "opened_by": {"message_id": "m"}, "joined_by": []}]})
    }

    #[test]
    fn the_first_window_is_held_for_a_person_and_the_next_only_for_quiet() {
        let (mut onlooker, start) = (Onlooker::default(), Utc::now());
        onlooker.event(&message(start), &in_window("open"));
        onlooker.event(&message(start + TimeDelta::seconds(1)), &in_window("open"));
        assert_eq!(onlooker.left(start), TimeDelta::from_std(HOLD).ok());
        onlooker.event(&json!({"event_type": "conversation.ai_taken", "conversation_id": "c"}), &Value::Null);
        let closed = onlooker.asked(&json!({"conversation_id": "c"}), start + TimeDelta::seconds(6)).unwrap();
        assert_eq!(closed, "closed after 6.0 s with 2 messages: the AI is to answer");
        onlooker.event(&message(start), &in_window("open"));
        assert_eq!(onlooker.left(start), TimeDelta::from_std(QUIET).ok());
    }

    #[test]
    fn an_emergency_and_a_stop_end_the_window() {
        let ends = [("emergency.detected", "words"), ("conversation.opted_out", "word")];
        for (event_type, by) in ends {
            let (mut onlooker, start) = (Onlooker::default(), Utc::now());
            onlooker.event(&message(start), &in_window("open"));
            let end = json!({"event_type": event_type, "conversation_id": "c", "data": {"by": by}});
            assert!(onlooker.event(&end, &Value::Null).is_some());
            assert_eq!(onlooker.left(start), None);
        }
    }

    #[test]
    fn a_person_stops_the_countdown() {
        let (mut onlooker, start) = (Onlooker::default(), Utc::now());
        onlooker.event(&message(start), &in_window("open"));
        let taken = json!({"event_type": "conversation.user_taken", "conversation_id": "c"});
        assert!(onlooker.event(&taken, &Value::Null).is_some());
        assert_eq!(onlooker.left(start), None);
    }

    #[test]
    fn only_a_message_in_a_window_opens_or_joins_one() {
        let joined = json!({"windows": [{"state": "open", "opened_by": null, "joined_by": [{"message_id": "m"}]}]});
        for (explained, opens) in [
            (in_window("open"), true),
            (in_window("claimed"), true),
            (joined, true),
            (in_window("handed_over"), false),
            (json!({"windows": []}), false),
            (Value::Null, false),
        ] {
            let line = Onlooker::default().event(&message(Utc::now()), &explained);
            assert_eq!(line.is_some(), opens, "{explained}");
        }
    }
}
