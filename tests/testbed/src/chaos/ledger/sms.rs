//! No SMS twice: each message of ours reached Twilio at most once, and the tables record which ones did.

use std::collections::HashMap;

use super::{Evidence, Findings, Kind, Message};

pub(super) fn check(evidence: &Evidence, findings: &mut Findings) {
    let rows: HashMap<_, &Message> = evidence.messages.iter().map(|message| (message.id, message)).collect();
    let mut sids = HashMap::<_, Vec<&str>>::new();
    for accepted in &evidence.accepted {
        match accepted.message.filter(|id| rows.contains_key(id)) {
            Some(id) => sids.entry(id).or_default().push(&accepted.sid),
            None => findings.must(false, Kind::Unrecorded, || format!("{} is at Twilio and not ours", accepted.sid)),
        }
    }
    for (id, sids) in &sids {
        findings.must(sids.len() == 1, Kind::SentTwice, || format!("{id}: {}", sids.join(", ")));
    }
    for message in evidence.messages.iter().filter(|message| message.sender_type != "customer") {
        let at_twilio = sids.get(&message.id).and_then(|sids| sids.first().copied());
        let known = message.twilio_sid.as_deref();
        let agrees = match message.status.as_str() {
            "sent" | "delivered" | "undelivered" => at_twilio.is_some() && at_twilio == known,
            // Nobody could find out: that is the meaning of `unknown`.
            "unknown" => true,
            _ => at_twilio.is_none(),
        };
        findings.must(agrees, Kind::Unrecorded, || {
            format!("{} is {}, by the row as {known:?}, and at Twilio as {at_twilio:?}", message.id, message.status)
        });
    }
}
