//! Windows in event time: a window that is due waits for the texts of its own customer that the edge received before its
//! deadline and that are not decided on yet.
//!
//! They are found on the customer's own subjects of NMC_INBOUND (SMS, and messages of Twilio's conversations, which are on a
//! subject of their author until the worker knows the number that they were sent to) and in the table `waiting_webhooks`, so
//! nobody waits for another customer's webhook, however far the worker is behind. An emergency, a command and a takeover do
//! not pass here. The wait ends at `opened + max`.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::Source;
use crate::adapters::jetstream::{ArrivalsError, subjects};
use crate::domain::conversation::Conversation;
use crate::domain::phone::conversation_key;
use crate::engine::{ConversationStore, Engine, Publish};
use crate::store::StoreError;
use crate::webhook::{Inbound, WebhookKind, author_key};

/// Each look is delayed by as long as the window is late, within these bounds: looks must not make a backlog longer. A text
/// that is decided on arms the timer by itself, so this delays only what is settled otherwise.
const SHORTEST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What a timer that fired leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fired {
    /// The rules decide.
    Due {
        /// The watermark; see [`crate::domain::conversation::Input::WindowDue`].
        complete_until: Option<DateTime<Utc>>,
    },
    /// Texts are missing: the timer is armed again.
    TooEarly {
        /// When to look again.
        look_at: DateTime<Utc>,
    },
}

/// What has arrived cannot be found out at the moment.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    // Not transparent: the source of that would be the error's own, and nobody would see that JetStream is away.
    #[error("{0}")]
    Arrivals(#[from] ArrivalsError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Finds out whether a conversation's window may close.
pub(super) async fn look<R: ConversationStore, P: Publish>(
    engine: &Engine<R, P>,
    source: &impl Source,
    conversation_id: Uuid,
) -> Result<Fired, LookError> {
    let Some(conversation) = engine.conversation(conversation_id).await? else {
        return Ok(Fired::Due { complete_until: None });
    };
    let now = engine.now();
    let window = conversation.window.as_ref().and_then(|window| Some((window.opened_at, window.deadline?)));
    let Some((opened_at, deadline)) = window else { return Ok(Fired::Due { complete_until: None }) };
    let latest = opened_at + engine.policy().max;
    if now < deadline || now >= latest {
        return Ok(Fired::Due { complete_until: None });
    }
    let complete_until = complete_until(engine, source, &conversation, deadline, now).await?;
    let memory = &conversation.memory;
    let is_due = |at: Option<DateTime<Utc>>| at.is_some_and(|at| at <= now);
    if complete_until >= deadline || is_due(memory.next_alert()) || is_due(memory.relay.due_at) {
        return Ok(Fired::Due { complete_until: Some(complete_until) });
    }
    let late = (now - deadline).to_std().unwrap_or_default();
    Ok(Fired::TooEarly { look_at: (now + late.clamp(SHORTEST_WAIT, LONGEST_WAIT)).min(latest) })
}

/// A time until which every text of the conversation's customer that the edge received is decided on: the latest there is,
/// or one before the deadline.
async fn complete_until<R: ConversationStore, P: Publish>(
    engine: &Engine<R, P>,
    source: &impl Source,
    conversation: &Conversation,
    deadline: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, LookError> {
    let customer = conversation.customer_phone.as_str();
    let key = conversation_key(conversation.business_phone.as_str(), customer);
    let sms = subjects::inbound(WebhookKind::Sms, &key);
    let by_conversations = subjects::inbound(WebhookKind::Conversation, &author_key(customer));
    let (sms, by_conversations) = tokio::try_join!(
        complete_on(engine, source, &sms, deadline, now),
        complete_on(engine, source, &by_conversations, deadline, now)
    )?;
    Ok(sms.min(by_conversations))
}

/// The same for the texts on one subject.
async fn complete_on<R: ConversationStore, P: Publish>(
    engine: &Engine<R, P>,
    source: &impl Source,
    subject: &str,
    deadline: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, LookError> {
    // In this order: a webhook that leaves the table meanwhile is in the stream by then.
    let waiting = engine.store().waiting_payloads(subject).await?;
    let newest = source.newest(subject).await?.filter(|newest| !newest.is_acknowledged);
    let mut payloads: Vec<Bytes> = waiting.into_iter().map(Bytes::from).collect();
    payloads.extend(newest.iter().map(|newest| newest.payload.clone()));
    let mut until =
        earliest_undecided(engine, &payloads).await?.map_or(now, |received_at| before(received_at).min(now));
    if newest.is_none() || until < deadline {
        return Ok(until);
    }
    // An earlier text may still be missing, because it failed or another worker has it. The first one that is decides.
    let mut after = None;
    loop {
        let page = source.unprocessed(subject, after).await?;
        if let Some(received_at) = earliest_undecided(engine, &page.payloads).await? {
            until = until.min(before(received_at));
        }
        after = page.more_after;
        if after.is_none() || until < deadline {
            return Ok(until);
        }
    }
}

/// When the edge received the first of these webhooks that is not decided on.
async fn earliest_undecided<R: ConversationStore, P: Publish>(
    engine: &Engine<R, P>,
    payloads: &[Bytes],
) -> Result<Option<DateTime<Utc>>, LookError> {
    let texts: Vec<Inbound> = payloads.iter().filter_map(|payload| serde_json::from_slice(payload).ok()).collect();
    if texts.is_empty() {
        return Ok(None);
    }
    let ids: Vec<&str> = texts.iter().map(|text| text.input_id.as_str()).collect();
    let decided = engine.store().seen(&ids).await?;
    let undecided = texts.iter().filter(|text| !decided.contains_key(&text.input_id));
    Ok(undecided.map(|text| text.received_at).min())
}

/// Whether a later text of the same customer has arrived and is not decided on: then that one will arm the timer. Asked for
/// only if the text is so late that its window may be: otherwise, and if that cannot be found out, `false`.
pub(super) async fn is_followed<R: ConversationStore, P: Publish>(
    engine: &Engine<R, P>,
    source: &impl Source,
    inbound: &Inbound,
) -> bool {
    if engine.now() < inbound.received_at + engine.policy().quiet {
        return false;
    }
    let subject = subjects::inbound(WebhookKind::Sms, &inbound.webhook.key());
    let Ok(Some(newest)) = source.newest(&subject).await else { return false };
    let is_this = |newest: Inbound| newest.input_id == inbound.input_id;
    if newest.is_acknowledged || serde_json::from_slice(&newest.payload).is_ok_and(is_this) {
        return false;
    }
    matches!(earliest_undecided(engine, &[newest.payload]).await, Ok(Some(_)))
}

fn before(at: DateTime<Utc>) -> DateTime<Utc> {
    at - TimeDelta::microseconds(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::outage::missing;
    use crate::outage::Service;

    #[test]
    fn a_look_without_an_answer_says_which_service_is_unavailable() {
        assert_eq!(missing(&LookError::from(ArrivalsError::new("timeout"))), Some(Service::Nats));
        assert_eq!(missing(&LookError::from(StoreError::away())), Some(Service::Postgres));
    }
}
