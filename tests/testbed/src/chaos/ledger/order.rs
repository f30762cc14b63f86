//! A conversation's messages are in the order of their arrival: a message that was acknowledged before another was sent
//! precedes it.

use std::collections::HashMap;

use super::{Evidence, Findings, Kind, Message};
use crate::chaos::load::What;

pub(super) fn check(evidence: &Evidence, findings: &mut Findings) {
    let mut texts = HashMap::<_, Vec<&Message>>::new();
    for text in evidence.texts() {
        texts.entry(text.conversation_id).or_default().push(text);
    }
    let (mut sent, mut acknowledged) = (HashMap::new(), HashMap::new());
    for posted in evidence.posted.iter().filter(|posted| matches!(posted.what, What::Text { .. })) {
        let first = sent.entry(posted.sid.as_str()).or_insert(posted.sent_at);
        *first = posted.sent_at.min(*first);
        if posted.outcome.is_acknowledged() {
            let first = acknowledged.entry(posted.sid.as_str()).or_insert(posted.ended_at);
            *first = posted.ended_at.min(*first);
        }
    }
    for texts in texts.values_mut() {
        texts.sort_by_key(|text| (text.created_at, text.stream_sequence));
        for (at, later) in texts.iter().enumerate() {
            for earlier in &texts[..at] {
                let known = |of: &HashMap<&str, _>, text: &Message| of.get(text.twilio_sid.as_deref()?).copied();
                let wrong = matches!((known(&acknowledged, later), known(&sent, earlier)), (Some(a), Some(s)) if a < s);
                findings.must(!wrong, Kind::Order, || {
                    format!(
                        "{:?} stands before {:?}, and was sent after that was taken",
                        earlier.twilio_sid, later.twilio_sid
                    )
                });
            }
        }
    }
}
