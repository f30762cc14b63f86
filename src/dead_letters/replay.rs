//! Replays one letter.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::reparse::read_again;
use super::{DeadLetterBody, DeadLetters, DeadLettersError, Letter, REPLAY_OF};
use crate::adapters::jetstream::{Outgoing, subjects};
use crate::webhook::EDGE_SUBJECT;

/// The outcome of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// Published again, to be processed like a new message.
    PutBack { subject: String },
    /// It was replayed before.
    Before,
    /// It cannot be replayed.
    Unusable { why: String },
}

impl DeadLetters {
    /// Replays a letter, at most once. A concurrent call for the same letter waits and returns `Before`.
    ///
    /// # Errors
    /// If a service is unavailable. A new attempt uses the same message id, so nothing is published twice.
    pub async fn replay(&self, letter: &Letter, asked_by: &str) -> Result<Replayed, DeadLettersError> {
        let outgoing = match outgoing(letter) {
            Ok(outgoing) => outgoing,
            Err(why) => {
                self.store.letter_is_unusable(letter.id, letter.dead_since, asked_by, &why).await?;
                return Ok(Replayed::Unusable { why });
            }
        };
        let subject = outgoing.subject.clone();
        let claim = self.store.claim_letter(letter.id, letter.dead_since, asked_by, &subject).await?;
        let Some(claim) = claim else { return Ok(Replayed::Before) };
        self.jetstream.publisher().publish(outgoing).await?;
        claim.done().await?;
        tracing::info!(letter = letter.id, reason = letter.body.reason, "dead letter replayed");
        Ok(Replayed::PutBack { subject })
    }
}

/// The message to publish for a letter, or the reason why the letter cannot be replayed.
pub(super) fn outgoing(letter: &Letter) -> Result<Outgoing, String> {
    let (subject, payload) = content(&letter.body)?;
    // JetStream's own headers belong to the first publication.
    let kept = letter.body.headers.iter().filter(|(name, _)| !name.starts_with("Nats-") && *name != REPLAY_OF);
    let mut headers: BTreeMap<String, String> = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
    headers.insert(REPLAY_OF.to_owned(), letter.id.to_string());
    // One id per letter: if the process dies before it records the replay, the next attempt is a duplicate.
    let message_id = Some(format!("replay:{}:{}", letter.id, letter.dead_since.timestamp_micros()));
    Ok(Outgoing { subject, message_id, headers, payload })
}

fn content(body: &DeadLetterBody) -> Result<(String, Bytes), String> {
    if body.subject.starts_with(EDGE_SUBJECT) {
        let inbound = read_again(body)?;
        let payload = serde_json::to_vec(&inbound).map_err(|error| error.to_string())?;
        return Ok((subjects::inbound(inbound.webhook.kind(), &inbound.webhook.key()), payload.into()));
    }
    if body.subject.starts_with("nmc.event.") {
        return Err("events are not replayed: subscribers have already received them from NMC_EVENTS".to_owned());
    }
    let payload = body.payload.bytes().map_err(|error| error.to_string())?;
    Ok((body.subject.clone(), payload))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::dead_letters::Kept;
    use chrono::DateTime;

    fn letter(subject: &str, headers: &[(&str, &str)], text: &str) -> Letter {
        let at = DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap();
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let body = DeadLetterBody {
            reason: "exhausted".to_owned(),
            detail: String::new(),
            subject: subject.to_owned(),
            business_id: None,
            stream_sequence: 5,
            delivery_count: 7,
            first_seen: at,
            headers,
            payload: Kept::Text(text.to_owned()),
        };
        Letter { id: 3, dead_since: at, body, replays: Vec::new() }
    }

    #[test]
    fn what_is_put_back_has_an_id_of_its_own_and_names_its_letter() {
        let headers = [("Nats-Msg-Id", "sms:SM1:hash"), ("traceparent", "00-1"), (REPLAY_OF, "2")];
        let outgoing = outgoing(&letter("nmc.inbound.sms.k", &headers, "{}")).unwrap();
        assert_eq!(outgoing.message_id.as_deref(), Some("replay:3:1700000000123456"));
        let expected = [(REPLAY_OF, "3"), ("traceparent", "00-1")];
        assert_eq!(outgoing.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect::<Vec<_>>(), expected);
        assert_eq!((outgoing.subject.as_str(), &outgoing.payload[..]), ("nmc.inbound.sms.k", &b"{}"[..]));
    }

    #[test]
    fn a_form_that_can_be_read_today_becomes_the_webhook_that_it_was() {
        let form = "MessageSid=SM1&From=%2B12125551234&To=%2B15555551111&Body=Hello";
        let headers = [("Nmc-Path", "/webhooks/twilio/sms"), ("Nmc-Account-Sid", "AC2")];
        let letter = letter("nmc.edge.sms", &headers, form);
        let outgoing = outgoing(&letter).unwrap();
        let inbound: crate::webhook::Inbound = serde_json::from_slice(&outgoing.payload).unwrap();
        assert_eq!((inbound.input_id.as_str(), inbound.signer.own_account.as_deref()), ("sms:SM1", Some("AC2")));
        assert_eq!(inbound.received_at, letter.body.first_seen, "its place in the conversation is that of its arrival");
        assert!(outgoing.subject.starts_with("nmc.inbound.sms."), "{}", outgoing.subject);
    }

    #[test]
    fn our_id_of_a_message_is_read_from_the_path_again() {
        let id = "6e6d6300-7c1e-4f0a-9d53-4e657665724d";
        let headers = [("Nmc-Path", "/webhooks/twilio/message-status?message_id=6e6d6300-7c1e-4f0a-9d53-4e657665724d")];
        let put_back = outgoing(&letter("nmc.edge.message_status", &headers, "MessageSid=SM1&MessageStatus=sent"));
        assert_eq!(put_back.unwrap().subject, format!("nmc.inbound.message_status.{id}"));
    }

    #[test]
    fn a_form_that_still_cannot_be_read_says_why() {
        let headers = [("Nmc-Path", "/webhooks/twilio/sms")];
        let why = outgoing(&letter("nmc.edge.sms", &headers, "From=%2B12125551234")).unwrap_err();
        assert_eq!(why, "parameter To is missing");
    }

    #[test]
    fn an_event_is_not_published_a_second_time() {
        assert!(outgoing(&letter("nmc.event.call.missed._", &[], "{}")).is_err());
    }
}
