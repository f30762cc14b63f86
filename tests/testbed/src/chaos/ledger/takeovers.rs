//! Once a takeover, or a person's reply, has been answered, Twilio accepts no message of the AI in that conversation
//! until it is released or completed.

use chrono::{DateTime, Utc};
use std::collections::HashMap;
use uuid::Uuid;

use super::{Accepted, Evidence, Findings, Kind};
use crate::chaos::load::{Asked, End};
use crate::chaos::plan::Command;

/// The period in which a person certainly owns a conversation.
struct Owned {
    conversation: Uuid,
    from: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
    /// Whether the takeover reported that a message at Twilio was still in flight.
    in_flight: bool,
}

pub(super) fn check(evidence: &Evidence, findings: &mut Findings) {
    let accepted: HashMap<_, &Accepted> =
        evidence.accepted.iter().filter_map(|accepted| Some((accepted.message?, accepted))).collect();
    let mut said = HashMap::<_, Vec<_>>::new();
    for message in evidence.messages.iter().filter(|message| message.sender_type == "ai") {
        if let (Some(conversation), Some(accepted)) = (message.conversation_id, accepted.get(&message.id)) {
            said.entry(conversation).or_default().push((message, accepted.at));
        }
    }
    for owned in owned(&evidence.asked) {
        for (message, at) in said.get(&owned.conversation).into_iter().flatten() {
            let excepted = owned.in_flight && message.attempted_at.is_some_and(|attempted| attempted < owned.from);
            let within = *at > owned.from && owned.until.is_none_or(|until| *at < until);
            findings.must(!within || excepted, Kind::AfterTakeover, || {
                format!("{} in {} at {at}, owned since {}", message.id, owned.conversation, owned.from)
            });
        }
    }
}

/// From each answer that gives a conversation to a person until the next command is sent that may take it back.
fn owned(asked: &[Asked]) -> Vec<Owned> {
    let mut by_conversation = HashMap::<_, Vec<&Asked>>::new();
    for asked in asked {
        if let Some(id) = asked.conversation {
            by_conversation.entry(id).or_default().push(asked);
        }
    }
    let mut all = Vec::new();
    for (conversation, mut asked) in by_conversation {
        asked.sort_by_key(|asked| asked.asked_at);
        for (at, command) in asked.iter().enumerate() {
            let takes = matches!(command.command, Command::TakeOver | Command::Reply);
            let End::Done { in_flight } = command.end else { continue };
            let ends = |asked: &&&Asked| matches!(asked.command, Command::Release | Command::Complete);
            if takes {
                let until = asked[at + 1..].iter().find(ends).map(|asked| asked.asked_at);
                // A reply waits as long as a takeover does, but does not report a message that is still in flight.
                let waited_in_vain = command.ended_at - command.asked_at >= chrono::TimeDelta::seconds(30);
                let in_flight = in_flight || (command.command == Command::Reply && waited_in_vain);
                all.push(Owned { conversation, from: command.ended_at, until, in_flight });
            }
        }
    }
    all
}
