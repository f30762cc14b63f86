//! The readers of streams and buckets: a payload, which every decoder tries to read.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use futures::{FutureExt, StreamExt, stream};
use nevermisscall::internals::{
    AnalyzeTask, DeadLetterBody, Envelope, Inbound, Profile, SendTask, TimerFired, dead_letter,
    emergency::{self, Reading},
    subjects,
};
use nevermisscall::stream::{AckHandle, DeadLetter, DeadReason, DeliveryStreamExt, FailureReason, Metadata};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A decoder, and whether it could read the payload.
pub type Decoder = (&'static str, fn(&[u8]) -> bool);

/// All decoders of payloads.
pub const DECODERS: [Decoder; 8] = [
    ("inbound", inbound),
    ("analyze task", task::<AnalyzeTask>),
    ("send task", task::<SendTask>),
    ("timer", |data| decoded::<TimerFired>(data).is_some()),
    ("event", |data| decoded::<Envelope>(data).is_some()),
    ("dead letter", letter),
    ("mirrored business", business),
    ("reading", reading),
];

/// Nothing panics; a decoded value survives encoding and decoding; a dead letter returns its payload.
pub fn check(data: &[u8]) {
    for (_, decoder) in DECODERS {
        decoder(data);
    }
    buried(data);
}

/// Decodes with the stream operator that every worker chain begins with.
fn decoded<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    let raw = AckHandle::detached(Metadata::new("nmc.fuzz", payload.to_vec())).with(());
    let step = stream::iter([raw]).decode::<T>().next().now_or_never().flatten().expect("one in, one out");
    match step {
        Ok(delivery) => Some(delivery.split().0),
        Err(failure) => {
            assert_eq!(failure.receipt.metadata().payload, payload, "a dead message without its payload");
            assert!(matches!(failure.reason, FailureReason::Dead { reason: DeadReason::UNDECODABLE, .. }));
            None
        }
    }
}

fn encoded(item: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(item).expect("what was decoded can be encoded")
}

fn inbound(data: &[u8]) -> bool {
    let Some(inbound) = decoded::<Inbound>(data) else { return false };
    assert_eq!(decoded::<Inbound>(&encoded(&inbound)).as_ref(), Some(&inbound));
    let subject = subjects::inbound(inbound.webhook.kind(), &inbound.webhook.key());
    assert_eq!(subject.split('.').count(), 4, "{subject}");
    assert!(subject.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)), "{subject}");
    true
}

fn task<T: Serialize + DeserializeOwned>(data: &[u8]) -> bool {
    let Some(task) = decoded::<T>(data) else { return false };
    let again = decoded::<T>(&encoded(&task)).expect("what was encoded can be decoded");
    assert_eq!(encoded(&again), encoded(&task));
    true
}

/// A business, and everything that the rules derive from it.
fn business(data: &[u8]) -> bool {
    let Some(profile) = decoded::<Profile>(data) else { return false };
    let rules = profile.for_rules();
    let year = (0..366 * 24).step_by(7).map(|hour| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::hours(hour));
    for (quiet, now) in rules.quiet_hours.iter().flat_map(|quiet| year.clone().map(move |now| (quiet, now))) {
        assert!(quiet.over_at(now).is_none_or(|over| over > now), "quiet hours that are over before they are");
    }
    emergency::read(&profile.name, Some(profile.trade.as_str()), &profile.emergencies().phrases());
    true
}

/// The reading of a text, as it is stored with its message; older rules may have written it.
fn reading(data: &[u8]) -> bool {
    let Some(reading) = decoded::<Reading>(data) else { return false };
    assert_eq!(decoded::<Reading>(&encoded(&reading)).as_ref(), Some(&reading));
    let other = emergency::read("there is water everywhere", None, &emergency::OwnPhrases::default());
    for together in [reading.after(&other), other.after(&reading), reading.after(&reading)] {
        together.verdict();
    }
    assert!(other.after(&reading).verdict().is_some() || other.verdict().is_none(), "what was told is told no more");
    true
}

/// A dead letter; another program may have written it.
fn letter(data: &[u8]) -> bool {
    let Some(body) = decoded::<DeadLetterBody>(data) else { return false };
    assert!(decoded::<DeadLetterBody>(body.json().as_bytes()).is_some_and(|again| again == body));
    let _bytes_or_not = body.payload.bytes();
    true
}

fn buried(data: &[u8]) {
    let letter = DeadLetter {
        subject: "nmc.inbound.sms.0123456789abcdef".to_owned(),
        stream_sequence: 1,
        delivery_count: 1,
        reason: DeadReason::UNDECODABLE,
        detail: super::text(data),
        headers: BTreeMap::from([("traceparent".to_owned(), super::text(data))]),
        payload: data.to_vec().into(),
        first_seen: DateTime::UNIX_EPOCH,
    };
    let written = dead_letter(&letter, None, String::new()).payload;
    let read = decoded::<DeadLetterBody>(&written).expect("what was buried can be dug out");
    let payload = read.payload.bytes().expect("what was buried is whole");
    assert_eq!((&read.subject, &payload[..]), (&letter.subject, data), "another message is dug out");
}
