//! What was acknowledged has happened: webhooks, status callbacks, and commands of people.

use std::collections::{HashMap, HashSet};

use super::{Evidence, Findings, Kind};
use crate::chaos::load::{End, What};
use crate::chaos::plan::Command;

pub(super) fn check(evidence: &Evidence, findings: &mut Findings) {
    webhooks(evidence, findings);
    reports(evidence, findings);
    commands(evidence, findings);
    for reason in &evidence.dead {
        findings.must(false, Kind::DeadLetter, || reason.clone());
    }
}

/// A text is exactly one message; the end of a dial is recorded. A ringing call is not checked: TwiML that dials
/// promises nothing, but the end of the dial does.
fn webhooks(evidence: &Evidence, findings: &mut Findings) {
    let mut kept = HashMap::<&str, u32>::new();
    for sid in evidence.texts().filter_map(|message| message.twilio_sid.as_deref()) {
        *kept.entry(sid).or_default() += 1;
    }
    let calls: HashMap<_, _> =
        evidence.calls.iter().map(|call| (call.call_sid.as_str(), call.dial_status.as_deref())).collect();
    let mut seen = HashSet::new();
    for posted in evidence.posted.iter().filter(|posted| posted.outcome.is_acknowledged()) {
        let sid = posted.sid.as_str();
        if !seen.insert((&posted.what, sid)) {
            continue;
        }
        match posted.what {
            What::Call => {}
            What::CallStatus(dial) => {
                let recorded = calls.get(sid).copied().flatten() == Some(dial);
                findings
                    .must(recorded, Kind::Lost, || format!("the end of call {sid}, acknowledged {}", posted.ended_at));
            }
            What::Text { .. } => {
                let count = kept.get(sid).copied().unwrap_or_default();
                findings.must(count == 1, Kind::Lost, || {
                    format!("{sid}, acknowledged {}, is kept {count} times", posted.ended_at)
                });
            }
        }
    }
    let sent: HashSet<_> = evidence.posted.iter().map(|posted| posted.sid.as_str()).collect();
    for sid in kept.keys() {
        findings.must(sent.contains(sid), Kind::Lost, || format!("{sid} is kept, and nobody has sent it"));
    }
}

/// A message has got at least as far as each report of it says.
fn reports(evidence: &Evidence, findings: &mut Findings) {
    let status: HashMap<_, _> = evidence
        .messages
        .iter()
        .filter_map(|message| Some((message.twilio_sid.as_deref()?, message.status.as_str())))
        .collect();
    for report in &evidence.reports {
        let stands = status.get(report.sid.as_str()).copied().unwrap_or("nowhere");
        let as_far = match report.status.as_str() {
            "sent" => matches!(stands, "sent" | "delivered" | "undelivered" | "failed"),
            last => stands == last,
        };
        findings.must(as_far, Kind::Lost, || {
            format!("{} was reported {}, acknowledged, and stands {stands}", report.sid, report.status)
        });
    }
}

/// A person's text is exactly one message if the command succeeded, and never more than one.
fn commands(evidence: &Evidence, findings: &mut Findings) {
    let mut written = HashMap::<&str, u32>::new();
    for message in evidence.messages.iter().filter(|message| message.sender_type == "user") {
        *written.entry(&message.body).or_default() += 1;
    }
    for asked in evidence.asked.iter().filter(|asked| asked.command == Command::Reply) {
        let Some(body) = asked.body.as_deref() else { continue };
        let count = written.get(body).copied().unwrap_or_default();
        let good = if matches!(asked.end, End::Done { .. }) { count == 1 } else { count <= 1 };
        findings.must(good, Kind::Command, || format!("{body:?} ended {:?} and is written {count} times", asked.end));
    }
}
